package ui

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/flagset"
	"tidemark/flags/policy"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// policyPages are the pages of policies. Who changes one says who may do what, and so
// has to manage access.
var policyPages = kindPages{kind: flags.KindPolicy, url: "/policies", api: "/api/v1/policies", one: "policy", many: "policies", title: "Policies", may: access.Admin}

// policyRoutes is the URL map of the pages about policies.
func (u *UI) policyRoutes() []auth.Route {
	if u.o.Policy == nil || u.o.Flags == nil {
		return nil
	}
	change := func(path string, h echo.HandlerFunc) auth.Route {
		return auth.Route{Method: http.MethodPost, Path: policyPages.url + path, May: policyPages.may, Handle: h}
	}
	return []auth.Route{
		{Method: http.MethodGet, Path: policyPages.url, May: access.Read, Handle: respond.Takes(func(c echo.Context) error { return u.showPolicies(c, nil) }, "principal", "action", "feature", "labels")},
		{Method: http.MethodGet, Path: policyPages.url + "/:key", May: access.Read, Handle: respond.Takes(func(c echo.Context) error { return u.showPolicy(c, nil) }, "revision")},
		change("", u.createPolicy), change("/:key", u.savePolicy), change("/:key/switch", u.switchPolicy),
		change("/:key/restore", func(c echo.Context) error { return u.restoreDefinition(c, policyPages) }),
		change("/:key/delete", func(c echo.Context) error { return u.deleteDefinition(c, policyPages) }),
	}
}

func policyURL(name string) string { return policyPages.of(name) }

// policyAttempt is what somebody sent, and what was wrong with it.
type policyAttempt struct {
	attempt

	cedar, description, enabled string
}

func readPolicy(c echo.Context, name string, base int64) *policyAttempt {
	return &policyAttempt{
		attempt: attempt{key: name, reason: c.FormValue("reason"), base: base},
		cedar:   strings.ReplaceAll(c.FormValue("cedar"), "\r\n", "\n"), description: c.FormValue("description"), enabled: c.FormValue("enabled"),
	}
}

// store makes a revision of what was sent.
func (u *UI) storePolicy(c echo.Context, t *policyAttempt) error {
	spec := policy.Spec{Description: t.description, Cedar: t.cedar}
	if t.enabled == "no" {
		spec.Enabled = new(false)
	}
	content, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	edit := flagset.Edit{ID: flags.DocumentID{Kind: flags.KindPolicy, Name: t.key}, Content: content, Base: t.base}
	t.err = u.storeDefinition(c, &edit, t.reason)
	return t.err
}

func (u *UI) createPolicy(c echo.Context) error {
	t := readPolicy(c, c.FormValue("key"), 0)
	if _, ok := u.o.Policy.Set().Policy(t.key); ok {
		return respond.Bad("key", "There is a policy %q. Open its page to change it.", t.key)
	}
	t.base = u.o.Flags.Head(flags.DocumentID{Kind: flags.KindPolicy, Name: t.key}).Revision // A deleted one may begin anew.
	if u.storePolicy(c, t) == nil {
		return c.Redirect(http.StatusSeeOther, policyURL(t.key))
	}
	return u.showPolicies(c, t)
}

// formBase is the revision that a change was decided upon; 0 is a policy as it comes
// with the program.
func formBase(c echo.Context) (int64, error) {
	n, err := strconv.ParseInt(c.FormValue("base"), 10, 64)
	if err != nil || n < 0 {
		return 0, respond.Bad("base", "%q is no revision. Revisions are whole numbers, 0 for what comes with the program.", c.FormValue("base"))
	}
	return n, nil
}

func (u *UI) savePolicy(c echo.Context) error {
	base, err := formBase(c)
	if err != nil {
		return err
	}
	t := readPolicy(c, pathParam(c, "key"), base)
	if u.storePolicy(c, t) == nil {
		return c.Redirect(http.StatusSeeOther, policyURL(t.key))
	}
	return u.showPolicy(c, t)
}

// switchPolicy stores the policy as it is, with a say or without.
func (u *UI) switchPolicy(c echo.Context) error {
	base, err := formBase(c)
	if err != nil {
		return err
	}
	name := pathParam(c, "key")
	p, ok := u.o.Policy.Set().Policy(name)
	if !ok {
		return unknown("policy", name)
	}
	t := &policyAttempt{attempt: attempt{key: name, reason: c.FormValue("switch-reason"), base: base}, cedar: p.Cedar, description: p.Description, enabled: c.FormValue("enabled")}
	if u.storePolicy(c, t) == nil {
		return c.Redirect(http.StatusSeeOther, policyURL(name))
	}
	return u.showPolicy(c, t)
}

