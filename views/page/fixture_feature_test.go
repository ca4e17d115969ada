package page_test

import (
	"math"
	"time"

	"tidemark/views/page"
	"tidemark/views/part"
)

const second = float64(time.Second)

func stepsOf(n int, step time.Duration) []time.Time {
	out := make([]time.Time, n)
	for i := range out {
		out[i] = now.Add(-time.Duration(n-1-i) * step)
	}
	return out
}

func feature() page.Feature {
	by := part.Choices{Label: "Compare by"}
	for _, b := range []string{"replica", "model", "arm", "region", "mechanism"} {
		by.Items = append(by.Items, part.Choice{Text: "by " + b, URL: "?by=" + b, Current: b == "replica"})
	}
	return page.Feature{
		Head: part.Head{
			Crumbs: []part.Crumb{{Text: "Overview", URL: "/"}, {Text: "cart"}},
			Answer: "cart is slow at one hop: cart-us takes 1.5 s of the 1.9 s at p95.", Tone: part.Warn,
			Sub:    "“My cart is the same on every device.” 99.9% of writes visible everywhere within 2 s, over 28 days.",
			Link:   part.Link{Text: "Guarantee cart-causal 2.1.0", URL: "/guarantees/cart-causal"},
			Status: part.Status{Tone: part.Warn, Text: "At risk"}, Facts: []string{"causal", "owner team-checkout"},
		},
		Bar: part.Bar{Range: ranges(), By: by},
		Facts: []part.Fact{
			{Name: "Visible everywhere, p50", Value: part.Value{Text: "180 ms", Under: "p95 1.9 s, p99 2.9 s"}},
			{Name: "Within 10 s", Value: part.Value{Text: "99.87%", Under: "18.1k of 18.2k"}},
			{Name: "Backlog", Value: part.Value{Text: "38", Under: "oldest 3 s"}},
			{Name: "Conflicts", Value: part.Value{Text: "0.41%", Under: "75 of 18.2k writes"}},
			{Name: "Writes", Value: part.Value{Text: "18.2k", Under: "5.1/s"}},
			{Name: "Fresh reads", Value: part.Value{Text: "98.2%", Under: "19.8k of 20.1k"}},
		},
		Promises: page.Section{
			ID: "promises", Title: "What is promised",
			Table: part.Table{
				Caption: "Objectives", Columns: []part.Column{{Head: "Objective"}, {Head: "Status"}, {Head: "Kept", Num: true}, {Head: "Budget left", Num: true}, {Head: "Why"}},
				Rows: []part.Row{{Cells: []part.Cell{
					part.To("99.9% of writes visible everywhere within 2 s over 28 d", "/guarantees/cart-causal"),
					{Status: part.Status{Tone: part.Warn, Text: "At risk"}},
					{Value: part.Value{Text: "99.86%", Under: "of 99.9%"}},
					part.Text("22%"),
					part.Text("The budget will be gone in 3 d at the rate of the last hour."),
				}}},
			},
			Get: downloads("/api/v1/guarantees"),
		},
		LagTitle: "Time to visibility, p99 by replica", LagAbout: "By the time at which writes began.",
		Lag: part.Series{
			ID: "lag-series", Label: "p99 of time to visibility over the last hour for cart-ap, cart-eu and cart-us", Unit: part.UnitDuration,
			At: stepsOf(60, time.Minute), Promise: &part.Level{Value: 2 * second, Text: "promise 2 s"},
			Marks: []part.Mark{{At: now.Add(-25 * time.Minute), Text: "v2.1.0"}},
			Lines: []part.Line{
				{Name: "cart-ap", Values: wave(60, 1.0*second, 0.2*second, 0, 60)},
				{Name: "cart-eu", Values: wave(60, 0.8*second, 0.12*second, 0.008*second, 20)},
				{Name: "cart-us", Values: wave(60, 1.7*second, 0.2*second, 0.06*second, 38)},
			},
			Table: part.Table{Caption: "p99 by replica", Columns: []part.Column{{Head: "Time"}, {Head: "cart-eu", Num: true}}, Rows: []part.Row{{Cells: []part.Cell{part.When(now), part.Text("800 ms")}}}},
			Get:   downloads("/api/v1/features/cart/lag"),
		},
		Hops: part.Hops{
			Label: "Hops of the slowest path", Total: "1.9 s", Note: "The slowest way, to cart-us: 1.9 s in sum.",
			Edges: []part.HopBar{
				{Title: "initiated → committed", Place: "web-eu", Value: part.Value{Text: "8 ms"}, Start: 0, Length: 0.004},
				{Title: "committed → published", Place: "outbox relay", Value: part.Value{Text: "41 ms"}, Start: 0.004, Length: 0.022},
				{Title: "published → received", Place: "outbox relay → cart-us", Value: part.Value{Text: "22 ms"}, Start: 0.026, Length: 0.012},
				{Title: "received → applied", Place: "cart-us", Value: part.Value{Text: "1.5 s", Under: "79% of the way"}, Start: 0.038, Length: 0.79, Slow: true},
				{Title: "applied → visible", Place: "cart-us", Value: part.Value{Text: "310 ms"}, Start: 0.83, Length: 0.17},
			},
			Table: part.Table{Caption: "Hops", Columns: []part.Column{{Head: "Hop"}, {Head: "p95", Num: true}}, Rows: []part.Row{{Cells: []part.Cell{part.Text("initiated → committed"), part.Text("8 ms")}}}},
			Get:   downloads("/api/v1/features/cart/hops"),
		},
		HeatTitle: "Every write, by lag and time",
		Heat:      heat(),
		Curve:     curve(),
		Compare: page.Section{
			ID: "compare", Title: "By replica, in numbers",
			Table: part.Table{
				Caption: "Time to visibility by replica", Columns: []part.Column{{Head: "Replica"}, {Head: "p50", Num: true}, {Head: "p95", Num: true}, {Head: "p99", Num: true}, {Head: "Writes", Num: true}, {Head: "Pending", Num: true}, {Head: "Negative", Num: true, Hint: "Visible before they began, by the clocks"}},
				Rows: []part.Row{
					{Cells: []part.Cell{part.To("cart-ap", "?replica=cart-ap"), part.Text("140 ms"), part.Text("620 ms"), part.Text("1.1 s"), part.Text("18.2k"), part.Text("2"), part.Text("0")}},
					{Cells: []part.Cell{part.To("cart-eu", "?replica=cart-eu"), part.Text("92 ms"), part.Text("480 ms"), part.Text("960 ms"), part.Text("18.2k"), part.Text("0"), part.Text("0")}},
					{Cells: []part.Cell{part.To("cart-us", "?replica=cart-us"), part.Text("180 ms"), part.Text("1.9 s"), part.Text("2.9 s"), part.Text("18.2k"), part.Text("36"), part.Text("4")}},
				},
			},
			Get: downloads("/api/v1/features/cart/lag"),
		},
		Replicas:  replicas(),
		Checks:    checks(),
		ChecksGet: downloads("/api/v1/features/cart/violations"),
		Conflicts: page.Section{
			ID: "conflicts", Title: "Conflicts, by rule", About: "75 of 18,203 committed writes (0.41%); 71 decided by a rule, 3 by a person, 1 open.",
			Table: part.Table{
				Caption: "Conflicts by rule", Columns: []part.Column{{Head: "Rule"}, {Head: "Rate", Num: true}, {Head: "Rule", Num: true}, {Head: "Person", Num: true}, {Head: "Open", Num: true}, {Head: "p95 to decide", Num: true}},
				Rows: []part.Row{{Cells: []part.Cell{part.To("cart-merge", "/conflicts?rule=cart-merge"), {Value: part.Value{Text: "0.41%", Under: "75 of 18.2k"}}, part.Text("71"), part.Text("3"), part.Text("1"), part.Text("240 ms")}}},
			},
			Get: downloads("/api/v1/features/cart/conflicts"),
		},
		Deliveries: page.Section{
			ID: "deliveries", Title: "Replays and failures", Table: part.Table{
				Caption: "Replays and failures by replica", Columns: []part.Column{{Head: "Replica"}, {Head: "Replayed", Num: true}, {Head: "Failed", Num: true}},
				Rows: []part.Row{
					{Cells: []part.Cell{part.Text("cart-eu"), {Value: part.Value{Text: "0.12%", Under: "22 of 18.2k"}}, part.Text("0%")}},
					{Cells: []part.Cell{part.Text("cart-us"), {Value: part.Value{Text: "1.90%", Under: "346 of 18.2k"}}, {Value: part.Value{Text: "0.01%", Under: "2 of 18.2k"}}}},
				},
			},
			Get: downloads("/api/v1/features/cart/conflicts"),
		},
		Staleness: page.Section{ID: "staleness", Title: "Staleness of reads", None: part.Empty{Title: "No read was reported", Text: "Send read events with the version that was read to see how stale reads are."}},
		Agreement: page.Section{ID: "agreement", Title: "Do replicas agree?", About: "198 of 200 sampled keys have the same version at every replica.", Table: part.Table{
			Caption: "Keys that differ", Columns: []part.Column{{Head: "Key"}, {Head: "cart-eu"}, {Head: "cart-us"}},
			Rows: []part.Row{{Cells: []part.Cell{part.To("cart:8812", "/writes?feature=cart&key=cart:8812"), part.Text("seq:17"), part.Text("seq:16")}}},
		}, Get: downloads("/api/v1/features/cart/phi")},
	}
}

