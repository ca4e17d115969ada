package ui

import (
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/metrics"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/live"
	"tidemark/web/respond"
)

const violationsURL = "/violations"

// violationPage is how many violations a page lists: each is a card on a phone.
const violationPage = 20

// violationKinds are the guarantees that a violation may break.
func violationKinds() []metrics.Metric {
	return []metrics.Metric{metrics.MetricRYW, metrics.MetricMR, metrics.MetricMW, metrics.MetricWFR, metrics.MetricPolicy}
}

// violationList is every broken session guarantee and every hop against policy.
func (u *UI) violationList(c echo.Context) error {
	a, err := u.ask(c, "feature", "guarantee", "service", "cursor")
	if err != nil {
		return err
	}
	q := metrics.ViolationQuery{Feature: a.v.Get("feature"), Guarantee: metrics.Metric(a.v.Get("guarantee")), Service: a.v.Get("service"), Cursor: a.v.Get("cursor"), Limit: violationPage}
	if q.Guarantee != "" && !slices.Contains(violationKinds(), q.Guarantee) {
		return respond.Bad("guarantee", "%q is no guarantee: want ryw, mr, mw, wfr or policy.", q.Guarantee)
	}
	if a.v.Get("range") != "" || a.v.Get("from") != "" || a.v.Get("to") != "" {
		q.From, q.To = a.query.From.UnixNano(), a.query.To.UnixNano()
	}
	list, next, err := u.o.Report.ViolationList(c.Request().Context(), q)
	if err != nil {
		return err
	}
	m := page.Violations{Head: violationsHead(list, next != "", len(a.v) > 0), Filters: violationFilters(a), List: violationSection(list, true)}
	api := []string{"feature", q.Feature, "guarantee", string(q.Guarantee), "service", q.Service}
	for _, name := range []string{"from", "to"} {
		api = append(api, name, a.v.Get(name))
	}
	if r := a.v.Get("range"); r != "" {
		api = append(api, "from", "-"+r)
	}
	m.List.Get = part.Downloads{CSV: address("/api/v1/violations", append(slices.Clone(api), "format", "csv")...), JSON: address("/api/v1/violations", api...)}
	if next != "" {
		m.List.Next = part.Link{Text: "Earlier ones", URL: a.with("cursor", next)}
	}
	return u.show(c, view{title: "Violations", current: violationsURL, topic: live.TopicOverview, body: page.ShowViolations(m)})
}

func violationsHead(list []metrics.Violation, more, filtered bool) part.Head {
	sub := "What a session saw too early, too late or not at all, and hops of labelled writes at services without clearance. How often it happens is on each feature's page."
	if len(list) == 0 {
		h := part.Head{Tone: part.Good, Answer: "Nothing was violated.", Sub: sub}
		if filtered {
			h.Tone, h.Answer = "", "No violation is like that."
		}
		return h
	}
	hops := int64(0)
	for i := range list {
		if list[i].Guarantee == metrics.MetricPolicy {
			hops++
		}
	}
	sessions := int64(len(list)) - hops
	var parts []string
	if hops > 0 {
		parts = append(parts, format.Plural(hops, "hop against policy", "hops against policy"))
	}
	if sessions > 0 {
		parts = append(parts, format.Plural(sessions, "broken session guarantee", "broken session guarantees"))
	}
	h := part.Head{Tone: part.Bad, Answer: "Here are " + format.List(parts) + ".", Sub: sub}
	if len(list) == 1 {
		h.Answer = "Here is " + format.List(parts) + "."
	}
	if more {
		h.Answer = "Here are the latest " + format.List(parts) + "; older ones follow."
	}
	return h
}

func violationFilters(a *asked) page.Filters {
	kinds := []string{"", "Any"}
	for _, k := range violationKinds() {
		name, _, _ := guaranteeWords(k)
		kinds = append(kinds, string(k), name)
	}
	f := page.Filters{Action: violationsURL, Fields: []page.Filter{
		{Name: "guarantee", Label: "Guarantee", Value: a.v.Get("guarantee"), Options: options(kinds...)},
		{Name: "feature", Label: "Feature", Value: a.v.Get("feature")},
		{Name: "service", Label: "Service", Value: a.v.Get("service"), Hint: "policy hops only"},
		{Name: "range", Label: "Time", Value: a.v.Get("range"), Options: options("", "Any", "15m", "15 min", "1h", "1 h", "24h", "24 h", "7d", "7 d", "28d", "28 d")},
	}}
	if len(a.v) > 0 {
		f.Clear = violationsURL
	}
	return f
}

// violationSection lists violations with what decided each.
func violationSection(list []metrics.Violation, features bool) page.Section {
	s := page.Section{ID: "violations", Title: "Violations, latest first", None: part.Empty{Title: "No violation", Text: "A violation is a session guarantee that was broken, or a hop at a service without clearance for a label."}}
	s.Table = part.Table{Caption: s.Title, Steps: true, Columns: []part.Column{{Head: "When"}, {Head: "Guarantee"}, {Head: "What"}, {Head: "Where"}, {Head: "Write"}, {Head: "Decided by"}}}
	if features {
		s.Table.Columns = slices.Insert(s.Table.Columns, 1, part.Column{Head: "Feature"})
	}
	for i := range list {
		v := &list[i]
		name, _, _ := guaranteeWords(v.Guarantee)
		write := part.Vacant()
		if v.WriteID != "" {
			write = part.To(v.WriteID, writeURL(v.Feature, v.WriteID))
			write.Mono = true
		}
		cells := []part.Cell{part.When(time.Unix(0, v.At)), {Value: part.Value{Text: name, Under: v.Verdict}}, violationWhat(v), violationWhere(v), write, violationBy(v)}
		if features {
			cells = slices.Insert(cells, 1, part.To(v.Feature, featureURL(v.Feature)))
		}
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: cells})
	}
	return s
}

func violationWhat(v *metrics.Violation) part.Cell {
	if v.Guarantee == metrics.MetricPolicy {
		return part.Text("no clearance for " + format.List(v.Labels))
	}
	c := part.Text("session " + v.Session)
	switch {
	case v.Wanted != "":
		c.Value.Under = "had to include " + v.Wanted + ", got " + orElse(v.Got, "nothing")
	case v.Earlier != "":
		c.Value.Under = "came before " + v.Earlier
	}
	return c
}

func violationWhere(v *metrics.Violation) part.Cell {
	c := part.Text(v.Replica)
	if v.Service != "" {
		c.Value.Under = "service " + v.Service
	}
	return c
}

// violationBy is the label with its revision; session guarantees are decided by what
// they are.
func violationBy(v *metrics.Violation) part.Cell {
	if len(v.DecidedBy) == 0 {
		return part.Vacant()
	}
	var rest []string
	for _, d := range v.DecidedBy {
		rest = append(rest, d.Rule+" revision "+format.Count(d.Revision))
	}
	first := v.DecidedBy[0]
	c := part.To(rest[0], address(labelPages.of(first.Rule), "revision", revisionText(max(first.Revision, 1))))
	c.Under = strings.Join(rest[1:], ", ")
	return c
}
