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
	Queue   Section // open ones, those that need a person first; not shown when empty
	List    Section
}

// Conflict is one conflict with its siblings side by side.
type Conflict struct {
	Head     part.Head
	Notices  []part.Notice
	Why      string // how it was decided, in words
	Facts    []part.Fact
	Siblings []Sibling
	Fields   []FieldDiff
	Get      part.Downloads
	Proposal *Proposal // nil when rules are not looked at
	Decide   *Decide   // nil when the reader may not
	History  Section   // what people decided; not shown when empty
}

// Proposal is what the rule in force gives.
type Proposal struct {
	Title  string
	Rule   part.Cell
	Status part.Status
	Answer string // what becomes of the conflict
	Why    string
	Note   string     // what was taken out, or is not sure; may be empty
	Fields part.Table // of a merge
	Lost   part.Table
	Result string // the merged delta, indented
}

// Decide is the form by which a person decides.
type Decide struct {
	Title, Does string
	Action      string
	Hidden      []Hidden
	Choices     []DecideChoice
	Merged      Field // the result, for who writes it
	Reason      Field
	Button      string
	Problems    []FormProblem
	Next        part.Link // the next one that waits
}

// DecideChoice is one of the things that may be decided.
type DecideChoice struct {
	ID, Value, Text, Hint string
	Checked               bool
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

// sibling names the write that a field's value is of.
func (m Conflict) sibling(i int) string {
	if i < len(m.Siblings) {
		return m.Siblings[i].WriteID
	}
	return ""
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
