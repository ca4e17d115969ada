package part_test

import (
	"strings"
	"testing"

	"tidemark/views/part"
)

// A table of several columns becomes cards on a narrow screen, and keeps its roles
// for those who listen; a matrix and a pair of columns scroll.
func TestWhichTablesBecomeCards(t *testing.T) {
	t.Parallel()
	two, three := []part.Column{{Head: "A"}, {Head: "B"}}, []part.Column{{Head: "A"}, {Head: "B"}, {Head: "C"}}
	for name, c := range map[string]struct {
		table part.Table
		cards bool
	}{
		"two columns":            {part.Table{Columns: two}, false},
		"three columns":          {part.Table{Columns: three}, true},
		"a matrix":               {part.Table{Columns: three, Matrix: true}, false},
		"a matrix of two values": {part.Table{Columns: two, Matrix: true}, false},
	} {
		var b strings.Builder
		if err := part.Grid(c.table).Render(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		if html := b.String(); strings.Contains(html, `class="cards`) != c.cards || strings.Contains(html, `role="table"`) != c.cards {
			t.Errorf("%s: %s", name, html)
		}
	}
}

// What there is nothing to say of is not said to be unknown.
func TestAVacantCellIsNotUnknown(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]part.Cell{`unknown`: {}, `<td class="blank" data-label="B"></td>`: part.Vacant()} {
		var b strings.Builder
		table := part.Table{Columns: []part.Column{{Head: "A"}, {Head: "B"}}, Rows: []part.Row{{Cells: []part.Cell{part.Text("1"), c}}}}
		if err := part.Grid(table).Render(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		if html := b.String(); !strings.Contains(html, want) || strings.Contains(html, "unknown") != (want == "unknown") {
			t.Errorf("no %q: %s", want, html)
		}
	}
}

// A cell that says of itself that it may break keeps that, however short it is.
func TestACellThatMayBreakKeepsItsClass(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	reason := part.Cell{Value: part.Value{Text: "short"}, Class: "wrap"}
	table := part.Table{Columns: []part.Column{{Head: "A"}, {Head: "Why"}}, Rows: []part.Row{{Cells: []part.Cell{part.Text("1"), reason}}}}
	if err := part.Grid(table).Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if html := b.String(); !strings.Contains(html, `<td class="wrap"`) {
		t.Errorf("the cell lost its class: %s", html)
	}
}
