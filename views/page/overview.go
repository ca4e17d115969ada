// Package page holds the pages: for each a struct that is shaped like the screen,
// and the markup that shows it.
package page

import "tidemark/views/part"

// Overview answers: is every promise kept?
type Overview struct {
	Head     part.Head
	Bar      part.Bar
	Notices  []part.Notice
	Rows     []OverviewRow
	Part     string    // which of the features are listed; "" when all are
	Next     part.Link // to the following ones; may be empty
	KeptSpan string    // "28 d": what Kept is about
	Get      part.Downloads
	Pipeline OverviewPipeline
	Empty    *part.Empty // shown instead of the table
}

// OverviewRow is one feature, worst first.
type OverviewRow struct {
	Name       string
	URL        string
	Promise    string // in words; or what is known without one
	Status     part.Status
	Kept       part.Value
	Budget     Budget
	P50, P99   part.Value
	Spark      part.Spark
	Converged  part.Value
	Backlog    part.Value
	Conflicts  part.Value
	Violations part.Value
	Rollouts   []UnderWay
}

// UnderWay is a rollout of a feature, with the way back.
type UnderWay struct {
	Status part.Status // "Holding at 25%"
	Name   string
	URL    string
	Revert string // where it can be taken back; "" when it cannot
}

// Budget is what is left of an error budget.
type Budget struct {
	Known bool
	Left  float64 // share; below 0 when overspent
	Tone  string
	Text  string // "71% left", "overspent 2.1×"
}

// OverviewPipeline is the strip about the telemetry itself.
type OverviewPipeline struct {
	Status part.Status
	Facts  []part.Fact
}
