package ui

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/respond"
)

// soon is how long before its end a key is pointed out.
const soon = 7 * 24 * time.Hour

func (a *Access) key(c echo.Context) error {
	k, err := a.o.Keys.Key(c.Request().Context(), pathParam(c, "id"))
	if err != nil {
		return err
	}
	now := &known{now: a.ui.o.Now()}
	cells := now.keyCells(&k)
	m := page.AccessItem{
		Head: part.Head{
			Crumbs: []part.Crumb{{Text: "Access", URL: accessURL}, {Text: k.Name}},
			Answer: "The key " + k.ID + " of " + k.Name + " " + keyWords(&k, now) + ".", Status: keyStatus(&k, now),
		},
		About: []page.Pair{
			{Name: "Service", Cell: part.Text(k.Name)},
			{Name: "Environment", Cell: part.Text(k.Env)},
			{Name: "May", Cell: listOr(scopeTexts(k.Scopes), "nothing")},
			{Name: "Made", Cell: part.When(k.CreatedAt)},
			{Name: "Last used", Cell: cells[3]},
			{Name: "Expires", Cell: cells[4]},
			{Name: "Limit", Cell: cells[5]},
			{Name: "History", Cell: part.To("in the audit log", historyURL("key/"+k.ID))},
		},
	}
	if !k.RevokedAt.IsZero() {
		m.About = append(m.About, page.Pair{Name: "Revoked", Cell: part.When(k.RevokedAt)})
	}
	if k.Live(now.now) {
		m.Actions = []page.Action{
			{Text: "Rotate", URL: itemURL("keys", k.ID) + "/rotate", Primary: true},
			{Text: "Revoke", URL: itemURL("keys", k.ID) + "/revoke", Danger: true},
		}
	}
	return a.ui.show(c, view{title: "API key " + k.ID, current: accessURL, body: page.ShowAccessItem(m)})
}

func (a *Access) askNewKey(c echo.Context) (page.Confirm, error) {
	return page.Confirm{
		Head:   part.Head{Answer: "Which service needs a key, and what may it do?"},
		Does:   []string{"Make a key that is shown once, on the next page.", "It works from then on."},
		Back:   "Revoke the key; that holds from the next request on.",
		Button: "Make the key",
		Fields: typed(c, []page.Field{
			{Name: "name", Label: "Service", Required: true, Focus: true, Max: 64, Hint: "Letters, digits, '.', '_' and '-'. Two live keys may share a name."},
			{Name: "scopes", Label: "May", Required: true, Max: 2000, Hint: "publish:FEATURE and consume:FEATURE (* for every one), evaluate, sync, read, control, admin; with spaces between."},
			{Name: "env", Label: "Environment", Value: "live", Max: 16, Hint: "In the key's text, so that people see where it belongs."},
			{Name: "expires", Label: "Good for", Value: "365d", Max: 10, Hint: "Such as 12h or 90d; empty for ever."},
			{Name: "rate", Label: "Requests a second", Kind: "number", Hint: "Empty for as many as the server allows any key."},
			reasonField(false),
		}),
	}, nil
}

func (a *Access) doNewKey(c echo.Context, by access.Change) error {
	o := access.NewKeyOptions{
		Name: strings.TrimSpace(c.FormValue("name")), Env: strings.TrimSpace(c.FormValue("env")),
		Scopes: strings.FieldsFunc(c.FormValue("scopes"), func(r rune) bool { return r == ' ' || r == ',' || r == '\n' || r == '\r' || r == '\t' }),
	}
	var err error
	if o.Expires, err = formDuration(c, "expires"); err != nil {
		return err
	}
	if s := c.FormValue("rate"); s != "" {
		if o.Rate, err = strconv.ParseFloat(s, 64); err != nil {
			return respond.Bad("rate", "%q is no number of requests a second.", s)
		}
	}
	k, token, err := access.NewKey(o, by.At)
	if err != nil {
		return err
	}
	if err := a.o.Keys.CreateKey(c.Request().Context(), k, by.Actor, by.Reason); err != nil {
		return err
	}
	return a.secretKey(c, &k, token, "")
}

