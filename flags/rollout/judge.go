package rollout

import (
	"math"

	"tidemark/flags"
	"tidemark/flags/guardrail"
	"tidemark/metrics"
)

const (
	// sharedAlpha is what the guardrails that name no α of their own share.
	sharedAlpha = 0.05
	// lagQuantile is which percentile GuardLagP99 compares.
	lagQuantile = 0.99
)

// The names of the methods, for people.
const (
	methodMeans     = "asymptotic confidence sequence of the difference"
	methodRare      = "conditional multinomial e-value"
	methodQuantiles = "beta-binomial confidence sequence of the quantile"
)

// Judge compares the arms of a step with each guardrail of the plan, and tests
// whether they have the sizes that they should have. docs/statistics.md says which
// test serves which metric.
//
// Each guardrail has its α, or its part of 0.05. It is what the guardrail risks over
// the whole rollout: where steps are judged one by one they share it, and a limit
// takes half. For each metric the difference is how much worse the candidate is.
func Judge(p *flags.Plan, ev metrics.TrialEvidence, step int) (checks []flags.Check, ratio flags.Ratio) {
	checks = make([]flags.Check, 0, len(p.Guardrails))
	for i := range p.Guardrails {
		j := &judgement{plan: p, ev: &ev, step: step, now: evidenceOf(&ev, step), check: flags.Check{Guardrail: p.Guardrails[i]}}
		checks = append(checks, j.judge())
	}
	return checks, sampleRatio(p, evidenceOf(&ev, step), step)
}

// evidenceOf is what is known of a step; nothing is nobody.
func evidenceOf(ev *metrics.TrialEvidence, step int) metrics.StepEvidence {
	for _, s := range ev.Steps {
		if s.Index == step {
			return s
		}
	}
	return metrics.StepEvidence{Index: step}
}

// candidateShare is the candidate's share of the units that are compared at a percentage; 1
// when nobody is left to compare with.
func candidateShare(p flags.Percent) float64 {
	control := min(p, flags.Whole-p)
	if p <= 0 {
		return 0
	}
	return float64(p) / float64(p+control)
}

// percentOf is the percentage of a step; 0 when the plan has no such step.
func percentOf(p *flags.Plan, step int) flags.Percent {
	if step < 0 || step >= len(p.Steps) {
		return 0
	}
	return p.Steps[step].Percent
}

func sampleRatio(p *flags.Plan, s metrics.StepEvidence, step int) flags.Ratio {
	r := flags.Ratio{Candidate: s.Candidate.Units, Control: s.Control.Units, Expected: candidateShare(percentOf(p, step))}
	r.P, r.Enough = guardrail.SampleRatio(r.Candidate, r.Control, r.Expected)
	r.Mismatch = r.Enough && r.P < guardrail.RatioAlpha
	return r
}

// judgement is one guardrail being checked.
type judgement struct {
	plan  *flags.Plan
	ev    *metrics.TrialEvidence
	step  int
	now   metrics.StepEvidence
	check flags.Check

	level   guardrail.Level // of the difference
	limit   float64         // α of the limit
	pastOne bool            // the candidate is surely beyond its limit
	units   [2]int64        // of candidate and control, for this metric
}

func (j *judgement) judge() flags.Check {
	j.split()
	switch j.check.Guardrail.Metric {
	case flags.GuardLate:
		j.shares(j.now.Candidate.Late, j.now.Control.Late, false)
	case flags.GuardConvergence:
		j.shares(j.now.Candidate.Converged, j.now.Control.Converged, true)
	case flags.GuardLag:
		j.means(j.now.Candidate.Lag, j.now.Control.Lag)
	case flags.GuardLagP99:
		j.quantile(j.now.Candidate.LagSample, j.now.Control.LagSample)
	case flags.GuardConflicts:
		j.rare(func(a *metrics.ArmEvidence) metrics.Rare { return a.Conflicts })
	case flags.GuardViolations:
		j.rare(func(a *metrics.ArmEvidence) metrics.Rare { return a.Violations })
	case flags.GuardErrors:
		j.rare(func(a *metrics.ArmEvidence) metrics.Rare { return a.Errors })
	case flags.GuardReplays:
		j.rare(func(a *metrics.ArmEvidence) metrics.Rare { return a.Replays })
	default:
		j.check.Outcome, j.check.Why = flags.OutcomeError, "no test serves the metric "+string(j.check.Guardrail.Metric)+"."
		return j.check
	}
	j.check.Samples = j.units[0] + j.units[1]
	j.conclude()
	return j.check
}

// split shares out the guardrail's α.
func (j *judgement) split() {
	g := &j.check.Guardrail
	if g.Alpha == 0 {
		g.Alpha = sharedAlpha / float64(len(j.plan.Guardrails))
	}
	alpha := min(g.Alpha, guardrail.MaxAlpha)
	if g.Limit > 0 {
		alpha /= 2
	}
	j.level, j.limit = guardrail.Both(alpha), alpha
}

// steps is the number of steps that compare somebody: those that share α when each
// is judged by itself.
func (j *judgement) steps() float64 {
	n := 0
	for _, s := range j.plan.Steps {
		if s.Percent < flags.Whole {
			n++
		}
	}
	return float64(max(n, 1))
}

