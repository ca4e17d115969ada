package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
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
	Rate      float64        `json:"rate,omitempty"` // requests a second; absent = as many as any key
	// Key is the key itself: in the answer that creates it, and never again.
	Key string `json:"key,omitempty"`
}

// ViewKey shows a key without its hash.
func ViewKey(k *access.Key, now time.Time) KeyView {
	return KeyView{
		ID: k.ID, Name: k.Name, Env: k.Env, Scopes: k.Scopes, Live: k.Live(now), CreatedAt: k.CreatedAt,
		ExpiresAt: known(k.ExpiresAt), RevokedAt: known(k.RevokedAt), LastUsed: known(k.LastUsed), Rate: k.Rate,
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
	return page[KeyView]{Items: views}.tell(c, tableOf("keys", "id name env scopes live created_at expires_at revoked_at last_used rate", keyRow))
}

// NewKey is the body of POST /api/v1/keys.
type NewKey struct {
	Name    string   `json:"name"`
	Env     string   `json:"env"`
	Scopes  []string `json:"scopes"`
	Expires string   `json:"expires"`        // a duration such as 90d; "" = never
	Rate    float64  `json:"rate,omitempty"` // requests a second; 0 = as many as any key
	Reason  string   `json:"reason"`
}

func (a *API) createKey(c echo.Context) error {
	var in NewKey
	if err := readJSON(c, &in); err != nil {
		return err
	}
	o := access.NewKeyOptions{Name: in.Name, Env: in.Env, Scopes: in.Scopes, Rate: in.Rate}
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

// RotateKey is the body of POST /api/v1/keys/{id}/rotate.
type RotateKey struct {
	Overlap string `json:"overlap"` // how long the old key still works; "" = a day
	Reason  string `json:"reason"`
}

// RotatedKey is the successor of a key, with the key that it replaces.
type RotatedKey struct {
	KeyView

	Old KeyView `json:"old"`
}

func (a *API) rotateKey(c echo.Context) error {
	var in RotateKey
	if err := readJSON(c, &in); err != nil {
		return err
	}
	overlap := access.DefaultOverlap
	if in.Overlap != "" {
		var err error
		if overlap, err = duration(in.Overlap); err != nil || overlap < 0 {
			return respond.Bad("overlap", "%q is no duration: want such as 0s, 12h or 7d.", in.Overlap)
		}
	}
	ctx := c.Request().Context()
	k, err := a.o.Keys.Key(ctx, pathParam(c, "id"))
	if err != nil {
		return err
	}
	old, next, token, err := k.Rotate(overlap, a.o.Now())
	if err != nil {
		return err
	}
	if err := a.o.Keys.RotateKey(ctx, old, next, auth.Who(c).Actor(), in.Reason); err != nil {
		return err
	}
	a.o.Keyring.Forget(old.ID)
	out := RotatedKey{KeyView: ViewKey(&next, a.o.Now()), Old: ViewKey(&old, a.o.Now())}
	out.Key = token
	return respond.JSON(c, http.StatusCreated, out)
}

// badJSON is what is wrong with a body, by its member where it is one.
func badJSON(err error) error {
	field, message := flags.JSONMistake(err)
	if field != "" {
		return respond.Bad(field, "It %s.", message)
	}
	return respond.Bad("", "The body %s; a JSON object is wanted.", message)
}

// readJSON reads one JSON object and refuses fields that are not known.
func readJSON(c echo.Context, into any) error {
	dec := json.NewDecoder(c.Request().Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return err
		}
		return badJSON(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return respond.Bad("", "The body holds more than one JSON value.")
	}
	return nil
}
