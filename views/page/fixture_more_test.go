package page_test

import (
	"time"

	"tidemark/views/page"
	"tidemark/views/part"
)

func topology() page.Topology {
	return page.Topology{
		Head: part.Head{Answer: "The slowest way is from relay to cart-us: 1.5 s at p95.", Tone: part.Warn},
		Bar:  part.Bar{Range: ranges()},
		Graph: part.Graph{
			Label: "Services and replicas",
			Nodes: []part.Node{
				{ID: "web", Name: "web", Kind: "service"},
				{ID: "relay", Name: "relay", Kind: "service"},
				{ID: "lonely", Name: "lonely", Kind: "service"},
				{ID: "cart-eu", Name: "cart-eu", Kind: "replica"},
				{ID: "cart-us", Name: "cart-us", Kind: "replica", Silent: true, Note: "silent for 4 min"},
			},
			Edges: []part.Edge{
				{From: "web", To: "relay", Lag: "8 ms", Weight: 5},
				{From: "relay", To: "cart-eu", Lag: "90 ms", Weight: 5},
				{From: "relay", To: "cart-us", Lag: "1.5 s", Tone: part.Neutral},
				{From: "cart-eu", To: "web", Lag: "40 ms"},
			},
		},
		Edges: page.Section{ID: "edges", Title: "Ways", None: part.Empty{Title: "None", Text: "None."}},
		Nodes: page.Section{ID: "nodes", Title: "Places", None: part.Empty{Title: "None", Text: "None."}},
	}
}

func write() page.Write {
	return page.Write{
		Head:  part.Head{Answer: "This change is late: visible at 1 of 2 replicas.", Tone: part.Bad, Status: part.Status{Tone: part.Bad, Text: "Late"}},
		Facts: []part.Fact{{Name: "Visible at", Value: part.Value{Text: "1 of 2"}}, {Name: "Everywhere"}},
		Timeline: []page.WriteStep{
			{Icon: "writes", At: now, Title: "initiated at web"},
			{Icon: "eye", At: now, Since: "+90 ms", Error: "± 4 ms", Title: "visible at cart-eu", Step: "+20 ms after the step before"},
			{Icon: "clock", Class: "pending", Since: "not yet", Title: "not visible at cart-us"},
		},
		Get: downloads("/api/v1/writes/w-1"),
		Replicas: page.Section{ID: "replicas", Title: "Where it has to arrive", Table: part.Table{
			Caption: "Replicas", Columns: []part.Column{{Head: "Replica"}, {Head: "Status"}},
			Rows: []part.Row{{Cells: []part.Cell{part.Text("cart-us"), {Status: part.Status{Tone: part.Bad, Text: "Late"}}}}},
		}},
		About:  []page.Pair{{Name: "Write", Cell: part.Text("w-1")}, {Name: "Began", Cell: part.When(now)}, {Name: "Actor"}},
		Labels: []string{"pii"}, Delta: "{\n  \"a\": 1\n}",
	}
}

func filters() page.Filters {
	return page.Filters{Action: "/conflicts", Fields: []page.Filter{
		{Name: "feature", Label: "Feature", Options: []page.Option{{Value: "", Text: "Any"}, {Value: "cart", Text: "cart"}}, Value: "cart"},
		{Name: "key", Label: "Key", Hint: "user:42"},
	}, Hidden: []page.Hidden{{Name: "range", Value: "1h"}}, Clear: "/conflicts"}
}

func conflict() page.Conflict {
	return page.Conflict{
		Head: part.Head{Answer: "w-1 won over 1 other write.", Tone: part.Good}, Why: "Decided by the rule profile-merge.",
		Facts: []part.Fact{{Name: "Rule", Value: part.Value{Text: "profile-merge v3"}}, {Name: "Decided by"}},
		Siblings: []page.Sibling{
			{WriteID: "w-1", URL: "/writes/w-1", Winner: true, Known: true, At: now, Delta: `{"name":"Ada"}`},
			{WriteID: "w-2", URL: "/writes/w-2", Labels: []string{"pii"}},
		},
		Fields: []page.FieldDiff{{Path: "/name", Clash: true, Status: part.Status{Tone: part.Warn, Text: "Clash"}, Values: []page.FieldValue{{Touched: true, Text: `"Ada"`}, {Touched: true, Text: `"Ada L."`}}}},
		Get:    downloads("/api/v1/conflicts/c-1"),
	}
}

func guarantee() page.Guarantee {
	return page.Guarantee{
		Head: part.Head{Answer: "profile-ryw is at risk.", Tone: part.Warn},
		Objectives: []page.ObjectiveCard{{
			Words: "99.9% of writes are visible everywhere within 2 s", Status: part.Status{Tone: part.Warn, Text: "At risk"},
			Facts: []part.Fact{{Name: "Kept", Value: part.Value{Text: "99.91%"}}}, Budget: page.Budget{Known: true, Left: 0.1, Tone: part.Warn, Text: "10% left"},
			Burn: part.Table{Caption: "Burn rates", Columns: []part.Column{{Head: "Alert"}, {Head: "Long", Num: true}}, Rows: []part.Row{{Cells: []part.Cell{part.Text("page"), {}}}}},
		}},
		About:    []page.Pair{{Name: "Model", Cell: part.Text("causal")}},
		Attained: []page.Attained{{Title: "writes", Spark: part.Spark{Points: wave(20, 0.999, 0.0005, 0, 20), Label: "99.9%"}, Now: part.Value{Text: "99.9%"}}},
		Versions: page.Section{ID: "versions", Title: "Versions", None: part.Empty{Title: "None", Text: "None."}},
		Changes: page.Changes{Title: "From revision 2 to 1", Weak: []string{"spec.model falls from causal to eventual"}, Rows: []page.Change{
			{Field: "spec.model", Before: "causal", After: "eventual", Words: "the model changes"},
		}},
		Reviews: page.Section{ID: "reviews", Title: "Reviews", None: part.Empty{Title: "None", Text: "None."}},
		Source:  part.Command{ID: "document-text", Text: "kind: ConsistencyGuarantee"}, Files: []part.Link{{Text: "Download YAML", URL: "/guarantees/profile-ryw/document"}},
		Restore: &page.Restore{Action: "/guarantees/profile-ryw/restore", Revision: "1", Text: "It becomes a new revision."},
		Review:  &page.ReviewForm{Action: "/guarantees/profile-ryw/reviews", Due: now.Add(24 * time.Hour), Text: "Due tomorrow."},
	}
}
