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
		"overview":        whole(frame("Overview", "/", "overview"), page.ShowOverview(overview())),
		"overview-empty":  whole(frame("Overview", "/", "overview"), page.ShowOverview(emptyOverview())),
		"feature":         whole(frame("cart", "/features", "feature:cart"), page.ShowFeature(feature())),
		"feature-empty":   whole(frame("cart", "/features", "feature:cart"), page.ShowFeature(emptyFeature())),
		"topology":        whole(frame("Topology", "/topology", "overview"), page.ShowTopology(topology())),
		"write":           whole(frame("Write w-1", "/writes", "write:w-1"), page.ShowWrite(write())),
		"writes":          whole(frame("Writes", "/writes", ""), page.ShowWrites(page.Writes{Head: part.Head{Answer: "Which writes?"}, Filters: filters(), List: replicas()})),
		"search":          whole(frame("Search", "", ""), page.ShowSearch(page.Search{Head: part.Head{Answer: "Nothing is known."}, Hint: part.Empty{Title: "None", Text: "None."}})),
		"conflicts":       whole(frame("Conflicts", "/conflicts", "overview"), page.ShowConflicts(page.Conflicts{Head: part.Head{Answer: "Every conflict is decided."}, Filters: filters(), List: replicas()})),
		"conflict":        whole(frame("Conflict", "/conflicts", ""), page.ShowConflict(conflict())),
		"guarantees":      whole(frame("Guarantees", "/guarantees", "overview"), page.ShowGuarantees(page.Guarantees{Head: part.Head{Answer: "All are kept."}, List: replicas()})),
		"guarantee":       whole(frame("profile-ryw", "/guarantees", "overview"), page.ShowGuarantee(guarantee())),
		"alerts":          whole(frame("Alerts", "/alerts", "overview"), page.ShowAlerts(page.Alerts{Head: part.Head{Answer: "Nothing is firing."}, Filters: filters(), List: replicas(), Hooks: page.Section{ID: "hooks", Title: "Who is told"}})),
		"pipeline":        whole(frame("Pipeline", "/pipeline", "pipeline"), page.ShowPipeline(page.Pipeline{Head: part.Head{Answer: "The telemetry is sound."}, Facts: overview().Pipeline.Facts, Sources: replicas(), Rejected: page.Section{ID: "rejected", Title: "Rejected"}, Clocks: page.Section{ID: "clocks", Title: "Clocks"}})),
		"audit":           whole(frame("Audit", "/audit", ""), page.ShowAudit(auditLog())),
		"audit-empty":     whole(frame("Audit", "/audit", ""), page.ShowAudit(page.Audit{Head: part.Head{Answer: "Nothing was changed yet."}, Filters: filters(), List: page.Section{ID: "entries", Title: "Changes"}, Check: part.Link{Text: "Verify", URL: "/audit?check=all"}})),
		"audit-entry":     whole(frame("Entry 1", "/audit", ""), page.ShowAuditEntry(auditEntry())),
		"docs":            whole(frame("API", "", ""), page.ShowDocs(page.Docs{Head: part.Head{Answer: "Everything a page can do, a program can do."}, Spec: part.Link{Text: "OpenAPI", URL: "/api/openapi.yaml"}, Groups: []page.RouteGroup{{Name: "questions", Routes: []page.Route{{Method: "GET", Path: "/api/v1/features", Text: "Every feature"}}}}})),
		"problem":         whole(frame("Not found", "", ""), page.ShowProblem(page.Problem{Status: 404, Title: "There is nothing here.", Request: "req-1", Back: part.Link{Text: "Back", URL: "/"}})),
		"problem-alone":   bare(page.ShowProblemAlone(page.Problem{Status: 404, Title: "There is nothing here.", Text: "No page is at this address.", Request: "req-1", Back: part.Link{Text: "Back", URL: "/"}})),
		"signin":          bare(page.ShowSignIn(page.SignIn{Action: "/signin"})),
		"signin-link":     bare(page.ShowSignIn(page.SignIn{Action: "/signin", Token: "abc"})),
		"signin-failed":   bare(page.ShowSignIn(page.SignIn{Action: "/signin", Failed: true})),
		"access":          whole(frame("Access", "/access", ""), page.ShowAccess(accessPage())),
		"access-viewer":   whole(frame("Access", "/access", ""), page.ShowAccess(page.Access{Head: part.Head{Answer: "No feature is known yet."}, Sessions: page.Section{ID: "sessions", Title: "Your sessions"}, Owners: page.Section{ID: "owners", Title: "Owners"}, Teams: page.Section{ID: "teams", Title: "Teams"}})),
		"access-item":     whole(frame("ana", "/access", ""), page.ShowAccessItem(accessItem())),
		"policies":        whole(frame("ana", "/policies", ""), page.ShowPolicies(policiesPage())),
		"policy":          whole(frame("ana", "/policies", ""), page.ShowPolicy(policyPage())),
		"access-secret":   whole(frame("The new key", "/access", ""), page.ShowSecret(secret())),
		"signin-wrong":    bare(page.ShowSignIn(page.SignIn{Action: "/signin", Name: "ana", To: "/alerts", Error: "The name or the password is wrong."})),
		"signin-provider": bare(page.ShowSignIn(page.SignIn{Action: "/signin", Provider: "Acme", ProviderURL: "/signin/oidc"})),
		"setup-first":     bare(page.ShowSetUp(page.SetUp{Action: "/setup", Token: "abc", First: true, Rule: "At least 12 characters."})),
		"setup-invited":   bare(page.ShowSetUp(page.SetUp{Action: "/setup", Token: "abc", Name: "ana", Error: "Too short.", Rule: "At least 12 characters."})),
		"setup-failed":    bare(page.ShowSetUp(page.SetUp{Action: "/setup", Failed: true})),
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
