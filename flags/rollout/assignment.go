package rollout

import (
	"tidemark/flags"
	"tidemark/metrics"
)

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
