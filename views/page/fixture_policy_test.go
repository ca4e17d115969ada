package page_test

import (
	"tidemark/views/page"
	"tidemark/views/part"
)

func policiesPage() page.Policies {
	form := page.Form{
		ID: "new", Title: "New policy", Button: "Store the policy", Action: "/policies", Open: true,
		Problems: []page.FormProblem{{Path: "spec.cedar", Message: "line 1, column 8: found x where ( must stand"}},
		Fields:   []page.Field{{Name: "cedar", Label: "Statement", Kind: "area", Value: "permit x"}},
	}
	return page.Policies{
		Head: part.Head{Answer: "2 policies were written here.", Tone: part.Good, Facts: []string{"version v2@abc"}},
		List: section("policies", "Policies", "Policy", "unlabelled"), New: &form,
		Try: page.Trial{
			Action: "/policies", Fields: []page.Field{{Name: "principal", Label: "Who", Value: "me"}},
			Answer: "Policy owner permits it.", Status: part.Status{Tone: part.Good, Text: "Permitted"}, Facts: []string{"version v2@abc"},
			Says: part.Table{Caption: "What each policy says", Columns: []part.Column{{Head: "Policy"}}, Rows: []part.Row{{Cells: []part.Cell{part.Text("owner")}}}},
		},
		Attempts: section("attempts", "Refused by policy", "Key", "thief"), Words: part.Command{ID: "vocabulary", Text: "entity Team;"},
	}
}

func policyPage() page.Policy {
	versions := section("versions", "Revisions", "Revision", "1")
	return page.Policy{
		Head:     part.Head{Crumbs: []part.Crumb{{Text: "Policies", URL: "/policies"}, {Text: "support"}}, Answer: "support permits to see contents.", Tone: part.Good},
		About:    []page.Pair{{Name: "Effect", Cell: part.Text("permit")}},
		Edit:     &page.Form{ID: "edit", Title: "Statement", Open: true, Button: "Store", Action: "/policies/support", Fields: []page.Field{{Name: "cedar", Label: "Statement", Kind: "area"}}},
		Forms:    []page.Form{{ID: "switch", Title: "Switch off", Button: "Switch the policy off", Danger: true, Action: "/policies/support/switch"}},
		Versions: &versions, Changes: page.Changes{Title: "What revision 1 changed", Rows: []page.Change{{Field: "cedar", Before: "a", After: "b", Words: "it changes"}}},
	}
}
