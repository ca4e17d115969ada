package flags

import "time"

// Assignments is what evaluations need of the rollouts that decide about a flag, in
// their order, one a flag at most.
func Assignments(rs []Rollout) []Assignment {
	out := []Assignment{}
	seen := map[string]bool{}
	for i := range rs {
		if a, ok := rs[i].Assignment(); ok && !seen[a.Flag] {
			seen[a.Flag] = true
			out = append(out, a)
		}
	}
	return out
}

// Assignment is how a rollout decides who gets what; ok is false when it does not,
// so that the flag answers by itself. It follows from what is stored alone, so that a
// server that has just started gives what the one before it gave.
func (r *Rollout) Assignment() (a Assignment, ok bool) {
	p := &r.Plan
	a = Assignment{
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
	case r.State == RolloutReverting:
		return a, true
	case r.State == RolloutCompleted:
		return a, len(r.Pending) > 0 && r.Pending[0] == ChoreDefault
	case r.State != RolloutRunning && r.State != RolloutPaused:
		return a, false
	case r.Stepped():
		return a, true
	}
	ph := r.PlanPhase()
	if ph == nil || ph.Variant == "" {
		return a, false
	}
	a.Candidate, a.Percent = ph.Variant, Whole
	return a, true
}

// PlanPhase is the phase that the rollout is in, as its plan has it; nil when the plan
// has none.
func (r *Rollout) PlanPhase() *PlanPhase {
	for i := range r.Plan.Phases {
		if r.Plan.Phases[i].Phase == r.Phase {
			return &r.Plan.Phases[i]
		}
	}
	return nil
}

// Stepped reports whether the steps of the plan are what is being decided about, and not
// a phase without arms.
func (r *Rollout) Stepped() bool { return r.Phase == "" || r.Phase == PhaseLive }
