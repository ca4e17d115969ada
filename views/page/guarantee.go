package page

import (
	"strings"
	"time"

	"tidemark/views/part"
)

// Guarantees answers: what have we promised?
type Guarantees struct {
	Head    part.Head
	Notices []part.Notice
	List    Section
	Reviews Section
	Routes  Section
}

// Guarantee is one promise: what it says, how it is kept, how it came to be.
type Guarantee struct {
	Head       part.Head
	Notices    []part.Notice
	Objectives []ObjectiveCard
	About      []Pair
	History    Section // attainment a day and objective
	Attained   []Attained
	Versions   Section
	Changes    Changes
	Reviews    Section
	Source     part.Command // the document as YAML
	Files      []part.Link  // to download
	Restore    *Restore     // nil when the reader may not
	Review     *ReviewForm  // nil when the reader may not
}

// ObjectiveCard is one objective as it stands.
type ObjectiveCard struct {
	Words  string
	Status part.Status
	Why    string
	Facts  []part.Fact
	Budget Budget
	Burn   part.Table
}

// Attained is the history of one objective, drawn.
type Attained struct {
	Title string
	Spark part.Spark
	Now   part.Value
}

// Changes is the difference between two versions.
type Changes struct {
	Title string
	Rows  []Change
	Weak  []string // what becomes weaker, in words
	None  string   // what to say when there is none
}

// Change is one field that differs.
type Change struct {
	Field, Before, After, Words string
}

// Restore is the form that makes an earlier version the current one again.
type Restore struct {
	Action   string
	Revision string
	Base     string // the present revision
	Text     string // what will happen
}

// ReviewForm is the form that records a review.
type ReviewForm struct {
	Action   string
	Revision string // that is shown
	Due      time.Time
	Text     string
}

// Alerts answers: what needs somebody now?
type Alerts struct {
	Head    part.Head
	Filters Filters
	Notices []part.Notice
	Actions []Action
	List    Section
	Hooks   Section
}

func weak(sentences []string) string {
	var out strings.Builder
	for i, s := range sentences {
		if i > 0 {
			out.WriteString("; ")
		}
		out.WriteString(s)
	}
	return out.String() + "."
}
