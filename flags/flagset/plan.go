package flagset

import (
	"context"
	"errors"
	"fmt"

	"tidemark/flags"
	"tidemark/flags/eval"
)

// Action is what applying an edit will do.
type Action string

// The actions of a plan.
const (
	ActionCreate    Action = "create"
	ActionUpdate    Action = "update"
	ActionDelete    Action = "delete"
	ActionUnchanged Action = "unchanged"
)

// Step is what a plan will do with one document.
type Step struct {
	Kind   flags.DocumentKind  `json:"kind"`
	Name   string              `json:"name"`
	Source string              `json:"source,omitempty"`
	Action Action              `json:"action"`
	From   int64               `json:"from"` // revision that is current; 0 when there is none
	To     int64               `json:"to"`
	Diff   []flags.FieldChange `json:"diff"`

	version flags.DocumentVersion
	base    int64
}

// Plan is what applying some edits will do: all of its steps or none.
type Plan struct {
	Steps []Step `json:"steps"`
}

// Changes reports whether applying the plan would store anything.
func (p *Plan) Changes() bool {
	for i := range p.Steps {
		if p.Steps[i].Action != ActionUnchanged {
			return true
		}
	}
	return false
}

// Plan says what applying edits would do, and stores nothing. The error lists what is
// wrong, or is a *ChangedError.
func (c *Catalogue) Plan(ctx context.Context, edits []Edit) (*Plan, error) {
	p, _, err := c.plan(ctx, edits)
	return p, err
}

// plan returns also the state that the edits lead to, without its set. Nothing of it
// is current.
func (c *Catalogue) plan(ctx context.Context, edits []Edit) (*Plan, *state, error) {
	now := c.now.Load()
	trial := now.clone()
	p := &Plan{Steps: []Step{}}
	var problems []flags.Problem
	seen := map[flags.DocumentID]string{}
	for i := range edits {
		e := &edits[i]
		if at, ok := seen[e.ID]; ok {
			problems = append(problems, flags.Problem{File: e.Source, Field: "metadata.name", Message: fmt.Sprintf("%s is also written at %s; write each document once", e.ID, at)})
			continue
		}
		seen[e.ID] = e.Source
		s, err := c.step(ctx, now, e)
		if ps, ok := errors.AsType[*flags.ProblemsError](err); ok {
			problems = append(problems, ps.Problems...)
			continue
		} else if err != nil {
			return nil, nil, err
		}
		p.Steps = append(p.Steps, s)
		trial.documents[e.ID] = s.version
	}
	problems = append(problems, tooMany(trial)...)
	if len(problems) == 0 && p.Changes() {
		_, err := c.compile(trial)
		problems, err = blame(err, edits)
		if err != nil {
			return nil, nil, err
		}
	}
	return p, now.clone(), flags.AsProblems(problems)
}

// step is what becomes of one edit.
func (c *Catalogue) step(ctx context.Context, now *state, e *Edit) (Step, error) {
	if err := errors.Join(checkName(e.ID), checkAddress(e)); err != nil {
		return Step{}, flags.AsProblems([]flags.Problem{{File: e.Source, Field: "metadata.name", Message: message(err)}})
	}
	cur := now.documents[e.ID]
	if e.Base != AnyBase && e.Base != cur.Revision {
		return Step{}, c.changed(ctx, e, &cur)
	}
	v, err := c.revision(e, &cur)
	if err != nil {
		return Step{}, err
	}
	s := Step{Kind: e.ID.Kind, Name: e.ID.Name, Source: e.Source, From: cur.Revision, To: v.Revision, version: v, base: cur.Revision, Diff: Diff(&cur, &v)}
	gone := cur.Revision == 0 || cur.Status == flags.StatusDeleted
	switch {
	case e.Content == nil && gone, e.Content != nil && !gone && cur.Hash == v.Hash && cur.Version == v.Version:
		s.Action, s.To, s.version = ActionUnchanged, cur.Revision, cur
	case e.Content == nil:
		s.Action = ActionDelete
	case gone:
		s.Action = ActionCreate
	default:
		s.Action = ActionUpdate
	}
	return s, nil
}

// changed says what happened to a document since the edit's base.
func (c *Catalogue) changed(ctx context.Context, e *Edit, cur *flags.DocumentVersion) error {
	out := &ChangedError{ID: e.ID, Base: e.Base, Current: *cur}
	versions, err := c.opt.Store.Versions(ctx, e.ID)
	if err != nil {
		return fmt.Errorf("%s: %w", e.ID, err)
	}
	base, _ := find(versions, e.Base)
	out.Changes = Diff(&base, cur)
	return out
}

// revision is the document as the edit leaves it.
func (c *Catalogue) revision(e *Edit, cur *flags.DocumentVersion) (flags.DocumentVersion, error) {
	v := flags.DocumentVersion{ID: e.ID, Revision: cur.Revision + 1, Status: flags.StatusActive, Restores: e.Restores}
	if e.Content == nil {
		v.Status, v.Content, v.Version, v.Hash = flags.StatusDeleted, []byte{}, cur.Version, hash(nil)
		return v, nil
	}
	content, err := canonical(e.Content)
	if err != nil {
		return v, flags.AsProblems([]flags.Problem{{File: e.Source, Message: message(err)}})
	}
	v.Content, v.Hash, v.Feature = content, hash(content), feature(e.ID, content)
	switch e.ID.Kind {
	case flags.KindFlag:
		v.Version, err = bucketing(e, cur)
	case flags.KindFlagSet, flags.KindRolloutPlan, flags.KindRule, flags.KindLabel, flags.KindPolicy, flags.KindOwnership:
		v.Version, err = c.checkOther(e, cur, content)
	}
	return v, err
}

// bucketing of a flag is what the author says, else what it was: nobody moves to
// another bucket because the server was upgraded.
func bucketing(e *Edit, cur *flags.DocumentVersion) (string, error) {
	b := e.Bucketing
	if b == "" {
		b = flags.Bucketing(cur.Version)
	}
	switch b {
	case "", flags.BucketingV2:
		return string(flags.BucketingV2), nil
	}
	return "", flags.AsProblems([]flags.Problem{{File: e.Source, Field: "spec.bucketing", Message: fmt.Sprintf("%q is not known; allowed: %s", b, flags.BucketingV2)}})
}

// tooMany refuses what would grow without bound; eval limits the rest.
func tooMany(s *state) []flags.Problem {
	count := map[flags.DocumentKind]int{}
	for id, v := range s.documents {
		if v.Status != flags.StatusDeleted {
			count[id.Kind]++
		}
	}
	var out []flags.Problem
	for _, l := range []struct {
		kind flags.DocumentKind
		most int
	}{{flags.KindFlag, eval.MaxFlags}, {flags.KindCohort, eval.MaxFlags}, {flags.KindRolloutPlan, maxPlans}, {flags.KindRule, maxPlans}, {flags.KindLabel, maxPlans}, {flags.KindPolicy, maxPolicies}, {flags.KindOwnership, maxPlans}} {
		if n := count[l.kind]; n > l.most {
			out = append(out, flags.Problem{Message: fmt.Sprintf("this makes %d documents of kind %s; at most %d are allowed", n, l.kind, l.most)})
		}
	}
	return out
}
