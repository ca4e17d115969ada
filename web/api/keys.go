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
	"golang.org/x/mod/sumdb/tlog"

	"tidemark/flags/access"
	"tidemark/flags/audit"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// KeyView is an API key as its managers see it.
type KeyView struct {
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	Env       string         `json:"env"`
	Scopes    []access.Scope `json:"scopes"`
	Live      bool           `json:"live"`
	CreatedAt time.Time      `json:"created_at"`
	ExpiresAt *time.Time     `json:"expires_at"` // null = never
	RevokedAt *time.Time     `json:"revoked_at"`
	LastUsed  *time.Time     `json:"last_used"`
	// Key is the key itself: in the answer that creates it, and never again.
	Key string `json:"key,omitempty"`
}

// ViewKey shows a key without its hash.
func ViewKey(k *access.Key, now time.Time) KeyView {
	return KeyView{
		ID: k.ID, Name: k.Name, Env: k.Env, Scopes: k.Scopes, Live: k.Live(now), CreatedAt: k.CreatedAt,
		ExpiresAt: known(k.ExpiresAt), RevokedAt: known(k.RevokedAt), LastUsed: known(k.LastUsed),
	}
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (a *API) listKeys(c echo.Context) error {
	keys, err := a.o.Keys.Keys(c.Request().Context())
	if err != nil {
		return err
	}
	views := make([]KeyView, len(keys))
	for i := range keys {
		views[i] = ViewKey(&keys[i], a.o.Now())
	}
	return respond.JSON(c, http.StatusOK, page[KeyView]{Items: views})
}

// NewKey is the body of POST /api/v1/keys.
type NewKey struct {
	Name    string   `json:"name"`
	Env     string   `json:"env"`
	Scopes  []string `json:"scopes"`
	Expires string   `json:"expires"` // a duration such as 90d; "" = never
	Reason  string   `json:"reason"`
}

func (a *API) createKey(c echo.Context) error {
	var in NewKey
	if err := readJSON(c, &in); err != nil {
		return err
	}
	o := access.NewKeyOptions{Name: in.Name, Env: in.Env, Scopes: in.Scopes}
	if in.Expires != "" {
		d, err := duration(in.Expires)
		if err != nil || d <= 0 {
			return respond.Bad("expires", "%q is no duration: want such as 12h or 90d.", in.Expires)
		}
		o.Expires = d
	}
	k, token, err := access.NewKey(o, a.o.Now())
	if err != nil {
		return err
	}
	if err := a.o.Keys.CreateKey(c.Request().Context(), k, auth.Who(c).Actor(), in.Reason); err != nil {
		return err
	}
	view := ViewKey(&k, a.o.Now())
	view.Key = token
	return respond.JSON(c, http.StatusCreated, view)
}

func (a *API) revokeKey(c echo.Context) error {
	p := a.readParams(c, "reason")
	if p.err != nil {
		return p.err
	}
	id := pathParam(c, "id")
	if err := a.o.Keys.RevokeKey(c.Request().Context(), id, a.o.Now(), auth.Who(c).Actor(), p.text("reason")); err != nil {
		return err
	}
	a.o.Keyring.Forget(id)
	return c.NoContent(http.StatusNoContent)
}

// readJSON reads one JSON object and refuses fields that are not known.
func readJSON(c echo.Context, into any) error {
	dec := json.NewDecoder(c.Request().Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return err
		}
		return respond.Bad("", "The body is not the JSON object that is wanted: %s.", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return respond.Bad("", "The body holds more than one JSON value.")
	}
	return nil
}

func (a *API) listAudit(c echo.Context) error {
	p := a.readParams(c, "actor", "action", "subject", "cursor", "limit")
	q := audit.Query{
		Actor: p.text("actor"), Action: p.text("action"), Subject: p.text("subject"), Limit: p.int("limit", 1, 500),
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
	out := page[audit.Entry]{Items: orEmpty(entries)}
	if n := len(entries); n > 0 && entries[n-1].Index > 0 {
		out.Next = strconv.FormatInt(entries[n-1].Index, 10)
	}
	return respond.JSON(c, http.StatusOK, out)
}

// auditHead is the head of the log, with a proof that it continues an older one.
type auditHead struct {
	audit.Head

	Since int64          `json:"since,omitempty"`
	Proof tlog.TreeProof `json:"proof,omitempty"`
}

func (a *API) getAuditHead(c echo.Context) error {
	p := a.readParams(c, "since")
	since := p.int("since", 1, 1<<31-1)
	if p.err != nil {
		return p.err
	}
	ctx := c.Request().Context()
	h, err := a.o.Audit.Head(ctx)
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
	ctx := c.Request().Context()
	e, leaf, err := a.o.Audit.Entry(ctx, n)
	if err != nil {
		return err
	}
	h, err := a.o.Audit.Head(ctx)
	if err != nil {
		return err
	}
	proof, err := a.o.Audit.ProveEntry(ctx, h.Size, n)
	if err != nil {
		return err
	}
	return respond.JSON(c, http.StatusOK, auditEntry{Entry: e, Leaf: string(leaf), Head: h, Proof: proof})
}
