package rollout

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"tidemark/flags"
)

// ChangedError says that a rollout is no longer at the revision that a command was
// decided upon, and what happened since. It wraps flags.ErrChanged.
type ChangedError struct {
	Expected int64
	Current  flags.Rollout
	Since    []flags.Transition // after Expected, oldest first
	now      time.Time
}

// Error says who did what, and why.
func (e *ChangedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "rollout %s: %v: it is at revision %d, not %d", e.Current.ID, flags.ErrChanged, e.Current.Revision, e.Expected)
	for i := range e.Since {
		t := &e.Since[i]
		fmt.Fprintf(&b, "; %s by %s", t.Action, t.Actor)
		switch ago := e.now.Sub(t.At); {
		case ago >= time.Second:
			b.WriteString(" " + span(ago) + " ago")
		case ago >= 0:
			b.WriteString(" just now")
		}
		if t.Reason != "" {
			fmt.Fprintf(&b, " (%q)", clip(t.Reason))
		}
	}
	return b.String()
}

// Unwrap returns flags.ErrChanged.
func (e *ChangedError) Unwrap() error { return flags.ErrChanged }

// Draft is what a person says of a rollout.
type Draft struct {
	Title string
	Plan  flags.Plan
}

// About lists the features that a plan is about: the one that gives the evidence, the
// one that the flag belongs to, and those of the guarantee that it names and of the version
// that it completes, which may have been another's. Whoever owns them all may stage it. A
// flag that belongs to no feature gives "": nobody's owner may.
func (c *Controller) About(ctx context.Context, p *flags.Plan) ([]string, error) {
	flag, err := c.opt.Flags.Flag(p.Flag)
	if err != nil && !errors.Is(err, flags.ErrNotFound) {
		return nil, fmt.Errorf("what the plan is about: %w", err)
	}
	out := []string{p.Feature, flag.Feature}
	if p.Guarantee+p.Completes == "" || c.opt.Promises == nil {
		return out, nil
	}
	g, err := c.opt.Promises.Guarantee(ctx, p.Guarantee, p.Feature)
	switch {
	case err != nil && !errors.Is(err, flags.ErrNotFound):
		return nil, fmt.Errorf("what the plan is about: %w", err)
	case g == nil && p.Guarantee != "":
		return append(out, ""), nil
	case g == nil: // Nothing is promised, and so nothing is completed.
		return out, nil
	}
	out = append(out, g.Feature)
	if p.Completes == "" {
		return out, nil
	}
	of, err := c.opt.Promises.FeatureOf(ctx, g.Name, p.Completes)
	switch {
	case errors.Is(err, flags.ErrNotFound): // It may be new with the plan.
		return out, nil
	case err != nil:
		return nil, fmt.Errorf("what the plan is about: %w", err)
	}
	return append(out, of), nil
}

