package page_test

import (
	"math"
	"time"

	"tidemark/views/layout"
	"tidemark/views/page"
	"tidemark/views/part"
)

// now is the present of every fixture.
var now = time.Date(2026, 3, 14, 14, 2, 11, 0, time.UTC)

func frame(title, current, topic string) layout.Frame {
	return layout.Frame{
		Title: title, Current: current, Topic: topic, Now: now, User: "ada", SignOut: "/signout",
		Version: "1.2.0", Alerts: 2, Conflicts: 7, Charts: true,
	}
}

// wave is a plausible line: level, its swing, and where it starts to climb.
func wave(n int, level, swing, climb float64, from int) []*float64 {
	out := make([]*float64, n)
	for i := range out {
		v := level + swing*math.Sin(float64(i)*0.7)*math.Cos(float64(i)*0.23)
		if i >= from {
			v += climb * float64(i-from)
		}
		out[i] = new(v)
	}
	return out
}

func ranges() part.Choices {
	c := part.Choices{Label: "Time range"}
	for _, r := range []string{"15 min", "1 h", "24 h", "7 d", "28 d"} {
		c.Items = append(c.Items, part.Choice{Text: r, URL: "?range=" + r[:2], Current: r == "1 h"})
	}
	return c
}

func downloads(path string) part.Downloads {
	return part.Downloads{CSV: path + "?format=csv", JSON: path}
}

func overview() page.Overview {
	const s = 1e9
	return page.Overview{
		Head: part.Head{
			Answer: "One promise is broken and one is at risk; two are kept, one is unknown.", Tone: part.Bad,
			Sub:  "search-index stopped converging at 13:42 UTC, when replica search-eu fell silent.",
			Link: part.Link{Text: "See where the time goes", URL: "/features/search-index"},
		},
		Bar: part.Bar{Range: ranges()}, KeptSpan: "28 d",
		Notices: []part.Notice{{Tone: part.Bad, Text: "1 page is firing:", More: "search-index burns its budget 31× too fast.", Link: part.Link{Text: "See alerts", URL: "/alerts"}}},
		Get:     downloads("/api/v1/features"),
		Rows: []page.OverviewRow{
			{
				Name: "search-index", URL: "/features/search-index", Promise: "A new listing can be found within 10 s",
				Status: part.Status{Tone: part.Bad, Text: "Broken"}, Kept: part.Value{Text: "97.20%", Under: "of 99.9%"},
				Budget: page.Budget{Known: true, Left: 0, Tone: part.Bad, Text: "overspent 28×"},
				P50:    part.Value{Text: "3.1 s"}, P99: part.Value{Text: "48 s", Tone: part.Bad},
				Spark:     part.Spark{Points: wave(40, 5*s, 0.5*s, 3*s, 26), Promise: 10 * s, Tone: part.Bad, Label: "p99 over the last hour, now 48 s"},
				Converged: part.Value{Text: "97.40%", Under: "1.6 nines"}, Backlog: part.Value{Text: "≥ 1,204", Under: "since 13:42 UTC"}, Conflicts: part.Value{Text: "0%", Under: "0 of 18.2k"}, Violations: part.Value{Under: "no check"},
			},
			{
				Name: "cart", URL: "/features/cart", Promise: "My cart is the same on every device",
				Status: part.Status{Tone: part.Warn, Text: "At risk"}, Kept: part.Value{Text: "99.86%", Under: "of 99.9%"},
				Budget: page.Budget{Known: true, Left: 0.22, Tone: part.Warn, Text: "22% left"},
				P50:    part.Value{Text: "180 ms"}, P99: part.Value{Text: "2.9 s", Tone: part.Warn},
				Spark:     part.Spark{Points: wave(40, 1.8*s, 0.3*s, 0.05*s, 18), Promise: 2 * s, Tone: part.Warn, Label: "p99 over the last hour, now 2.9 s"},
				Converged: part.Value{Text: "99.87%", Under: "2.9 nines"}, Backlog: part.Value{Text: "38", Under: "oldest 3 s"}, Conflicts: part.Value{Text: "0.41%", Under: "75 of 18.2k"}, Violations: part.Value{Text: "0.02%", Under: "4 of 20.1k"},
			},
			{
				Name: "invoices", URL: "/features/invoices", Promise: "Totals never go backwards",
				Status: part.Status{Tone: part.Neutral, Text: "Unknown"}, Budget: page.Budget{Text: "unknown"},
				Spark: part.Spark{None: "no event for 14 min"}, Backlog: part.Value{Under: "billing-eu is silent"},
			},
			{
				Name: "profile-edit", URL: "/features/profile-edit", Promise: "After I save, I see my new name wherever I look",
				Status: part.Status{Tone: part.Good, Text: "Kept"}, Kept: part.Value{Text: "99.97%", Under: "of 99.9%"},
				Budget: page.Budget{Known: true, Left: 0.71, Tone: part.Good, Text: "71% left"},
				P50:    part.Value{Text: "92 ms"}, P99: part.Value{Text: "640 ms"},
				Spark:     part.Spark{Points: wave(40, 0.6*s, 0.08*s, 0, 40), Promise: 2 * s, Tone: part.Good, Label: "p99 over the last hour, now 640 ms"},
				Converged: part.Value{Text: "99.97%", Under: "3.6 nines"}, Backlog: part.Value{Text: "4", Under: "oldest 0.4 s"}, Conflicts: part.Value{Text: "0.02%", Under: "4 of 21.0k"}, Violations: part.Value{Text: "0%", Under: "0 of 19.8k"},
			},
			{
				Name: "feed", URL: "/features/feed", Promise: "New posts reach followers within a minute",
				Status: part.Status{Tone: part.Good, Text: "Kept"}, Kept: part.Value{Text: "99.93%", Under: "of 99.5%"},
				Budget: page.Budget{Known: true, Left: 0.86, Tone: part.Good, Text: "86% left"},
				P50:    part.Value{Text: "2.2 s"}, P99: part.Value{Text: "21 s"},
				Spark:     part.Spark{Points: wave(40, 20*s, 2*s, 0, 40), Promise: 60 * s, Tone: part.Good, Label: "p99 over the last hour, now 21 s"},
				Converged: part.Value{Text: "93.1%", Under: "1.2 nines"}, Backlog: part.Value{Text: "9,310", Under: "oldest 18 s"}, Conflicts: part.Value{Text: "0%", Under: "0 of 402k"}, Violations: part.Value{Under: "no check"},
			},
		},
		Pipeline: page.OverviewPipeline{
			Status: part.Status{Tone: part.Warn, Text: "2 of 31 sources silent"},
			Facts: []part.Fact{
				{Name: "Taken in", Value: part.Value{Text: "18.2k/s", Under: "events"}},
				{Name: "Rejected", Value: part.Value{Text: "0.03%", Under: "328 of 1.1M"}},
				{Name: "Duplicates", Value: part.Value{Text: "1.20%", Under: "counted once"}},
				{Name: "Time to durable", Value: part.Value{Text: "9 ms", Under: "p99"}},
				{Name: "Worst clock pair", Value: part.Value{Text: "+38 ± 4 ms", Under: "web-eu → search-eu"}},
			},
		},
	}
}
