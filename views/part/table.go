package part

import "time"

// Column is a column of a Table.
type Column struct {
	Head string
	Num  bool // right-aligned
	Hint string
}

// Cell is one cell: a value, a time, a status, tags, or a link around the value.
type Cell struct {
	Value
	URL    string
	At     time.Time // shown instead of Text when set
	Status Status    // shown before the value when set
	Tags   []string
	Mono   bool
	Class  string
}

// Row is a row of a Table. The first cell is its header.
type Row struct {
	Cells   []Cell
	Current bool
}

// Table is a table with a caption. Every table can be downloaded.
type Table struct {
	Caption string // for those who do not see the heading above it
	Columns []Column
	Rows    []Row
	Matrix  bool // its columns are alike, and may be many: it scrolls on a narrow screen
	Tight   bool
	Steps   bool // j and k step through it
}

// fewest is the number of columns from which on a table becomes cards on a narrow screen.
const fewest = 3

func (t Table) cards() bool { return len(t.Columns) >= fewest && !t.Matrix }

// lineLength is the length above which a text may break into lines.
const lineLength = 44

// long reports whether a cell may break into lines. Class is asked too: a class that is
// given as not so takes the same one away that is given as so.
func (c Cell) long() bool {
	return c.Class == "wrap" || len(c.Text) > lineLength || len(c.Under) > lineLength
}

// hint is what hovering shows: at least the whole text where the cell may cut it.
func (c Cell) hint() string {
	if c.Hint == "" && c.Mono {
		return c.Text
	}
	return c.Hint
}

// Text is a cell with a known text; "" is shown as unknown.
func Text(s string) Cell { return Cell{Value: Value{Text: s}} }

// vacant is the class of a cell that is not shown on a narrow screen.
const vacant = "blank"

// Vacant is a cell of which there is nothing to say in its row; what is not known is an
// empty Cell instead.
func Vacant() Cell { return Cell{Class: vacant} }

// Of is a cell with a value.
func Of(v Value) Cell { return Cell{Value: v} }

// To is a cell with a link.
func To(text, url string) Cell { return Cell{Value: Value{Text: text}, URL: url} }

// When is a cell with a time; the zero time is unknown.
func When(t time.Time) Cell { return Cell{At: t} }
