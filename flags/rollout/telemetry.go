package rollout

import (
	"context"
	"fmt"
	"time"

	"tidemark/flags"
	"tidemark/flags/guarantee"
	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

// tailShare is the share of events that a check of a duration leaves out: it is about
// the 99th percentile.
const tailShare = 0.01

// Folded answers from the telemetry that was folded.
type Folded struct {
	Reader   metrics.Reader
	Observer guarantee.Observer
	// Recent scans the newest raw events; nil when they cannot be had.
	Recent func(ctx context.Context, fn func([]metrics.Event) error) error
}

var _ Telemetry = (*Folded)(nil)

// Heard implements Telemetry.
func (f *Folded) Heard(ctx context.Context, feature string) (int64, error) {
	all, err := f.Reader.Heard(ctx)
	if err != nil {
		return 0, fmt.Errorf("when feature %q was heard: %w", feature, err)
	}
	var last int64
	for i := range all {
		if all[i].Feature == feature {
			last = max(last, all[i].Last)
		}
	}
	return last, nil
}

// Check implements Telemetry. Too little to go by is not known, which is not a pass.
func (f *Folded) Check(ctx context.Context, feature string, k *flags.PhaseCheck, since, now time.Time) (Probe, error) {
	p := Probe{Asked: true}
	if flags.SLI(k.SLI) == flags.SLIBacklogAge {
		return f.oldest(ctx, feature, k, now)
	}
	o := objectiveOf(k)
	window := max(now.Sub(since), time.Minute)
	n, err := f.Observer.Count(ctx, feature, &o, window, now)
	if err != nil {
		return p, err
	}
	if n.Eligible == 0 {
		p.Why = "Nothing of " + k.SLI + " can be counted yet."
		return p, nil
	}
	p.Known = true
	bad := float64(n.Bad) / float64(n.Eligible)
	switch {
	case o.IsDuration():
		p.Pass = bad <= tailShare
		p.Why = fmt.Sprintf("%s of %s took longer than %s; at most 1%% may.", share100(bad), count(n.Eligible, "event"), span(time.Duration(o.Value)))
	case k.Op == string(flags.OpGTE):
		p.Pass = 1-bad >= k.Value
		p.Why = fmt.Sprintf("%s is %s of %s; at least %s is wanted.", k.SLI, share100(1-bad), thousands(n.Eligible), share100(k.Value))
	default:
		p.Pass = bad <= k.Value
		p.Why = fmt.Sprintf("%s is %s of %s; at most %s is wanted.", k.SLI, share100(bad), thousands(n.Eligible), share100(k.Value))
	}
	return p, nil
}

// objectiveOf is the check in the form of a guarantee's objective.
func objectiveOf(k *flags.PhaseCheck) flags.Objective {
	o := flags.Objective{SLI: flags.SLI(k.SLI), Of: k.Of, Op: flags.Op(k.Op), Value: k.Value}
	switch o.SLI {
	case flags.SLITimeToVisibility, flags.SLIStaleness:
		o.Value = k.Value * float64(time.Second)
		o.Target = 1 - tailShare
		if o.SLI == flags.SLITimeToVisibility {
			o.Scope = metrics.ScopeAll
		}
	case flags.SLIConvergence:
		o.Within = time.Duration(k.Within)
		if o.Within == 0 {
			o.Within = checkWithin
		}
	case flags.SLIViolationRate, flags.SLIConflictRate, flags.SLIReplayRate, flags.SLIBacklogAge:
	}
	return o
}

func (f *Folded) oldest(ctx context.Context, feature string, k *flags.PhaseCheck, now time.Time) (Probe, error) {
	p := Probe{Asked: true}
	s, err := f.Observer.State(ctx, feature, now)
	if err != nil {
		return p, err
	}
	var age time.Duration
	for i := range s.Replicas {
		r := &s.Replicas[i]
		if r.Expected && r.Silent {
			p.Why = "The age of the backlog is not known, since " + r.Name + " reports nothing."
			return p, nil
		}
		age = max(age, r.Age)
	}
	if !s.Heard {
		p.Why = "No event of the feature has been heard yet."
		return p, nil
	}
	p.Known, p.Pass = true, age.Seconds() <= k.Value
	p.Why = fmt.Sprintf("The oldest write that is missing somewhere is %s old; at most %s is wanted.", span(age), span(time.Duration(k.Value*float64(time.Second))))
	return p, nil
}

// share100 writes a share in percent, with as many digits as matter.
func share100(v float64) string { return fmt.Sprintf("%.3g%%", 100*v) }

// Writes implements Telemetry.
func (f *Folded) Writes(ctx context.Context, feature, variant string, since, now time.Time) (int64, error) {
	q := metrics.CellQuery{
		Level: metrics.Level10s, From: metrics.Level10s.Start(since.UnixNano()), To: now.Unix() + 1,
		Metrics: []metrics.Metric{metrics.MetricWrites}, Match: metrics.Series{Feature: feature, Variant: variant},
	}
	var n int64
	err := f.Reader.Cells(ctx, q, func(_ *metrics.Series, _ int64, cell *sketch.Cell) error {
		n += cell.N
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("writes of feature %q with variant %q: %w", feature, variant, err)
	}
	return n, nil
}
