package ui

import (
	"context"
	"net/http"
	"net/url"
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

// Routes is the URL map of the pages about access.
func (a *Access) Routes() []auth.Route {
	get := func(path string, may access.Permission, h echo.HandlerFunc) auth.Route {
		return auth.Route{Method: http.MethodGet, Path: accessURL + path, May: may, Handle: respond.Takes(h)}
	}
	routes := []auth.Route{
		get("", access.Read, a.overview),
		get("/people/:name", access.Admin, a.person),
		get("/teams/:name", access.Read, a.team),
		get("/keys/:id", access.Admin, a.key),
	}
	return append(routes, desk{a.ui, part.Crumb{Text: "Access", URL: accessURL}}.routes(a.acts())...)
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
	self     access.Account // who asks, when a person
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
	k.owners = a.ui.o.Policy.Set().Owners(a.o.Features(), k.teams, k.keys, k.now)
	if id.IsPerson() {
		if k.self, err = a.o.People.Account(ctx, id.Name); err != nil {
			return nil, err
		}
		if k.sessions, err = a.o.People.Sessions(ctx, id.Name, k.now); err != nil {
			return nil, err
		}
	}
	if id.May(access.Admin) {
		k.people, err = a.o.People.Accounts(ctx)
	}
	return k, err
}
