package rollout

import (
	"cmp"
	"time"

	"tidemark/flags"
	"tidemark/metrics"
)

// How much worse a candidate may be where nobody said.
const (
	marginLate       = 0.005
	marginConverge   = 0.005
	marginRate       = 0.001
	marginErrors     = 0.01
	marginLagSeconds = 1.0
	// marginOfDeadline is the tolerated difference of the 99th percentile, as a share
	// of the promised time.
	marginOfDeadline = 0.1
)

// fromGuarantee takes from the promise what the plan does not say itself.
func fromGuarantee(p flags.Plan, g *flags.Guarantee) flags.Plan {
	if g == nil {
		return p
	}
	if p.Guarantee == "" {
		p.Guarantee = g.Name
	}
	if p.LateAfter == 0 {
		p.LateAfter = flags.Duration(promised(g))
	}
	if g.Rollback == nil {
		return p
	}
	if p.OnDeadline == "" {
		p.OnDeadline = flags.DeadlineAction(g.Rollback.Deadline)
	}
	if p.PinFor == 0 && g.Rollback.Drain == "immediate" {
		p.NoPins = true
	}
	return p
}

// promised is the strictest promised time to visibility at every replica; else the
// deadline of a convergence ratio; 0 when neither is promised.
func promised(g *flags.Guarantee) time.Duration {
	var at time.Duration
	keep := func(d time.Duration) {
		if at == 0 || d < at {
			at = d
		}
	}
	for i := range g.Objectives {
		if o := &g.Objectives[i]; o.SLI == flags.SLITimeToVisibility && o.Scope == metrics.ScopeAll {
			keep(time.Duration(o.Value))
		}
	}
	for i := range g.Objectives {
		if o := &g.Objectives[i]; at == 0 && o.SLI == flags.SLIConvergence {
			keep(o.Within)
		}
	}
	return at
}

// guardrailsOf derives guardrails from the objectives of a promise. Objectives that
// no arm can be held to by itself (staleness, age of the backlog) give none. Without a
// promise the candidate must not be slower, fail more, conflict more, or break more
// session guarantees.
func guardrailsOf(g *flags.Guarantee) []flags.Guardrail {
	if g == nil {
		return []flags.Guardrail{
			{Metric: flags.GuardLag, Margin: marginLagSeconds, From: "default"},
			{Metric: flags.GuardErrors, Margin: marginErrors, From: "default"},
			{Metric: flags.GuardConflicts, Margin: marginErrors, From: "default"},
			{Metric: flags.GuardViolations, Margin: marginRate, From: "default"},
		}
	}
	var out []flags.Guardrail
	seen := map[flags.GuardMetric]bool{}
	for i := range g.Objectives {
		for _, r := range guardrails(g, &g.Objectives[i]) {
			if !seen[r.Metric] {
				seen[r.Metric] = true
				r.From = g.Name + " " + g.Version + ": " + g.Objectives[i].Key()
				out = append(out, r)
			}
		}
	}
	if !seen[flags.GuardErrors] {
		out = append(out, flags.Guardrail{Metric: flags.GuardErrors, Margin: marginErrors, From: "default"})
	}
	return out
}

// guardrails are those of one objective. The margin is what the guarantee accepts,
// where it says so.
func guardrails(g *flags.Guarantee, o *flags.Objective) []flags.Guardrail {
	accepted := 0.0
	if g.Acceptance != nil {
		accepted = g.Acceptance.Margin
	}
	one := func(m flags.GuardMetric, margin float64) []flags.Guardrail {
		return []flags.Guardrail{{Metric: m, Margin: cmp.Or(accepted, margin)}}
	}
	switch o.SLI {
	case flags.SLITimeToVisibility:
		if o.Scope != metrics.ScopeAll {
			return nil
		}
		seconds := time.Duration(o.Value).Seconds()
		return append(one(flags.GuardLate, marginLate), flags.Guardrail{Metric: flags.GuardLagP99, Margin: marginOfDeadline * seconds})
	case flags.SLIConvergence:
		return one(flags.GuardConvergence, marginConverge)
	case flags.SLIViolationRate:
		return one(flags.GuardViolations, max(o.Value, marginRate))
	case flags.SLIConflictRate:
		return one(flags.GuardConflicts, max(o.Value, marginRate))
	case flags.SLIReplayRate:
		return one(flags.GuardReplays, max(o.Value, marginRate))
	}
	return nil
}
