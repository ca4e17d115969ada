package ui

import (
	"net/url"

	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
)

func (a *Access) person(c echo.Context) error {
	ctx := c.Request().Context()
	p, err := a.o.People.Account(ctx, pathParam(c, "name"))
	if err != nil {
		return err
	}
	k := &known{now: a.ui.o.Now()}
	if k.sessions, err = a.o.People.Sessions(ctx, p.Name, k.now); err != nil {
		return err
	}
	sessions := k.sessionRows("")
	sessions.Title, sessions.About, sessions.None = "Sessions", "Browsers in which "+p.Name+" is signed in.", part.Empty{Title: "No session", Text: p.Name + " is signed in nowhere."}
	sessions.Table.Caption = "Sessions of " + p.Name
	sessions.Table.Columns = sessions.Table.Columns[:4] // Each can end their own; an administrator ends all.
	for i := range sessions.Table.Rows {
		sessions.Table.Rows[i].Cells = sessions.Table.Rows[i].Cells[:4]
	}
	m := page.AccessItem{
		Head: part.Head{
			Crumbs: []part.Crumb{{Text: "Access", URL: accessURL}, {Text: p.Name}},
			Answer: p.Name + " is " + article(roleText(p.Role)) + ".", Status: personStatus(&p),
		},
		About: []page.Pair{
			{Name: "Role", Cell: part.Text(roleText(p.Role))},
			{Name: "Teams", Cell: listOr(p.Teams, "none")},
			{Name: "Signs in by", Cell: part.Cell{Value: part.Value{Text: method(&p), Under: p.Issuer}}},
			{Name: "Since", Cell: part.When(p.CreatedAt)},
			{Name: "What they did", Cell: part.To("in the audit log", "/audit?"+url.Values{"actor": {"user:" + p.Name}}.Encode())},
			{Name: "What was done to them", Cell: part.To("in the audit log", historyURL("user/"+p.Name))},
		},
		Tables: []page.Section{sessions}, Actions: personActions(&p),
	}
	return a.ui.show(c, view{title: p.Name, current: accessURL, body: page.ShowAccessItem(m)})
}

func article(noun string) string {
	switch noun[0] {
	case 'a', 'o':
		return "an " + noun
	}
	return "a " + noun
}

func personActions(p *access.Account) []page.Action {
	at := itemURL("people", p.Name)
	if !p.DisabledAt.IsZero() {
		return []page.Action{{Text: "Enable", URL: at + "/enable", Primary: true}}
	}
	out := []page.Action{{Text: "Change the role", URL: at + "/role"}}
	if p.Issuer == "" {
		out = append(out, page.Action{Text: "Link for a new password", URL: at + "/invite"})
	}
	return append(
		out,
		page.Action{Text: "Sign out everywhere", URL: at + "/signout"},
		page.Action{Text: "Disable", URL: at + "/disable", Danger: true},
	)
}

func (a *Access) askNewPerson(c echo.Context) (page.Confirm, error) {
	return page.Confirm{
		Head:   part.Head{Answer: "Who is invited, and what may they do?"},
		Does:   []string{"Make an account.", "Show a link, once, with which the person chooses a password. It works once, for a day."},
		Back:   "Disable the account. Accounts are never removed, so that the audit log stays true.",
		Button: "Invite",
		Fields: typed(c, []page.Field{
			{Name: "name", Label: "Name", Required: true, Focus: true, Max: 64, Hint: "What they sign in with, and what the audit log calls them."},
			roleField(access.Viewer), reasonField(false),
		}),
	}, nil
}

func (a *Access) doNewPerson(c echo.Context, by access.Change) error {
	role, err := access.ParseRole(c.FormValue("role"))
	if err != nil {
		return err
	}
	name := c.FormValue("name")
	if err := a.o.People.CreateAccount(c.Request().Context(), name, role, by); err != nil {
		return err
	}
	return a.invite(c, name, by)
}

// invite shows a link for a new password, once.
func (a *Access) invite(c echo.Context, name string, by access.Change) error {
	path, i, err := auth.NewInvite(c.Request().Context(), a.o.People, name, by)
	if err != nil {
		return err
	}
	m := page.Secret{
		Head:    part.Head{Answer: "The link for " + name + " is made.", Tone: part.Good},
		Title:   "Send it to " + name + ", and to nobody else",
		Text:    "Whoever opens it chooses the password. It works once, and is shown only here.",
		Command: part.Command{ID: "invite", Text: a.ui.o.Base() + path},
		Facts:   []page.Pair{{Name: "Good until", Cell: part.When(i.Expires)}},
		Back:    part.Link{Text: "I have copied it", URL: itemURL("people", name)},
	}
	return a.ui.show(c, view{title: "The invitation", current: accessURL, body: page.ShowSecret(m)})
}

