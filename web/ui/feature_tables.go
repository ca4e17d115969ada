package ui

import (
	"strings"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/report"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
)

func compare(a *asked, l *report.Lag) page.Section {
	by := a.query.By
	s := page.Section{ID: "compare", Title: "By " + dimension(by) + ", in numbers", Get: a.downloads(apiFeature(l.Feature, "/lag"), "by", by)}
	s.Table = part.Table{Caption: "Time to visibility by " + dimension(by), Columns: []part.Column{
		{Head: strings.ToUpper(dimension(by)[:1]) + dimension(by)[1:]},
		{Head: "p50", Num: true},
		{Head: "p95", Num: true},
		{Head: "p99", Num: true},
		{Head: "Writes", Num: true},
		{Head: "Pending", Num: true},
		{Head: "Negative", Num: true, Hint: "Visible before they began, by the clocks"},
	}}
	for _, g := range l.Series {
		first := part.Text(unsaid(g.Key, by))
		if g.Key != "" {
			first.URL = a.with(by, g.Key)
		}
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			first, cell(duration(g.Total.P50)), cell(duration(g.Total.P95)), cell(duration(g.Total.P99)),
			cell(number(g.Writes)), cell(number(g.Pending)), cell(number(g.Total.Negative)),
		}})
	}
	return s
}

func replicas(a *asked, b *report.Backlog) page.Section {
	s := page.Section{
		ID: "replicas", Title: "Replicas, now", About: "Backlog is what each replica has not satisfied, whatever the range above.",
		Get:  part.Downloads{CSV: address(apiFeature(b.Feature, "/backlog"), "format", "csv"), JSON: apiFeature(b.Feature, "/backlog")},
		None: part.Empty{Title: "No replica is known", Text: "Name the expected replicas in a guarantee or a route, or with “expect” on events."},
	}
	s.Table = part.Table{Caption: "Replicas, now", Columns: []part.Column{
		{Head: "Replica"}, {Head: "Status"}, {Head: "Last heard"}, {Head: "Backlog", Num: true}, {Head: "Oldest", Num: true}, {Head: "Clear in", Num: true}, {Head: "Arriving", Num: true}, {Head: "Satisfied", Num: true},
	}}
	for i := range b.Replicas {
		r := &b.Replicas[i]
		first := part.To(r.Replica, a.with("replica", r.Replica))
		first.Under = r.Region
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			first,
			{Status: replicaStatus(r)},
			part.When(at(r.LastHeard)), cell(replicaBacklog(r)), cell(oldest(r)), cell(clearIn(r)),
			part.Text(format.Rate(r.Arrival)), part.Text(format.Rate(r.Satisfied)),
		}})
	}
	return s
}

func replicaStatus(r *report.ReplicaBacklog) part.Status {
	switch r.State {
	case report.BacklogNone:
		return part.Status{Tone: part.Good, Text: "Up to date"}
	case report.BacklogSteady:
		return part.Status{Tone: part.Good, Text: "Keeping up"}
	case report.BacklogDraining:
		return part.Status{Tone: part.Warn, Text: "Catching up"}
	case report.BacklogDiverging:
		return part.Status{Tone: part.Warn, Text: "Falling behind"}
	}
	return part.Status{Tone: part.Neutral, Text: "Silent"}
}

func replicaBacklog(r *report.ReplicaBacklog) part.Value {
	v := part.Count(r.Count)
	if r.Count == nil && r.Unconfirmed > 0 {
		v.Under = format.Short(r.Unconfirmed) + " unconfirmed"
	}
	return v
}

func oldest(r *report.ReplicaBacklog) part.Value {
	if r.Count != nil && *r.Count == 0 {
		return part.Value{Text: "none"}
	}
	return duration(r.OldestAgeNS)
}

func clearIn(r *report.ReplicaBacklog) part.Value {
	switch r.State {
	case report.BacklogNone:
		return part.Value{Text: "clear"}
	case report.BacklogSteady:
		return part.Value{Text: "steady"}
	case report.BacklogDiverging:
		return part.Value{Text: "diverging", Tone: part.Bad, Hint: "Writes arrive at least as fast as they are satisfied"}
	}
	return duration(r.ETANS)
}

// guaranteeWords name each guarantee that is checked and say what it means.
func guaranteeWords(m metrics.Metric) (name, means, of string) {
	switch m {
	case metrics.MetricRYW:
		return "Read your writes", "A session sees its own writes.", "reads"
	case metrics.MetricMR:
		return "Monotonic reads", "A session never sees an older state after a newer one.", "reads"
	case metrics.MetricMW:
		return "Monotonic writes", "Writes of a session arrive in its order.", "writes"
	case metrics.MetricPolicy:
		return "Policy", "Labelled writes reach services with clearance alone.", "hops"
	}
	return "Writes follow reads", "A write never arrives before what its session had read.", "writes"
}

