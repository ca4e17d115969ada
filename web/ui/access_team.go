package ui

import (
	"fmt"
	"strings"

	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
)

// findTeam returns the team that the address names.
func (a *Access) findTeam(c echo.Context) (access.Team, error) {
	all, err := a.o.People.Teams(c.Request().Context())
	if err != nil {
		return access.Team{}, err
	}
	name := pathParam(c, "name")
	for _, t := range all {
		if t.Name == name {
			return t, nil
		}
	}
	return access.Team{}, fmt.Errorf("%q: %w", name, access.ErrNoTeam)
}

func (a *Access) team(c echo.Context) error {
	t, err := a.findTeam(c)
	if err != nil {
		return err
	}
	members := page.Section{ID: "members", Title: "Members", None: part.Empty{Title: "The team has no member", Text: "An administrator can add some."}}
	members.Table = part.Table{Caption: "Members of " + t.Name, Columns: []part.Column{{Head: "Name"}, {Head: "Member because"}}}
	for _, m := range t.Members {
		why := "an administrator said so"
		if m.Claim {
			why = "the OpenID provider said so at the last sign-in"
		}
		members.Table.Rows = append(members.Table.Rows, part.Row{Cells: []part.Cell{part.Text(m.Name), part.Text(why)}})
	}
	owned := page.Section{ID: "features", Title: "Features", None: part.Empty{Title: "The team owns no feature", Text: "An administrator can give it some."}}
	owned.Table = part.Table{Caption: "Features of " + t.Name, Columns: []part.Column{{Head: "Feature"}}}
	for _, f := range t.Features {
		owned.Table.Rows = append(owned.Table.Rows, part.Row{Cells: []part.Cell{part.To(f, featureURL(f))}})
	}
	m := page.AccessItem{
		Head: part.Head{
			Crumbs: []part.Crumb{{Text: "Access", URL: accessURL}, {Text: t.Name}},
			Answer: "The team " + t.Name + " owns " + format.Plural(int64(len(t.Features)), "feature", "features") + ".", Sub: t.About,
		},
		About: []page.Pair{
			{Name: "Members", Cell: listOr(memberNames(&t), "nobody")},
			{Name: "Since", Cell: part.When(t.CreatedAt)},
			{Name: "History", Cell: part.To("in the audit log", historyURL("team/"+t.Name))},
		},
		Tables: []page.Section{owned, members},
	}
	if auth.Who(c).May(access.Admin) {
		m.Actions = []page.Action{
			{Text: "Change the team", URL: itemURL("teams", t.Name) + "/edit", Primary: true},
			{Text: "Delete the team", URL: itemURL("teams", t.Name) + "/delete", Danger: true},
		}
	}
	return a.ui.show(c, view{title: t.Name, current: accessURL, body: page.ShowAccessItem(m)})
}

func teamFields(t *access.Team, named bool) []page.Field {
	local := t.Local()
	fields := []page.Field{
		{Name: "about", Label: "About", Value: t.About},
		{Name: "members", Label: "Members", Kind: "area", Value: strings.Join(local, "\n"), Max: 20_000, Hint: "Names of accounts, with spaces or lines between. Whom the OpenID provider names is a member besides."},
		{Name: "features", Label: "Features that it owns", Kind: "area", Value: strings.Join(t.Features, "\n"), Max: 20_000, Hint: "With spaces or lines between. A feature has one owning team."},
		reasonField(false),
	}
	if named {
		return fields
	}
	return append([]page.Field{{Name: "name", Label: "Name", Required: true, Focus: true, Max: 64, Hint: "a-z, 0-9, '.', '_' and '-'."}}, fields...)
}

func (a *Access) askNewTeam(c echo.Context) (page.Confirm, error) {
	return page.Confirm{
		Head: part.Head{Answer: "Which team, and what does it own?"},
		Does: []string{"Make the team.", "Its members may change the promises and rollouts of its features, whatever their role."},
		Back: "Change or delete the team.", Button: "Make the team", Fields: typed(c, teamFields(&access.Team{}, false)),
	}, nil
}

func (a *Access) doNewTeam(c echo.Context, by access.Change) error {
	all, err := a.o.People.Teams(c.Request().Context())
	if err != nil {
		return err
	}
	name := strings.TrimSpace(c.FormValue("name"))
	for i := range all {
		if all[i].Name == name {
			return fmt.Errorf("team %q: %w", name, access.ErrNameTaken)
		}
	}
	return a.putTeam(c, name, by)
}

func (a *Access) putTeam(c echo.Context, name string, by access.Change) error {
	t := access.Team{
		Name: name, About: strings.TrimSpace(c.FormValue("about")), Features: splitNames(c.FormValue("features")), Replaces: c.FormValue("seen"),
	}
	for _, m := range splitNames(c.FormValue("members")) {
		t.Members = append(t.Members, access.Member{Name: m})
	}
	if err := a.o.People.PutTeam(c.Request().Context(), t, by); err != nil {
		return again(err)
	}
	return done(c, itemURL("teams", name))
}

// splitNames reads names with spaces, commas or lines between.
func splitNames(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" ,\t\r\n", r) })
}

func (a *Access) askTeam(c echo.Context) (page.Confirm, error) {
	t, err := a.findTeam(c)
	return page.Confirm{
		Head: part.Head{Answer: "Change the team " + t.Name + "?"},
		Does: []string{"Replace members and features by what is below, from the next request of each member on."},
		Back: "Change it back; the audit log has what was before.", Button: "Change the team", Hidden: []page.Hidden{{Name: "seen", Value: t.Seen()}},
		Fields: typed(c, teamFields(&t, true)), Cancel: part.Link{Text: "Cancel", URL: itemURL("teams", t.Name)},
	}, err
}

func (a *Access) doTeam(c echo.Context, by access.Change) error {
	t, err := a.findTeam(c)
	if err != nil {
		return err
	}
	return a.putTeam(c, t.Name, by)
}

func (a *Access) askDeleteTeam(c echo.Context) (page.Confirm, error) {
	t, err := a.findTeam(c)
	return page.Confirm{
		Head: part.Head{Answer: "Delete the team " + t.Name + "?"},
		Does: []string{"Leave " + format.Plural(int64(len(t.Features)), "feature", "features") + " without an owner.", "Take away what " + format.Plural(int64(len(t.Members)), "member", "members") + " could do as such, now."},
		Back: "Make the team again; the audit log has what it was.", Button: "Delete the team", Danger: true,
		Fields: typed(c, []page.Field{reasonField(true)}), Cancel: part.Link{Text: "Cancel", URL: itemURL("teams", t.Name)},
	}, err
}

func (a *Access) doDeleteTeam(c echo.Context, by access.Change) error {
	if err := a.o.People.DeleteTeam(c.Request().Context(), pathParam(c, "name"), by); err != nil {
		return err
	}
	return done(c, accessURL)
}
