package metrics

import (
	"slices"
	"time"

	"tidemark/metrics/sketch"
)

// Metric names what the cells of a series count. See docs/metrics.md for the
// definitions; "value" is what Cell's buckets measure.
type Metric string

// The metrics that the fold keeps. Window is by the write's corrected initiation
// time, unless said otherwise.
const (
	// Writes: N initiated writes, Hits committed ones.
	MetricWrites Metric = "writes"
	// VisibleAll: N writes with expected replicas, Hits converged ones; value: time
	// to visibility at the last of them.
	MetricVisibleAll Metric = "visible_all"
	// VisibleFirst: as VisibleAll, at the first replica.
	MetricVisibleFirst Metric = "visible_first"
	// Visible: per Replica, N expected (write, replica) pairs, Hits satisfied ones;
	// value: satisfied − initiated. Unsatisfied pairs (N − Hits) are the backlog.
	MetricVisible Metric = "visible"
	// Hop: one edge; FromStage/FromPlace to ToStage/ToPlace; N = Hits = samples;
	// value: its lag (negative ones in Cell.Neg).
	MetricHop Metric = "hop"
	// Good: N writes with expected replicas (or pairs, for one Replica), Hits those
	// visible within Param ns, exactly; Scope is all, first or replica.
	MetricGood Metric = "good"
	// Replays: per Replica, N distinct (write, replica), Hits distinct (write,
	// replica, attempt>1).
	MetricReplays Metric = "replays"
	// Failed: per Replica, N distinct (write, replica), Hits distinct failed attempts.
	MetricFailed Metric = "failed"
	// RYW, MR, MW, WFR: session checks by Verdict (ok, older, concurrent, violated,
	// pending, unverifiable), N operations. Window: RYW and MR by the read's time,
	// MW and WFR by the initiation of the later write.
	MetricRYW Metric = "ryw"
	MetricMR  Metric = "mr"
	MetricMW  Metric = "mw"
	MetricWFR Metric = "wfr"
	// StaleVersions: N reads with a comparable version; value: k, committed writes
	// newer than the one read. Window: the read's time.
	MetricStaleVersions Metric = "stale_versions"
	// StaleTime: as StaleVersions; value: t in ns, 0 when fresh.
	MetricStaleTime Metric = "stale_time"
	// Conflicts: per Rule, N distinct conflicts, Hits resolved ones; value: resolved −
	// detected. Verdict is open, auto or manual. Window: by detection time.
	MetricConflicts Metric = "conflicts"
	// Policy: per Replica, N hops (write, replica, service) of writes with known
	// labels, Hits those at a service without clearance. Window: by the time of the hop.
	MetricPolicy Metric = "policy"
)

// Scopes of a time-to-visibility objective.
const (
	ScopeAll     = "all"
	ScopeFirst   = "first"
	ScopeReplica = "replica"
)

// Series names one thing that is counted over time: a metric of a feature, with
// the dimensions that the page can compare by. Fields that do not apply are "".
// A Series is comparable and is its own natural key.
type Series struct {
	Feature   string
	Metric    Metric
	Replica   string // where; for MetricHop the same as ToPlace when that is a replica
	Region    string // of the replica for per-replica metrics, else of the origin
	Model     string
	Variant   string
	Mechanism string

	FromStage, FromPlace string // MetricHop: stage name and service or replica
	ToStage, ToPlace     string

	Scope   string // MetricGood
	Param   int64  // MetricGood: threshold, ns
	Rule    string // MetricConflicts
	Verdict string // session checks, MetricConflicts
}

// Level is a resolution at which rollups are kept, in seconds.
type Level int64

// The levels. Every sample is counted in all of them.
const (
	Level10s Level = 10
	Level1m  Level = 60
	Level1h  Level = 3600
)

// Levels lists the levels, finest first.
var Levels = []Level{Level10s, Level1m, Level1h}

// Duration is the width of the level's windows.
func (l Level) Duration() time.Duration { return time.Duration(l) * time.Second }

// Start returns the start (Unix seconds) of the window that holds a time (Unix ns).
func (l Level) Start(ns int64) int64 {
	s := ns / int64(time.Second)
	if ns%int64(time.Second) < 0 {
		s--
	}
	m := s % int64(l)
	if m < 0 {
		m += int64(l)
	}
	return s - m
}

// CellQuery selects cells. Empty fields of Match match everything.
type CellQuery struct {
	Level    Level
	From, To int64    // window starts, Unix seconds: From ≤ start < To
	Metrics  []Metric // at least one
	Match    Series   // Feature is required unless AllFeatures
	// AllFeatures asks for every feature; Match.Feature must be "".
	AllFeatures bool

	// At, when set, is called before the first cell with the checkpoint that the cells
	// come from. Its error ends the query. Rollups call it; a Reader has a use of its own.
	At func(Position) error
}

// Matches reports whether a series is selected.
func (q *CellQuery) Matches(s *Series) bool {
	if !slices.Contains(q.Metrics, s.Metric) || (!q.AllFeatures && s.Feature != q.Match.Feature) {
		return false
	}
	eq := func(want, got string) bool { return want == "" || want == got }
	m := &q.Match
	return eq(m.Replica, s.Replica) && eq(m.Region, s.Region) && eq(m.Model, s.Model) &&
		eq(m.Variant, s.Variant) && eq(m.Mechanism, s.Mechanism) &&
		eq(m.FromStage, s.FromStage) && eq(m.FromPlace, s.FromPlace) &&
		eq(m.ToStage, s.ToStage) && eq(m.ToPlace, s.ToPlace) &&
		eq(m.Scope, s.Scope) && (m.Param == 0 || m.Param == s.Param) &&
		eq(m.Rule, s.Rule) && eq(m.Verdict, s.Verdict)
}

// CellKey is the natural key of a cell at the finest level.
type CellKey struct {
	Series *Series // interned by the fold: equal series have equal pointers
	Start  int64   // Level10s window start, Unix seconds
}

// CellFunc receives one cell; the cell is only valid during the call.
type CellFunc func(s *Series, start int64, c *sketch.Cell) error