func heat() part.Heat {
	h := part.Heat{
		URL: "/writes?feature=cart", Step: time.Minute,
		Label: "Writes by lag and time of beginning; the most are between 181 ms and 256 ms, rising to 3 s at the end", Promise: &part.Level{Value: 2 * second, Text: "promise 2 s"},
		Table: part.Table{Caption: "Writes by lag and time", Columns: []part.Column{{Head: "Lag"}, {Head: "13:00", Num: true}}, Rows: []part.Row{{Cells: []part.Cell{part.Text("up to 16 ms"), part.To("3", "/writes")}}}},
		Get:   downloads("/api/v1/features/cart/heatmap"),
	}
	low := 16e6
	for range 18 {
		h.Bands = append(h.Bands, part.Band{Low: int64(low), High: int64(low * math.Sqrt2)})
		low *= math.Sqrt2
	}
	for i := range 60 {
		c := part.HeatColumn{Start: now.Add(-time.Duration(60-i) * time.Minute)}
		peak := 7.0
		if i > 40 {
			peak += float64(i-40) * 0.35
		}
		for b := range 18 {
			n := int64(300 * math.Exp(-math.Pow(float64(b)-peak, 2)/2.2) * (1 + 0.3*math.Sin(float64(i*b))))
			if n > 0 {
				c.Cells = append(c.Cells, part.HeatCell{Band: b, Count: n})
				h.Max = max(h.Max, n)
			}
		}
		if i > 54 {
			c.Pending = int64(i - 54)
		}
		h.Columns = append(h.Columns, c)
	}
	return h
}

