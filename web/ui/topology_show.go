package ui

import (
	"cmp"
	"slices"

	"github.com/labstack/echo/v4"

	"tidemark/metrics/report"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/live"
)

func (u *UI) topology(c echo.Context) error {
	a, err := u.ask(c, "feature")
	if err != nil {
		return err
	}
	a.query.Feature = a.v.Get("feature")
	t, err := u.o.Report.Topology(c.Request().Context(), a.query)
	if err != nil {
		return err
	}
	m := page.Topology{Head: topologyHead(t), Bar: a.bar(), Graph: u.graph(t), Edges: edgeRows(a, t), Nodes: nodeRows(a, t)}
	m.Bar.By = part.Choices{Label: "Feature", Items: []part.Choice{{Text: "all features", URL: a.with("feature", ""), Current: a.query.Feature == ""}}}
	names := u.o.Reader.Features()
	if len(names) > maxFeatureChoices {
		names = names[:maxFeatureChoices]
	}
	for _, f := range names {
		m.Bar.By.Items = append(m.Bar.By.Items, part.Choice{Text: f, URL: a.with("feature", f), Current: f == a.query.Feature})
	}
	return u.show(c, view{title: "Topology", current: "/topology", topic: live.TopicOverview, body: page.ShowTopology(m)})
}

const maxFeatureChoices = 8

// slowest is the edge with the greatest p95 that is known; nil when there is none.
func slowest(t *report.Topology) *report.TopologyEdge {
	var out *report.TopologyEdge
	for i := range t.Edges {
		e := &t.Edges[i]
		if e.P95 != nil && e.From != e.To && (out == nil || *e.P95 > *out.P95) {
			out = e
		}
	}
	return out
}

func topologyHead(t *report.Topology) part.Head {
	h := part.Head{Tone: part.Good}
	silent := []string{}
	for _, n := range t.Nodes {
		if n.Silent {
			silent = append(silent, n.ID)
		}
	}
	switch e := slowest(t); {
	case len(t.Nodes) == 0:
		return part.Head{Answer: "Nothing was observed yet."}
	case e == nil:
		h.Answer, h.Tone = "No way between two places was observed in this range.", part.Neutral
	default:
		h.Answer = "The slowest way is from " + e.From + " to " + e.To + ": " + format.Duration(*e.P95) + " at p95."
	}
	h.Sub = format.Plural(int64(len(t.Nodes)), "place", "places") + " and " + format.Plural(int64(len(t.Edges)), "way", "ways") + " between them, from what was observed."
	if len(silent) > 0 {
		h.Tone = part.Warn
		h.Sub = format.List(silent) + " fell silent: what is known of it is from before. " + h.Sub
	}
	return h
}

// warnShare is how near to the slowest an edge is to be marked as slow too.
const warnShare = 0.5

func (u *UI) graph(t *report.Topology) part.Graph {
	g := part.Graph{None: part.Empty{Title: "Nothing to draw", Text: "Services and replicas appear here as they report."}}
	for _, n := range t.Nodes {
		note := n.Region
		if n.Silent {
			note = "silent"
			if n.LastHeard != nil {
				note = "silent for " + format.Age(u.o.Now().Sub(at(n.LastHeard)))
			}
		}
		g.Nodes = append(g.Nodes, part.Node{ID: n.ID, Name: n.ID, Note: note, Kind: n.Kind, Silent: n.Silent, Title: n.ID + ", " + n.Kind + " of " + format.List(n.Features)})
	}
	worst := slowest(t)
	for i := range t.Edges {
		e := &t.Edges[i]
		out := part.Edge{From: e.From, To: e.To, Lag: duration(e.P95).Text, Title: edgeTitle(e)}
		if e.PerSecond != nil {
			out.Weight = *e.PerSecond
		}
		switch {
		case e.Unknown:
			out.Tone = part.Neutral
		case e.P95 != nil && worst != nil && float64(*e.P95) >= warnShare*float64(*worst.P95) && len(t.Edges) > 2:
			out.Tone = part.Warn
		}
		g.Edges = append(g.Edges, out)
	}
	g.Label = topologyHead(t).Answer + " The tables below say the same."
	return g
}

func edgeTitle(e *report.TopologyEdge) string {
	return e.From + " → " + e.To + ": p50 " + duration(e.P50).Plain() + ", p95 " + duration(e.P95).Plain() + ", p99 " + duration(e.P99).Plain()
}

func edgeRows(a *asked, t *report.Topology) page.Section {
	s := page.Section{
		ID: "edges", Title: "Ways, slowest first", Get: a.downloads("/api/v1/topology", "feature", a.query.Feature),
		None: part.Empty{Title: "No way was observed in this range", Text: "A way needs events of the same write from two places."},
	}
	s.Table = part.Table{Caption: "Ways between places", Columns: []part.Column{
		{Head: "From"}, {Head: "To"}, {Head: "Status"}, {Head: "p50", Num: true}, {Head: "p95", Num: true}, {Head: "p99", Num: true}, {Head: "Traffic", Num: true}, {Head: "Negative", Num: true, Hint: "Lags below 0: the clocks differ"},
	}}
	edges := slices.Clone(t.Edges)
	slices.SortStableFunc(edges, func(x, y report.TopologyEdge) int { return cmp.Compare(orZero(y.P95), orZero(x.P95)) })
	for i := range edges {
		e := &edges[i]
		st := part.Status{Tone: part.Good, Text: "Heard"}
		if e.Unknown {
			st = part.Status{Tone: part.Neutral, Text: "Silent"}
		}
		traffic := part.Value{}
		if e.PerSecond != nil {
			traffic = part.Value{Text: format.Rate(*e.PerSecond), Under: format.Short(e.Count) + " in all"}
		}
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			part.Text(e.From), part.Text(e.To), {Status: st}, cell(duration(e.P50)), cell(duration(e.P95)), cell(duration(e.P99)), cell(traffic), cell(negative(e)),
		}})
	}
	return s
}

func negative(e *report.TopologyEdge) part.Value {
	if e.NegativeShare == nil {
		return part.Value{}
	}
	v := part.Value{Text: format.Share(*e.NegativeShare), Hint: format.Count(e.Negative) + " of " + format.Count(e.Count+e.Negative)}
	if e.Negative > 0 {
		v.Under, v.Tone = format.Short(e.Negative)+" below 0", part.Warn
	}
	return v
}

func nodeRows(a *asked, t *report.Topology) page.Section {
	s := page.Section{
		ID: "nodes", Title: "Services and replicas", Get: a.downloads("/api/v1/topology", "feature", a.query.Feature),
		None: part.Empty{Title: "Nothing was observed yet", Text: "Services and replicas appear here as they report."},
	}
	s.Table = part.Table{Caption: "Services and replicas", Columns: []part.Column{
		{Head: "Place"}, {Head: "Kind"}, {Head: "Status"}, {Head: "Region"}, {Head: "Last heard"}, {Head: "p95 inside", Num: true, Hint: "Time between stages within it"}, {Head: "Events", Num: true}, {Head: "Features"},
	}}
	for _, n := range t.Nodes {
		st := part.Status{Tone: part.Good, Text: "Heard"}
		if n.Silent {
			st = part.Status{Tone: part.Neutral, Text: "Silent"}
		}
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			part.Text(n.ID), part.Text(n.Kind), {Status: st}, part.Text(n.Region), part.When(at(n.LastHeard)), cell(duration(n.Inside.P95)), cell(number(n.Events)), part.Text(format.List(n.Features)),
		}})
	}
	return s
}

func orZero(ns *int64) int64 {
	if ns == nil {
		return 0
	}
	return *ns
}
