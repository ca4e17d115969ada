package report

import (
	"context"
	"fmt"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

// Verdicts of a conflict, as in the series of MetricConflicts.
const (
	ConflictOpen   = "open"
	ConflictAuto   = "auto"
	ConflictManual = "manual"
)

// ConflictSummary is how often writes conflicted and how that was decided. Windows
// are by detection, those of the writes by initiation.
type ConflictSummary struct {
	Span
	Feature     string         `json:"feature"`
	Rate        Ratio          `json:"rate"`   // distinct conflicts ÷ distinct committed writes
	Auto        Ratio          `json:"auto"`   // decided by a rule ÷ resolved
	Manual      Ratio          `json:"manual"` // decided by a person ÷ resolved
	Open        int64          `json:"open"`
	OldestAgeNS *int64         `json:"oldest_age_ns"` // of the open ones in the range; nil when none
	Rules       []RuleConflict `json:"rules"`
	Replays     []ReplicaRate  `json:"replays"` // replayed deliveries per replica
	Failures    []ReplicaRate  `json:"failures"`
}

// RuleConflict counts the conflicts of one rule ("" = not decided, or not said).
type RuleConflict struct {
	Rule       string    `json:"rule"`
	Rate       Ratio     `json:"rate"`
	Open       int64     `json:"open"`
	Auto       int64     `json:"auto"`
	Manual     int64     `json:"manual"`
	Resolution Quantiles `json:"resolution"` // resolved − detected
}

// ReplicaRate is a share of (write, replica) pairs.
type ReplicaRate struct {
	Replica string `json:"replica"`
	Rate    Ratio  `json:"rate"`
}

type conflictAcc struct {
	committed int64
	rules     groups[ruleAcc]
	firstOpen int64 // Unix s, start of the earliest window with an open conflict
	openEnd   int64
	replays   groups[sketch.Cell]
	failed    groups[sketch.Cell]
}

type ruleAcc struct {
	RuleConflict
	cell sketch.Cell
}

// ConflictSummary returns rates per rule over q's range. By is not used.
func (r *Reporter) ConflictSummary(ctx context.Context, q Query) (*ConflictSummary, error) {
	if err := needFeature(q); err != nil {
		return nil, err
	}
	p, err := r.plan(q, autoPoints)
	if err != nil {
		return nil, err
	}
	acc := conflictAcc{rules: groups[ruleAcc]{}, replays: groups[sketch.Cell]{}, failed: groups[sketch.Cell]{}}
	names := []metrics.Metric{metrics.MetricConflicts, metrics.MetricWrites, metrics.MetricReplays, metrics.MetricFailed}
	err = r.cells(ctx, r.segments(p, time.Hour), p.match(), names, func(s *metrics.Series, w window, c *sketch.Cell) error {
		acc.add(s, w, c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := acc.summary(p)
	if out.Open > 0 {
		out.OldestAgeNS, err = r.oldestConflict(ctx, p, &acc)
	}
	return out, err
}

func (a *conflictAcc) add(s *metrics.Series, w window, c *sketch.Cell) {
	switch s.Metric {
	case metrics.MetricWrites:
		a.committed += c.Hits
	case metrics.MetricReplays:
		a.replays.at(s.Replica).Merge(c)
	case metrics.MetricFailed:
		a.failed.at(s.Replica).Merge(c)
	case metrics.MetricConflicts:
		a.conflict(s, w, c)
	}
}

func (a *conflictAcc) conflict(s *metrics.Series, w window, c *sketch.Cell) {
	rule := a.rules.at(s.Rule)
	rule.cell.Merge(c)
	switch s.Verdict {
	case ConflictAuto:
		rule.Auto += c.N
	case ConflictManual:
		rule.Manual += c.N
	case ConflictOpen:
		rule.Open += c.N
		if c.N > 0 && (a.openEnd == 0 || w.start < a.firstOpen) {
			a.firstOpen, a.openEnd = w.start, w.start+w.width
		}
	}
}

func (a *conflictAcc) summary(p *plan) *ConflictSummary {
	out := &ConflictSummary{Span: p.span(), Feature: p.Feature, Rules: []RuleConflict{}}
	var all, auto, manual int64
	for _, name := range a.rules.keys() {
		x := a.rules[name]
		x.Rule, x.Rate, x.Resolution = name, NewRatio(x.cell.N, a.committed), quantiles(&x.cell)
		out.Rules = append(out.Rules, x.RuleConflict)
		all, auto, manual, out.Open = all+x.cell.N, auto+x.Auto, manual+x.Manual, out.Open+x.Open
	}
	out.Rate = NewRatio(all, a.committed)
	out.Auto, out.Manual = NewRatio(auto, auto+manual), NewRatio(manual, auto+manual)
	out.Replays, out.Failures = rates(a.replays), rates(a.failed)
	return out
}

func rates(g groups[sketch.Cell]) []ReplicaRate {
	out := []ReplicaRate{}
	for _, k := range g.keys() {
		out = append(out, ReplicaRate{Replica: k, Rate: NewRatio(g[k].Hits, g[k].N)})
	}
	return out
}

// oldestConflict is the age of the oldest open conflict: exact when its row is
// among the first 500 of its window, else that of the window's start.
func (r *Reporter) oldestConflict(ctx context.Context, p *plan, a *conflictAcc) (*int64, error) {
	at := a.firstOpen * int64(time.Second)
	page, _, err := r.r.Conflicts(ctx, metrics.ConflictQuery{
		Feature: p.Feature, State: ConflictOpen, From: at, To: a.openEnd * int64(time.Second), Limit: 500,
	})
	if err != nil {
		return nil, fmt.Errorf("read open conflicts of %q: %w", p.Feature, err)
	}
	if n := len(page); n > 0 && n < 500 {
		at = page[n-1].DetectedAt
		for i := range page {
			at = min(at, page[i].DetectedAt)
		}
	}
	return since(&at, p.now), nil
}

// Conflicts lists conflicts, newest detection first; next is the cursor of the
// following page, "" at the end.
func (r *Reporter) Conflicts(ctx context.Context, q metrics.ConflictQuery) (page []metrics.Conflict, next string, err error) {
	page, next, err = r.r.Conflicts(ctx, q)
	for i := range page {
		page[i] = page[i].Told()
	}
	return page, next, err
}