// formDuration is a field such as 90d; empty is 0.
func formDuration(c echo.Context, name string) (time.Duration, error) {
	s := strings.TrimSpace(c.FormValue(name))
	if s == "" {
		return 0, nil
	}
	var d flags.Duration
	if err := d.UnmarshalText([]byte(s)); err != nil {
		return 0, respond.Bad(name, "%q is no duration: want such as 12h or 90d.", s)
	}
	return time.Duration(d), nil
}

// secretKey shows a key, once.
func (a *Access) secretKey(c echo.Context, k *access.Key, token, more string) error {
	m := page.Secret{
		Head:    part.Head{Answer: "The key of " + k.Name + " is made.", Tone: part.Good, Sub: more},
		Title:   "Copy it now",
		Text:    "It is shown only here and kept nowhere: put it where the service reads its secrets.",
		Command: part.Command{ID: "new-key", Text: token},
		Facts:   []page.Pair{{Name: "Id", Cell: mono(k.ID)}, {Name: "May", Cell: listOr(scopeTexts(k.Scopes), "nothing")}},
		Back:    part.Link{Text: "I have copied it", URL: itemURL("keys", k.ID)},
	}
	return a.ui.show(c, view{title: "The new key", current: accessURL, body: page.ShowSecret(m)})
}

func (a *Access) askRotate(c echo.Context) (page.Confirm, error) {
	k, err := a.o.Keys.Key(c.Request().Context(), pathParam(c, "id"))
	return page.Confirm{
		Head: part.Head{Answer: "Replace the key " + k.ID + " of " + k.Name + "?"},
		Does: []string{
			"Make a second key that may do the same; it is shown once, on the next page.",
			"The old one works on for the overlap, and then ends by itself.",
		},
		Back:   "Revoke the new key, and make another one before the old one ends.",
		Button: "Rotate the key", Cancel: part.Link{Text: "Cancel", URL: itemURL("keys", k.ID)},
		Fields: typed(c, []page.Field{
			{Name: "overlap", Label: "Overlap", Value: "24h", Required: true, Max: 10, Hint: "How long services have to change over, such as 12h or 7d; at most 90d."}, reasonField(false),
		}),
	}, err
}

func (a *Access) doRotate(c echo.Context, by access.Change) error {
	ctx := c.Request().Context()
	overlap, err := formDuration(c, "overlap")
	if err != nil {
		return err
	}
	k, err := a.o.Keys.Key(ctx, pathParam(c, "id"))
	if err != nil {
		return err
	}
	old, next, token, err := k.Rotate(overlap, by.At)
	if err != nil {
		return err
	}
	if err := a.o.Keys.RotateKey(ctx, old, next, by.Actor, by.Reason); err != nil {
		return err
	}
	a.o.Keyring.Forget(old.ID)
	return a.secretKey(c, &next, token, fmt.Sprintf("The old key, %s, works for another %s.", old.ID, format.Age(old.ExpiresAt.Sub(by.At))))
}

func (a *Access) askRevoke(c echo.Context) (page.Confirm, error) {
	k, err := a.o.Keys.Key(c.Request().Context(), pathParam(c, "id"))
	used := "It was never used."
	if !k.LastUsed.IsZero() {
		used = "It was last used " + format.Age(a.ui.o.Now().Sub(k.LastUsed)) + " ago."
	}
	return page.Confirm{
		Head:   part.Head{Answer: "End the key " + k.ID + " of " + k.Name + "?"},
		Does:   []string{"Refuse every request with this key from now on.", used},
		Back:   "None: make a new key.",
		Button: "Revoke the key", Danger: true, Cancel: part.Link{Text: "Cancel", URL: itemURL("keys", k.ID)},
		Fields: typed(c, []page.Field{reasonField(true)}),
	}, err
}

func (a *Access) doRevoke(c echo.Context, by access.Change) error {
	id := pathParam(c, "id")
	if by.Reason == "" {
		return respond.Bad("reason", "A reason is wanted.")
	}
	if err := a.o.Keys.RevokeKey(c.Request().Context(), id, by.At, by.Actor, by.Reason); err != nil {
		return err
	}
	a.o.Keyring.Forget(id)
	return done(c, itemURL("keys", id))
}
