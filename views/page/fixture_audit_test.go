package page_test

import (
	"time"

	"tidemark/views/page"
	"tidemark/views/part"
)

var changedAt = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func auditLog() page.Audit {
	return page.Audit{
		Head:    part.Head{Answer: "Two changes are recorded, each with its author."},
		Notices: []part.Notice{{Tone: part.Bad, Text: "The log does not verify.", More: "entry 1 was changed"}},
		Filters: filters(),
		List: page.Section{ID: "entries", Title: "Changes", Table: part.Table{Caption: "Changes", Columns: []part.Column{{Head: "Entry"}, {Head: "When"}}, Rows: []part.Row{
			{Cells: []part.Cell{part.To("1", "/audit/1"), part.When(changedAt)}},
		}}},
		Checkpoint: []page.Pair{{Name: "Entries", Cell: part.Text("2")}, {Name: "Signed", Cell: part.When(changedAt)}},
		Note:       part.Command{ID: "note", Text: "tidemark-audit-1\n2\nroot\n"},
		Files:      []part.Link{{Text: "Checkpoint", URL: "/api/v1/audit/checkpoint?format=note"}},
		Check:      part.Link{Text: "Verify the whole log now", URL: "/audit?check=all"},
	}
}

func auditEntry() page.AuditEntry {
	return page.AuditEntry{
		Head:    part.Head{Answer: "user:anna did key.revoke to key/1.", Tone: part.Good, Status: part.Status{Tone: part.Good, Text: "In the log, proved"}},
		About:   []page.Pair{{Name: "Who", Cell: part.To("user:anna", "/audit?actor=user%3Aanna")}, {Name: "When", Cell: part.When(changedAt)}},
		Changes: page.Changes{Title: "What changed", Rows: []page.Change{{Field: "scopes[0]", Before: "read", After: "control", Words: "scopes[0] changed"}}},
		Proof:   []page.Pair{{Name: "Root of 2 entries", Cell: part.Cell{Value: part.Value{Text: "qvT8"}, Mono: true}}},
		Path:    page.Section{ID: "path", Title: "The path", Table: part.Table{Caption: "The path", Columns: []part.Column{{Head: "Step"}, {Head: "Hash"}}, Rows: []part.Row{{Cells: []part.Cell{part.Text("1"), part.Text("abc")}}}}},
		Leaf:    part.Command{ID: "leaf-text", Text: `{"n":1}`},
		Files:   []part.Link{{Text: "Entry with proof (JSON)", URL: "/api/v1/audit/1"}},
	}
}
