package page_test

import (
	"time"

	"tidemark/views/page"
	"tidemark/views/part"
)

func accessPage() page.Access {
	people, keys := section("people", "People", "Name", "ana"), section("api-keys", "API keys", "Service", "cart-api")
	return page.Access{
		Head:     part.Head{Answer: "2 of 3 features have no owning team.", Tone: part.Warn},
		Actions:  []page.Action{{Text: "Invite a person", URL: "/access/people/new", Primary: true}},
		You:      []page.Pair{{Name: "Name", Cell: part.Text("ana")}, {Name: "Teams", Cell: part.Text("shop")}},
		Sessions: section("sessions", "Your sessions", "Browser", "Firefox"), Owners: section("owners", "Owners and consumers", "Feature", "cart"),
		Teams: section("teams", "Teams", "Team", "shop"), People: &people, Keys: &keys,
	}
}

// section is a card with one row.
func section(id, title, head, cell string) page.Section {
	return page.Section{ID: id, Title: title, Table: part.Table{
		Caption: title, Columns: []part.Column{{Head: head}, {Head: "Since"}},
		Rows: []part.Row{{Cells: []part.Cell{part.To(cell, "/access/"+cell), part.When(time.Unix(1_700_000_000, 0))}}},
	}}
}

func accessItem() page.AccessItem {
	return page.AccessItem{
		Head:    part.Head{Crumbs: []part.Crumb{{Text: "Access", URL: "/access"}, {Text: "ana"}}, Answer: "ana is a viewer.", Status: part.Status{Tone: part.Good, Text: "Active"}},
		Actions: []page.Action{{Text: "Disable", URL: "/access/people/ana/disable", Danger: true}},
		About:   []page.Pair{{Name: "Role", Cell: part.Text("viewer")}}, Tables: []page.Section{section("sessions", "Sessions", "Browser", "Firefox")},
	}
}

func secret() page.Secret {
	return page.Secret{
		Head: part.Head{Answer: "The key of cart-api is made.", Tone: part.Good}, Title: "Copy it now", Text: "It is shown only here.",
		Command: part.Command{ID: "new-key", Text: "tmk_live_abc"}, Facts: []page.Pair{{Name: "Id", Cell: part.Text("abc")}},
		Back: part.Link{Text: "I have copied it", URL: "/access/keys/abc"},
	}
}
