package ui

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/policy"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// maxAttemptRows is how many refused senders a page lists; the download has all.
const maxAttemptRows = 50

// attemptRows lists who sent what no policy let them, about a feature or ("") all.
func (u *UI) attemptRows(feature string) page.Section {
	url := address("/api/v1/policy/attempts", "feature", feature)
	s := page.Section{
		ID: "attempts", Title: "Refused by policy", About: "Events that a key may not send, by the service they name. Nothing of them was taken in.",
		Get:  part.Downloads{CSV: address("/api/v1/policy/attempts", "feature", feature, "format", "csv"), JSON: url},
		None: part.Empty{Title: "No event was refused by a policy", Text: "In the last 90 days."},
	}
	s.Table = part.Table{Caption: "Events refused by policy", Columns: []part.Column{
		{Head: "Key"}, {Head: "Feature"}, {Head: "Wanted to"}, {Head: "Events", Num: true}, {Head: "Refused by"}, {Head: "First"}, {Head: "Last"}, {Head: "Last event"},
	}}
	all := u.o.Attempts.List(feature)
	if len(all) > maxAttemptRows {
		s.About += " The latest " + format.Count(maxAttemptRows) + " of " + format.Count(int64(len(all))) + "."
	}
	for i := range all[:min(len(all), maxAttemptRows)] {
		a := &all[i]
		who, about := part.Text(a.KeyName), part.Text("further features")
		who.Under = "service " + orElse(a.Service, "not said")
		if a.Feature != "" {
			about = part.Text(a.Feature)
		} else {
			who.Under = "further services"
		}
		by := part.To(a.Policy, policyURL(a.Policy))
		if a.Policy == policy.NoPolicy {
			by = part.Text("no policy permits")
		}
		by.Under = "version " + a.PolicyVersion
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			who, about, part.Text(actionWords(policy.Action(a.Action))), cell(number(a.Count)), by, part.When(a.First), part.When(a.Last), mono(a.EventID),
		}})
	}
	return s
}

// tryPolicy reads a question from the address, and answers it.
func (u *UI) tryPolicy(c echo.Context) (page.Trial, error) {
	q := policy.Trial{Principal: c.QueryParam("principal"), Action: c.QueryParam("action"), Feature: c.QueryParam("feature")}
	for l := range strings.SplitSeq(c.QueryParam("labels"), ",") {
		if l = strings.TrimSpace(l); l != "" {
			q.Labels = append(q.Labels, l)
		}
	}
	t := page.Trial{Action: policyPages.url, Fields: u.trialFields(c, &q)}
	if q.Action == "" && q.Feature == "" {
		return t, nil
	}
	x, err := u.trier().Try(c.Request().Context(), auth.Who(c), q)
	if err != nil {
		if p := respond.From(err); p.Status < http.StatusInternalServerError {
			t.Problem = strings.TrimPrefix(p.Detail, flags.ErrInvalid.Error()+": ")
			return t, nil
		}
		return t, err
	}
	t.Answer, t.Status = x.Why, part.Status{Tone: part.Bad, Text: "Denied"}
	if x.Allowed {
		t.Status = part.Status{Tone: part.Good, Text: "Permitted"}
	}
	t.Facts = []string{"version " + x.Version}
	t.Says = part.Table{Caption: "What each policy says", Tight: true, Columns: []part.Column{{Head: "Policy"}, {Head: "Says"}, {Head: "Text"}}}
	for _, f := range x.Policies {
		says := part.Text(f.Says)
		says.Under = f.Error
		t.Says.Rows = append(t.Says.Rows, part.Row{Current: f.Policy == x.Policy, Cells: []part.Cell{part.To(f.Policy, policyURL(f.Policy)), says, part.Text(revisionWords(f.Revision))}})
	}
	return t, nil
}

// revisionWords says which text of a policy it was.
func revisionWords(n int64) string {
	if n == 0 {
		return "comes with the program"
	}
	return "revision " + format.Count(n)
}

func (u *UI) trier() *policy.Trier {
	return &policy.Trier{Book: u.o.Policy, People: u.o.People, Keys: u.o.Keys, Now: u.o.Now}
}

func (u *UI) trialFields(c echo.Context, q *policy.Trial) []page.Field {
	who := []page.Option{{Value: "me", Text: "you"}, {Value: "role:viewer", Text: "a viewer"}, {Value: "role:operator", Text: "an operator"}, {Value: "role:admin", Text: "an administrator"}, {Value: "scopes:read,publish:cart", Text: "a key with scopes"}}
	hint := "me, role:ROLE, team:NAME, or scopes:SCOPE,SCOPE for a key."
	if auth.Who(c).May(access.Admin) {
		hint = "me, role:ROLE, team:NAME, scopes:SCOPE,SCOPE for a key, person:NAME or key:NAME."
	}
	actions := make([]page.Option, 0, len(policy.Actions()))
	for _, a := range policy.Actions() {
		actions = append(actions, page.Option{Value: string(a), Text: actionWords(a)})
	}
	features := []page.Option{}
	for _, f := range u.o.Reader.Features() {
		features = append(features, page.Option{Value: f})
	}
	return []page.Field{
		{Name: "principal", Label: "Who", Value: cmp.Or(q.Principal, "me"), Options: who, Required: true, Max: 600, Hint: hint},
		{Name: "action", Label: "Wants to", Kind: "pick", Value: q.Action, Options: actions},
		{Name: "feature", Label: "Feature", Value: q.Feature, Options: features, Required: true, Max: 256},
		{Name: "labels", Label: "Labels of the write", Value: strings.Join(q.Labels, ", "), Hint: "Divided by commas; for seeing contents."},
	}
}