func checks(v *report.Violations) []page.Check {
	out := make([]page.Check, 0, len(v.Guarantees))
	for i := range v.Guarantees {
		g := &v.Guarantees[i]
		name, means, of := guaranteeWords(g.Guarantee)
		c := page.Check{
			Name: name, Means: means, Rate: ratio(g.Rate, of), Coverage: ratio(g.Coverage, of), Detail: checkDetail(g),
			Status: part.Status{Tone: part.Good, Text: "Held"},
		}
		switch {
		case g.Rate.Denominator == 0:
			c.Status = part.Status{Tone: part.Neutral, Text: "Not checkable"}
		case g.Rate.Numerator > 0:
			c.Status = part.Status{Tone: part.Bad, Text: "Violated"}
		}
		out = append(out, c)
	}
	return out
}

func checkDetail(g *report.GuaranteeCheck) string {
	var parts []string
	add := func(n int64, what string) {
		if n > 0 {
			parts = append(parts, format.Count(n)+" "+what)
		}
	}
	add(g.Older, "older")
	add(g.Conc, "concurrent")
	add(g.Violated, "overtaken")
	add(g.Overdue, "overdue")
	add(g.Pending, "not due yet")
	add(g.Unverifiable, "unverifiable")
	return join(parts)
}

func violationRows(feature string, vs []metrics.Violation) page.Section {
	s := page.Section{
		ID: "violations", Title: "The latest violations", Next: part.Link{Text: "All of them", URL: address(violationsURL, "feature", feature)},
		Get: part.Downloads{CSV: address("/api/v1/violations", "feature", feature, "format", "csv"), JSON: address("/api/v1/violations", "feature", feature)},
	}
	s.Table = part.Table{Caption: "The latest violations", Columns: []part.Column{
		{Head: "When"}, {Head: "Guarantee"}, {Head: "Session"}, {Head: "Key"}, {Head: "Replica"}, {Head: "Had to include"}, {Head: "Got"}, {Head: "Write"},
	}}
	for i := range vs {
		v := &vs[i]
		name, _, _ := guaranteeWords(v.Guarantee)
		write := part.Cell{}
		if v.WriteID != "" {
			write = part.To(v.WriteID, writeURL(v.Feature, v.WriteID))
			write.Mono, write.Class = true, "short"
		}
		place, wanted, got := part.Text(v.Replica), mono(v.Wanted), mono(v.Got)
		if v.Guarantee == metrics.MetricPolicy {
			place.Value.Under = "service " + v.Service
			wanted, got = part.Text("clearance for "+strings.Join(v.Labels, ", ")), part.Text("none")
		}
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			part.When(time.Unix(0, v.At)), {Value: part.Value{Text: name, Under: v.Verdict}}, mono(v.Session), mono(v.Key), place, wanted, got, write,
		}})
	}
	return s
}

func mono(s string) part.Cell {
	c := part.Text(s)
	c.Mono = true
	return c
}

func conflictRules(a *asked, c *report.ConflictSummary) page.Section {
	s := page.Section{
		ID: "conflicts", Title: "Conflicts, by rule", Get: a.downloads(apiFeature(c.Feature, "/conflicts")),
		None: part.Empty{Title: "No conflict in this range", Text: "Two writes of one key conflict when neither happened before the other."},
	}
	s.About = conflictAbout(c)
	s.Table = part.Table{Caption: "Conflicts by rule", Columns: []part.Column{
		{Head: "Rule"}, {Head: "Rate", Num: true}, {Head: "By rule", Num: true}, {Head: "By a person", Num: true}, {Head: "Open", Num: true}, {Head: "p95 to decide", Num: true},
	}}
	for _, r := range c.Rules {
		first := part.To("no rule said", address("/conflicts", "feature", c.Feature))
		if r.Rule != "" {
			first = part.To(r.Rule, address("/conflicts", "feature", c.Feature, "rule", r.Rule))
		}
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			first, cell(ratio(r.Rate, "writes")), cell(number(r.Auto)), cell(number(r.Manual)), cell(number(r.Open)), cell(duration(r.Resolution.P95)),
		}})
	}
	return s
}

