package ui

import (
	"slices"
	"strconv"
	"time"

	"tidemark/metrics/report"
	"tidemark/views/format"
	"tidemark/views/part"
)

// maxLines is how many lines a drawing shows: those with the most writes. The table
// has all.
const maxLines = 8

// tableTimes is how many moments the table beside a drawing shows at most.
const tableTimes = 24

func noWrites() part.Empty {
	return part.Empty{Title: "No write became visible in this range", Text: "Choose a longer range, or look at what is pending below."}
}

func promiseLevel(limit int64) *part.Level {
	if limit <= 0 {
		return nil
	}
	return &part.Level{Value: float64(limit), Text: "promise " + format.Duration(limit)}
}

func lagSeries(a *asked, all *answers, limit int64) part.Series {
	l := all.lag
	by := a.query.By
	s := part.Series{
		ID: "lag-series", Unit: part.UnitDuration, Promise: promiseLevel(limit), None: noWrites(),
		Get: a.downloads(apiFeature(l.Feature, "/lag"), "by", by),
	}
	lines := busiest(l.Series)
	for _, line := range lines {
		out := part.Line{Name: unsaid(line.Key, by)}
		for i, p := range line.Points {
			if len(s.At) <= i {
				s.At = append(s.At, time.Unix(0, p.Start))
			}
			out.Values = append(out.Values, float(p.P99))
		}
		s.Lines = append(s.Lines, out)
	}
	s.Label = lagTitle(by) + ": " + lagWords(lines, by)
	s.Table = lagTable(lines, by)
	return s
}

// busiest keeps the series with the most writes, in their order.
func busiest(all []report.LagSeries) []report.LagSeries {
	if len(all) <= maxLines {
		return all
	}
	least := make([]int64, 0, len(all))
	for _, s := range all {
		least = append(least, s.Writes)
	}
	limit := nth(least, maxLines)
	out := make([]report.LagSeries, 0, maxLines)
	for _, s := range all {
		if s.Writes >= limit && len(out) < maxLines {
			out = append(out, s)
		}
	}
	return out
}

// nth is the n-th greatest number.
func nth(v []int64, n int) int64 {
	for i := range v {
		for j := i; j > 0 && v[j] > v[j-1]; j-- {
			v[j], v[j-1] = v[j-1], v[j]
		}
	}
	return v[n-1]
}

func lagWords(lines []report.LagSeries, by string) string {
	words := make([]string, 0, len(lines))
	for _, l := range lines {
		words = append(words, unsaid(l.Key, by)+" "+duration(l.Total.P99).Plain())
	}
	return join(words)
}