// status is that of a page which shows what was wrong; 200 when nothing was sent.
func (t *policyAttempt) status() (int, error) {
	if t == nil {
		return http.StatusOK, nil
	}
	return t.attempt.status()
}

func (u *UI) showPolicies(c echo.Context, t *policyAttempt) error {
	status, err := t.status()
	if err != nil {
		return err
	}
	set := u.o.Policy.Set()
	m := page.Policies{List: policyRows(set), Attempts: u.attemptRows(""), Words: part.Command{ID: "vocabulary", Text: policy.Vocabulary()}}
	m.Head = policiesHead(set, u.o.Attempts.List(""))
	if m.Try, err = u.tryPolicy(c); err != nil {
		return err
	}
	if auth.Who(c).May(policyPages.may) {
		m.New = newPolicyForm(t)
	}
	return u.show(c, view{title: "Policies", current: policyPages.url, status: status, body: page.ShowPolicies(m)})
}

func policiesHead(set *policy.Set, refused []flags.Attempt) part.Head {
	own, off := int64(0), int64(0)
	for _, p := range set.Policies() {
		switch {
		case !p.Enabled:
			off++
		case p.Revision > 0:
			own++
		}
	}
	h := part.Head{Tone: part.Good, Facts: []string{"version " + set.Version()}, Link: declaredLink, Answer: "The policies are those that come with the program."}
	if own+off > 0 {
		h.Answer = format.Plural(own, "policy was", "policies were") + " written here, and " + format.Plural(off, "is", "are") + " switched off."
		if off == 0 {
			h.Answer = format.Plural(own, "policy was", "policies were") + " written here; all are in force."
		}
	}
	h.Sub = "They decide who sees what is in a write, and who reports about which feature. What none permits is denied. No event was refused by them."
	if len(refused) > 0 {
		h.Tone = part.Warn
		h.Sub = "They decide who sees what is in a write, and who reports about which feature. What none permits is denied. The latest event that they refused came from " + refused[0].KeyName + "."
	}
	return h
}

func policyStatus(p *policy.Policy) part.Status {
	if !p.Enabled {
		return part.Status{Tone: part.Neutral, Text: "Switched off"}
	}
	if p.Effect == "forbid" {
		return part.Status{Tone: part.Warn, Text: "Forbids"}
	}
	return part.Status{Tone: part.Good, Text: "Permits"}
}

// actionWords puts actions into words.
func actionWords(a policy.Action) string {
	switch a {
	case policy.ReadContents:
		return "see contents"
	case policy.Publish:
		return "publish"
	case policy.Consume:
		return "consume"
	}
	return string(a)
}

func actionList(as []policy.Action) string {
	out := make([]string, len(as))
	for i, a := range as {
		out[i] = actionWords(a)
	}
	return strings.Join(out, ", ")
}

func policyOrigin(p *policy.Policy) string {
	switch {
	case p.Revision == 0:
		return "comes with the program"
	case p.Base:
		return "revision " + format.Count(p.Revision) + ", in place of the program’s"
	}
	return "revision " + format.Count(p.Revision)
}

func policyRows(set *policy.Set) page.Section {
	s := page.Section{ID: "policies", Title: "Policies", Get: part.Downloads{CSV: "/api/v1/policies?format=csv", JSON: "/api/v1/policies"}}
	s.Table = part.Table{Caption: "Policies", Steps: true, Columns: []part.Column{{Head: "Policy"}, {Head: "Effect"}, {Head: "To"}, {Head: "Text"}}}
	for _, p := range set.Policies() {
		name := part.To(p.Name, policyURL(p.Name))
		name.Under = p.Description
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			name, {Status: policyStatus(&p)}, part.Text(actionList(p.Actions)), part.Text(policyOrigin(&p)),
		}})
	}
	return s
}

const policyExample = "permit (principal in Team::\"support\", action == Action::\"read_contents\", resource)\nwhen { resource.labels == [\"pii\"] };"

func newPolicyForm(t *policyAttempt) *page.Form {
	f := &page.Form{
		ID: "new", Title: "New policy", Button: "Store the policy", Action: policyPages.url, Open: t != nil,
		Does: "Stored, it is in force at once. The way back: switch it off, or delete it.",
	}
	name := page.Field{Name: "key", Label: "Name", Required: true, Max: 64, Hint: "a-z, 0-9, '.', '_' and '-'. Decisions name it."}
	if t == nil {
		t = &policyAttempt{cedar: policyExample}
	} else {
		name.Value = t.key
		f.Problems, _, _ = t.problems()
	}
	f.Fields = append([]page.Field{name}, policyFields(t)...)
	return f
}

