package ui

import (
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/metrics"
	"tidemark/metrics/report"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/live"
	"tidemark/web/respond"
)

func (u *UI) conflicts(c echo.Context) error {
	a, err := u.ask(c, "feature", "key", "rule", "state", "cursor")
	if err != nil {
		return err
	}
	q := metrics.ConflictQuery{
		Feature: a.v.Get("feature"), Key: a.v.Get("key"), Rule: a.v.Get("rule"), State: a.v.Get("state"), Cursor: a.v.Get("cursor"), Limit: 50,
	}
	switch q.State {
	case "", report.ConflictOpen, report.ConflictAuto, report.ConflictManual:
	default:
		return respond.Bad("state", "%q is no state: want open, auto or manual.", q.State)
	}
	if a.v.Get("range") != "" || a.v.Get("from") != "" || a.v.Get("to") != "" {
		q.From, q.To = a.query.From.UnixNano(), a.query.To.UnixNano()
	}
	ctx := c.Request().Context()
	list, next, err := u.o.Report.Conflicts(ctx, q)
	if err != nil {
		return err
	}
	open, _, err := u.o.Report.Conflicts(ctx, metrics.ConflictQuery{Feature: q.Feature, State: report.ConflictOpen, Limit: navConflicts})
	if err != nil {
		return err
	}
	m := page.Conflicts{Head: conflictsHead(list, open, len(a.v) > 0, u.o.Now()), Filters: u.conflictFilters(a), List: u.conflictRows(a, list, next)}
	if q.Cursor == "" && q.Key == "" && q.Rule == "" && q.From == 0 && (q.State == "" || q.State == report.ConflictOpen) {
		var need int
		if m.Queue, need, err = u.queueSection(c, q.Feature); err != nil {
			return err
		}
		sayNeed(&m.Head, need, len(open))
	}
	return u.show(c, view{title: "Conflicts", current: "/conflicts", topic: live.TopicOverview, body: page.ShowConflicts(m)})
}

func conflictsHead(list, open []metrics.Conflict, filtered bool, now time.Time) part.Head {
	switch n := len(open); {
	case n > 0:
		first := open[0].DetectedAt
		for _, c := range open {
			if c.DetectedAt > 0 && (first == 0 || c.DetectedAt < first) {
				first = c.DetectedAt
			}
		}
		h := part.Head{Tone: part.Warn, Answer: format.Number(n) + " conflicts wait for a decision.", Sub: "Every other one was decided as its rule says; each tells why."}
		if n == 1 {
			h.Answer = "One conflict waits for a decision."
		}
		if n >= navConflicts {
			h.Answer = "At least " + format.Count(navConflicts) + " conflicts wait for a decision."
		}
		if first > 0 {
			h.Sub = "The oldest since " + format.Age(now.Sub(time.Unix(0, first))) + ". " + h.Sub
		}
		h.Link = part.Link{Text: "Show only those", URL: "/conflicts?state=open"}
		return h
	case len(list) == 0 && !filtered:
		return part.Head{Tone: part.Good, Answer: "No conflict is known."}
	case len(list) == 0:
		return part.Head{Tone: part.Good, Answer: "No conflict is known that these filters select."}
	}
	return part.Head{Tone: part.Good, Answer: "Every conflict is decided.", Sub: "Each tells by which rule, and why."}
}

// sayNeed says how many of the open conflicts need a person.
func sayNeed(h *part.Head, need, open int) {
	switch {
	case open == 0:
	case need == 0:
		h.Sub = "None needs a person yet: their rules may still decide them. " + h.Sub
	case need == open:
	case need == 1:
		h.Sub = "One of them needs a person. " + h.Sub
	default:
		h.Sub = format.Number(need) + " of them need a person. " + h.Sub
	}
}

func (u *UI) conflictFilters(a *asked) page.Filters {
	features := []page.Option{{Value: "", Text: "Any"}}
	for _, name := range u.o.Reader.Features() {
		features = append(features, page.Option{Value: name, Text: name})
	}
	f := page.Filters{Action: "/conflicts", Fields: []page.Filter{
		{Name: "feature", Label: "Feature", Value: a.v.Get("feature"), Options: features},
		{Name: "state", Label: "State", Value: a.v.Get("state"), Options: options("", "Any", report.ConflictOpen, "Open", report.ConflictAuto, "Decided by a rule", report.ConflictManual, "Decided by a person")},
		{Name: "rule", Label: "Rule", Value: a.v.Get("rule")},
		{Name: "key", Label: "Key", Value: a.v.Get("key")},
	}}
	if len(a.v) > 0 {
		f.Clear = "/conflicts"
	}
	return f
}

