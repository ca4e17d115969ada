package flags

import (
	"time"

	"tidemark/metrics"
)

// Guarantee is the written, versioned promise of a feature to its readers.
type Guarantee struct {
	Name           string            // unique among guarantees; an RFC 1123 label
	Labels         map[string]string // nil when none
	Version        string            // semantic version, MAJOR.MINOR.PATCH[-PRERELEASE]
	Status         Status
	Feature        string
	Story          string // the promise in a user's words
	Owner          string // team or person who answers for it
	Model          Model
	Mechanism      string // event_stream | cdc | crdt | replication | cache; "" = not said
	Replicas       []Replica
	Reconciliation *Reconciliation // nil when not said
	Objectives     []Objective
	Flag           string // key of the flag that carries the model; "" when none
	Acceptance     *Acceptance
	Rollback       *Rollback
	Review         *Review
}

// Status says whether a promise is in force.
type Status string

// The statuses. Only an active guarantee is evaluated, alerts, and tells the fold
// which replicas a write must reach.
const (
	StatusDraft      Status = "draft"
	StatusActive     Status = "active"
	StatusDeprecated Status = "deprecated"
)

// Replica is a copy of the data that writes are expected to reach.
type Replica struct {
	Name string
	Kind metrics.ReplicaKind
	// Silence is how long it may send nothing before it is unknown; 0 means
	// metrics.DefaultSilence.
	Silence time.Duration
}

// Reconciliation names the rule that decides conflicts.
type Reconciliation struct {
	Rule    string
	Version int // from 1
}

// SLI names what an objective measures.
type SLI string

// The indicators. All but SLIBacklogAge count good among eligible; docs/metrics.md
// has the definitions.
const (
	SLITimeToVisibility SLI = "time_to_visibility" // writes visible within Value ns
	SLIStaleness        SLI = "staleness"          // reads at most Value ns behind
	SLIConvergence      SLI = "convergence_ratio"  // writes that every replica satisfied within Within
	SLIViolationRate    SLI = "violation_rate"     // checkable operations that broke the guarantee Of
	SLIConflictRate     SLI = "conflict_rate"      // conflicts per committed write
	SLIReplayRate       SLI = "replay_rate"        // replayed deliveries per delivery
	SLIBacklogAge       SLI = "backlog_age"        // age of the oldest unsatisfied write, ns
)

// SLIs lists every indicator.
func SLIs() []SLI {
	return []SLI{
		SLITimeToVisibility, SLIStaleness, SLIConvergence, SLIViolationRate,
		SLIConflictRate, SLIReplayRate, SLIBacklogAge,
	}
}

// Op says on which side of Value the measured number must be.
type Op string

// The comparisons.
const (
	OpLTE Op = "lte" // at most
	OpGTE Op = "gte" // at least
)

// Objective is one measurable part of a promise.
//
// For time_to_visibility and staleness, Value is a duration in ns and Target the
// share of events that must keep it. For rates and ratios Value itself is the
// share that is allowed (lte) or demanded (gte). For backlog_age Value is a
// duration in ns that must never be exceeded.
type Objective struct {
	SLI     SLI
	Scope   string // time_to_visibility: all, first or replica; backlog_age: all or replica
	Replica string // with scope replica
	Of      string // violation_rate: ryw, mr, mw or wfr
	Within  time.Duration
	Op      Op
	Value   float64
	Target  float64       // in (0,1); 0 where Value is the share
	Window  time.Duration // rolling; 0 for backlog_age, which is about now
}

// Counts reports whether the objective counts good among eligible, so that it has
// an error budget.
func (o *Objective) Counts() bool { return o.SLI != SLIBacklogAge }

// IsDuration reports whether Value is in ns.
func (o *Objective) IsDuration() bool {
	return o.SLI == SLITimeToVisibility || o.SLI == SLIStaleness || o.SLI == SLIBacklogAge
}

// Goal is the share of eligible events that must be good: 1 − Goal is the error
// budget. It is 0 for objectives that do not count.
func (o *Objective) Goal() float64 {
	switch {
	case !o.Counts():
		return 0
	case o.IsDuration():
		return o.Target
	case o.Op == OpGTE:
		return o.Value
	}
	return 1 - o.Value
}

// Acceptance is when a rollout of the flag may widen.
type Acceptance struct {
	MinUnits int
	Bake     time.Duration
	Margin   float64 // largest tolerated difference, a share
}

// Rollback is what happens when a rollout is taken back.
type Rollback struct {
	Drain    string // session | immediate
	Deadline string // hold | revert
}

// Review says how often the promise must be looked at again.
type Review struct {
	Every    time.Duration
	Decision string // where the last decision is written down
}

// Route names the replicas that writes of a feature are expected to reach, for
// features without an active guarantee that names some.
type Route struct {
	Name        string
	Labels      map[string]string
	Version     string
	Status      Status
	Feature     string
	Owner       string
	Description string
	Replicas    []Replica
}
