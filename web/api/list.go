package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
	"tidemark/web/respond"
)

// tell answers with a page of a list: as CSV when asked for, else as JSON. What comes
// after it is named in a Link header also, since a table has no place for it.
func (p page[T]) tell(c echo.Context, table func([]T) respond.Table) error {
	linkNext(c, p.Next)
	if respond.WantsCSV(c) {
		return respond.CSV(c, table(p.Items))
	}
	p.Items = orEmpty(p.Items)
	return respond.JSON(c, http.StatusOK, p)
}

// linkNext names the next page by its whole address (RFC 8288); "" is none.
func linkNext(c echo.Context, cursor string) {
	if cursor == "" {
		return
	}
	u := *c.Request().URL
	q := u.Query()
	q.Set("cursor", cursor)
	u.RawQuery = q.Encode()
	c.Response().Header().Set("Link", "<"+u.RequestURI()+`>; rel="next"`)
}

// tableOf makes a table of one row for each item.
func tableOf[T any](name, header string, row func(*T) []string) func([]T) respond.Table {
	return func(items []T) respond.Table {
		t := respond.Table{Name: name, Header: strings.Fields(header)}
		for i := range items {
			t.Rows = append(t.Rows, row(&items[i]))
		}
		return t
	}
}

// moment is a time of a CSV cell; "" when there is none.
func moment(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// spaced is a list in a CSV cell.
func spaced[S ~string](all []S) string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = string(s)
	}
	return strings.Join(out, " ")
}

func keyRow(k *KeyView) []string {
	return []string{
		k.ID, k.Name, k.Env, spaced(k.Scopes), strconv.FormatBool(k.Live), moment(&k.CreatedAt), moment(k.ExpiresAt),
		moment(k.RevokedAt), moment(k.LastUsed), floatText(&k.Rate),
	}
}

func userRow(u *UserView) []string {
	return []string{
		u.Name, string(u.Role), strconv.FormatBool(u.Disabled), strconv.FormatBool(u.HasPassword), u.Issuer, spaced(u.Teams),
		moment(&u.CreatedAt), moment(u.LastSignIn),
	}
}

func teamRow(t *teamView) []string {
	names := make([]string, len(t.Members))
	for i, m := range t.Members {
		names[i] = m.Name
	}
	return []string{t.Name, t.About, spaced(names), spaced(t.Features)}
}

func ownerRow(o *access.Ownership) []string {
	return []string{o.Feature, o.Team, spaced(o.Publishers), spaced(o.Consumers)}
}

func webhookRow(w *Webhook) []string {
	return []string{w.ID, w.Name, w.URL, spaced(w.Severities), strconv.FormatBool(w.Enabled), moment(&w.CreatedAt), w.CreatedBy}
}

func deliveryRow(d *Delivery) []string {
	return []string{
		d.ID, d.AlertID, d.Type, string(d.State), strconv.Itoa(d.Attempts), moment(&d.CreatedAt), moment(d.NextAt), moment(d.DoneAt),
		strconv.Itoa(d.Status), d.Error,
	}
}

func documentRow(d *Document) []string {
	return []string{
		string(d.Kind), d.Name, d.Version, strconv.FormatInt(d.Revision, 10), string(d.Status), d.Feature, d.Actor, d.Reason, moment(&d.At), d.Hash,
	}
}
