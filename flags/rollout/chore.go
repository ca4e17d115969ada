package rollout

import (
	"context"
	"errors"
	"fmt"

	"tidemark/flags"
)

// chore does the next thing that completing left to do. Until the candidate is the
// flag's default everyone in the cohort keeps it by assignment, so that nobody falls
// back in between; each chore can be done again after a crash. The caller holds mu.
func (c *Controller) chore(ctx context.Context, r flags.Rollout) error {
	now := c.opt.Now()
	if last, ok := c.chores[r.ID]; ok && now.Sub(last) < choreEvery && !now.Before(last) {
		return nil
	}
	c.chores[r.ID] = now
	by := flags.Author{Actor: controller, Reason: "Rollout " + r.ID + " completed."}
	beside, err := c.do(ctx, &r, by)
	if err != nil {
		why := "Completing is not finished: " + sentence(err.Error())
		if r.Decision.Why != why {
			r.Decision.Why = why
			c.known[r.ID] = r
			c.opt.Changed(r.ID)
			return errors.Join(err, c.opt.Store.NoteRollout(ctx, r))
		}
		return err
	}
	r.Pending = r.Pending[1:]
	if len(r.Pending) == 0 {
		r.Decision.Why = "Completed." + beside
	}
	if err := c.opt.Store.NoteRollout(ctx, r); err != nil {
		return fmt.Errorf("rollout %s: %w", r.ID, err)
	}
	c.known[r.ID] = r
	delete(c.chores, r.ID) // The next one need not wait.
	c.opt.Changed(r.ID)
	return c.tell(ctx)
}

// do does a chore; beside is what is to be said of it, a sentence after a space.
func (c *Controller) do(ctx context.Context, r *flags.Rollout, by flags.Author) (beside string, err error) {
	p := &r.Plan
	switch r.Pending[0] {
	case flags.ChoreDefault:
		if err := c.opt.Flags.Promote(ctx, p.Flag, p.Candidate, p.Cohort, by); err != nil {
			return "", fmt.Errorf("rollout %s: make %q the default of flag %q: %w", r.ID, p.Candidate, p.Flag, err)
		}
	case flags.ChoreGuarantee:
		if c.opt.Promises == nil {
			return "", fmt.Errorf("rollout %s: activate %s %s: there are no guarantees here", r.ID, p.Guarantee, p.Completes)
		}
		version, at, err := c.opt.Promises.ActiveSince(ctx, p.Guarantee)
		switch {
		case err != nil:
			return "", fmt.Errorf("rollout %s: what is in force of %s: %w", r.ID, p.Guarantee, err)
		case version != "" && version != p.Completes && at.After(r.StartedAt): // Whoever did so knew of more.
			return " The promise " + p.Guarantee + " stays at " + version + ", which was put in force while the rollout ran.", nil
		}
		if err := c.opt.Promises.Activate(ctx, p.Guarantee, p.Completes, by); err != nil {
			return "", fmt.Errorf("rollout %s: activate %s %s: %w", r.ID, p.Guarantee, p.Completes, err)
		}
	}
	return "", nil
}
