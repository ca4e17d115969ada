package ui

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/guarantee"
	"tidemark/flags/reconcile"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/api"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

var rulePages = kindPages{
	kind: flags.KindRule, url: "/rules", api: "/api/v1/rules", one: "rule", many: "rules", title: "Rules",
	definition: "Definition", hint: "version, strategy, description, parameters and examples, as docs/reconciliation.md says. A rule that changes has a higher version; its examples are checked before it is stored.",
	example: "{\n  \"version\": 1,\n  \"strategy\": \"merge\",\n  \"description\": \"\",\n  \"parameters\": {\n    \"default\": \"last-writer-wins\",\n    \"fields\": {\"/quantity\": \"max\"}\n  },\n  \"examples\": [\n    {\n      \"name\": \"the greater quantity is kept\",\n      \"writes\": [\n        {\"write\": \"a\", \"delta\": {\"quantity\": 2}},\n        {\"write\": \"b\", \"delta\": {\"quantity\": 3}}\n      ],\n      \"expect\": {\"merged\": {\"quantity\": 3}}\n    }\n  ]\n}",
}

// agreementSpan is the time of which the pages of rules tell the agreement, and
// agreementBudget how long a page works on it; the next view goes on from there.
const (
	agreementSpan   = 24 * time.Hour
	agreementBudget = 700 * time.Millisecond
	agreementOfMany = 200 // conflicts of each rule, in the list
)

// listRules fills the list of rules.
func (u *UI) listRules(c echo.Context, m *page.Definitions, q string) error {
	ctx := c.Request().Context()
	bound, err := u.o.Catalogue.Bindings(ctx)
	if err != nil {
		return err
	}
	m.List = page.Section{ID: "rules", Title: "Rules", About: "Agreement is of the conflicts of the last 24 hours that a program decided.", Get: both("/api/v1/rules")}
	m.List.Table = part.Table{Caption: "Rules", Steps: true, Columns: []part.Column{
		{Head: "Rule"}, {Head: "Strategy"}, {Head: "Version", Num: true}, {Head: "Features"}, {Head: "Services agree", Num: true}, {Head: "Coverage", Num: true}, {Head: "Changed"},
	}}
	all := u.o.Flags.List(flags.KindRule)
	astray, now, may := 0, u.o.Now(), api.MaySee(u.o.Policy, auth.Who(c))
	for i := range all {
		v := &all[i]
		if !holds(v.ID.Name, q) {
			continue
		}
		a, err := u.o.Judge.Agreement(ctx, reconcile.AgreementQuery{Rule: v.ID.Name, From: now.Add(-agreementSpan), Limit: agreementOfMany, Budget: agreementBudget / time.Duration(len(all)), May: may})
		if err != nil {
			return err
		}
		astray += a.Differ
		m.List.Table.Rows = append(m.List.Table.Rows, part.Row{Cells: ruleRow(v, a, bound)})
	}
	m.Head = rulesHead(len(all), astray)
	m.List.None = part.Empty{
		Title: "No rule is written down", Text: "A reconciliation rule says how a conflict of two writes is decided. Create one below, or apply a document of kind ReconciliationRule:",
		Command: part.Command{ID: "first-rule", Text: "tidemark apply -f rules/"},
	}
	if q != "" {
		m.List.None = part.Empty{Title: "No rule’s name holds “" + q + "”", Text: "Names match by any part of them."}
	}
	return nil
}

func rulesHead(all, astray int) part.Head {
	switch {
	case all == 0:
		return part.Head{Answer: "No rule says how conflicts are decided.", Sub: "What services report can then be listed, and not compared with anything."}
	case astray > 0:
		return part.Head{Tone: part.Warn, Answer: format.Plural(int64(astray), "conflict", "conflicts") + " of the last day ended otherwise than the rule gives.", Sub: "Each rule’s page names the services and the conflicts."}
	}
	return part.Head{Tone: part.Good, Answer: format.Plural(int64(all), "rule", "rules") + "; no conflict of the last day is known to have ended otherwise than its rule gives."}
}

func ruleRow(v *flags.DocumentVersion, a *reconcile.Agreement, bound []guarantee.Binding) []part.Cell {
	name := part.To(v.ID.Name, rulePages.of(v.ID.Name))
	strategy, version := part.Text("not readable"), part.Text(v.Version)
	if r, err := reconcile.Stored(v.Content); err == nil {
		name.Under, strategy = r.Description, part.Text(string(r.Strategy))
	}
	var features []string
	for i := range bound {
		if bound[i].Rule == v.ID.Name && !slices.Contains(features, bound[i].Feature) {
			features = append(features, bound[i].Feature)
		}
	}
	return []part.Cell{name, strategy, version, part.Text(orElse(strings.Join(features, ", "), "none")), agreeCell(&a.Tally), coverageCell(&a.Tally), part.When(v.At)}
}

