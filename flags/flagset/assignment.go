package flagset

import (
	"context"
	"fmt"
	"time"

	"tidemark/flags"
)

// activeAssignments are those of the rollouts that decide at the start, until the
// controller says otherwise.
func activeAssignments(ctx context.Context, store flags.RolloutStore) ([]flags.Assignment, error) {
	if store == nil {
		return nil, nil
	}
	rollouts, err := store.Rollouts(ctx)
	if err != nil {
		return nil, fmt.Errorf("flags: rollouts: %w", err)
	}
	var out []flags.Assignment
	for i := range rollouts {
		if r := &rollouts[i]; r.State.Active() {
			out = append(out, assignment(r))
		}
	}
	return out, nil
}

// assignment is what a rollout decides as it stands. While it reverts, new sessions
// have the control.
func assignment(r *flags.Rollout) flags.Assignment {
	a := flags.Assignment{
		Rollout: r.ID, Flag: r.Plan.Flag, Salt: r.Salt, Step: max(r.Step, 0), Percent: r.Percent,
		Candidate: r.Plan.Candidate, Control: r.Plan.Control, Cohort: r.Plan.Cohort,
		PinFor: time.Duration(r.Plan.PinFor),
	}
	if r.State == flags.RolloutReverting {
		a.Percent = 0
	}
	if !r.PinsBrokenAt.IsZero() {
		a.PinsBrokenAt = r.PinsBrokenAt.UnixNano()
	}
	return a
}

// pinsBroken is when the pins of each flag were last broken, by any rollout of it,
// ended ones too; nil without a store that knows.
func pinsBroken(ctx context.Context, store flags.RolloutStore) (map[string]int64, error) {
	if store == nil {
		return nil, nil
	}
	rollouts, err := store.Rollouts(ctx)
	if err != nil {
		return nil, fmt.Errorf("flags: rollouts: %w", err)
	}
	out := map[string]int64{}
	for i := range rollouts {
		if r := &rollouts[i]; !r.PinsBrokenAt.IsZero() {
			out[r.Plan.Flag] = max(out[r.Plan.Flag], r.PinsBrokenAt.UnixNano())
		}
	}
	return out, nil
}
