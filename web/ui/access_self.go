package ui

import (
	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
)

func (a *Access) askPassword(c echo.Context) (page.Confirm, error) {
	m := page.Confirm{
		Head:   part.Head{Answer: "Change your password?"},
		Does:   []string{"Sign you in with the new password from now on.", "End your sessions in other browsers, now."},
		Back:   "Change it again.",
		Button: "Change the password",
		Fields: []page.Field{
			{Name: "password", Label: "New password", Kind: "password", Required: true, Max: access.MaxPassword, Fills: "new-password", Hint: passwordRule()},
			{Name: "again", Label: "The same again", Kind: "password", Required: true, Max: access.MaxPassword, Fills: "new-password"},
		},
	}
	p, err := a.o.People.Account(c.Request().Context(), auth.Who(c).Name)
	if err != nil {
		return m, err
	}
	if p.HasPassword {
		m.Fields = append([]page.Field{{Name: "current", Label: "Current password", Kind: "password", Required: true, Max: access.MaxPassword, Fills: "current-password"}}, m.Fields...)
	}
	return m, nil
}

func (a *Access) doPassword(c echo.Context, _ access.Change) error {
	form := c.Request().PostFormValue
	if err := a.o.Passwords.ChangePassword(c, form("current"), form("password"), form("again")); err != nil {
		return err
	}
	return done(c, accessURL)
}

func (a *Access) askEndSession(c echo.Context) (page.Confirm, error) {
	id := auth.Who(c)
	m := page.Confirm{
		Head: part.Head{Answer: "End this session?"}, Does: []string{"Sign that browser out, now."}, Back: "Sign in there again.",
		Button: "End the session",
	}
	all, err := a.o.People.Sessions(c.Request().Context(), id.Name, a.ui.o.Now())
	if err != nil {
		return m, err
	}
	for i := range all {
		if all[i].ID == pathParam(c, "id") {
			m.Head.Answer = "End your session in " + browser(all[i].Agent) + " from " + orElse(all[i].Address, "an unknown address") + "?"
			return m, nil
		}
	}
	return m, access.ErrNoSession
}

func (a *Access) doEndSession(c echo.Context, by access.Change) error {
	if err := a.o.People.EndSession(c.Request().Context(), auth.Who(c).Name, pathParam(c, "id"), by); err != nil {
		return err
	}
	return done(c, accessURL)
}

func (a *Access) askEndSessions(c echo.Context) (page.Confirm, error) {
	all, err := a.o.People.Sessions(c.Request().Context(), auth.Who(c).Name, a.ui.o.Now())
	return page.Confirm{
		Head: part.Head{Answer: "Sign out of every other browser?"},
		Does: []string{"End " + format.Plural(int64(max(0, len(all)-1)), "session", "sessions") + ", now; this one goes on."},
		Back: "Sign in there again.", Button: "Sign out elsewhere",
	}, err
}

func (a *Access) doEndSessions(c echo.Context, by access.Change) error {
	id := auth.Who(c)
	if _, err := a.o.People.EndSessions(c.Request().Context(), id.Name, id.Session, by); err != nil {
		return err
	}
	return done(c, accessURL)
}
