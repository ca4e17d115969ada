package page

import "tidemark/views/part"

// Rule answers: how does this rule decide, do services follow it, and what if it were
// another one?
type Rule struct {
	Head     part.Head
	Notices  []part.Notice
	Words    []string // what it does, in sentences
	About    []Pair
	Examples Section
	Bound    Section // guarantees that name it
	Services Section // agreement by service
	Differ   Section // conflicts that ended otherwise
	Replay   *Form
	Replays  Section // that run, or ran lately; not shown when empty
	Edit     *Form
	Source   part.Command // for those who may not change it
	Forms    []Form
	Versions Section
	Changes  Changes
	Restore  *Restore
}

// Replay answers: what if the rule were another?
type Replay struct {
	Head    part.Head
	Notices []part.Notice
	// While it runs:
	Running  bool
	Share    float64 // done, 0 to 1
	Progress string
	Again    part.Link
	Stop     string // address of the form that stops it
	// When it is done:
	Facts    []part.Fact
	Outcomes Section
	Lost     Section
	Features Section
	Examples Section
	Get      part.Downloads
}