func conflictState(c *metrics.Conflict) string {
	switch {
	case c.ResolvedAt == 0:
		return report.ConflictOpen
	case c.Auto == metrics.No:
		return report.ConflictManual
	}
	return report.ConflictAuto
}

func conflictStatus(state string) part.Status {
	switch state {
	case report.ConflictOpen:
		return part.Status{Tone: part.Warn, Text: "Open"}
	case report.ConflictManual:
		return part.Status{Tone: part.Tide, Text: "By a person"}
	}
	return part.Status{Tone: part.Good, Text: "By a rule"}
}

func ruleName(rule, version string) string {
	if rule != "" && version != "" {
		return rule + " v" + version
	}
	return rule
}

func (u *UI) conflictRows(a *asked, list []metrics.Conflict, next string) page.Section {
	api := []string{"feature", a.v.Get("feature"), "key", a.v.Get("key"), "rule", a.v.Get("rule"), "state", a.v.Get("state")}
	s := page.Section{
		ID: "conflicts", Title: "Conflicts, newest first",
		Get:  part.Downloads{CSV: address("/api/v1/conflicts", append(api, "format", "csv")...), JSON: address("/api/v1/conflicts", api...)},
		None: part.Empty{Title: "No conflict", Text: "Two writes of one key conflict when neither happened before the other. Services report them with conflict_detected and conflict_resolved events."},
	}
	s.Table = part.Table{Caption: "Conflicts", Steps: true, Columns: []part.Column{
		{Head: "Detected"}, {Head: "State"}, {Head: "Feature"}, {Head: "Key"}, {Head: "Writes", Num: true}, {Head: "Rule"}, {Head: "Winner"}, {Head: "Decided in", Num: true},
	}}
	for i := range list {
		c := &list[i]
		first := part.Cell{At: time.Unix(0, max(c.DetectedAt, 0)), URL: conflictURL(c.ID)}
		if c.DetectedAt == 0 {
			first = part.To("not reported", conflictURL(c.ID))
		}
		took := part.Value{}
		if c.ResolvedAt > 0 && c.DetectedAt > 0 {
			d := c.ResolvedAt - c.DetectedAt
			took = duration(&d)
		}
		winner := part.Text("none")
		if c.Winner != "" {
			winner = part.To(c.Winner, writeURL(c.Feature, c.Winner))
			winner.Mono = true
		}
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			first, {Status: conflictStatus(conflictState(c))}, part.To(c.Feature, featureURL(c.Feature)), mono(c.Key), cell(number(int64(len(c.Writes)))), u.ruleCell(c), winner, cell(took),
		}})
	}
	if next != "" {
		s.Next = part.Link{Text: "Older conflicts", URL: a.with("cursor", next)}
	}
	return s
}

func (u *UI) conflict(c echo.Context) error { return u.showConflict(c, nil, 0) }

// showConflict is one conflict; t is a decision that was sent and refused, nil when
// none was.
func (u *UI) showConflict(c echo.Context, t *tried, status int) error {
	id := pathParam(c, "id")
	d, err := u.o.Report.Conflict(c.Request().Context(), "", id)
	if err != nil {
		return err
	}
	u.o.Policy.RedactConflict(auth.Who(c), d)
	m := page.Conflict{
		Head: conflictHead(d), Why: d.Why, Facts: conflictFacts(d),
		Get: part.Downloads{CSV: address("/api/v1/conflicts/"+escaped(id), "format", "csv"), JSON: "/api/v1/conflicts/" + escaped(id)},
	}
	for i := range d.Siblings {
		m.Siblings = append(m.Siblings, sibling(d.Feature, &d.Siblings[i]))
	}
	for _, f := range d.Fields {
		m.Fields = append(m.Fields, fieldDiff(f))
	}
	if err := u.dossier(c, &m, d, t); err != nil {
		return err
	}
	return u.show(c, view{title: "Conflict " + id, current: "/conflicts", status: status, body: page.ShowConflict(m)})
}

