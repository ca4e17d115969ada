package rollout

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"tidemark/flags"
)

// ParseDocument reads the content of a RolloutPlan: the fields of a plan, and its title.
func ParseDocument(content json.RawMessage) (Draft, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(content, &fields); err != nil {
		return Draft{}, invalid("", "is not the JSON object of a plan: %s", err)
	}
	var d Draft
	if raw, ok := fields["title"]; ok {
		if err := json.Unmarshal(raw, &d.Title); err != nil {
			return d, invalid("title", "is not text")
		}
		delete(fields, "title")
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		return d, fmt.Errorf("read a plan: %w", err)
	}
	d.Plan, err = Parse(raw)
	return d, err
}

// CheckDocument says what is wrong with the form of a RolloutPlan.
func CheckDocument(content json.RawMessage) error {
	_, err := ParseDocument(content)
	return err
}

// Documents makes drafts of plans that are kept as documents. A document makes one
// rollout at a time, which carries its name.
type Documents struct {
	Flags    PlanFlags
	Promises PlanPromises // nil when there are none
	Webhooks PlanWebhooks // nil when they are not known
	Rollouts []flags.Rollout
	Now      func() time.Time
}

// Change says what a document does to the rollouts: nil when nothing. changed says that
// the document is not what is stored. The error wraps flags.ErrRefused when the
// rollout is under way or was edited by hand to something else, and lists the problems of
// a plan that cannot be.
func (d *Documents) Change(ctx context.Context, name string, content json.RawMessage, changed bool, by flags.Author) (*flags.RolloutChange, error) {
	made := latest(d.Rollouts, name)
	if made != nil && !changed {
		return nil, nil //nolint:nilnil // There is nothing to do, which is no error.
	}
	draft, plan, err := d.Read(ctx, name, content)
	if err != nil {
		return nil, err
	}
	switch {
	case made == nil || over(made):
		return d.create(name, draft.Title, plan, by)
	case made.State.Active():
		return nil, refuse("rollout %s, which was made of it, is %s at %s; a plan that is under way is not changed. Complete or revert that rollout first, or write this plan under another name.",
			made.ID, made.State, percent(made.Percent))
	case made.EditedByHand && !samePlan(made, draft.Title, &plan):
		return nil, refuse("rollout %s, which was made of it, was edited since. Write what it has now into the document, discard that draft, or write this plan under another name.", made.ID)
	}
	if made.Plan.Feature != plan.Feature {
		if err := room(slices.Values(d.Rollouts), plan.Feature); err != nil {
			return nil, err
		}
	}
	next, t, err := (&Machine{}).Step(d.Now().UTC().Round(0), *made, Input{Command: &Command{
		Verb: CommandEdit, Author: by, Revision: made.Revision, Title: draft.Title, Plan: &plan, Document: true,
	}})
	if err != nil {
		return nil, err
	}
	return &flags.RolloutChange{Rollout: next, Transition: *t}, nil
}

// Read completes the plan of a document and says everything that is wrong with it.
func (d *Documents) Read(ctx context.Context, name string, content json.RawMessage) (Draft, flags.Plan, error) {
	draft, err := ParseDocument(content)
	if err != nil {
		return draft, draft.Plan, err
	}
	draft.Title = cmp.Or(draft.Title, name)
	plan, err := planChecker{d.Flags, d.Promises, d.Webhooks}.check(ctx, &draft)
	return draft, plan, err
}

// OfDocument is the rollout that a document would change; nil when it would make one.
func OfDocument(rs []flags.Rollout, name string) *flags.Rollout {
	if made := latest(rs, name); made != nil && !over(made) {
		return made
	}
	return nil
}

// over reports whether a document makes another rollout: a mended plan may be written while
// the last sessions drain.
func over(r *flags.Rollout) bool { return r.State.Final() || r.State == flags.RolloutReverting }

// samePlan reports whether a rollout has this title and completed plan.
func samePlan(r *flags.Rollout, title string, p *flags.Plan) bool {
	has, errHas := json.Marshal(r.Plan)
	wants, errWants := json.Marshal(p)
	return errHas == nil && errWants == nil && r.Title == title && sameJSON(has, wants)
}

// latest is the newest rollout of a document; nil when there is none.
func latest(rs []flags.Rollout, name string) *flags.Rollout {
	var out *flags.Rollout
	for i := range rs {
		if r := &rs[i]; r.Document == name && (out == nil || r.CreatedAt.After(out.CreatedAt)) {
			out = r
		}
	}
	return out
}

func (d *Documents) create(name, title string, p flags.Plan, by flags.Author) (*flags.RolloutChange, error) {
	if err := room(slices.Values(d.Rollouts), p.Feature); err != nil {
		return nil, err
	}
	id, err := newID()
	if err != nil {
		return nil, err
	}
	r, err := newDraft(id, title, p, by, d.Now())
	if err != nil {
		return nil, err
	}
	r.Document = name
	d.Rollouts = append(slices.Clip(d.Rollouts), r) // The next documents find it.
	return &flags.RolloutChange{Rollout: r, Transition: created(&r, by)}, nil
}

// Reload makes the controller read what is stored before it does anything else, for
// changes that were stored beside it.
func (c *Controller) Reload(changes []flags.RolloutChange) {
	if len(changes) == 0 {
		return
	}
	c.mu.Lock()
	c.readAt = time.Time{}
	c.mu.Unlock()
	for i := range changes {
		c.opt.Changed(changes[i].Rollout.ID)
	}
}
