package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/flagset"
	"tidemark/web/respond"
)

// Definition is one revision of a flag, a cohort, or the set's metadata.
type Definition struct {
	Kind       flags.DocumentKind `json:"kind"`
	Name       string             `json:"name"`
	Revision   int64              `json:"revision"`
	Deleted    bool               `json:"deleted"`
	Definition json.RawMessage    `json:"definition"` // null when deleted
	Bucketing  string             `json:"bucketing,omitempty"`
	Feature    string             `json:"feature,omitempty"`
	Actor      string             `json:"actor"`
	Reason     string             `json:"reason,omitempty"`
	At         time.Time          `json:"at"`
	Restores   int64              `json:"restores,omitempty"` // the revision that came back
	Hash       string             `json:"hash"`               // SHA-256 of the definition
}

func viewDefinition(v *flags.DocumentVersion) Definition {
	d := Definition{
		Kind: v.ID.Kind, Name: v.ID.Name, Revision: v.Revision, Deleted: v.Status == flags.StatusDeleted,
		Feature: v.Feature, Actor: v.Actor, Reason: v.Reason, At: v.At, Restores: v.Restores, Hash: v.Hash,
	}
	if v.ID.Kind == flags.KindFlag {
		d.Bucketing = v.Version
	}
	if !d.Deleted {
		d.Definition = v.Content
	}
	return d
}

func (f *Flags) getDefinition(c echo.Context, id flags.DocumentID) error {
	if q := f.api.readParams(c); q.err != nil {
		return q.err
	}
	v, err := f.o.Catalogue.Get(id)
	if err != nil {
		return err
	}
	return respond.JSON(c, http.StatusOK, viewDefinition(&v))
}

// listOf lists the documents of a kind.
func (f *Flags) listOf(kind flags.DocumentKind) echo.HandlerFunc {
	return func(c echo.Context) error {
		if q := f.api.readParams(c); q.err != nil {
			return q.err
		}
		all := f.o.Catalogue.List(kind)
		out := make([]Definition, len(all))
		for i := range all {
			out[i] = viewDefinition(&all[i])
		}
		return page[Definition]{Items: out}.tell(c, definitionTable(kind))
	}
}

// definitionTable is named after the kind, in lower case.
func definitionTable(kind flags.DocumentKind) func([]Definition) respond.Table {
	return tableOf(strings.ToLower(string(kind)), "name revision at actor reason definition", func(d *Definition) []string {
		return []string{d.Name, strconv.FormatInt(d.Revision, 10), moment(&d.At), d.Actor, d.Reason, string(d.Definition)}
	})
}

// DefinitionRequest is a new content of a flag, a cohort or the set's metadata.
type DefinitionRequest struct {
	Definition json.RawMessage `json:"definition"`
	Bucketing  flags.Bucketing `json:"bucketing,omitempty"` // of a flag; as it is by default
	// Base is the revision that the change was decided upon; 0 when there was none.
	Base   int64  `json:"base"`
	Reason string `json:"reason"`
	// DryRun checks and compares, and stores nothing.
	DryRun bool `json:"dry_run,omitempty"`
}

// Saved is what a change did, or would do.
type Saved struct {
	Stored  bool                `json:"stored"`
	Current *Definition         `json:"current"` // null when it was a dry run of something new
	Changes []flags.FieldChange `json:"changes"`
}

func (f *Flags) putDefinition(c echo.Context, id flags.DocumentID) error {
	var in DefinitionRequest
	if err := readJSON(c, &in); err != nil {
		return err
	}
	if len(in.Definition) == 0 || string(in.Definition) == "null" {
		return respond.Bad("definition", "A definition is required; DELETE ends one.")
	}
	if in.Base < 0 {
		return respond.Bad("base", "%d: want the revision that the change was decided upon, or 0 when there was none.", in.Base)
	}
	edit := flagset.Edit{ID: id, Content: in.Definition, Bucketing: in.Bucketing, Base: in.Base}
	ctx := c.Request().Context()
	plan, err := f.o.Catalogue.Plan(ctx, []flagset.Edit{edit})
	if err != nil {
		return refuseDefinition(c, err)
	}
	out := Saved{Changes: plan.Steps[0].Diff}
	if in.DryRun {
		if v, err := f.o.Catalogue.Get(id); err == nil {
			d := viewDefinition(&v)
			out.Current = &d
		}
		return respond.JSON(c, http.StatusOK, out)
	}
	v, err := f.o.Catalogue.Save(ctx, edit, author(c, in.Reason))
	if err != nil {
		return refuseDefinition(c, err)
	}
	d := viewDefinition(&v)
	out.Current, out.Stored = &d, plan.Changes()
	status := http.StatusOK
	if v.Revision == 1 && out.Stored {
		status = http.StatusCreated
	}
	return respond.JSON(c, status, out)
}

