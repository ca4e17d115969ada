package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/document"
	"tidemark/flags/guarantee"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// Document is one revision of a document.
type Document struct {
	Kind     flags.DocumentKind `json:"kind"`
	Name     string             `json:"name"`
	Version  string             `json:"version"`
	Revision int64              `json:"revision"`
	Status   flags.Status       `json:"status"`
	Feature  string             `json:"feature"`
	Actor    string             `json:"actor"`
	Reason   string             `json:"reason,omitempty"`
	At       time.Time          `json:"at"`
	Restores int64              `json:"restores,omitempty"` // the revision that came back
	Hash     string             `json:"hash"`               // SHA-256 of content
	Content  string             `json:"content"`            // canonical YAML
}

func viewDocument(v *flags.DocumentVersion) Document {
	return Document{
		Kind: v.ID.Kind, Name: v.ID.Name, Version: v.Version, Revision: v.Revision, Status: v.Status, Feature: v.Feature,
		Actor: v.Actor, Reason: v.Reason, At: v.At, Restores: v.Restores, Hash: v.Hash, Content: string(v.Content),
	}
}

func viewDocuments(vs []guarantee.Stored) []Document {
	out := make([]Document, len(vs))
	for i := range vs {
		out[i] = viewDocument(&vs[i].DocumentVersion)
	}
	return out
}

// listDocuments answers with JSON, or with what tidemark export writes: format=yaml,
// format=openslo or format=flagd.
func (p *Promises) listDocuments(c echo.Context) error {
	q := p.api.readParams(c, "drafts")
	drafts := q.bool("drafts")
	if q.err != nil {
		return q.err
	}
	ctx := c.Request().Context()
	switch f := c.QueryParam("format"); f {
	case "", "json", "csv":
	case "yaml":
		text, err := p.o.Documents.Export(ctx, drafts)
		if err != nil {
			return err
		}
		return sendYAML(c, text)
	case "openslo":
		text, err := p.o.Documents.OpenSLO(ctx)
		if err != nil {
			return err
		}
		return sendYAML(c, text)
	case "flagd":
		text, err := p.o.Documents.Flagd()
		if err != nil {
			return err
		}
		return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, text)
	default:
		return respond.Bad("format", "%q is not known; allowed: json, csv, yaml, openslo, flagd.", f)
	}
	docs, err := p.o.Documents.Current(ctx)
	if err != nil {
		return err
	}
	out := make([]Document, len(docs))
	for i := range docs {
		out[i] = viewDocument(&docs[i].DocumentVersion)
		out[i].Content = string(docs[i].Text)
	}
	return page[Document]{Items: out}.tell(c, tableOf("documents", "kind name version revision status feature actor reason at hash", documentRow))
}

func sendYAML(c echo.Context, text []byte) error {
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.Blob(http.StatusOK, "application/yaml", text)
}

// Planned is what applying documents would do, or has done.
type Planned struct {
	Applied bool             `json:"applied"`
	Summary string           `json:"summary"`
	Steps   []guarantee.Step `json:"steps"`
}

func (p *Promises) planDocuments(c echo.Context) error {
	docs, err := readDocuments(c)
	if err != nil {
		return sendProblems(c, err, nil)
	}
	plan, err := p.o.Documents.Plan(c.Request().Context(), docs, author(c, ""))
	if err != nil {
		return sendProblems(c, err, nil)
	}
	return respond.JSON(c, http.StatusOK, Planned{Summary: plan.Summary(), Steps: plan.Steps})
}

func (p *Promises) applyDocuments(c echo.Context) error {
	q := p.api.readParams(c, "reason")
	if q.err != nil {
		return q.err
	}
	docs, err := readDocuments(c)
	if err != nil {
		return sendProblems(c, err, nil)
	}
	if err := mayApply(c, docs); err != nil {
		return err
	}
	plan, err := p.o.Documents.Apply(c.Request().Context(), docs, author(c, q.text("reason")))
	if err != nil {
		return sendProblems(c, err, plan)
	}
	return respond.JSON(c, http.StatusOK, Planned{Applied: true, Summary: plan.Summary(), Steps: plan.Steps})
}

func author(c echo.Context, reason string) guarantee.Author {
	return guarantee.Author{Actor: auth.Who(c).Actor(), Reason: reason}
}

