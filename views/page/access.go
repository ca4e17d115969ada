package page

import "tidemark/views/part"

// Access answers: who may do what?
type Access struct {
	Head     part.Head
	Notices  []part.Notice
	Actions  []Action
	You      []Pair
	Sessions Section
	Owners   Section
	Labels   *Section // of writes; nil = not known
	Teams    Section
	People   *Section // nil when the reader may not see them
	Keys     *Section // nil when the reader may not see them
}

// AccessItem is one person, team or key.
type AccessItem struct {
	Head    part.Head
	Notices []part.Notice
	Actions []Action
	About   []Pair
	Tables  []Section
}

// Secret is what is shown once.
type Secret struct {
	Head    part.Head
	Title   string
	Text    string // what to do with it
	Command part.Command
	Facts   []Pair
	Back    part.Link
}
