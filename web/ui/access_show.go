package ui

import (
	"context"
	"strings"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
)

func (a *Access) overview(c echo.Context) error {
	id := auth.Who(c)
	k, err := a.known(c.Request().Context(), id)
	if err != nil {
		return err
	}
	m := page.Access{
		Head: k.head(), Actions: accessActions(id, k), You: you(id, k), Sessions: k.sessionRows(id.Session),
		Owners: k.ownerRows(), Teams: k.teamRows(),
	}
	if m.Labels, err = a.labels(c.Request().Context()); err != nil {
		return err
	}
	if id.May(access.Admin) {
		people, keys := k.peopleRows(), k.keyRows()
		m.People, m.Keys = &people, &keys
	}
	return a.ui.show(c, view{title: "Access", current: accessURL, body: page.ShowAccess(m)})
}

// labels are the labels of writes with who may carry them; nil where there are none.
func (a *Access) labels(ctx context.Context) (*page.Section, error) {
	if a.ui.o.Flags == nil {
		return nil, nil
	}
	counts, _, err := a.ui.mostHeld(ctx)
	if err != nil {
		return nil, err
	}
	s := a.ui.labelRows(a.ui.o.Flags.List(flags.KindLabel), a.ui.heldByLabel(counts), "")
	s.Title, s.About = "Policy labels", "Which services may carry a write with a label. Change them on the page Labels."
	s.None.Text, s.None.Link = "A label says which services may carry a write that has it.", part.Link{Text: "Declare a label", URL: labelPages.url}
	return &s, nil
}

// head says first whether somebody is responsible for every feature.
func (k *known) head() part.Head {
	unowned := 0
	for i := range k.owners {
		if k.owners[i].Team == "" {
			unowned++
		}
	}
	live := 0
	for i := range k.keys {
		if k.keys[i].Live(k.now) {
			live++
		}
	}
	h := part.Head{Link: declaredLink, Sub: format.Plural(int64(len(k.teams)), "team", "teams") + ", " + format.Plural(int64(live), "live API key", "live API keys") + "."}
	switch total := len(k.owners); {
	case total == 0:
		h.Answer = "No feature is known yet, so nobody owns one."
	case unowned == 0:
		h.Answer, h.Tone = "Every feature has an owner.", part.Good
	case unowned == total:
		h.Answer, h.Tone = "No feature has an owning team yet.", part.Warn
	default:
		h.Answer, h.Tone = format.Count(int64(unowned))+" of "+format.Plural(int64(total), "feature has", "features have")+" no owning team.", part.Warn
	}
	return h
}

func accessActions(id *access.Identity, k *known) []page.Action {
	var out []page.Action
	if id.May(access.Admin) {
		out = append(
			out,
			page.Action{Text: "Invite a person", URL: accessURL + "/people/new", Primary: true},
			page.Action{Text: "New team", URL: accessURL + "/teams/new"},
			page.Action{Text: "New API key", URL: accessURL + "/keys/new"},
		)
	}
	if id.IsPerson() && k.self.Issuer == "" {
		out = append(out, page.Action{Text: "Change your password", URL: accessURL + "/password"})
	}
	if id.IsPerson() {
		out = append(out, page.Action{Text: "Sign out elsewhere", URL: accessURL + "/sessions/end"})
	}
	return out
}

func you(id *access.Identity, k *known) []page.Pair {
	out := []page.Pair{{Name: "Name", Cell: part.Text(id.Name)}}
	if !id.IsPerson() {
		return append(out, page.Pair{Name: "Signed in", Cell: part.Text("by an API key")})
	}
	out = append(out, page.Pair{Name: "Role", Cell: part.Text(roleText(id.User.Role))})
	var teams []string
	for i := range k.teams {
		for _, m := range k.teams[i].Members {
			if strings.EqualFold(m.Name, id.Name) {
				teams = append(teams, k.teams[i].Name)
			}
		}
	}
	return append(
		out,
		page.Pair{Name: "Teams", Cell: listOr(teams, "none")},
		page.Pair{Name: "You own", Cell: listOr(id.User.Features, "no feature")},
	)
}