// agreeCell is agreeing ÷ judged.
func agreeCell(t *reconcile.Tally) part.Cell {
	c := cell(part.Percent(int64(t.Agree), int64(t.Agree+t.Differ), "judged"))
	if t.Differ > 0 {
		c.Status = part.Status{Tone: part.Warn, Text: format.Count(int64(t.Differ)) + " differ"}
	}
	return c
}

// coverageCell is judged ÷ decided by a program.
func coverageCell(t *reconcile.Tally) part.Cell {
	return cell(part.Percent(int64(t.Agree+t.Differ), int64(t.Agree+t.Differ+t.Unjudged), "decided"))
}

// showRule is one rule. t is a change that was sent and refused; nil when none was.
func (u *UI) showRule(c echo.Context, versions []flags.DocumentVersion, t *attempt, status int) error {
	ctx, cur, now := c.Request().Context(), &versions[0], u.o.Now()
	name := cur.ID.Name
	m := page.Rule{Source: part.Command{ID: "definition-text", Text: indented(cur.Content)}}
	a, err := u.o.Judge.Agreement(ctx, reconcile.AgreementQuery{Rule: name, From: now.Add(-agreementSpan), Budget: agreementBudget, May: api.MaySee(u.o.Policy, auth.Who(c))})
	if err != nil {
		return err
	}
	if err := u.fillRule(ctx, &m, cur, a); err != nil {
		return err
	}
	m.Services, m.Differ = agreementSection(name, a), differSection(a)
	var d page.Definition
	if err := u.fillVersions(c, &rulePages, &d, versions); err != nil {
		return err
	}
	m.Versions, m.Changes, m.Restore = d.Versions, d.Changes, d.Restore
	if !gone(cur) {
		m.Replay = replayForm(cur, versions)
		m.Replays = u.replayRows(name, auth.Who(c))
	}
	if auth.Who(c).May(access.Control) && !gone(cur) {
		m.Edit = rulePages.editForm(cur, t)
		m.Edit.Does = "Stored, it is what conflicts are compared with that name its version. Services decide by it once they run it; nothing that was decided changes. Try it on past conflicts first."
		m.Forms = append(m.Forms, rulePages.deleteForm(cur))
		m.Forms[0].Does = "Conflicts that name it can then not be compared any more. The way back: restore a revision; the history stays."
	}
	return u.show(c, view{title: name, current: rulePages.url, status: status, body: page.ShowRule(m)})
}

func (u *UI) fillRule(ctx context.Context, m *page.Rule, cur *flags.DocumentVersion, a *reconcile.Agreement) error {
	name := cur.ID.Name
	crumbs := []part.Crumb{{Text: "Rules", URL: rulePages.url}, {Text: name}}
	if gone(cur) {
		m.Head = part.Head{Crumbs: crumbs, Answer: name + " was deleted.", Sub: "Open a revision below to restore it."}
		m.Words = []string{"It decides nothing any more."}
	} else {
		r, err := reconcile.Stored(cur.Content)
		if err != nil {
			return err
		}
		m.Words, m.Examples = r.Words(), exampleRows(r)
		m.Head = ruleHead(name, r, a)
		m.Head.Crumbs = crumbs
		m.About = append(m.About, page.Pair{Name: "Strategy", Cell: part.Text(string(r.Strategy))}, page.Pair{Name: "Version", Cell: part.Text(strconv.Itoa(r.Version))})
	}
	m.About = append(m.About, page.Pair{Name: "Changed", Cell: part.When(cur.At)}, page.Pair{Name: "By", Cell: actorCell(cur.Actor)})
	bound, err := u.o.Catalogue.Bindings(ctx)
	if err != nil {
		return err
	}
	m.Bound = page.Section{ID: "bound", Title: "Guarantees that name it", None: part.Empty{Title: "No guarantee names it", Text: "A guarantee binds it by reconciliation: {rule, version}."}}
	m.Bound.Table = part.Table{Caption: "Guarantees", Tight: true, Columns: []part.Column{{Head: "Feature"}, {Head: "Guarantee"}, {Head: "Version", Num: true}}}
	for i := range bound {
		b := &bound[i]
		if b.Rule != name {
			continue
		}
		at := part.Text(strconv.Itoa(b.RuleAt))
		if at.Text != cur.Version && !gone(cur) {
			at.Under = "current is " + cur.Version
		}
		m.Bound.Table.Rows = append(m.Bound.Table.Rows, part.Row{Cells: []part.Cell{part.To(b.Feature, featureURL(b.Feature)), part.To(b.Guarantee, "/guarantees/"+escaped(b.Guarantee)), at}})
	}
	return nil
}

