package flagset

import (
	"context"
	"fmt"
	"slices"

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
	slices.Reverse(rollouts) // Oldest first, as the controller takes them.
	return flags.Assignments(rollouts), nil
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