func conflictAbout(c *report.ConflictSummary) string {
	if c.Rate.Denominator == 0 {
		return "No committed write to compare with."
	}
	s := format.Count(c.Rate.Numerator) + " of " + format.Plural(c.Rate.Denominator, "committed write", "committed writes") + " (" + format.Percent(c.Rate.Numerator, c.Rate.Denominator) + ")"
	if c.Rate.Numerator > 0 {
		s += "; " + format.Count(c.Auto.Numerator) + " decided by a rule, " + format.Count(c.Manual.Numerator) + " by a person, " + format.Count(c.Open) + " open"
		if c.OldestAgeNS != nil {
			s += ", the oldest for " + format.Duration(*c.OldestAgeNS)
		}
	}
	return s + "."
}

func deliveries(a *asked, c *report.ConflictSummary) page.Section {
	s := page.Section{
		ID: "deliveries", Title: "Replays and failures", About: "Writes that a replica was given more than once, or failed to take.",
		Get:  a.downloads(apiFeature(c.Feature, "/conflicts")),
		None: part.Empty{Title: "No delivery in this range", Text: "Replicas report deliveries by applied and visible events."},
	}
	s.Table = part.Table{Caption: "Replays and failures by replica", Columns: []part.Column{{Head: "Replica"}, {Head: "Replayed", Num: true}, {Head: "Failed", Num: true}}}
	failed := map[string]report.Ratio{}
	for _, f := range c.Failures {
		failed[f.Replica] = f.Rate
	}
	for _, r := range c.Replays {
		fail := part.Value{}
		if rate, ok := failed[r.Replica]; ok {
			fail = ratio(rate, "deliveries")
		}
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{part.Text(r.Replica), cell(ratio(r.Rate, "deliveries")), cell(fail)}})
	}
	return s
}

func staleness(a *asked, st *report.Staleness) page.Section {
	s := page.Section{
		ID: "staleness", Title: "Staleness of reads", About: "How far behind the reads were: in time, and in committed writes they missed.",
		Get:  a.downloads(apiFeature(st.Feature, "/staleness"), "by", a.query.By),
		None: part.Empty{Title: "No read was reported in this range", Text: "Send read events with the version that was read."},
	}
	s.Table = part.Table{Caption: "Staleness of reads", Columns: []part.Column{
		{Head: "By " + dimension(a.query.By)}, {Head: "Fresh", Num: true}, {Head: "p95 behind", Num: true}, {Head: "p99 behind", Num: true}, {Head: "Mean missed", Num: true},
	}}
	for _, g := range st.Groups {
		if g.Reads == 0 {
			continue
		}
		missed := part.Value{}
		if g.K.Mean != nil {
			missed = part.Value{Text: format.Figure(*g.K.Mean), Under: "writes"}
		}
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			part.Text(unsaid(g.Key, a.query.By)), cell(ratio(g.Fresh, "reads")), cell(duration(g.Time.P95)), cell(duration(g.Time.P99)), cell(missed),
		}})
	}
	return s
}

// maxDiffering is how many keys that differ the page lists; the download has all.
const maxDiffering = 8

func agreement(feature string, p *report.Phi) page.Section {
	url := apiFeature(feature, "/phi")
	s := page.Section{
		ID: "agreement", Title: "Do replicas agree?", Get: part.Downloads{CSV: address(url, "format", "csv"), JSON: url},
		None: part.Empty{Title: "Unknown", Text: "No key was reported with a version by two replicas."},
	}
	if p.Same.Denominator == 0 {
		return s
	}
	s.About = format.Count(p.Same.Numerator) + " of " + format.Plural(p.Same.Denominator, "sampled key has", "sampled keys have") + " the same version at every replica."
	s.None = part.Empty{Title: "Every sampled key is the same everywhere", Text: "Keys whose versions differ would be listed here."}
	s.Table = part.Table{Caption: "Keys whose versions differ", Columns: []part.Column{{Head: "Key"}}}
	for _, r := range p.Replicas {
		s.Table.Columns = append(s.Table.Columns, part.Column{Head: r})
	}
	if n := len(p.Differ); n > maxDiffering {
		s.About += " The first " + format.Count(maxDiffering) + " of those that differ are listed."
	}
	for _, d := range p.Differ[:min(len(p.Differ), maxDiffering)] {
		key := part.To(d.Key, address("/writes", "feature", feature, "key", d.Key))
		key.Mono = true
		row := part.Row{Cells: []part.Cell{key}}
		for _, r := range p.Replicas {
			c := part.Cell{}
			if v := d.Versions[r]; v != nil {
				c = mono(*v)
				c.Class = "break"
			}
			row.Cells = append(row.Cells, c)
		}
		s.Table.Rows = append(s.Table.Rows, row)
	}
	return s
}