// Create completes and checks a plan, and stores a draft of it.
func (c *Controller) Create(ctx context.Context, d Draft, by flags.Author) (flags.Rollout, error) {
	if err := by.Check(false); err != nil {
		return flags.Rollout{}, err
	}
	plan, err := c.check(ctx, &d)
	if err != nil {
		return flags.Rollout{}, err
	}
	id, err := c.opt.NewID()
	if err != nil {
		return flags.Rollout{}, err
	}
	r, err := newDraft(id, d.Title, plan, by, c.opt.Now())
	if err != nil {
		return flags.Rollout{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.room(ctx, plan.Feature); err != nil {
		return flags.Rollout{}, err
	}
	return r, c.save(ctx, r, created(&r, by))
}

// maxWaiting is how many rollouts of one feature may not have begun.
const maxWaiting = 100

// room refuses another rollout of a feature that has as many as it may. The caller holds mu.
func (c *Controller) room(ctx context.Context, feature string) error {
	if err := c.read(ctx); err != nil {
		return err
	}
	return room(maps.Values(c.known), feature)
}

func room(all iter.Seq[flags.Rollout], feature string) error {
	n := 0
	for r := range all {
		if r.Plan.Feature == feature && (r.State == flags.RolloutDraft || r.State == flags.RolloutWaiting) {
			n++
		}
	}
	if n >= maxWaiting {
		return refuse("feature %q has %d rollouts that have not begun, as many as it may; discard one first", feature, n)
	}
	return nil
}

// created is the first transition of a draft.
func created(r *flags.Rollout, by flags.Author) flags.Transition {
	return flags.Transition{
		Rollout: r.ID, Revision: 1, At: r.CreatedAt, Actor: by.Actor, Action: "create", Reason: by.Reason,
		To: flags.RolloutDraft, Step: -1,
	}
}

func newDraft(id, title string, p flags.Plan, by flags.Author, now time.Time) (flags.Rollout, error) {
	salt, err := newSalt()
	return flags.Rollout{
		ID: id, Title: title, Plan: p, State: flags.RolloutDraft, Step: -1, Revision: 1, Salt: salt,
		CreatedAt: now.UTC().Round(0), CreatedBy: by.Actor, Authors: []string{by.Actor},
		Approvals: []flags.Approval{}, SignOffs: []flags.SignOff{}, Intervals: []flags.StepInterval{},
		Decision: flags.Decision{Checks: []flags.Check{}},
	}, err
}

func (c *Controller) check(ctx context.Context, d *Draft) (flags.Plan, error) {
	return planChecker{c.opt.Flags, c.opt.Promises, c.opt.Asker}.check(ctx, d)
}

// Edit replaces the title and plan of a rollout that has not started. Approvals of
// the earlier plan go.
func (c *Controller) Edit(ctx context.Context, id string, d Draft, revision int64, by flags.Author) (flags.Rollout, error) {
	plan, err := c.check(ctx, &d)
	if err != nil {
		return flags.Rollout{}, err
	}
	if err := c.roomToMove(ctx, id, plan.Feature); err != nil {
		return flags.Rollout{}, err
	}
	return c.Do(ctx, id, Command{Verb: CommandEdit, Author: by, Revision: revision, Title: d.Title, Plan: &plan})
}

// roomToMove refuses to move a rollout to a feature that has as many as it may.
func (c *Controller) roomToMove(ctx context.Context, id, feature string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.read(ctx); err != nil {
		return err
	}
	if r, ok := c.known[id]; !ok || r.Plan.Feature == feature {
		return nil
	}
	return room(maps.Values(c.known), feature)
}

// Safer reports whether a command only takes the candidate from units, or keeps it from
// more of them, and can be begun anew: whoever owns any of the features that the plan is
// about may give it. Breaking pins is none of these: it changes sessions in their midst.
func (v CommandVerb) Safer() bool { return v == CommandPause || v == CommandRevert }

// anyRevision reports whether a command may leave out the revision that it was
// decided upon.
func anyRevision(v CommandVerb) bool {
	return v == CommandPause || v == CommandRevert || v == CommandBreakPins
}

// Do obeys a command: the change is stored, and new evaluations follow it, when Do
// returns. The error wraps flags.ErrNotFound, ErrChanged (then it is a
// *ChangedError), ErrRefused or ErrInvalid; then nothing changed.
func (c *Controller) Do(ctx context.Context, id string, cmd Command) (flags.Rollout, error) {
	if err := cmd.Check(false); err != nil {
		return flags.Rollout{}, err
	}
	if cmd.Revision <= 0 && !anyRevision(cmd.Verb) {
		return flags.Rollout{}, invalid("revision", "is missing; say which revision of the rollout the command is meant for")
	}
	in := Input{}
	if cmd.Verb == CommandAdvance || cmd.Verb == CommandComplete {
		r, err := c.Get(ctx, id)
		if err != nil {
			return r, err
		}
		in = c.input(ctx, c.opt.Now(), &r)
	}
	in.Command = &cmd
	r, err := c.obey(ctx, id, in)
	if errors.Is(err, flags.ErrChanged) {
		return r, c.explain(ctx, id, cmd.Revision, err)
	}
	return r, err
}

func (c *Controller) obey(ctx context.Context, id string, in Input) (flags.Rollout, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.find(ctx, id)
	if err != nil {
		return r, err
	}
	if in.Command.Revision > 0 && in.Command.Revision != r.Revision {
		return r, fmt.Errorf("rollout %s: %w", id, flags.ErrChanged)
	}
	in.HeldBy = c.heldBy(&r)
	now := c.opt.Now()
	in.Steady = c.steady.Tell(now)
	next, made, err := c.machine.Step(now, r, in)
	if err != nil {
		return r, err
	}
	if err := c.save(ctx, next, *made); err != nil {
		return r, err
	}
	return next, nil
}

// find returns a rollout as it is known. The caller holds mu.
func (c *Controller) find(ctx context.Context, id string) (flags.Rollout, error) {
	if err := c.read(ctx); err != nil {
		return flags.Rollout{}, err
	}
	r, ok := c.known[id]
	if !ok {
		return r, fmt.Errorf("rollout %q: %w", clip(id), flags.ErrNotFound)
	}
	return r, nil
}

// explain adds to ErrChanged what was changed, and by whom.
func (c *Controller) explain(ctx context.Context, id string, expected int64, cause error) error {
	r, err := c.opt.Store.Rollout(ctx, id)
	if err != nil {
		return errors.Join(cause, err)
	}
	ts, err := c.opt.Store.Transitions(ctx, id)
	if err != nil {
		return errors.Join(cause, err)
	}
	e := &ChangedError{Expected: expected, Current: r, now: c.opt.Now()}
	for _, t := range slices.Backward(ts) {
		if t.Revision > expected {
			e.Since = append(e.Since, t)
		}
	}
	return e
}

// Get returns a rollout with its latest decision; flags.ErrNotFound when there is none.
func (c *Controller) Get(ctx context.Context, id string) (flags.Rollout, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.find(ctx, id)
}

// List returns every rollout, latest created first.
func (c *Controller) List(ctx context.Context) ([]flags.Rollout, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.read(ctx); err != nil {
		return nil, err
	}
	rs := c.sorted()
	for i, j := 0, len(rs)-1; i < j; i, j = i+1, j-1 {
		rs[i], rs[j] = rs[j], rs[i]
	}
	return rs, nil
}

// History returns every transition of a rollout, newest first.
func (c *Controller) History(ctx context.Context, id string) ([]flags.Transition, error) {
	if _, err := c.Get(ctx, id); err != nil {
		return nil, err
	}
	ts, err := c.opt.Store.Transitions(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("history of rollout %s: %w", id, err)
	}
	return ts, nil
}