func ruleHead(name string, r *reconcile.Rule, a *reconcile.Agreement) part.Head {
	h := part.Head{Tone: part.Good, Sub: r.Description, Facts: []string{string(r.Strategy), "version " + strconv.Itoa(r.Version)}}
	judged := a.Agree + a.Differ
	switch {
	case a.Conflicts == 0 && a.More:
		h.Tone, h.Answer = part.Neutral, "The conflicts that name "+name+" are still being compared with it: look again in a moment."
	case a.Conflicts == 0:
		h.Tone, h.Answer = part.Neutral, "No conflict of the last day names "+name+"."
	case a.Differ > 0:
		h.Tone, h.Answer = part.Warn, format.Count(int64(a.Differ))+" of "+format.Plural(int64(judged), "conflict", "conflicts")+" ended otherwise than "+name+" gives."
	case judged > 0:
		h.Answer = "All " + format.Count(int64(judged)) + " conflicts that could be judged ended as " + name + " gives."
		if judged == 1 {
			h.Answer = "The one conflict that could be judged ended as " + name + " gives."
		}
	default:
		h.Tone, h.Answer = part.Neutral, "Whether services follow "+name+" cannot be told from what was reported."
	}
	return h
}

func exampleRows(r *reconcile.Rule) page.Section {
	s := page.Section{ID: "examples", Title: "Examples", About: "Checked whenever the rule is stored."}
	s.Table = part.Table{Caption: "Examples", Tight: true, Columns: []part.Column{{Head: "Example"}, {Head: "Writes", Num: true}, {Head: "Outcome"}}}
	for i := range r.Examples {
		e := &r.Examples[i]
		out := part.Text("a person decides")
		switch {
		case e.Expect.Winner != "":
			out = part.Text(e.Expect.Winner + " wins")
		case len(e.Expect.Merged) > 0:
			out = mono(string(e.Expect.Merged))
		}
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{part.Text(orElse(e.Name, "example "+strconv.Itoa(i+1))), cell(number(int64(len(e.Writes)))), out}})
	}
	return s
}

func agreementSection(name string, a *reconcile.Agreement) page.Section {
	api := "/api/v1/rules/" + escaped(name) + "/agreement"
	s := page.Section{
		ID: "agreement", Title: "Do services follow it?", About: "The newest " + format.Plural(int64(a.Conflicts), "conflict", "conflicts") + " of the last 24 hours.",
		Get:  part.Downloads{CSV: address(api, "from", "-24h", "format", "csv"), JSON: address(api, "from", "-24h")},
		None: part.Empty{Title: "Nothing to compare", Text: "No conflict of the last day that a program decided names this rule. Services name it by rule and rule_version on conflict_resolved."},
	}
	if a.More {
		s.About += " Older ones were not looked at; another view goes on from here."
	}
	s.Table = part.Table{Caption: "Agreement by service", Columns: []part.Column{{Head: "Service"}, {Head: "Feature"}, {Head: "Version", Num: true}, {Head: "Agree", Num: true}, {Head: "Coverage", Num: true}, {Head: "Cannot be judged"}}}
	for i := range a.Services {
		x := &a.Services[i]
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			part.Text(orElse(x.Service, "not named")), part.To(x.Feature, featureURL(x.Feature)), part.Text(orElse(x.Version, "not named")), agreeCell(&x.Tally), coverageCell(&x.Tally), part.Text(causeWords(x.Causes)),
		}})
	}
	return s
}

// causeWords says why conflicts cannot be judged, most frequent first.
func causeWords(causes map[reconcile.Cause]int) string {
	if len(causes) == 0 {
		return "none"
	}
	keys := make([]reconcile.Cause, 0, len(causes))
	for k := range causes {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b reconcile.Cause) int {
		if causes[a] != causes[b] {
			return causes[b] - causes[a]
		}
		return strings.Compare(string(a), string(b))
	})
	words := make([]string, len(keys))
	for i, k := range keys {
		words[i] = format.Count(int64(causes[k])) + ": " + k.Words()
	}
	return strings.Join(words, "; ")
}

func differSection(a *reconcile.Agreement) page.Section {
	s := page.Section{ID: "differ", Title: "Ended otherwise than the rule gives", About: "The newest ones, at most 20."}
	s.Table = part.Table{Caption: "Conflicts that differ", Steps: true, Columns: []part.Column{{Head: "Conflict"}, {Head: "Reported"}, {Head: "The rule gives"}, {Head: "Why"}}}
	for i := range a.Examples {
		e := &a.Examples[i]
		first := part.To(e.Key, conflictURL(e.Conflict))
		first.Mono, first.Under = true, "by "+orElse(e.Service, "a service not named")
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{first, mono(e.Was), part.Text(e.Now), part.Text(e.Why)}})
	}
	return s
}

// ruleRoutes is the URL map of what the pages of rules have beyond those of a kind.
func (u *UI) ruleRoutes() []auth.Route {
	if u.o.Replays == nil || u.o.Flags == nil {
		return nil
	}
	return []auth.Route{
		{Method: http.MethodPost, Path: rulePages.url + "/:key/replays", May: access.Read, Handle: u.startReplay},
		{Method: http.MethodGet, Path: rulePages.url + "/:key/replays/:id", May: access.Read, Handle: respond.Takes(u.replay)},
		{Method: http.MethodPost, Path: rulePages.url + "/:key/replays/:id/stop", May: access.Read, Handle: u.stopReplay},
	}
}
