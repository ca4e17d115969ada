package page

import (
	"time"

	"tidemark/views/part"
)

// Write answers: what happened to this change?
type Write struct {
	Head      part.Head
	Notices   []part.Notice
	Facts     []part.Fact
	Timeline  []WriteStep
	Get       part.Downloads
	Replicas  Section
	About     []Pair
	Labels    []string
	Delta     string // indented JSON; "" when none was sent
	Relatives Section
	Conflicts Section
	Repeats   Section // duplicates, replays, failures
}

// Pair is a name with a text or a link.
type Pair struct {
	Name string
	Cell part.Cell
}

// WriteStep is one moment of the timeline.
type WriteStep struct {
	Icon  string
	Class string // "", pending, silent or failed
	At    time.Time
	Since string // after the beginning: "+640 ms"
	Error string // "± 4 ms"; "" when the clock was not measured
	Title string // "visible at cart-us"
	Text  string // service, region, by which clock
	Step  string // since the step before
}

// Writes is a list of writes that a filter selects.
type Writes struct {
	Head    part.Head
	Filters Filters
	Notices []part.Notice
	List    Section
}

// Search answers: where is it?
type Search struct {
	Head     part.Head
	Features Section
	Flags    Section // and cohorts
	Writes   Section
	Keys     Section
	Hint     part.Empty // shown when nothing was found or asked
}
