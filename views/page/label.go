package page

import "tidemark/views/part"

// Declaration is one label of writes, or the services of one feature.
type Declaration struct {
	Head     part.Head
	Notices  []part.Notice
	About    []Pair
	Edit     *Form // nil when the reader may not
	Forms    []Form
	Changes  Changes
	Versions Section
	Restore  *Restore
	Below    Section // what came of it: hops, or events, against it
}

// Quarantine is the events that are kept apart.
type Quarantine struct {
	Head    part.Head
	Notices []part.Notice
	Counts  Section
	Forms   []Form // none when the reader may not
	Filters Filters
	Events  Section
	Orders  Section
}

// Violations is a list of what broke a guarantee or a policy.
type Violations struct {
	Head    part.Head
	Filters Filters
	List    Section
}
