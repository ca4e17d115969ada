package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/mod/sumdb/tlog"

	"tidemark/flags/access"
	"tidemark/flags/audit"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// auditRoutes is the URL map of the audit log.
func (a *API) auditRoutes() []auth.Route {
	get := func(path string, h echo.HandlerFunc) auth.Route {
		return auth.Route{Method: http.MethodGet, Path: "/api/v1/audit" + path, May: access.Control, Handle: h}
	}
	return []auth.Route{
		get("", a.listAudit),
		get("/head", a.getAuditHead),
		get("/checkpoint", a.getCheckpoint),
		{Method: http.MethodPost, Path: "/api/v1/audit/checkpoint", May: access.Control, Handle: a.postCheckpoint},
		{Method: http.MethodGet, Path: "/api/v1/audit/export", May: access.Control, Handle: a.exportAudit, Stream: true},
		get("/:n", a.getAuditEntry),
	}
}

func (a *API) listAudit(c echo.Context) error {
	p := a.readParams(c, "actor", "action", "subject", "from", "to", "cursor", "limit")
	q := audit.Query{
		Actor: p.text("actor"), Action: p.text("action"), Subject: p.text("subject"),
		From: p.time("from"), To: p.time("to"), Limit: p.int("limit", 1, 500),
	}
	if s := p.text("cursor"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 1 {
			p.fail("cursor", "%q is no cursor of this list.", s)
		}
		q.Before = n
	}
	if p.err != nil {
		return p.err
	}
	entries, err := a.o.Audit.Entries(c.Request().Context(), q)
	if err != nil {
		return err
	}
	out := page[audit.Entry]{Items: entries}
	if n := len(entries); n > 0 && entries[n-1].Index > 0 {
		out.Next = strconv.FormatInt(entries[n-1].Index, 10)
	}
	return out.tell(c, auditTable)
}

func auditTable(entries []audit.Entry) respond.Table {
	t := respond.Table{Name: "audit", Header: []string{"n", "at", "actor", "action", "subject", "reason", "before", "after"}}
	for i := range entries {
		e := &entries[i]
		t.Rows = append(t.Rows, []string{
			strconv.FormatInt(e.Index, 10), e.At.Format(time.RFC3339Nano), e.Actor, e.Action, e.Subject, e.Reason, string(e.Before), string(e.After),
		})
	}
	return t
}

// auditHead is the head of the log, with a proof that it continues an older one.
type auditHead struct {
	audit.Head

	Since int64          `json:"since,omitempty"`
	Proof tlog.TreeProof `json:"proof,omitempty"`
}

func (a *API) getAuditHead(c echo.Context) error {
	p := a.readParams(c, "since", "size")
	since, size := p.int("since", 1, 1<<31-1), p.int("size", 1, 1<<31-1)
	if p.err != nil {
		return p.err
	}
	ctx := c.Request().Context()
	h, err := a.headAt(ctx, size)
	if err != nil {
		return err
	}
	out := auditHead{Head: h, Since: int64(since)}
	if since > 0 {
		if out.Proof, err = a.o.Audit.ProveHead(ctx, h.Size, out.Since); err != nil {
			return err
		}
	}
	return respond.JSON(c, http.StatusOK, out)
}

// headAt is the head that the log had at a size; 0 = as it is now.
func (a *API) headAt(ctx context.Context, size int) (audit.Head, error) {
	if size == 0 {
		return a.o.Audit.Head(ctx)
	}
	return a.o.Audit.HeadAt(ctx, int64(size))
}

// auditEntry is an entry with the proof that it is in the log.
type auditEntry struct {
	Entry audit.Entry      `json:"entry"`
	Leaf  string           `json:"leaf"` // the bytes that were hashed
	Head  audit.Head       `json:"head"`
	Proof tlog.RecordProof `json:"proof"`
}

func (a *API) getAuditEntry(c echo.Context) error {
	n, err := strconv.ParseInt(c.Param("n"), 10, 64)
	if err != nil {
		return fmt.Errorf("entry %q: %w", c.Param("n"), audit.ErrNoEntry)
	}
	p := a.readParams(c, "size")
	size := p.int("size", 1, 1<<31-1)
	if p.err != nil {
		return p.err
	}
	ctx := c.Request().Context()
	e, leaf, err := a.o.Audit.Entry(ctx, n)
	if err != nil {
		return err
	}
	h, err := a.headAt(ctx, size)
	if err != nil {
		return err
	}
	proof, err := a.o.Audit.ProveEntry(ctx, h.Size, n)
	if err != nil {
		return err
	}
	return respond.JSON(c, http.StatusOK, auditEntry{Entry: e, Leaf: string(leaf), Head: h, Proof: proof})
}

// signedHead is a head that was signed.
type signedHead struct {
	audit.Head

	At     time.Time `json:"at"`
	Origin string    `json:"origin"`
	Note   string    `json:"note"` // what to keep: C2SP tlog-checkpoint
	Key    string    `json:"key"`  // verifies the note
}

// postCheckpoint signs the current head. It is a POST because the signed note is kept.
func (a *API) postCheckpoint(c echo.Context) error {
	p := a.readParams(c)
	format := p.oneOf("format", "json", "note")
	if p.err != nil {
		return p.err
	}
	ctx := c.Request().Context()
	point, err := a.o.Audit.Checkpoint(ctx, a.o.Now())
	if err != nil {
		return err
	}
	return a.sendCheckpoint(c, &point, format)
}

// getCheckpoint returns the checkpoint that was signed last.
func (a *API) getCheckpoint(c echo.Context) error {
	p := a.readParams(c)
	format := p.oneOf("format", "json", "note")
	if p.err != nil {
		return p.err
	}
	point, err := a.o.Audit.Latest(c.Request().Context())
	if err != nil {
		return err
	}
	return a.sendCheckpoint(c, &point, format)
}

func (a *API) sendCheckpoint(c echo.Context, point *audit.Checkpoint, format string) error {
	if format == "note" {
		h := c.Response().Header()
		h.Set(echo.HeaderContentDisposition, fmt.Sprintf("attachment; filename=%q", fmt.Sprintf("%s-%d.note", point.Origin, point.Size)))
		h.Set(echo.HeaderCacheControl, "no-store")
		return c.Blob(http.StatusOK, "text/plain; charset=utf-8", point.Note)
	}
	public, err := a.o.Audit.Public(c.Request().Context())
	if err != nil {
		return err
	}
	return respond.JSON(c, http.StatusOK, signedHead{Head: point.Head, At: point.At, Origin: point.Origin, Note: string(point.Note), Key: public})
}

// exportAudit streams the whole log with the checkpoint that was signed last. What
// fails after the first byte leaves the export without its last line, which whoever
// verifies it notices.
func (a *API) exportAudit(c echo.Context) error {
	p := a.readParams(c)
	if p.err != nil {
		return p.err
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "application/x-ndjson; charset=utf-8")
	h.Set(echo.HeaderContentDisposition, `attachment; filename="tidemark-audit.ndjson"`)
	h.Set(echo.HeaderCacheControl, "no-store")
	return a.o.Audit.Export(c.Request().Context(), c.Response())
}
