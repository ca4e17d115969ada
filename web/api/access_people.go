package api

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// People answers programs about who may do what.
type People struct {
	api      *API
	people   access.People
	features func() []string
}

// NewPeople returns the part of the API that is about people, teams and owners.
// features lists every feature that was seen or declared.
func NewPeople(a *API, people access.People, features func() []string) *People {
	return &People{a, people, features}
}

// Routes is the URL map of people, teams and owners.
func (p *People) Routes() []auth.Route {
	const user, team = "/api/v1/users/:name", "/api/v1/teams/:name"
	return []auth.Route{
		{Method: http.MethodGet, Path: "/api/v1/me", May: access.Known, Handle: plain(p.getMe)},
		{Method: http.MethodGet, Path: "/api/v1/owners", May: access.Read, Handle: plain(p.listOwners)},
		{Method: http.MethodGet, Path: "/api/v1/teams", May: access.Read, Handle: plain(p.listTeams)},
		{Method: http.MethodPut, Path: team, May: access.Admin, Handle: p.putTeam},
		{Method: http.MethodDelete, Path: team, May: access.Admin, Handle: p.deleteTeam},
		{Method: http.MethodGet, Path: "/api/v1/users", May: access.Admin, Handle: plain(p.listUsers)},
		{Method: http.MethodPost, Path: "/api/v1/users", May: access.Admin, Handle: p.createUser},
		{Method: http.MethodGet, Path: user, May: access.Admin, Handle: plain(p.getUser)},
		{Method: http.MethodPatch, Path: user, May: access.Admin, Handle: p.patchUser},
		{Method: http.MethodPost, Path: user + "/invite", May: access.Admin, Handle: p.inviteUser},
		{Method: http.MethodPost, Path: user + "/signout", May: access.Admin, Handle: p.signUserOut},
	}
}

// meView is who asks, and what they may do.
type meView struct {
	Kind        string              `json:"kind"` // person or key
	Name        string              `json:"name"`
	Role        access.Role         `json:"role,omitempty"`
	Features    []string            `json:"features,omitempty"` // that the person's teams own
	Permissions []access.Permission `json:"permissions"`
}

func (p *People) getMe(c echo.Context) error {
	id := auth.Who(c)
	v := meView{Kind: "key", Name: id.Name, Role: id.User.Role, Features: id.User.Features}
	if id.IsPerson() {
		v.Kind = "person"
	}
	for _, perm := range access.Permissions() {
		if id.May(perm) {
			v.Permissions = append(v.Permissions, perm)
		}
	}
	return respond.JSON(c, http.StatusOK, v)
}

// UserView is an account as its managers see it.
type UserView struct {
	Name        string      `json:"name"`
	Role        access.Role `json:"role"`
	Disabled    bool        `json:"disabled"`
	HasPassword bool        `json:"has_password"`
	Issuer      string      `json:"issuer,omitempty"` // of the OpenID provider; absent = a local account
	Subject     string      `json:"subject,omitempty"`
	Teams       []string    `json:"teams"`
	CreatedAt   time.Time   `json:"created_at"`
	LastSignIn  *time.Time  `json:"last_sign_in"` // null = never
	// Invite is where the person chooses a password: in the answer that makes it, and
	// never again.
	Invite        string     `json:"invite,omitempty"`
	InviteExpires *time.Time `json:"invite_expires_at,omitempty"`
}

// ViewUser returns an account as its managers see it.
func ViewUser(a *access.Account) UserView {
	return UserView{
		Name: a.Name, Role: a.Role, Disabled: !a.DisabledAt.IsZero(), HasPassword: a.HasPassword, Issuer: a.Issuer,
		Subject: a.Subject, Teams: orEmpty(a.Teams), CreatedAt: a.CreatedAt, LastSignIn: known(a.LastSignIn),
	}
}

func (p *People) listUsers(c echo.Context) error {
	all, err := p.people.Accounts(c.Request().Context())
	if err != nil {
		return err
	}
	views := make([]UserView, len(all))
	for i := range all {
		views[i] = ViewUser(&all[i])
	}
	return page[UserView]{Items: views}.tell(c, tableOf("users", "name role disabled has_password issuer teams created_at last_sign_in", userRow))
}

func (p *People) getUser(c echo.Context) error {
	a, err := p.people.Account(c.Request().Context(), pathParam(c, "name"))
	if err != nil {
		return err
	}
	return respond.JSON(c, http.StatusOK, ViewUser(&a))
}

// by is who makes a change and why.
func (p *People) by(c echo.Context, reason string) (access.Change, error) {
	return access.Change{Actor: auth.Who(c).Actor(), Reason: reason, At: p.api.o.Now()}, access.CheckReason(reason)
}

// newUser is the body of POST /api/v1/users.
type newUser struct {
	Name   string `json:"name"`
	Role   string `json:"role"`
	Reason string `json:"reason"`
}

func (p *People) createUser(c echo.Context) error {
	var in newUser
	if err := readJSON(c, &in); err != nil {
		return err
	}
	role, err := access.ParseRole(in.Role)
	if err != nil {
		return err
	}
	by, err := p.by(c, in.Reason)
	if err != nil {
		return err
	}
	if err := p.people.CreateAccount(c.Request().Context(), in.Name, role, by); err != nil {
		return err
	}
	return p.sendInvite(c, http.StatusCreated, in.Name, by)
}