// listOr is a list in a sentence, or what to say when it is empty.
func listOr(names []string, none string) part.Cell {
	if len(names) == 0 {
		return part.Text(none)
	}
	return part.Text(format.List(names))
}

// tagsOr is a list, or what to say when it is empty.
func tagsOr(names []string, none string) part.Cell {
	if len(names) == 0 {
		return part.Text(none)
	}
	return tags(names)
}

func (k *known) sessionRows(own string) page.Section {
	s := page.Section{
		ID: "sessions", Title: "Your sessions", About: "Browsers in which you are signed in. A session ends after a week, or after a day without use.",
		None: part.Empty{Title: "You have no session", Text: "An API key shows who you are."},
	}
	s.Table = part.Table{Caption: "Your sessions", Columns: []part.Column{{Head: "Browser"}, {Head: "From"}, {Head: "Signed in"}, {Head: "Last used"}, {Head: "End"}}}
	for i := range k.sessions {
		b := &k.sessions[i]
		end := part.To("End", accessURL+"/sessions/"+b.ID+"/end")
		if b.ID == own {
			end = part.Text("this one")
		}
		s.Table.Rows = append(s.Table.Rows, part.Row{Current: b.ID == own, Cells: []part.Cell{
			{Value: part.Value{Text: browser(b.Agent), Under: "by " + b.Method, Hint: b.Agent}},
			part.Text(orElse(b.Address, "not known")), part.When(b.CreatedAt), part.When(b.SeenAt), end,
		}})
	}
	return s
}

// browser is what a browser calls itself, in a word; the whole is on hover.
func browser(agent string) string {
	for _, name := range []string{"Firefox", "Edg", "OPR", "Chrome", "Safari", "curl"} {
		if strings.Contains(agent, name) {
			switch name {
			case "Edg":
				return "Edge"
			case "OPR":
				return "Opera"
			}
			return name
		}
	}
	return "another program"
}

func (k *known) ownerRows() page.Section {
	s := page.Section{
		ID: "owners", Title: "Owners and consumers", About: "Publishers may report everything about a feature, consumers what happens at replicas: the services whose live keys say so and, where a feature declares its services, are among them. Members of the owning team may change its promises and rollouts.",
		Get:  both("/api/v1/owners"),
		None: part.Empty{Title: "No feature is known yet", Text: "Features appear when a service reports about them, or a team or a key names them."},
	}
	s.Table = part.Table{Caption: "Owners and consumers of features", Steps: true, Columns: []part.Column{{Head: "Feature"}, {Head: "Owning team"}, {Head: "Publishers"}, {Head: "Consumers"}, {Head: "Said by"}}}
	for i := range k.owners {
		o := &k.owners[i]
		by := part.To("keys", address(ownershipPages.url, "feature", o.Feature)+"#new")
		if o.Declared {
			by = part.To("keys and declaration", ownershipPages.of(o.Feature))
		}
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			part.To(o.Feature, featureURL(o.Feature)), teamCell(o.Team), tagsOr(o.Publishers, "none"), tagsOr(o.Consumers, "none"), by,
		}})
	}
	return s
}

func (k *known) teamRows() page.Section {
	s := page.Section{
		ID: "teams", Title: "Teams", Get: both("/api/v1/teams"),
		None: part.Empty{Title: "There is no team yet", Text: "A team owns features; its members may control them."},
	}
	s.Table = part.Table{Caption: "Teams", Columns: []part.Column{{Head: "Team"}, {Head: "Members"}, {Head: "Features"}}}
	for i := range k.teams {
		t := &k.teams[i]
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			{Value: part.Value{Text: t.Name, Under: t.About}, URL: itemURL("teams", t.Name)},
			tagsOr(memberNames(t), "nobody"), tagsOr(t.Features, "none"),
		}})
	}
	return s
}

func memberNames(t *access.Team) []string {
	var out []string
	for _, m := range t.Members {
		out = append(out, m.Name)
	}
	return out
}

