package page

import "tidemark/views/part"

// Section is a card with a table, or with what stands for it when it is empty.
type Section struct {
	ID    string
	Title string
	About string // a line about what is shown; may be empty
	Table part.Table
	Get   part.Downloads
	None  part.Empty
	Next  part.Link // to the following page; may be empty
}

func (s Section) empty() bool { return len(s.Table.Rows) == 0 }

// Filter is one field of a filter form.
type Filter struct {
	Name    string
	Label   string
	Value   string
	Hint    string   // as a placeholder
	Options []Option // a choice instead of text
}

// Option is one alternative of a Filter.
type Option struct{ Value, Text string }

// Hidden is a value that a form carries along.
type Hidden struct{ Name, Value string }

// Filters is a form that narrows a list; it is sent with GET.
type Filters struct {
	Action string
	Fields []Filter
	Hidden []Hidden // carried along
	Clear  string   // address without filters; "" when none is set
}