func conflictHead(d *report.ConflictDetail) part.Head {
	h := part.Head{
		Crumbs: []part.Crumb{{Text: "Conflicts", URL: "/conflicts"}, {Text: d.ID}}, Status: conflictStatus(d.State),
		Sub: "Feature " + d.Feature + ", key " + d.Key + ".", Link: part.Link{Text: "Other conflicts of this key", URL: address("/conflicts", "feature", d.Feature, "key", d.Key)},
	}
	h.Tone = h.Status.Tone
	switch {
	case d.State == report.ConflictOpen:
		h.Answer = "This conflict of " + conflictWrites(d, len(d.Writes), "write", "writes") + " waits for a decision."
	case d.Winner != "" && !d.MoreWrites && !slices.Contains(d.Writes, d.Winner):
		h.Answer = format.Number(len(d.Writes)) + " writes were merged into a new one, " + d.Winner + "."
		h.Link = part.Link{Text: "See the merged write", URL: writeURL(d.Feature, d.Winner)}
	case d.Winner != "":
		h.Answer = d.Winner + " won over " + conflictWrites(d, len(d.Writes)-1, "other write", "other writes") + "."
	default:
		h.Answer = "This conflict of " + conflictWrites(d, len(d.Writes), "write", "writes") + " was decided: " + orElse(d.Outcome, "no winner was named") + "."
	}
	return h
}

// conflictWrites says how many writes there are, of which the conflict may not keep all.
func conflictWrites(d *report.ConflictDetail, n int, one, many string) string {
	s := format.Plural(int64(n), one, many)
	if d.MoreWrites {
		return "more than " + s
	}
	return s
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func conflictFacts(d *report.ConflictDetail) []part.Fact {
	took := part.Value{}
	if d.ResolvedAt > 0 && d.DetectedAt > 0 {
		ns := d.ResolvedAt - d.DetectedAt
		took = duration(&ns)
	} else if d.AgeNS != nil {
		took = part.Value{Text: "open for " + format.Duration(*d.AgeNS)}
	}
	return []part.Fact{
		{Name: "Rule", Value: part.Value{Text: ruleName(d.Rule, d.RuleVersion)}},
		{Name: "Outcome", Value: part.Value{Text: d.Outcome}},
		{Name: "Detected by", Value: part.Value{Text: d.DetectedBy, Under: d.Replica}},
		{Name: "Decided by", Value: part.Value{Text: d.ResolvedBy}},
		{Name: "Decided in", Value: took},
	}
}

func sibling(feature string, s *report.Sibling) page.Sibling {
	out := page.Sibling{WriteID: s.WriteID, URL: writeURL(feature, s.WriteID), Winner: s.Winner, Known: s.Known, At: at(s.Initiated), Labels: s.Labels, Delta: pretty(s.Delta)}
	add := func(name, value string) {
		if value != "" {
			out.About = append(out.About, page.Pair{Name: name, Cell: mono(value)})
		}
	}
	if r := s.Redacted; r != nil {
		out.About = append(out.About, page.Pair{Name: "Actor, delta", Cell: part.Cell{Value: part.Value{Text: r.Words(), Under: r.By()}}})
	}
	add("Actor", s.Actor)
	add("Version", s.Version)
	add("Region", s.Region)
	add("Service", s.Service)
	add("Session", s.SessionID)
	add("Model", s.Model)
	return out
}

// touched is how many writes changed a field.
func touched(f report.FieldDiff) int {
	n := 0
	for _, v := range f.Values {
		if v != nil {
			n++
		}
	}
	return n
}

func fieldDiff(f report.FieldDiff) page.FieldDiff {
	out := page.FieldDiff{Path: f.Path, Clash: f.Clash, Status: part.Status{Tone: part.Good, Text: "One changed it"}}
	switch {
	case f.Clash:
		out.Status = part.Status{Tone: part.Warn, Text: "Clash"}
	case f.Same && touched(f) > 1:
		out.Status = part.Status{Tone: part.Good, Text: "All the same"}
	}
	for _, v := range f.Values {
		if v == nil {
			out.Values = append(out.Values, page.FieldValue{})
			continue
		}
		out.Values = append(out.Values, page.FieldValue{Touched: true, Text: *v})
	}
	return out
}