func (k *known) peopleRows() page.Section {
	s := page.Section{ID: "people", Title: "People", Get: both("/api/v1/users"), None: part.Empty{Title: "There is no account yet", Text: "Invite somebody."}}
	s.Table = part.Table{Caption: "People", Steps: true, Columns: []part.Column{{Head: "Name"}, {Head: "Status"}, {Head: "Role"}, {Head: "Teams"}, {Head: "Signs in by"}, {Head: "Last signed in"}}}
	for i := range k.people {
		p := &k.people[i]
		last := part.When(p.LastSignIn)
		if p.LastSignIn.IsZero() {
			last = part.Text("never")
		}
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			part.To(p.Name, itemURL("people", p.Name)),
			{Status: personStatus(p)},
			part.Text(roleText(p.Role)), tagsOr(p.Teams, "none"),
			part.Text(method(p)), last,
		}})
	}
	return s
}

func personStatus(p *access.Account) part.Status {
	switch {
	case !p.DisabledAt.IsZero():
		return part.Status{Tone: part.Neutral, Text: "Disabled"}
	case p.LastSignIn.IsZero():
		return part.Status{Tone: part.Tide, Text: "Invited"}
	}
	return part.Status{Tone: part.Good, Text: "Active"}
}

// method is how a person signs in.
func method(p *access.Account) string {
	switch {
	case p.Issuer != "":
		return "single sign-on"
	case p.HasPassword:
		return "password"
	case p.LastSignIn.IsZero():
		return "nothing yet"
	}
	return "a link"
}

func (k *known) keyRows() page.Section {
	s := page.Section{
		ID: "api-keys", Title: "API keys", About: "Of services. Two live keys may share a name, so that one can replace the other.",
		Get:  both("/api/v1/keys"),
		None: part.Empty{Title: "There is no API key yet", Text: "A service needs one to send events or ask questions.", Command: part.Command{ID: "key-command", Text: "tidemark keys create SERVICE --data DIR --scope publish:FEATURE"}},
	}
	s.Table = part.Table{Caption: "API keys", Steps: true, Columns: []part.Column{{Head: "Service"}, {Head: "Status"}, {Head: "May"}, {Head: "Last used"}, {Head: "Expires"}, {Head: "Limit", Num: true}}}
	for _, live := range []bool{true, false} { // The dead come last.
		for i := range k.keys {
			if key := &k.keys[i]; key.Live(k.now) == live {
				s.Table.Rows = append(s.Table.Rows, part.Row{Cells: k.keyCells(key)})
			}
		}
	}
	return s
}

func (k *known) keyCells(key *access.Key) []part.Cell {
	used, expires := part.When(key.LastUsed), part.When(key.ExpiresAt)
	if key.LastUsed.IsZero() {
		used = part.Text("never")
	}
	if key.ExpiresAt.IsZero() {
		expires = part.Text("never")
	}
	return []part.Cell{
		{Value: part.Value{Text: key.Name, Under: key.ID}, URL: itemURL("keys", key.ID)},
		{Status: keyStatus(key, k)},
		tags(scopeTexts(key.Scopes)), used, expires, rateCell(key.Rate),
	}
}

func rateCell(rate float64) part.Cell {
	if rate == 0 {
		return part.Text("the server's")
	}
	return part.Text(format.Rate(rate))
}

func scopeTexts(scopes []access.Scope) []string {
	out := make([]string, len(scopes))
	for i, s := range scopes {
		out[i] = string(s)
	}
	return out
}

// keyWords ends a sentence about a key.
func keyWords(key *access.Key, k *known) string {
	switch {
	case !key.RevokedAt.IsZero():
		return "was revoked"
	case !key.Live(k.now):
		return "has expired"
	case !key.ExpiresAt.IsZero() && key.ExpiresAt.Sub(k.now) < soon:
		return "is live, and ends soon"
	}
	return "is live"
}

func keyStatus(key *access.Key, k *known) part.Status {
	switch {
	case !key.RevokedAt.IsZero():
		return part.Status{Tone: part.Neutral, Text: "Revoked"}
	case !key.Live(k.now):
		return part.Status{Tone: part.Neutral, Text: "Expired"}
	case !key.ExpiresAt.IsZero() && key.ExpiresAt.Sub(k.now) < soon:
		return part.Status{Tone: part.Warn, Text: "Ends soon"}
	}
	return part.Status{Tone: part.Good, Text: "Live"}
}
