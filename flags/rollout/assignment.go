package rollout

import (
	"time"

	"tidemark/flags"
	"tidemark/metrics"
)

// Assignments is what evaluations need of the rollouts that decide about a flag, in
// their order, one a flag at most.
func Assignments(rs []flags.Rollout) []flags.Assignment {
	out := []flags.Assignment{}
	seen := map[string]bool{}
	for i := range rs {
		if a, ok := AssignmentOf(&rs[i]); ok && !seen[a.Flag] {
			seen[a.Flag] = true
			out = append(out, a)
		}
	}
	return out
}

// AssignmentOf is how a rollout decides who gets what; ok is false when it does not,
// so that the flag answers by itself.
func AssignmentOf(r *flags.Rollout) (a flags.Assignment, ok bool) {
	p := &r.Plan
	a = flags.Assignment{
		Rollout: r.ID, Flag: p.Flag, Salt: r.Salt, Step: r.Step, Percent: r.Percent,
		Candidate: p.Candidate, Control: p.Control, Cohort: p.Cohort,
	}
	if !p.NoPins {
		a.PinFor = time.Duration(p.PinFor)
	}
	if !r.PinsBrokenAt.IsZero() {
		a.PinsBrokenAt = r.PinsBrokenAt.UnixNano()
	}
	switch {
	case r.State == flags.RolloutReverting:
		return a, true
	case r.State == flags.RolloutCompleted:
		return a, len(r.Pending) > 0 && r.Pending[0] == flags.ChoreDefault
	case r.State != flags.RolloutRunning && r.State != flags.RolloutPaused:
		return a, false
	case stepped(r):
		return a, true
	}
	ph := phaseOf(r)
	if ph == nil || ph.Variant == "" {
		return a, false
	}
	a.Candidate, a.Percent = ph.Variant, flags.Whole
	return a, true
}

// TrialOf is what a rollout asks of the telemetry; ok is false when nobody was ever
// compared, or nothing is asked any more.
func TrialOf(r *flags.Rollout) (t metrics.Trial, ok bool) {
	if len(r.Intervals) == 0 {
		return t, false
	}
	p := &r.Plan
	t = metrics.Trial{
		ID: r.ID, Flag: p.Flag, Feature: p.Feature, Salt: r.Salt,
		Candidate: p.Candidate, Control: p.Control, Deadline: int64(p.LateAfter),
	}
	for _, i := range r.Intervals {
		t.Steps = append(t.Steps, metrics.TrialStep{Index: i.Step, From: i.From.UnixNano(), Percent: int(i.Percent)})
	}
	return t, true
}