// about is the form of an act on one person.
func (a *Access) about(c echo.Context, m page.Confirm, question func(p *access.Account) string, fields ...page.Field) (page.Confirm, error) {
	p, err := a.o.People.Account(c.Request().Context(), pathParam(c, "name"))
	if err != nil {
		return m, err
	}
	m.Head.Answer = question(&p)
	m.Fields = typed(c, append(fields, reasonField(m.Danger)))
	m.Cancel = part.Link{Text: "Cancel", URL: itemURL("people", p.Name)}
	return m, nil
}

func (a *Access) askRole(c echo.Context) (page.Confirm, error) {
	m := page.Confirm{
		Does: []string{"Change what the person may do, from their next request on."}, Back: "Change it back.", Button: "Change the role",
	}
	p, err := a.o.People.Account(c.Request().Context(), pathParam(c, "name"))
	if err != nil {
		return m, err
	}
	if p.Issuer != "" {
		m.Notices = []part.Notice{{Tone: part.Warn, Text: "The provider may say otherwise:", More: "where roles are taken from " + p.Issuer + ", they are set again at the next sign-in."}}
	}
	return a.about(c, m, func(p *access.Account) string { return p.Name + " is " + article(roleText(p.Role)) + ". What instead?" }, roleField(p.Role))
}

func (a *Access) doRole(c echo.Context, by access.Change) error {
	role, err := access.ParseRole(c.FormValue("role"))
	if err != nil {
		return err
	}
	name := pathParam(c, "name")
	if err := a.o.People.SetRole(c.Request().Context(), name, role, by); err != nil {
		return err
	}
	return done(c, itemURL("people", name))
}

func (a *Access) askDisable(c echo.Context) (page.Confirm, error) {
	return a.about(c, page.Confirm{
		Does: []string{"End every session of the person, now.", "Refuse every way of signing in."},
		Back: "Enable the account again.", Button: "Disable the account", Danger: true,
	}, func(p *access.Account) string { return "Keep " + p.Name + " out?" })
}

func (a *Access) doDisable(c echo.Context, by access.Change) error { return a.setDisabled(c, true, by) }

func (a *Access) askEnable(c echo.Context) (page.Confirm, error) {
	return a.about(c, page.Confirm{
		Does: []string{"Let the person sign in again, as before."}, Back: "Disable the account again.", Button: "Enable the account",
	}, func(p *access.Account) string { return "Let " + p.Name + " in again?" })
}

func (a *Access) doEnable(c echo.Context, by access.Change) error { return a.setDisabled(c, false, by) }

func (a *Access) setDisabled(c echo.Context, disabled bool, by access.Change) error {
	name := pathParam(c, "name")
	if err := a.o.People.SetDisabled(c.Request().Context(), name, disabled, by); err != nil {
		return err
	}
	return done(c, itemURL("people", name))
}

func (a *Access) askInvite(c echo.Context) (page.Confirm, error) {
	return a.about(c, page.Confirm{
		Does: []string{"Show a link, once, with which the person chooses a new password. It works once, for a day.", "Earlier links of theirs end. When the link is used, their sessions end."},
		Back: "Make another link: this one ends then.", Button: "Make the link",
	}, func(p *access.Account) string { return "A new password for " + p.Name + "?" })
}

func (a *Access) doInvite(c echo.Context, by access.Change) error {
	return a.invite(c, pathParam(c, "name"), by)
}

func (a *Access) askSignOut(c echo.Context) (page.Confirm, error) {
	p, err := a.o.People.Account(c.Request().Context(), pathParam(c, "name"))
	if err != nil {
		return page.Confirm{}, err
	}
	all, err := a.o.People.Sessions(c.Request().Context(), p.Name, a.ui.o.Now())
	if err != nil {
		return page.Confirm{}, err
	}
	return a.about(c, page.Confirm{
		Does: []string{"End " + format.Plural(int64(len(all)), "session", "sessions") + " now."}, Back: "They sign in again.", Button: "Sign out everywhere",
	}, func(p *access.Account) string { return "Sign " + p.Name + " out everywhere?" })
}

func (a *Access) doSignOut(c echo.Context, by access.Change) error {
	name := pathParam(c, "name")
	if _, err := a.o.People.EndSessions(c.Request().Context(), name, "", by); err != nil {
		return err
	}
	return done(c, itemURL("people", name))
}
