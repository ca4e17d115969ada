package page

import "tidemark/views/part"

// Definitions answers: which flags, or cohorts, are there?
type Definitions struct {
	Head    part.Head
	Notices []part.Notice
	Filters Filters
	List    Section
	New     *Form // nil when the reader may not
}

// Definition is one flag or cohort: what it does now, what came of it, how to change
// it and how to go back.
type Definition struct {
	Head     part.Head
	Notices  []part.Notice
	About    []Pair
	Usage    Section
	Days     part.Spark
	DaysText string
	Play     Play
	Source   part.Command // the definition, for those who may not change it
	Edit     *Form        // nil when the reader may not
	Forms    []Form       // smaller changes, each with its reason
	Versions Section
	Changes  Changes
	Restore  *Restore
}

// Form is a change: what it will do, its fields, and the way back.
type Form struct {
	ID, Title string
	Does      string
	Action    string
	Hidden    []Hidden
	Fields    []Field
	Button    string
	Danger    bool
	Open      bool // shown unfolded
	Problems  []FormProblem
}

// FormProblem is something that is wrong, and where.
type FormProblem struct{ Path, Message string }

// Play tries a context: the answer, and how it came about.
type Play struct {
	Action string // of the form, sent with GET
	Field  Field
	Answer string // "" = not asked yet
	Status part.Status
	Facts  []string
	Steps  []PlayStep
}

// PlayStep is one thing that was looked at.
type PlayStep struct {
	Words, Path, Rule, Found string
	Ranges                   part.Table
}
