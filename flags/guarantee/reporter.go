package guarantee

import (
	"context"
	"fmt"
	"time"

	"tidemark/flags"
	"tidemark/metrics"
	"tidemark/metrics/report"
	"tidemark/metrics/sketch"
)

// ReportObserver answers from the telemetry that was folded.
type ReportObserver struct {
	Reader   metrics.Reader
	Reporter *report.Reporter
}

var _ Observer = (*ReportObserver)(nil)

// Count implements Observer.
func (r *ReportObserver) Count(ctx context.Context, feature string, o *flags.Objective, window time.Duration, now time.Time) (Count, error) {
	q := report.Query{Feature: feature, From: now.Add(-window), To: now}
	switch o.SLI {
	case flags.SLITimeToVisibility:
		return r.attained(ctx, q, o.Scope, o.Replica, time.Duration(o.Value))
	case flags.SLIConvergence:
		return r.attained(ctx, q, metrics.ScopeAll, "", o.Within)
	case flags.SLIStaleness:
		return r.fresh(ctx, feature, window, time.Duration(o.Value), now)
	case flags.SLIViolationRate:
		return r.violations(ctx, q, o.Of)
	case flags.SLIConflictRate, flags.SLIReplayRate:
		return r.conflicts(ctx, q, o.SLI)
	}
	return Count{}, fmt.Errorf("%w: %s does not count", flags.ErrInvalid, o.SLI)
}

// attained asks about writes that have had the deadline to pass.
func (r *ReportObserver) attained(ctx context.Context, q report.Query, scope, replica string, deadline time.Duration) (Count, error) {
	q.From, q.To = q.From.Add(-deadline), q.To.Add(-deadline)
	q.Replica = replica
	a, err := r.Reporter.Attainment(ctx, report.AttainmentQuery{Query: q, Scope: scope, Threshold: deadline})
	if err != nil {
		return Count{}, err
	}
	return Count{Bad: a.Good.Denominator - a.Good.Numerator, Eligible: a.Good.Denominator}, nil
}

func (r *ReportObserver) violations(ctx context.Context, q report.Query, of string) (Count, error) {
	v, err := r.Reporter.Violations(ctx, q)
	if err != nil {
		return Count{}, err
	}
	for i := range v.Guarantees {
		if g := &v.Guarantees[i]; string(g.Guarantee) == of {
			return Count{Bad: g.Rate.Numerator, Eligible: g.Rate.Denominator}, nil
		}
	}
	return Count{}, nil
}

func (r *ReportObserver) conflicts(ctx context.Context, q report.Query, sli flags.SLI) (Count, error) {
	s, err := r.Reporter.ConflictSummary(ctx, q)
	if err != nil {
		return Count{}, err
	}
	if sli == flags.SLIConflictRate {
		return Count{Bad: s.Rate.Numerator, Eligible: s.Rate.Denominator}, nil
	}
	var c Count
	for _, rep := range s.Replays {
		c.Bad += rep.Rate.Numerator
		c.Eligible += rep.Rate.Denominator
	}
	return c, nil
}

// fresh counts the reads that were more than a limit behind, within 1 % of it.
func (r *ReportObserver) fresh(ctx context.Context, feature string, window, limit time.Duration, now time.Time) (Count, error) {
	level := metrics.Level1h
	switch {
	case window <= 6*time.Hour:
		level = metrics.Level10s
	case window <= 14*flags.Day:
		level = metrics.Level1m
	}
	q := metrics.CellQuery{
		Level: level, From: level.Start(now.Add(-window).UnixNano()), To: now.Unix() + 1,
		Metrics: []metrics.Metric{metrics.MetricStaleTime}, Match: metrics.Series{Feature: feature},
	}
	var c Count
	err := r.Reader.Cells(ctx, q, func(_ *metrics.Series, _ int64, cell *sketch.Cell) error {
		c.Eligible += cell.N
		c.Bad += max(0, cell.N-cell.Within(float64(limit)))
		return nil
	})
	if err != nil {
		return c, fmt.Errorf("read staleness of %q: %w", feature, err)
	}
	return c, nil
}

// State implements Observer.
func (r *ReportObserver) State(ctx context.Context, feature string, _ time.Time) (State, error) {
	b, err := r.Reporter.Backlog(ctx, report.Query{Feature: feature})
	if err != nil {
		return State{}, err
	}
	heard, err := r.Reader.Heard(ctx)
	if err != nil {
		return State{}, fmt.Errorf("read when sources were last heard: %w", err)
	}
	s := State{}
	for i := range heard {
		s.Heard = s.Heard || heard[i].Feature == feature
	}
	for i := range b.Replicas {
		s.Replicas = append(s.Replicas, replicaState(&b.Replicas[i]))
	}
	return s, nil
}

func replicaState(b *report.ReplicaBacklog) ReplicaState {
	r := ReplicaState{Name: b.Replica, Expected: b.Expected, Silent: b.Silent, Backlog: b.Unconfirmed}
	if b.LastHeard != nil {
		r.Last = time.Unix(0, *b.LastHeard)
	}
	if b.OldestAgeNS != nil {
		r.Age = time.Duration(*b.OldestAgeNS)
	}
	return r
}