func policyFields(t *policyAttempt) []page.Field {
	reason := whyField("reason")
	reason.Value = t.reason
	return []page.Field{
		{Name: "cedar", Label: "Statement", Kind: "area", Value: t.cedar, Required: true, Broad: true, Max: policy.MaxText, Hint: "One Cedar statement: permit or forbid. One that forbids goes before all that permit."},
		{Name: "description", Label: "Description", Value: t.description, Broad: true, Max: policy.MaxDescription, Hint: "In words, for people."},
		reason,
	}
}

func (u *UI) showPolicy(c echo.Context, t *policyAttempt) error {
	status, err := t.status()
	if err != nil {
		return err
	}
	name := pathParam(c, "key")
	p, ok := u.o.Policy.Set().Policy(name)
	versions, err := u.o.Flags.Versions(c.Request().Context(), flags.DocumentID{Kind: flags.KindPolicy, Name: name})
	switch {
	case errors.Is(err, flags.ErrNotFound) && !ok:
		return unknown("policy", name)
	case err != nil && !errors.Is(err, flags.ErrNotFound):
		return err
	}
	m := page.Policy{Head: policyHead(name, &p, ok), Source: part.Command{ID: "policy-text", Text: p.Cedar}}
	if ok {
		m.About = policyPairs(&p, versions)
	}
	if len(versions) > 0 {
		var d page.Definition
		if err := u.fillVersions(c, &policyPages, &d, versions); err != nil {
			return err
		}
		m.Versions, m.Changes, m.Restore = &d.Versions, d.Changes, d.Restore
		linesOf(m.Changes.Rows)
	}
	if auth.Who(c).May(policyPages.may) && ok {
		u.fillPolicyForms(&m, &p, versions, t)
	}
	return u.show(c, view{title: name, current: policyPages.url, status: status, body: page.ShowPolicy(m)})
}

// linesOf shows a statement by its lines, and leaves out those that stay at its beginning
// and its end.
func linesOf(rows []page.Change) {
	for i := range rows {
		var before, after string
		if rows[i].Field != "cedar" || rows[i].Before != "" && json.Unmarshal([]byte(rows[i].Before), &before) != nil ||
			rows[i].After != "" && json.Unmarshal([]byte(rows[i].After), &after) != nil {
			continue
		}
		a, b := strings.Split(strings.TrimSpace(before), "\n"), strings.Split(strings.TrimSpace(after), "\n")
		first := 0
		for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
			a, b, first = a[1:], b[1:], first+1
		}
		for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
			a, b = a[:len(a)-1], b[:len(b)-1]
		}
		rows[i].Before, rows[i].After = strings.Join(a, "\n  "), strings.Join(b, "\n  ")
		rows[i].Field = "cedar, from line " + strconv.Itoa(first+1)
	}
}

func policyHead(name string, p *policy.Policy, ok bool) part.Head {
	h := part.Head{Crumbs: []part.Crumb{{Text: "Policies", URL: policyPages.url}, {Text: name}}, Tone: part.Neutral}
	if !ok {
		h.Answer, h.Sub = name+" was deleted: it decides nothing.", "Open a revision below to restore it."
		return h
	}
	h.Status, h.Sub, h.Facts = policyStatus(p), p.Description, []string{policyOrigin(p)}
	switch {
	case !p.Enabled:
		h.Answer = name + " is switched off: it decides nothing."
	case p.Effect == "forbid":
		h.Answer, h.Tone = name+" forbids to "+actionList(p.Actions)+", where its conditions hold.", part.Good
	default:
		h.Answer, h.Tone = name+" permits to "+actionList(p.Actions)+", where its conditions hold.", part.Good
	}
	return h
}

func policyPairs(p *policy.Policy, versions []flags.DocumentVersion) []page.Pair {
	pairs := []page.Pair{
		{Name: "Effect", Cell: part.Text(p.Effect)}, {Name: "To", Cell: part.Text(actionList(p.Actions))}, {Name: "Text", Cell: part.Text(policyOrigin(p))},
	}
	if len(versions) > 0 {
		pairs = append(pairs, page.Pair{Name: "Changed", Cell: part.When(versions[0].At)}, page.Pair{Name: "By", Cell: actorCell(versions[0].Actor)})
	}
	return pairs
}
