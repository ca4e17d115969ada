package report

import (
	"context"
	"fmt"
)

// States of a feature as far as its telemetry says; a promise's verdict (kept, at
// risk, broken) is judged elsewhere, against its target.
const (
	StateHealthy = "healthy"
	StateSlow    = "slow"
	StateBehind  = "behind"         // a replica is later than it usually is
	StateStopped = "stopped"        // writes do not converge any more
	StatePolicy  = "against_policy" // labelled writes reached services without clearance
	StateUnknown = "unknown"        // a source is silent
	StateNoData  = "no_data"        // no write in the range
)

// Features is the overview: a row for each feature, worst first.
type Features struct {
	Span
	Answer   string       `json:"answer"` // the first line of the page, in words
	Features []FeatureRow `json:"features"`
}

// FeatureRow sums one feature up over the range.
type FeatureRow struct {
	Feature    string           `json:"feature"`
	State      string           `json:"state"`
	Answer     string           `json:"answer"` // in words, with the numbers
	Writes     int64            `json:"writes"`
	Committed  Ratio            `json:"committed"` // committed ÷ initiated
	First      Quantiles        `json:"first"`     // time to visibility at the first expected replica
	All        Quantiles        `json:"all"`       // at the last
	Pending    int64            `json:"pending"`   // writes of the range not visible everywhere
	Spark      []SparkPoint     `json:"spark"`
	Converged  []Converged      `json:"converged"`
	Backlog    BacklogSummary   `json:"backlog"`
	Conflicts  Ratio            `json:"conflicts"`  // distinct conflicts ÷ committed writes
	Violations []GuaranteeCheck `json:"violations"` // guarantees that had any check
	// Policy is hops of labelled writes at services without clearance ÷ those that were
	// judged, by the time of the hop; AgainstPolicy lists the replicas of the former.
	Policy        Ratio    `json:"policy"`
	AgainstPolicy []string `json:"against_policy"`
	LastHeard     *int64   `json:"last_heard"` // Unix ns; nil = never
	Routed        bool     `json:"routed"`     // writes had expected replicas: there is an "everywhere"
}

// SparkPoint is the p99 of time to visibility everywhere in one step.
type SparkPoint struct {
	Start int64  `json:"start"`
	P99   *int64 `json:"p99_ns"`
}

// BacklogSummary is the backlog over all replicas of a feature, now. Count and
// OldestAgeNS are nil when an expected replica is silent.
type BacklogSummary struct {
	Count       *int64   `json:"count"`
	OldestAgeNS *int64   `json:"oldest_age_ns"`
	Silent      []string `json:"silent"`
	// SilentSince is when the first of those was last heard; nil when none is silent
	// or it never spoke.
	SilentSince      *int64 `json:"silent_since"`
	Unconfirmed      int64  `json:"unconfirmed"` // pairs that no event has shown satisfied
	UnconfirmedSince *int64 `json:"unconfirmed_since"`
	// Worst is the replica whose oldest unsatisfied write is oldest, and when that
	// write began; "" when none waits. Silent replicas are left out.
	Worst      string `json:"worst"`
	WorstSince *int64 `json:"worst_since"`
}

// FeatureReport is one feature's page head: its row and its replicas.
type FeatureReport struct {
	Span
	FeatureRow
	Replicas []ReplicaState `json:"replicas"`
	Slowest  *Hop           `json:"slowest"` // the edge with the greatest share of the slowest path
	Path     *HopPath       `json:"path"`    // that path
}

// Features returns a row for each feature over q's range; q.Feature is not used.
// The range is divided into 60 steps for the sparkline unless q.Step is given.
func (r *Reporter) Features(ctx context.Context, q Query) (*Features, error) {
	q.Feature, q.By = "", ByNone
	p, err := r.plan(q, sparkPoints)
	if err != nil {
		return nil, err
	}
	all := r.r.Features()
	if q.Step > 0 && p.points*len(all) > maxListPoints {
		return nil, &QueryError{"step", fmt.Sprintf("gives %d points for each of %d features, more than %d in all; use a larger step, or ask about one feature", p.points, len(all), maxListPoints)}
	}
	rows, err := r.rows(ctx, p, all)
	if err != nil {
		return nil, err
	}
	out := &Features{Span: p.span(), Features: make([]FeatureRow, 0, len(rows))}
	for _, row := range rows {
		out.Features = append(out.Features, row.FeatureRow)
	}
	sortByTrouble(out.Features)
	out.Answer = OverviewAnswer(out.Features)
	return out, nil
}
