package page

import "tidemark/views/part"

// Policies answers: who sees and who reports what, and who tried what they may not?
type Policies struct {
	Head     part.Head
	Notices  []part.Notice
	List     Section
	Try      Trial
	Attempts Section
	New      *Form        // nil when the reader may not
	Words    part.Command // what policies can speak of
}

// Trial is a question about somebody, and its answer.
type Trial struct {
	Action  string // of the form, sent with GET
	Fields  []Field
	Answer  string // "" = not asked
	Status  part.Status
	Facts   []string
	Problem string
	Says    part.Table
}

// Policy is one policy: what it says, its revisions, and how to change it.
type Policy struct {
	Head     part.Head
	Notices  []part.Notice
	About    []Pair
	Source   part.Command
	Edit     *Form // nil when the reader may not
	Forms    []Form
	Versions *Section // nil when it is as it comes with the program
	Changes  Changes
	Restore  *Restore
}