// deleteDefinition takes the reason and the base as parameters, because bodies of
// DELETE get lost on the way.
func (f *Flags) deleteDefinition(c echo.Context, id flags.DocumentID) error {
	q := f.api.readParams(c, "reason", "base")
	base := int64(q.int("base", 1, 1<<30))
	if q.err != nil {
		return q.err
	}
	if base == 0 {
		return respond.Bad("base", "Give the revision that is to be deleted.")
	}
	v, err := f.o.Catalogue.Delete(c.Request().Context(), id, base, author(c, q.text("reason")))
	if err != nil {
		return refuseDefinition(c, err)
	}
	return respond.JSON(c, http.StatusOK, viewDefinition(&v))
}

func (f *Flags) listRevisions(c echo.Context, id flags.DocumentID) error {
	if q := f.api.readParams(c); q.err != nil {
		return q.err
	}
	vs, err := f.o.Catalogue.Versions(c.Request().Context(), id)
	if err != nil {
		return err
	}
	if respond.WantsCSV(c) {
		return respond.CSV(c, revisionTable(id.Name, vs))
	}
	out := make([]Definition, len(vs))
	for i := range vs {
		out[i] = viewDefinition(&vs[i])
	}
	return respond.JSON(c, http.StatusOK, page[Definition]{Items: out})
}

func revisionTable(name string, vs []flags.DocumentVersion) respond.Table {
	t := respond.Table{Name: name + "-versions", Header: []string{"revision", "status", "at", "actor", "reason", "restores", "hash"}}
	for i := range vs {
		v := &vs[i]
		t.Rows = append(t.Rows, []string{
			strconv.FormatInt(v.Revision, 10), string(v.Status), v.At.Format(time.RFC3339Nano), v.Actor, v.Reason,
			strconv.FormatInt(v.Restores, 10), v.Hash,
		})
	}
	return t
}

// DefinitionDiff is what changed between two revisions.
type DefinitionDiff struct {
	From    int64               `json:"from"` // 0: before it existed
	To      int64               `json:"to"`
	Changes []flags.FieldChange `json:"changes"`
}

// diffRevisions compares two revisions: to is the newest by default, from the one
// before it.
func (f *Flags) diffRevisions(c echo.Context, id flags.DocumentID) error {
	q := f.api.readParams(c, "from", "to")
	const most = 1 << 30
	d := DefinitionDiff{From: int64(q.int("from", 0, most)), To: int64(q.int("to", 1, most))}
	if q.err != nil {
		return q.err
	}
	if d.To == 0 {
		d.To = f.o.Catalogue.Head(id).Revision
	}
	if q.text("from") == "" {
		d.From = max(d.To-1, 0)
	}
	var err error
	if d.Changes, err = f.o.Catalogue.Compare(c.Request().Context(), id, d.From, d.To); err != nil {
		return err
	}
	return respond.JSON(c, http.StatusOK, d)
}

// RestoreDefinition asks that an earlier revision be current again.
type RestoreDefinition struct {
	Revision int64  `json:"revision"`
	Base     int64  `json:"base"`   // the revision that is current
	Reason   string `json:"reason"` // required
}

func (f *Flags) restoreRevision(c echo.Context, id flags.DocumentID) error {
	var in RestoreDefinition
	if err := readJSON(c, &in); err != nil {
		return err
	}
	v, err := f.o.Catalogue.Restore(c.Request().Context(), id, in.Revision, in.Base, author(c, in.Reason))
	if err != nil {
		return refuseDefinition(c, err)
	}
	return respond.JSON(c, http.StatusOK, viewDefinition(&v))
}

// definitionError is a problem document that also lists what is wrong where, or what
// somebody else changed.
type definitionError struct {
	*respond.Problem
	Problems []flags.Problem     `json:"problems,omitempty"`
	Current  *Definition         `json:"current,omitempty"`
	Changes  []flags.FieldChange `json:"changes,omitempty"` // since the base
}

// refuseDefinition answers with everything that is known; other errors go on as they
// are.
func refuseDefinition(c echo.Context, err error) error {
	problems, isProblems := errors.AsType[*flags.ProblemsError](err)
	changed, isChanged := errors.AsType[*flagset.ChangedError](err)
	if !isProblems && !isChanged {
		return err
	}
	out := definitionError{Problem: respond.From(err)}
	if isProblems {
		out.Problems = problems.Problems
	}
	if isChanged {
		out.Changes = changed.Changes
		if changed.Current.Revision > 0 {
			d := viewDefinition(&changed.Current)
			out.Current = &d
		}
	}
	out.SetHeaders(c)
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode problem: %w", err)
	}
	return c.Blob(out.Status, respond.ProblemType, body)
}
