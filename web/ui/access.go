package ui

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// Passwords changes the password of who is signed in: an *auth.Auth.
type Passwords interface {
	ChangePassword(c echo.Context, current, password, again string) error
}

// AccessOptions are what the pages about access are made from, besides those of UI.
type AccessOptions struct {
	Keys      access.Store
	Keyring   *access.Keyring
	People    access.People
	Passwords Passwords
	Features  func() []string // that were seen or declared
}

// Access serves the pages about who may do what.
type Access struct {
	ui *UI
	o  AccessOptions
}

// NewAccess returns the pages about who may do what.
func NewAccess(u *UI, o AccessOptions) *Access { return &Access{u, o} }

const accessURL = "/access"

// act is something that a page does after it has said what that is: GET asks, POST
// does.
type act struct {
	path string
	may  access.Permission
	ask  func(c echo.Context) (page.Confirm, error)
	do   func(c echo.Context, by access.Change) error
}

// Routes is the URL map of the pages about access.
func (a *Access) Routes() []auth.Route {
	get := func(path string, may access.Permission, h echo.HandlerFunc) auth.Route {
		return auth.Route{Method: http.MethodGet, Path: accessURL + path, May: may, Handle: h}
	}
	routes := []auth.Route{
		get("", access.Read, a.overview),
		get("/people/:name", access.Admin, a.person),
		get("/teams/:name", access.Read, a.team),
		get("/keys/:id", access.Admin, a.key),
	}
	for _, t := range a.acts() {
		routes = append(
			routes,
			get(t.path, t.may, a.asking(t)),
			auth.Route{Method: http.MethodPost, Path: accessURL + t.path, May: t.may, Handle: a.doing(t)},
		)
	}
	return routes
}

func (a *Access) acts() []act {
	return []act{
		{"/password", access.Person, a.askPassword, a.doPassword},
		{"/sessions/:id/end", access.Person, a.askEndSession, a.doEndSession},
		{"/sessions/end", access.Person, a.askEndSessions, a.doEndSessions},
		{"/people/new", access.Admin, a.askNewPerson, a.doNewPerson},
		{"/people/:name/role", access.Admin, a.askRole, a.doRole},
		{"/people/:name/disable", access.Admin, a.askDisable, a.doDisable},
		{"/people/:name/enable", access.Admin, a.askEnable, a.doEnable},
		{"/people/:name/invite", access.Admin, a.askInvite, a.doInvite},
		{"/people/:name/signout", access.Admin, a.askSignOut, a.doSignOut},
		{"/teams/new", access.Admin, a.askNewTeam, a.doNewTeam},
		{"/teams/:name/edit", access.Admin, a.askTeam, a.doTeam},
		{"/teams/:name/delete", access.Admin, a.askDeleteTeam, a.doDeleteTeam},
		{"/keys/new", access.Admin, a.askNewKey, a.doNewKey},
		{"/keys/:id/rotate", access.Admin, a.askRotate, a.doRotate},
		{"/keys/:id/revoke", access.Admin, a.askRevoke, a.doRevoke},
	}
}

// asking shows what an act will do.
func (a *Access) asking(t act) echo.HandlerFunc {
	return func(c echo.Context) error {
		m, err := t.ask(c)
		if err != nil {
			return err
		}
		return a.confirm(c, m, http.StatusOK)
	}
}

func (a *Access) confirm(c echo.Context, m page.Confirm, status int) error {
	m.Action = c.Request().URL.EscapedPath()
	if m.Cancel.URL == "" {
		m.Cancel = part.Link{Text: "Cancel", URL: accessURL}
	}
	m.Head.Crumbs = []part.Crumb{{Text: "Access", URL: accessURL}, {Text: m.Button}}
	return a.ui.show(c, view{title: m.Button, current: accessURL, status: status, body: page.ShowConfirm(m)})
}

// doing does it; what was wrong with the form is shown above it, with what was typed.
func (a *Access) doing(t act) echo.HandlerFunc {
	return func(c echo.Context) error {
		by := access.Change{Actor: auth.Who(c).Actor(), Reason: strings.TrimSpace(c.FormValue("reason")), At: a.ui.o.Now()}
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
		return a.confirm(c, m, p.Status)
	}
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

func roleField(now access.Role) page.Field {
	return page.Field{
		Name: "role", Label: "Role", Kind: "pick", Value: string(now), Required: true,
		Hint: "Viewers read, and control what their teams own. Operators control everything. Administrators also manage access.",
		Options: []page.Option{
			{Value: string(access.Viewer), Text: "viewer"}, {Value: string(access.Operator), Text: "operator"}, {Value: string(access.Administrator), Text: "administrator"},
		},
	}
}

func roleText(r access.Role) string {
	if r == access.Administrator {
		return "administrator"
	}
	return string(r)
}

func itemURL(kind, name string) string { return accessURL + "/" + kind + "/" + url.PathEscape(name) }

func historyURL(subject string) string {
	return "/audit?" + url.Values{"subject": {subject}}.Encode()
}

// known is everything that the overview is made of.
type known struct {
	people   []access.Account
	teams    []access.Team
	keys     []access.Key
	owners   []access.Ownership
	sessions []access.Session
	now      time.Time
}

func (a *Access) known(ctx context.Context, id *access.Identity) (k *known, err error) {
	k = &known{now: a.ui.o.Now()}
	if k.teams, err = a.o.People.Teams(ctx); err != nil {
		return nil, err
	}
	if k.keys, err = a.o.Keys.Keys(ctx); err != nil {
		return nil, err
	}
	k.owners = access.Ownerships(a.o.Features(), k.teams, k.keys, k.now)
	if id.IsPerson() {
		if k.sessions, err = a.o.People.Sessions(ctx, id.Name, k.now); err != nil {
			return nil, err
		}
	}
	if id.May(access.Admin) {
		k.people, err = a.o.People.Accounts(ctx)
	}
	return k, err
}
