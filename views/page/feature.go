package page

import "tidemark/views/part"

// Feature answers: where does the time go?
type Feature struct {
	Head       part.Head
	Bar        part.Bar
	Notices    []part.Notice
	Only       []part.Link // filters in force, each with the address without it
	Facts      []part.Fact
	Rollouts   []UnderWay
	Promises   Section // objectives of the feature's guarantees
	LagTitle   string
	LagAbout   string
	Lag        part.Series
	Hops       part.Hops
	Heat       part.Heat
	HeatTitle  string
	Curve      part.Curve
	Compare    Section // the compared dimension, in numbers
	Replicas   Section // state, backlog, age, ETA
	Checks     []Check // session guarantees
	ChecksGet  part.Downloads
	Violations Section // the latest ones
	Attempts   Section // events about it that policies refused
	Conflicts  Section // by rule
	Deliveries Section // replays and failures by replica
	Staleness  Section
	Agreement  Section // keys whose versions differ between replicas
	AgreeFact  part.Value
}

// Check is one session guarantee: its rate, and how much of it could be checked.
type Check struct {
	Name     string // "Read your writes"
	Means    string // in words
	Status   part.Status
	Rate     part.Value
	Coverage part.Value
	Detail   string // "3 older, 1 concurrent"
}

func suffix(s string) string {
	if s == "" {
		return ""
	}
	return ", " + s
}
