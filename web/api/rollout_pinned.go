package api

import (
	"context"
	"time"

	"tidemark/flags"
	"tidemark/flags/flagset"
	"tidemark/flags/rollout"
)

// PinCounter counts the sessions that hold a rollout's pins.
type PinCounter interface {
	Pinned(ctx context.Context, rollout string, brokenAt time.Time) ([]flagset.Pinned, error)
}

// rolloutAnswer is one rollout with what is known beside what was decided.
type rolloutAnswer struct {
	flags.Rollout
	// Pinned is who holds pins of it that are good still, by variant.
	Pinned []flagset.Pinned `json:"pinned"`
	// Controller is how deciding goes: when it fails, nothing above is of this moment.
	Controller rollout.Health `json:"controller"`
}

// rolloutsAnswer are all rollouts.
type rolloutsAnswer struct {
	Items      []flags.Rollout `json:"items"`
	Controller rollout.Health  `json:"controller"`
}

func (r *Rollouts) detail(ctx context.Context, one *flags.Rollout) (rolloutAnswer, error) {
	out := rolloutAnswer{Rollout: *one, Pinned: []flagset.Pinned{}, Controller: r.c.Health()}
	if one.Plan.NoPins || one.StartedAt.IsZero() {
		return out, nil
	}
	var err error
	out.Pinned, err = r.pins.Pinned(ctx, one.ID, one.PinsBrokenAt)
	return out, err
}
