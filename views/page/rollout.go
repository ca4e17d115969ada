package page

import "tidemark/views/part"

// Rollouts answers: which rollout needs somebody?
type Rollouts struct {
	Head    part.Head
	Notices []part.Notice
	New     part.Link // where one is begun; empty when the reader may not
	Running Section   // not over yet, those that need somebody first
	Ended   Section
}

// Rollout answers: widen, hold or revert?
type Rollout struct {
	Head     part.Head
	Actions  []Action
	Notices  []part.Notice
	Stages   []part.Stage
	Phases   []part.Stage // of a migration; may be empty
	Decision RolloutDecision
	Guards   []Guard
	Numbers  Section // the guardrails as a table
	Sample   Sample
	About    []Pair
	Pins     []part.Fact
	PinsText string
	History  Section
}

// Action is something that may be done now; it leads to a page that asks first.
type Action struct {
	Text    string
	URL     string
	Danger  bool
	Primary bool
}

// RolloutDecision is what the evidence says and why.
type RolloutDecision struct {
	Title  string // "Why it holds"
	Status part.Status
	Why    string
	Next   []string // what must still be true before it widens, or completes
	Until  string   // the heading of Next
	At     part.Cell
}

// Guard is one guardrail as it stands.
type Guard struct {
	ID       string // unique on the page
	Title    string
	Class    string // "", bad or error
	Status   part.Status
	Now      part.Value // the difference
	Interval part.Interval
	Why      string
	Pairs    []Pair // everything in numbers
}

// Sample is who is compared with whom, and whether those are enough.
type Sample struct {
	Arms  []SampleArm
	Ratio part.Status
	// RatioText says what the sample-ratio test found.
	RatioText string
	Facts     []part.Fact
	Table     part.Table
}

// SampleArm is one arm's units against those that are required.
type SampleArm struct {
	Name  string // "Candidate: causal"
	Text  string // "1,200 of 2,000 units"
	Share float64
	Tone  string
}

// Confirm asks once more before something is done.
type Confirm struct {
	Head    part.Head
	Notices []part.Notice
	Since   Section  // what somebody else did in the meantime; may be empty
	Does    []string // what it will do
	Back    string   // the way back
	Action  string   // where it is sent
	Hidden  []Hidden
	Fields  []Field
	Button  string
	Danger  bool
	Cancel  part.Link
	// Blocked is an action that is not possible now: what it would do is not shown and
	// cannot be sent. Instead is what else leads there; may be empty.
	Blocked bool
	Instead part.Link
}

// Field is one field of a form, with what was wrong with it.
type Field struct {
	Name     string
	ID       string // tells fields of one name on one page apart; "" = by its name
	Label    string
	Kind     string // text (also ""), prose, number, area, list (of lines), pick, check, time, password
	Value    string
	Hint     string
	Error    string
	Options  []Option // of a pick; of a text: suggestions
	Required bool
	Broad    bool // takes the whole width
	Focus    bool
	Max      int // characters; 0 = 500
	Class    string
	Fills    string // what browsers may fill in, as autocomplete says it; "" = nothing
}

func (f Field) id() string {
	if f.ID != "" {
		return "in-" + f.ID
	}
	return "in-" + f.Name
}

func (f Field) limit() int {
	if f.Max > 0 {
		return f.Max
	}
	return 500
}

func (f Field) inputType() string {
	switch f.Kind {
	case "number", "password", "url":
		return f.Kind
	}
	return "text"
}

func (f Field) fills() string {
	if f.Fills != "" {
		return f.Fills
	}
	return "off"
}

// described names the elements that describe the field; "" when none does.
func (f Field) described() string {
	switch {
	case f.Error != "":
		return f.id() + "-error"
	case f.Hint != "":
		return f.id() + "-hint"
	}
	return ""
}

// FieldRow is a row of fields with a name, such as one step of a plan.
type FieldRow struct {
	Name   string
	Fields []Field
}

// RolloutForm begins a rollout.
type RolloutForm struct {
	Head    part.Head
	Notices []part.Notice
	Action  string
	Basics  []Field
	Who     []Field
	Steps   []FieldRow
	Guards  []FieldRow
	GuardAt string // where the guardrails come from, in words
	Safety  []Field
	Phases  []FieldRow
	More    []Field
	Preview *RolloutPreview
}

// RolloutPreview says what the plan would do.
type RolloutPreview struct {
	Head    string // in a sentence
	Who     []string
	Steps   part.Table
	Guards  part.Table
	Traffic string // what the times are computed from
}
