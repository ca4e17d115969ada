package guarantee

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tidemark/flags"
	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

// RulePolicy is the alert rule about hops of labelled writes at services without
// clearance. It is about features, whether they promise anything or not.
const RulePolicy = "policy"

// policyWindow is how long a hop against policy keeps its feature's alert up.
const policyWindow = time.Hour

// Against is what a feature's labelled writes did against policy in a window.
type Against struct {
	Feature  string
	Hops     int64 // at services without clearance
	Judged   int64 // all hops of labelled writes
	Replicas []string
}

// policyConditions are those of every feature with labelled writes in the window, in
// order of feature: one hop against policy is enough.
func (e *Evaluator) policyConditions(ctx context.Context, now time.Time) ([]flags.AlertCondition, error) {
	all, err := e.opt.Observer.Against(ctx, policyWindow, now)
	if err != nil {
		return nil, fmt.Errorf("count hops against policy: %w", err)
	}
	out := make([]flags.AlertCondition, len(all))
	for i := range all {
		out[i] = e.policyCondition(&all[i])
	}
	return out, nil
}

func (e *Evaluator) policyCondition(a *Against) flags.AlertCondition {
	c := flags.AlertCondition{
		AlertKey: flags.AlertKey{Objective: flags.FeatureKey(a.Feature), Rule: RulePolicy},
		Feature:  a.Feature, Severity: flags.SeverityTicket, Known: true, Holds: a.Hops > 0,
		Numbers: flags.AlertNumbers{Long: float64(a.Hops), LongWindow: policyWindow},
	}
	if e.opt.Team != nil {
		c.Owner = e.opt.Team(a.Feature)
	}
	for i := range e.docs {
		if g := e.docs[i].Document.Guarantee; g.Feature == a.Feature {
			c.Owner = g.Owner
			break
		}
	}
	c.Summary = fmt.Sprintf("%s: no hop of a labelled write in the last %s was against policy.", a.Feature, flags.SayDuration(policyWindow))
	if c.Holds {
		c.Summary = fmt.Sprintf("%s breaks policy: %s of %s of labelled writes in the last %s reached a service without clearance, at %s %s.",
			a.Feature, grouped(a.Hops), counted(a.Judged, "hop", "hops"), flags.SayDuration(policyWindow),
			plural(len(a.Replicas), "replica", "replicas"), strings.Join(a.Replicas, ", "))
	}
	return c
}

func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + many
}

// Against implements Observer.
func (r *ReportObserver) Against(ctx context.Context, window time.Duration, now time.Time) ([]Against, error) {
	q := metrics.CellQuery{
		Level: metrics.Level1m, From: metrics.Level1m.Start(now.Add(-window).UnixNano()), To: now.Unix() + 1,
		Metrics: []metrics.Metric{metrics.MetricPolicy}, AllFeatures: true,
	}
	by := map[string]*Against{}
	err := r.Reader.Cells(ctx, q, func(s *metrics.Series, _ int64, c *sketch.Cell) error {
		a := by[s.Feature]
		if a == nil {
			a = &Against{Feature: s.Feature}
			by[s.Feature] = a
		}
		a.Judged += c.N
		a.Hops += c.Hits
		if c.Hits > 0 && !slices.Contains(a.Replicas, s.Replica) {
			a.Replicas = append(a.Replicas, s.Replica)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read hops against policy: %w", err)
	}
	out := make([]Against, 0, len(by))
	for _, f := range slices.Sorted(maps.Keys(by)) {
		slices.Sort(by[f].Replicas)
		out = append(out, *by[f])
	}
	return out, nil
}