// byStep is the level of a comparison that begins anew with each step. A rollout is
// reverted by mistake when any step is, so the lower bound's α is shared; it widens by
// mistake only when each step is wrong.
func (j *judgement) byStep() guardrail.Level {
	return guardrail.Level{Lower: j.level.Lower / j.steps(), Upper: j.level.Upper}
}

func (j *judgement) percent() flags.Percent { return percentOf(j.plan, j.step) }

func (j *judgement) means(a, b metrics.Moments) {
	j.check.Method, j.units = methodMeans, [2]int64{a.Units, b.Units}
	j.values(mean(a), mean(b))
	j.bounds(guardrail.Means(a, b, j.byStep()))
	j.over(guardrail.Mean(a, j.atLimit()).Lower)
}

func (j *judgement) shares(a, b metrics.Moments, higherIsBetter bool) {
	j.check.Method, j.units = methodMeans, [2]int64{a.Units, b.Units}
	j.values(mean(a), mean(b))
	if higherIsBetter {
		j.bounds(guardrail.Shares(b, a, j.byStep()))
		l := j.check.Guardrail.Limit
		j.pastOne = l > 0 && guardrail.Share(a, j.atLimit()).Upper < l
		return
	}
	j.bounds(guardrail.Shares(a, b, j.byStep()))
	j.over(guardrail.Share(a, j.atLimit()).Lower)
}

// quantile compares lags, which come in nanoseconds, in seconds.
func (j *judgement) quantile(a, b []metrics.LagBucket) {
	j.check.Method, j.units = methodQuantiles, [2]int64{values(a), values(b)}
	limit := j.atLimit()
	alone := guardrail.Quantile(a, lagQuantile, limit.Lower)
	j.values(alone.Estimate/1e9, guardrail.Quantile(b, lagQuantile, limit.Lower).Estimate/1e9)
	i := guardrail.Quantiles(a, b, lagQuantile, j.byStep())
	j.bounds(guardrail.Interval{Estimate: i.Estimate / 1e9, Lower: i.Lower / 1e9, Upper: i.Upper / 1e9})
	j.over(alone.Lower / 1e9)
}

func values(sample []metrics.LagBucket) (n int64) {
	for _, b := range sample {
		n += b.Count
	}
	return n
}

// rare compares the shares of units to whom something happened at all, over every
// step so far. How often it happened to one unit does not count: those are not
// independent of each other.
func (j *judgement) rare(of func(*metrics.ArmEvidence) metrics.Rare) {
	j.check.Method = methodRare
	var steps []guardrail.Counts
	var total guardrail.Counts
	for i := range j.ev.Steps {
		s := &j.ev.Steps[i]
		a, b := of(&s.Candidate), of(&s.Control)
		if s.Index < 0 || s.Index > j.step || a.Eligible == 0 || b.Eligible == 0 {
			continue
		}
		c := guardrail.Counts{
			Candidate: a.Units, Control: b.Units,
			CandidateExposure: float64(s.Candidate.Units), ControlExposure: float64(s.Control.Units),
		}
		steps = append(steps, c)
		total.Candidate, total.Control = total.Candidate+c.Candidate, total.Control+c.Control
		total.CandidateExposure += c.CandidateExposure
		total.ControlExposure += c.ControlExposure
	}
	j.units = [2]int64{int64(total.CandidateExposure), int64(total.ControlExposure)}
	j.values(float64(total.Candidate)/total.CandidateExposure, float64(total.Control)/total.ControlExposure)
	r := guardrail.Rare(steps, j.level)
	j.check.LogE = &r.LogE
	j.bounds(r.Difference)
	j.over(guardrail.Rate(total.Candidate, total.CandidateExposure, guardrail.Both(j.limit)).Lower)
}

// atLimit is the level of the limit in a step that is judged by itself.
func (j *judgement) atLimit() guardrail.Level {
	return guardrail.Both(j.limit / float64(max(len(j.plan.Steps), 1)))
}

// over notes that the candidate alone is surely above its limit.
func (j *judgement) over(lower float64) {
	l := j.check.Guardrail.Limit
	j.pastOne = l > 0 && lower > l
}

func (j *judgement) values(candidate, control float64) {
	if j.units[0] > 0 {
		j.check.Candidate = number(candidate)
	}
	if j.units[1] > 0 {
		j.check.Control = number(control)
	}
}

func (j *judgement) bounds(i guardrail.Interval) {
	if j.units[0] == 0 || j.units[1] == 0 {
		return
	}
	if share(j.check.Guardrail.Metric) { // What a difference of shares cannot be, it is not.
		i.Lower, i.Upper = within(i.Lower), within(i.Upper)
	}
	j.check.Difference, j.check.Lower, j.check.Upper = number(i.Estimate), number(i.Lower), number(i.Upper)
}

// within brings a bound of a difference of shares to what such a difference can be; one
// that nothing is known of stays unknown.
func within(bound float64) float64 {
	if math.IsInf(bound, 0) {
		return bound
	}
	return min(max(bound, -1), 1)
}

// mean is a mean, NaN without units.
func mean(m metrics.Moments) float64 {
	v, ok := m.Mean()
	if !ok {
		return math.NaN()
	}
	return v
}

// number is a value that can be written down; nil when it cannot.
func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