func curve() part.Curve {
	g := func(name string, mid float64) part.CurveGroup {
		out := part.CurveGroup{Name: name, Note: "18,203 writes, 38 pending"}
		for t := 1e7; t < 5e9; t *= 1.12 {
			s := 1 / (1 + math.Pow(mid/t, 2.4))
			out.Points = append(out.Points, part.CurvePoint{T: time.Duration(t), Share: s, Low: max(0, s-0.03), High: min(1, s+0.03)})
		}
		return out
	}
	return part.Curve{
		Label: "Share of writes visible within a time, for causal and eventual", Groups: []part.CurveGroup{g("cart-eu", 1.2e8), g("cart-us", 4e8)},
		Promise: &part.Level{Value: 2 * second, Text: "promise 2 s"},
		Table:   part.Table{Caption: "Share visible within a time", Columns: []part.Column{{Head: "Within"}, {Head: "cart-eu", Num: true}}, Rows: []part.Row{{Cells: []part.Cell{part.Text("1 s"), part.Text("99.1%")}}}},
		Get:     downloads("/api/v1/features/cart/convergence"),
	}
}

func replicas() page.Section {
	return page.Section{
		ID: "replicas", Title: "Replicas, now", About: "Backlog is what each replica has not satisfied, whatever the range above.",
		Table: part.Table{
			Caption: "Replicas", Columns: []part.Column{{Head: "Replica"}, {Head: "Status"}, {Head: "Last heard"}, {Head: "Backlog", Num: true}, {Head: "Oldest", Num: true}, {Head: "Clear in", Num: true}, {Head: "In", Num: true}, {Head: "Out", Num: true}},
			Rows: []part.Row{
				{Cells: []part.Cell{part.Text("cart-eu"), {Status: part.Status{Tone: part.Good, Text: "Up to date"}}, part.When(now), part.Text("0"), part.Text("none"), part.Text("clear"), part.Text("5.1/s"), part.Text("5.1/s")}},
				{Cells: []part.Cell{part.Text("cart-us"), {Status: part.Status{Tone: part.Warn, Text: "Falling behind"}}, part.When(now), part.Text("36"), part.Text("3 s"), {Value: part.Value{Text: "never, at this rate", Tone: part.Warn}}, part.Text("5.1/s"), part.Text("4.8/s")}},
				{Cells: []part.Cell{part.Text("cart-ap"), {Status: part.Status{Tone: part.Neutral, Text: "Silent"}}, part.When(now.Add(-4 * time.Minute)), {Value: part.Value{Under: "at least 2 unconfirmed"}}, {}, {}, {}, {}}},
			},
		},
		Get: downloads("/api/v1/features/cart/backlog"),
	}
}

func checks() []page.Check {
	return []page.Check{
		{Name: "Read your writes", Means: "A session sees its own writes", Status: part.Status{Tone: part.Bad, Text: "Violated"}, Rate: part.Value{Text: "0.02%", Under: "4 of 20,112 reads"}, Coverage: part.Value{Text: "92%", Under: "20.1k of 21.9k"}, Detail: "3 older, 1 concurrent"},
		{Name: "Monotonic reads", Means: "A session never sees an older state after a newer one", Status: part.Status{Tone: part.Good, Text: "Held"}, Rate: part.Value{Text: "0%", Under: "0 of 20,112 reads"}, Coverage: part.Value{Text: "92%", Under: "20.1k of 21.9k"}},
		{Name: "Monotonic writes", Means: "A session's writes arrive in order", Status: part.Status{Tone: part.Good, Text: "Held"}, Rate: part.Value{Text: "0%", Under: "0 of 8,021 writes"}, Coverage: part.Value{Text: "100%", Under: "8,021 of 8,021"}},
		{Name: "Writes follow reads", Means: "A write never arrives before what its session had read", Status: part.Status{Tone: part.Neutral, Text: "Not checkable"}, Rate: part.Value{Under: "no checkable write"}, Coverage: part.Value{Text: "0%", Under: "0 of 8,021"}},
	}
}
