package page_test

import (
	"context"
	"io"

	"github.com/a-h/templ"

	"tidemark/views/page"
	"tidemark/views/part"
)

type (
	ctxT    = context.Context
	writerT = io.Writer
)

// pages is every page in every state that matters, by name.
func pages() map[string]templ.Component {
	return map[string]templ.Component{
		"overview":       whole(frame("Overview", "/", "overview"), page.ShowOverview(overview())),
		"overview-empty": whole(frame("Overview", "/", "overview"), page.ShowOverview(emptyOverview())),
		"feature":        whole(frame("cart", "/features", "feature:cart"), page.ShowFeature(feature())),
		"feature-empty":  whole(frame("cart", "/features", "feature:cart"), page.ShowFeature(emptyFeature())),
	}
}

func emptyOverview() page.Overview {
	return page.Overview{
		Head: part.Head{Answer: "No event has arrived yet."},
		Empty: &part.Empty{
			Title:   "Send the first event",
			Text:    "A feature appears here as soon as a service reports on it.",
			Command: part.Command{ID: "first", Text: "curl -sS http://127.0.0.1:7180/v1/events \\\n  -H \"Authorization: Bearer $TIDEMARK_KEY\" \\\n  -H \"Content-Type: application/json\" \\\n  -d '{\"kind\":\"initiated\",\"feature\":\"profile-edit\",\"write_id\":\"w-1\"}'"},
		},
	}
}

func emptyFeature() page.Feature {
	none := part.Empty{Title: "No write in this range", Text: "Choose a longer range."}
	empty := func(id, title string) page.Section { return page.Section{ID: id, Title: title, None: none} }
	return page.Feature{
		Head: part.Head{Answer: "cart had no write in this range.", Tone: part.Neutral}, Bar: part.Bar{Range: ranges()},
		LagTitle: "Time to visibility", Lag: part.Series{None: none}, Hops: part.Hops{None: none}, HeatTitle: "Every write", Heat: part.Heat{None: none},
		Curve: part.Curve{None: none}, Replicas: empty("replicas", "Replicas"), Conflicts: empty("conflicts", "Conflicts"), Deliveries: empty("deliveries", "Deliveries"),
		Staleness: empty("staleness", "Staleness"), Agreement: empty("agreement", "Agreement"), Checks: checks()[3:],
	}
}
