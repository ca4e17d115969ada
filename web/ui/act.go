package ui

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// act is something that a page does after it has said what that is: GET asks, POST
// does. The path is below the desk's.
type act struct {
	path string
	may  access.Permission
	ask  func(c echo.Context) (page.Confirm, error)
	do   func(c echo.Context, by access.Change) error
}

// desk is where acts belong: the page that leads to them, and to which they lead back.
type desk struct {
	ui   *UI
	home part.Crumb
}

// routes are the two of each act.
func (d desk) routes(acts []act) []auth.Route {
	var out []auth.Route
	for _, t := range acts {
		out = append(
			out,
			auth.Route{Method: http.MethodGet, Path: d.home.URL + t.path, May: t.may, Handle: respond.Takes(d.asking(t))},
			auth.Route{Method: http.MethodPost, Path: d.home.URL + t.path, May: t.may, Handle: d.doing(t)},
		)
	}
	return out
}

// asking shows what an act will do.
func (d desk) asking(t act) echo.HandlerFunc {
	return func(c echo.Context) error {
		m, err := t.ask(c)
		if err != nil {
			return err
		}
		return d.confirm(c, m, http.StatusOK)
	}
}

func (d desk) confirm(c echo.Context, m page.Confirm, status int) error {
	m.Action = c.Request().URL.EscapedPath()
	if m.Cancel.URL == "" {
		m.Cancel = part.Link{Text: "Cancel", URL: d.home.URL}
	}
	m.Head.Crumbs = []part.Crumb{d.home, {Text: m.Button}}
	return d.ui.show(c, view{title: m.Button, current: d.home.URL, status: status, body: page.ShowConfirm(m)})
}

// doing does it; what was wrong with the form is shown above it, with what was typed.
func (d desk) doing(t act) echo.HandlerFunc {
	return func(c echo.Context) error {
		by := access.Change{Actor: auth.Who(c).Actor(), Reason: strings.TrimSpace(c.FormValue("reason")), At: d.ui.o.Now()}
		err := access.CheckReason(by.Reason)
		if err == nil {
			err = t.do(c, by)
		}
		if err == nil {
			return nil
		}
		p := respond.From(err)
		if !mendable(p.Status) || !respond.WantsPage(c) {
			return err
		}
		m, askErr := t.ask(c)
		if askErr != nil {
			return errors.Join(err, askErr)
		}
		m.Notices = append(m.Notices, part.Notice{Tone: part.Bad, Text: "Nothing was changed:", More: p.Detail})
		return d.confirm(c, m, p.Status)
	}
}

// again says how to go over what somebody else changed.
func again(err error) error {
	if errors.Is(err, flags.ErrChanged) {
		return fmt.Errorf("%w; what you wrote is still below, and goes over that when you send it again", err)
	}
	return err
}

// mendable reports whether another input may help.
func mendable(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusConflict || status == http.StatusUnprocessableEntity
}

// done leads to where the change can be seen.
func done(c echo.Context, to string) error { return c.Redirect(http.StatusSeeOther, to) }

func reasonField(required bool) page.Field {
	return page.Field{Name: "reason", Label: "Reason", Required: required, Hint: "Kept in the audit log, beside your name."}
}

// typed fills fields with what was typed, when the form was sent.
func typed(c echo.Context, fields []page.Field) []page.Field {
	if c.Request().Method != http.MethodPost {
		return fields
	}
	for i := range fields {
		if fields[i].Kind != "password" {
			fields[i].Value = c.FormValue(fields[i].Name)
		}
	}
	return fields
}
