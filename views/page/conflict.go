package page

import (
	"time"

	"tidemark/views/part"
)

// Conflicts answers: what was decided, was it right?
type Conflicts struct {
	Head    part.Head
	Filters Filters
	Notices []part.Notice
	List    Section
}

// Conflict is one conflict with its siblings side by side.
type Conflict struct {
	Head     part.Head
	Why      string // how it was decided, in words
	Facts    []part.Fact
	Siblings []Sibling
	Fields   []FieldDiff
	Get      part.Downloads
}

// Sibling is one of the writes that conflict.
type Sibling struct {
	WriteID string
	URL     string
	Winner  bool
	Known   bool // its own events were received
	At      time.Time
	About   []Pair
	Labels  []string
	Delta   string // indented JSON
}

// FieldDiff is what each sibling did to one field; "" = did not touch it.
type FieldDiff struct {
	Path   string
	Values []FieldValue
	Status part.Status
	Clash  bool
}

// FieldValue is one sibling's value of a field.
type FieldValue struct {
	Touched bool
	Text    string
}