func readDocuments(c echo.Context) (*document.Batch, error) {
	body, err := io.ReadAll(io.LimitReader(c.Request().Body, document.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	docs, err := document.Parse("body", body)
	if err == nil && docs.Len() == 0 {
		return nil, respond.Bad("", "The body holds no document.")
	}
	return docs, err
}

// documentError is a problem document that also lists what was wrong where, or
// the plan that was refused.
type documentError struct {
	*respond.Problem
	Problems []guarantee.Problem `json:"problems,omitempty"`
	Plan     *Planned            `json:"plan,omitempty"`
}

// sendProblems answers with everything that is known about refused documents;
// other errors go on as they are.
func sendProblems(c echo.Context, err error, plan *guarantee.Plan) error {
	var pe *guarantee.ProblemsError
	if !errors.As(err, &pe) && plan == nil {
		return err
	}
	out := documentError{Problem: respond.From(err)}
	if pe != nil {
		out.Problems = pe.Problems
	}
	if plan != nil {
		out.Plan = &Planned{Summary: plan.Summary(), Steps: plan.Steps}
	}
	out.SetHeaders(c)
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode problem: %w", err)
	}
	return c.Blob(out.Status, respond.ProblemType, body)
}

func documentID(c echo.Context) (flags.DocumentID, error) {
	id := flags.DocumentID{Kind: flags.DocumentKind(pathParam(c, "kind")), Name: pathParam(c, "name")}
	if id.Kind != flags.KindGuarantee && id.Kind != flags.KindRoute {
		return id, respond.New(http.StatusNotFound, "not_found", "There is no kind of document %q; there are %s and %s.", id.Kind, flags.KindGuarantee, flags.KindRoute)
	}
	return id, nil
}

func (p *Promises) getDocument(c echo.Context) error {
	id, err := documentID(c)
	if err != nil {
		return err
	}
	d, err := p.o.Catalogue.Get(c.Request().Context(), id)
	if err != nil {
		return err
	}
	if c.QueryParam("format") == "yaml" {
		return sendYAML(c, d.Content)
	}
	return respond.JSON(c, http.StatusOK, viewDocument(&d.DocumentVersion))
}

func (p *Promises) listVersions(c echo.Context) error {
	id, err := documentID(c)
	if err != nil {
		return err
	}
	vs, err := p.o.Catalogue.Versions(c.Request().Context(), id)
	if err != nil {
		return err
	}
	if respond.WantsCSV(c) {
		t := respond.Table{Name: id.Name + "-versions", Header: []string{"revision", "version", "status", "at", "actor", "reason", "restores", "hash"}}
		for _, v := range vs {
			t.Rows = append(t.Rows, []string{
				strconv.FormatInt(v.Revision, 10), v.Version, string(v.Status), v.At.Format(time.RFC3339Nano), v.Actor, v.Reason,
				strconv.FormatInt(v.Restores, 10), v.Hash,
			})
		}
		return respond.CSV(c, t)
	}
	return respond.JSON(c, http.StatusOK, page[Document]{Items: viewDocuments(vs)})
}

// Difference is what changed between two revisions.
type Difference struct {
	From     int64                   `json:"from"` // 0: before the document existed
	To       int64                   `json:"to"`
	Changes  []guarantee.FieldChange `json:"changes"`
	Weakened []guarantee.Weakening   `json:"weakened"`
}

// diffVersions compares two revisions: to is the newest by default, from the one
// before it.
func (p *Promises) diffVersions(c echo.Context) error {
	id, err := documentID(c)
	if err != nil {
		return err
	}
	q := p.api.readParams(c, "from", "to")
	const most = 1 << 30
	d := Difference{From: int64(q.int("from", 0, most)), To: int64(q.int("to", 1, most))}
	if q.err != nil {
		return q.err
	}
	if d.To == 0 {
		cur, err := p.o.Catalogue.Get(c.Request().Context(), id)
		if err != nil {
			return err
		}
		d.To = cur.Revision
	}
	if q.text("from") == "" {
		d.From = d.To - 1
	}
	changes, weakened, err := p.o.Catalogue.DiffRevisions(c.Request().Context(), id, d.From, d.To)
	if err != nil {
		return err
	}
	d.Changes, d.Weakened = orEmpty(changes), orEmpty(weakened)
	return respond.JSON(c, http.StatusOK, d)
}

// RestoreRequest asks that an earlier revision be current again.
type RestoreRequest struct {
	Revision int64  `json:"revision"`
	Base     int64  `json:"base"`   // the revision that is current; 0 = whichever is
	Reason   string `json:"reason"` // required
}

func (p *Promises) restoreDocument(c echo.Context) error {
	id, err := documentID(c)
	if err != nil {
		return err
	}
	var in RestoreRequest
	if err := readJSON(c, &in); err != nil {
		return err
	}
	v, err := p.o.Catalogue.Restore(c.Request().Context(), id, in.Revision, in.Base, author(c, in.Reason))
	if err != nil {
		return err
	}
	return respond.JSON(c, http.StatusOK, viewDocument(&v))
}

// ReviewRequest records that somebody looked at a promise again.
type ReviewRequest struct {
	Revision int64  `json:"revision"` // 0 = the current one
	Decision string `json:"decision"` // required
	Note     string `json:"note"`
}

// Review is one such record.
type Review struct {
	Kind     flags.DocumentKind `json:"kind"`
	Name     string             `json:"name"`
	Revision int64              `json:"revision"`
	Decision string             `json:"decision"`
	Note     string             `json:"note,omitempty"`
	Actor    string             `json:"actor"`
	At       time.Time          `json:"at"`
}

func viewReview(r *flags.ReviewRecord) Review {
	return Review{r.ID.Kind, r.ID.Name, r.Revision, r.Decision, r.Note, r.Actor, r.At}
}

func (p *Promises) reviewDocument(c echo.Context) error {
	id, err := documentID(c)
	if err != nil {
		return err
	}
	var in ReviewRequest
	if err := readJSON(c, &in); err != nil {
		return err
	}
	r, err := p.o.Catalogue.AddReview(c.Request().Context(), id, in.Revision, in.Decision, in.Note, author(c, ""))
	if err != nil {
		return err
	}
	return respond.JSON(c, http.StatusCreated, viewReview(&r))
}