func lagTable(lines []report.LagSeries, by string) part.Table {
	t := part.Table{Caption: "p99 of time to visibility over time", Matrix: true, Tight: true, Columns: []part.Column{{Head: "Began"}}}
	if len(lines) == 0 {
		return t
	}
	for _, l := range lines {
		t.Columns = append(t.Columns, part.Column{Head: unsaid(l.Key, by), Num: true})
	}
	points := lines[0].Points
	every := max(1, (len(points)+tableTimes-1)/tableTimes)
	for i := len(points) - 1; i >= 0; i -= every {
		row := part.Row{Cells: []part.Cell{part.When(time.Unix(0, points[i].Start))}}
		for _, l := range lines {
			row.Cells = append(row.Cells, cell(duration(l.Points[i].P99)))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// slowPart is the share of the way above which a hop is marked as slow.
const slowPart = 0.4

func hops(a *asked, h *report.Hops) part.Hops {
	out := part.Hops{
		Label: "Hops of the slowest path", Get: a.downloads(apiFeature(h.Feature, "/hops")),
		None:  part.Empty{Title: "No hop was seen in this range", Text: "A hop needs events of the same write from two stages or places."},
		Table: hopTable(h),
	}
	if len(h.Paths) == 0 {
		return out
	}
	path := h.Paths[0]
	out.Total = format.Duration(path.P95)
	out.Note = "The slowest way, to " + path.Place + ": " + out.Total + " in sum, " + format.Plural(int64(len(path.Edges)), "hop", "hops") + "."
	start := int64(0)
	for _, i := range path.Edges {
		e := &h.Edges[i]
		took := int64(0)
		if e.P95 != nil {
			took = *e.P95
		}
		bar := part.HopBar{Title: e.FromStage + " → " + e.ToStage, Place: hopPlace(e), Value: duration(e.P95)}
		if path.P95 > 0 {
			bar.Start, bar.Length = float64(start)/float64(path.P95), float64(took)/float64(path.P95)
			bar.Slow = bar.Length >= slowPart && len(path.Edges) > 1
			bar.Value.Under = strconv.Itoa(int(bar.Length*100+0.5)) + "% of the way"
		}
		if e.Negative > 0 {
			bar.Value.Hint = format.Plural(e.Negative, "negative lag was", "negative lags were") + " left out: the clocks differ"
		}
		start += took
		out.Edges = append(out.Edges, bar)
	}
	return out
}

func hopPlace(e *report.Hop) string {
	if e.FromPlace == e.ToPlace {
		return e.ToPlace
	}
	return e.FromPlace + " → " + e.ToPlace
}

func hopTable(h *report.Hops) part.Table {
	t := part.Table{Caption: "Every hop", Tight: true, Columns: []part.Column{
		{Head: "Hop"}, {Head: "Place"}, {Head: "p50", Num: true}, {Head: "p95", Num: true}, {Head: "p99", Num: true}, {Head: "Samples", Num: true}, {Head: "Negative", Num: true, Hint: "Lags below 0: the clocks differ"},
	}}
	for i := range h.Edges {
		e := &h.Edges[i]
		t.Rows = append(t.Rows, part.Row{Cells: []part.Cell{
			part.Text(e.FromStage + " → " + e.ToStage), part.Text(hopPlace(e)), cell(duration(e.P50)), cell(duration(e.P95)), cell(duration(e.P99)),
			cell(number(e.Count)), cell(number(e.Negative)),
		}})
	}
	return t
}

func curve(a *asked, c *report.Convergence, limit int64) part.Curve {
	out := part.Curve{
		Get: a.downloads(apiFeature(c.Feature, "/convergence"), "by", a.query.By), Promise: promiseLevel(limit), None: noWrites(),
		Table: curveTable(c, a.query.By),
	}
	words := []string{}
	for i, g := range c.Groups {
		if i == maxLines {
			break
		}
		name := unsaid(g.Key, a.query.By)
		group := part.CurveGroup{Name: name, Note: format.Plural(g.Curve.N, "write", "writes") + ", " + format.Count(g.Curve.Censored) + " pending"}
		for _, p := range g.Curve.Points {
			group.Points = append(group.Points, part.CurvePoint{T: time.Duration(p.TNS), Share: p.Share, Low: p.Low, High: p.High})
		}
		out.Groups = append(out.Groups, group)
		words = append(words, name+" "+within10s(g.Ratios).Plain()+" within 10 s")
	}
	out.Label = "Share of writes visible within a time: " + join(words)
	return out
}

func curveTable(c *report.Convergence, by string) part.Table {
	t := part.Table{Caption: "Share of writes visible within a time", Matrix: true, Tight: true, Columns: []part.Column{{Head: dimension(by)}}}
	if by != "" {
		t.Columns[0].Head = "By " + dimension(by)
	}
	for _, tau := range report.Taus() {
		t.Columns = append(t.Columns, part.Column{Head: "Within " + format.Duration(int64(tau)), Num: true})
	}
	for _, g := range c.Groups {
		row := part.Row{Cells: []part.Cell{part.Text(unsaid(g.Key, by))}}
		for _, r := range g.Ratios {
			row.Cells = append(row.Cells, cell(ratio(r.Ratio, "writes")))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func heatTitle(h *report.Heatmap) string {
	if h.Replica != "" {
		return "Every write, by lag at " + h.Replica + " and time"
	}
	return "Every write, by lag everywhere and time"
}

func heat(a *asked, h *report.Heatmap, limit int64) part.Heat {
	out := part.Heat{
		Max: h.Max, Step: time.Duration(h.StepNS), URL: address("/writes", "feature", h.Feature, "replica", h.Replica), Promise: promiseLevel(limit), Get: a.downloads(apiFeature(h.Feature, "/heatmap")), None: noWrites(),
	}
	for _, r := range h.Rows {
		out.Bands = append(out.Bands, part.Band{Low: r.LowNS, High: r.HighNS})
	}
	total, pending := int64(0), int64(0)
	for _, c := range h.Columns {
		col := part.HeatColumn{Start: time.Unix(0, c.Start), Pending: c.Pending}
		for i, n := range c.Counts {
			if n > 0 {
				total += n
				col.Cells = append(col.Cells, part.HeatCell{Band: i, Count: n})
			}
		}
		pending += c.Pending
		out.Columns = append(out.Columns, col)
	}
	out.Label = heatTitle(h) + ": " + format.Plural(total, "write", "writes") + " with a lag, " + format.Count(pending) + " pending"
	out.Table = heatTable(h)
	return out
}

func writesURL(h *report.Heatmap, from, to int64, more ...string) string {
	pairs := append([]string{
		"feature", h.Feature, "replica", h.Replica,
		"from", time.Unix(0, from).UTC().Format(time.RFC3339), "to", time.Unix(0, to).UTC().Format(time.RFC3339),
	}, more...)
	return address("/writes", pairs...)
}

// bandURL is where a cell leads: examples of its writes. Bands are known within 1 %,
// so the bounds are let out by as much.
func bandURL(h *report.Heatmap, band int, from, to int64) string {
	r := h.Rows[band]
	pairs := []string{"max_lag", time.Duration(float64(r.HighNS) * 1.01).String()}
	if r.LowNS > 0 {
		pairs = append(pairs, "min_lag", time.Duration(float64(r.LowNS)*0.99).String())
	}
	return writesURL(h, from, to, pairs...)
}

// heatColumnsInTable is into how many stretches of time the table gathers columns.
const heatColumnsInTable = 6

// heatTable gathers columns, so that the table can be read and has the same links.
func heatTable(h *report.Heatmap) part.Table {
	t := part.Table{Caption: "Writes by lag and time", Matrix: true, Tight: true, Columns: []part.Column{{Head: "Lag"}}}
	per := max(1, (len(h.Columns)+heatColumnsInTable-1)/heatColumnsInTable)
	layout := "15:04"
	if h.To-h.From > int64(24*time.Hour) {
		layout = "2 Jan 15:04"
	}
	for i := 0; i < len(h.Columns); i += per {
		t.Columns = append(t.Columns, part.Column{Head: "from " + time.Unix(0, h.Columns[i].Start).UTC().Format(layout), Num: true, Hint: "UTC"})
	}
	for band, v := range slices.Backward(h.Rows) {
		row := part.Row{Cells: []part.Cell{part.Text(part.Band{Low: v.LowNS, High: v.HighNS}.Text())}}
		for i := 0; i < len(h.Columns); i += per {
			row.Cells = append(row.Cells, heatCell(h, band, i, min(i+per, len(h.Columns))))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func heatCell(h *report.Heatmap, band, from, to int) part.Cell {
	n := int64(0)
	for _, c := range h.Columns[from:to] {
		n += c.Counts[band]
	}
	if n == 0 {
		return part.Text("0")
	}
	return part.To(format.Short(n), bandURL(h, band, h.Columns[from].Start, h.Columns[to-1].Start+h.StepNS))
}
