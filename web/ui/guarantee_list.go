package ui

import (
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/guarantee"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/live"
)

func (u *UI) guarantees(c echo.Context) error {
	ctx := c.Request().Context()
	docs, err := u.o.Catalogue.InForce(ctx)
	if err != nil {
		return err
	}
	due, err := u.o.Catalogue.ReviewsDue(ctx)
	if err != nil {
		return err
	}
	snap := u.o.Snapshot()
	m := page.Guarantees{
		Head: guaranteesHead(snap, docs, due), Notices: staleNotice(snap, u.o.Now()),
		List: guaranteeRows(snap, docs), Reviews: reviewsDue(due), Routes: routeRows(docs),
	}
	return u.show(c, view{title: "Guarantees", current: "/guarantees", topic: live.TopicOverview, body: page.ShowGuarantees(m)})
}

func guaranteesHead(s *guarantee.Snapshot, docs []guarantee.Stored, due []guarantee.ReviewDue) part.Head {
	h := part.Head{Answer: "No promise is written down yet."}
	if len(s.Results) > 0 {
		h.Answer, h.Tone = promisesAnswer(s), verdictStatus(s.Results[0].Verdict).Tone
	} else if len(docs) > 0 {
		h.Answer = "No promise is in force: no guarantee is active, or none was judged yet."
	}
	overdue := 0
	for _, d := range due {
		if d.Overdue {
			overdue++
		}
	}
	if overdue > 0 {
		h.Sub = format.Plural(int64(overdue), "review is", "reviews are") + " overdue."
	}
	return h
}

func guaranteeRows(s *guarantee.Snapshot, docs []guarantee.Stored) page.Section {
	out := page.Section{
		ID: "guarantees", Title: "Guarantees", Get: part.Downloads{CSV: "/api/v1/guarantees?format=csv", JSON: "/api/v1/guarantees"},
		None: part.Empty{
			Title: "Write down the first promise", Text: "Save this as guarantee.yaml, change what is yours, and apply it with “tidemark apply -f guarantee.yaml”.",
			Command: part.Command{ID: "first-guarantee", Text: firstGuarantee},
		},
	}
	out.Table = part.Table{Caption: "Guarantees", Steps: true, Columns: []part.Column{
		{Head: "Guarantee"}, {Head: "Status"}, {Head: "Feature"}, {Head: "Model"}, {Head: "Kept", Num: true}, {Head: "Budget left", Num: true}, {Head: "Owner"}, {Head: "Changed"},
	}}
	for i := range docs {
		g := docs[i].Document.Guarantee
		if g == nil {
			continue
		}
		first := part.To(g.Name, guaranteeURL(g.Name))
		first.Under, first.Class = g.Story, "who"
		st, kept, left := part.Status{Tone: part.Neutral, Text: "Not in force"}, part.Cell{}, part.Cell{}
		if g.Status != flags.StatusActive {
			st.Text = string(g.Status)
		}
		if r, ok := s.Guarantee(g.Name); ok {
			st = verdictStatus(r.Verdict)
			if o := mainObjective(r); o != nil {
				kept, left = objectiveKept(o), objectiveBudget(o)
			}
		}
		out.Table.Rows = append(out.Table.Rows, part.Row{Cells: []part.Cell{
			first,
			{Status: st},
			part.To(g.Feature, featureURL(g.Feature)), part.Text(string(g.Model)), kept, left, part.Text(g.Owner),
			{Value: part.Value{Under: g.Version}, At: docs[i].At},
		}})
	}
	slices.SortStableFunc(out.Table.Rows, func(a, b part.Row) int {
		return toneRank(a.Cells[1].Status.Tone) - toneRank(b.Cells[1].Status.Tone)
	})
	return out
}

// firstGuarantee is an example that is valid as it stands.
const firstGuarantee = `apiVersion: tidemark/v1alpha1
kind: ConsistencyGuarantee
metadata: {name: profile-ryw}
spec:
  version: 1.0.0
  status: active
  feature: profile-edit
  story: "After I save my profile I see the new name wherever I look."
  owner: team-identity
  model: read-your-writes
  replicas: [{name: search, kind: state}]
  objectives:
    - {sli: time_to_visibility, scope: all, op: lte, value: 2s, target: 0.999, window: 28d}
`

func reviewsDue(due []guarantee.ReviewDue) page.Section {
	out := page.Section{ID: "reviews", Title: "Reviews, soonest first", Get: both("/api/v1/reviews")}
	out.Table = part.Table{Caption: "Reviews", Columns: []part.Column{{Head: "Guarantee"}, {Head: "Status"}, {Head: "Due"}, {Head: "Last looked at"}, {Head: "Every"}, {Head: "Owner"}}}
	for _, d := range due {
		st := part.Status{Tone: part.Good, Text: "In time"}
		if d.Overdue {
			st = part.Status{Tone: part.Warn, Text: "Overdue"}
		}
		out.Table.Rows = append(out.Table.Rows, part.Row{Cells: []part.Cell{
			part.To(d.Name, guaranteeURL(d.Name)), {Status: st}, part.When(d.Due), part.When(d.Last), part.Text(everyWords(d.Every)), part.Text(d.Owner),
		}})
	}
	return out
}

// everyWords writes how often a promise is looked at as pages write durations.
func everyWords(s string) string {
	d, err := flags.ParseDuration(s)
	if err != nil {
		return s
	}
	return format.Age(d)
}

func routeRows(docs []guarantee.Stored) page.Section {
	out := page.Section{ID: "routes", Title: "Routes", About: "Where writes of features without such a guarantee are expected to arrive.", Get: both("/api/v1/documents")}
	out.Table = part.Table{Caption: "Routes", Columns: []part.Column{{Head: "Route"}, {Head: "Feature"}, {Head: "Replicas"}, {Head: "Status"}, {Head: "Changed"}}}
	for i := range docs {
		r := docs[i].Document.Route
		if r == nil {
			continue
		}
		names := make([]string, 0, len(r.Replicas))
		for _, rep := range r.Replicas {
			names = append(names, rep.Name)
		}
		out.Table.Rows = append(out.Table.Rows, part.Row{Cells: []part.Cell{
			{Value: part.Value{Text: r.Name, Under: r.Description}}, part.To(r.Feature, featureURL(r.Feature)), tags(names), part.Text(string(r.Status)), {Value: part.Value{Under: r.Version}, At: docs[i].At},
		}})
	}
	return out
}

// dayText is a date without a time.
func dayText(t time.Time) string { return t.UTC().Format("2 Jan 2006") }