// sendInvite answers with an account and a link with which its person chooses a password.
func (p *People) sendInvite(c echo.Context, status int, name string, by access.Change) error {
	ctx := c.Request().Context()
	path, invite, err := auth.NewInvite(ctx, p.people, name, by)
	if err != nil {
		return err
	}
	a, err := p.people.Account(ctx, name)
	if err != nil {
		return err
	}
	v := ViewUser(&a)
	v.Invite, v.InviteExpires = path, &invite.Expires
	return respond.JSON(c, status, v)
}

// reasoned is the body of requests that only want a reason.
type reasoned struct {
	Reason string `json:"reason"`
}

func (p *People) readReason(c echo.Context) (access.Change, error) {
	var in reasoned
	if c.Request().ContentLength != 0 {
		if err := readJSON(c, &in); err != nil {
			return access.Change{}, err
		}
	}
	return p.by(c, in.Reason)
}

func (p *People) inviteUser(c echo.Context) error {
	by, err := p.readReason(c)
	if err != nil {
		return err
	}
	return p.sendInvite(c, http.StatusOK, pathParam(c, "name"), by)
}

func (p *People) signUserOut(c echo.Context) error {
	by, err := p.readReason(c)
	if err != nil {
		return err
	}
	n, err := p.people.EndSessions(c.Request().Context(), pathParam(c, "name"), "", by)
	if err != nil {
		return err
	}
	return respond.JSON(c, http.StatusOK, map[string]int{"sessions_ended": n})
}

// userPatch is the body of PATCH /api/v1/users/{name}: what is absent stays.
type userPatch struct {
	Role     *string `json:"role"`
	Disabled *bool   `json:"disabled"`
	Reason   string  `json:"reason"`
}

func (p *People) patchUser(c echo.Context) error {
	var in userPatch
	if err := readJSON(c, &in); err != nil {
		return err
	}
	by, err := p.by(c, in.Reason)
	if err != nil {
		return err
	}
	ctx, name := c.Request().Context(), pathParam(c, "name")
	if in.Role != nil {
		role, err := access.ParseRole(*in.Role)
		if err != nil {
			return err
		}
		if err := p.people.SetRole(ctx, name, role, by); err != nil {
			return err
		}
	}
	if in.Disabled != nil {
		if err := p.people.SetDisabled(ctx, name, *in.Disabled, by); err != nil {
			return err
		}
	}
	return p.getUser(c)
}

// teamView is a team.
type teamView struct {
	Name     string       `json:"name"`
	About    string       `json:"about,omitempty"`
	Members  []memberView `json:"members"`
	Features []string     `json:"features"` // that it owns
	Seen     string       `json:"seen"`     // to be sent along when it is replaced
}

type memberView struct {
	Name string `json:"name"`
	// Claim says that the OpenID provider named the person; such members are not changed
	// here.
	Claim bool `json:"claim,omitempty"`
}

func (p *People) listTeams(c echo.Context) error {
	all, err := p.people.Teams(c.Request().Context())
	if err != nil {
		return err
	}
	views := make([]teamView, len(all))
	for i, t := range all {
		views[i] = teamView{Name: t.Name, About: t.About, Members: []memberView{}, Features: orEmpty(t.Features), Seen: t.Seen()}
		for _, m := range t.Members {
			views[i].Members = append(views[i].Members, memberView(m))
		}
	}
	return page[teamView]{Items: views}.tell(c, tableOf("teams", "name about members features", teamRow))
}

// teamBody is the body of PUT /api/v1/teams/{name}: the whole team.
type teamBody struct {
	About    string   `json:"about"`
	Members  []string `json:"members"`
	Features []string `json:"features"`
	// Seen is that of the team that is replaced; when it is something else by now, nothing is
	// changed. "" replaces whatever is there.
	Seen   string `json:"seen"`
	Reason string `json:"reason"`
}

func (p *People) putTeam(c echo.Context) error {
	var in teamBody
	if err := readJSON(c, &in); err != nil {
		return err
	}
	by, err := p.by(c, in.Reason)
	if err != nil {
		return err
	}
	t := access.Team{Name: pathParam(c, "name"), About: in.About, Features: in.Features, Replaces: in.Seen}
	for _, m := range in.Members {
		t.Members = append(t.Members, access.Member{Name: m})
	}
	if err := p.people.PutTeam(c.Request().Context(), t, by); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (p *People) deleteTeam(c echo.Context) error {
	q := p.api.readParams(c, "reason")
	if q.err != nil {
		return q.err
	}
	by, err := p.by(c, q.text("reason"))
	if err != nil {
		return err
	}
	if err := p.people.DeleteTeam(c.Request().Context(), pathParam(c, "name"), by); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (p *People) listOwners(c echo.Context) error {
	ctx := c.Request().Context()
	teams, err := p.people.Teams(ctx)
	if err != nil {
		return err
	}
	keys, err := p.api.o.Keys.Keys(ctx)
	if err != nil {
		return err
	}
	owners := p.api.o.Policy.Set().Owners(p.features(), teams, keys, p.api.o.Now())
	return page[access.Ownership]{Items: owners}.tell(c, tableOf("owners", "feature team publishers consumers", ownerRow))
}
