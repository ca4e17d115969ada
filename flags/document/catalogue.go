package document

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidemark/flags"
	"tidemark/flags/flagset"
	"tidemark/flags/guarantee"
	"tidemark/flags/reconcile"
	"tidemark/flags/rollout"
)

// Options are what a Catalogue needs.
type Options struct {
	Promises *guarantee.Catalogue
	Flags    *flagset.Catalogue
	Rollouts flags.RolloutStore
	Webhooks rollout.PlanWebhooks // nil when they are not known
	Now      func() time.Time
	// Stored is called after rollouts were stored; may be nil.
	Stored func([]flags.RolloutChange)
}

// Catalogue is the documents of every kind. It is safe for concurrent use.
type Catalogue struct{ opt Options }

// New returns a catalogue over those of each kind.
func New(opt Options) *Catalogue {
	if opt.Stored == nil {
		opt.Stored = func([]flags.RolloutChange) {}
	}
	return &Catalogue{opt}
}

// Plan says what applying a batch would do, and stores nothing. The error lists what is
// wrong, of all documents; what a rule forbids is in the plan.
func (c *Catalogue) Plan(ctx context.Context, b *Batch, by flags.Author) (*guarantee.Plan, error) {
	d, err := c.decide(ctx, b, by)
	if err != nil {
		return nil, err
	}
	return d.plan, nil
}

// Apply plans and, unless something is refused, stores everything in one transaction,
// each change with its audit record. The plan is returned also with an error that wraps
// flags.ErrRefused. When somebody else changed a document in between it decides once
// more and then gives flags.ErrChanged.
func (c *Catalogue) Apply(ctx context.Context, b *Batch, by flags.Author) (*guarantee.Plan, error) {
	if err := by.Check(false); err != nil {
		return nil, err
	}
	p, err := c.apply(ctx, b, by)
	if errors.Is(err, flags.ErrChanged) {
		p, err = c.apply(ctx, b, by)
	}
	return p, err
}

func (c *Catalogue) apply(ctx context.Context, b *Batch, by flags.Author) (*guarantee.Plan, error) {
	d, err := c.decide(ctx, b, by)
	if err != nil {
		return nil, err
	}
	if err := d.plan.Err(); err != nil {
		return d.plan, err
	}
	others := flagset.Others{Documents: c.opt.Promises.Changes(d.promises, by), Rollouts: d.rollouts}
	if _, err := c.opt.Flags.Apply(ctx, d.edits, by, others); err != nil {
		return nil, err
	}
	for i := range d.rollouts {
		d.told(&d.rollouts[i])
	}
	c.opt.Stored(d.rollouts)
	if len(others.Documents) == 0 {
		return d.plan, nil
	}
	return d.plan, c.opt.Promises.Tell(ctx)
}

// decision is what is to be stored, and how it is told.
type decision struct {
	plan     *guarantee.Plan
	promises *guarantee.Plan
	edits    []flagset.Edit // each upon the revision that was looked at
	rollouts []flags.RolloutChange
}

func (c *Catalogue) decide(ctx context.Context, b *Batch, by flags.Author) (*decision, error) {
	var all problems
	d := &decision{plan: &guarantee.Plan{Steps: []guarantee.Step{}}, edits: slices.Clone(b.Edits)}
	var err error
	if d.promises, err = c.opt.Promises.Plan(ctx, b.Promises); all.not(err) {
		return nil, err
	}
	edits, err := c.opt.Flags.Plan(ctx, b.Edits)
	if all.not(err) {
		return nil, err
	}
	if len(all.list) > 0 {
		return nil, c.alsoPlans(ctx, b, &all)
	}
	for i := range d.promises.Steps {
		s := d.promises.Steps[i]
		s.Notes = append(s.Notes, c.ruleNotes(b, s.Document())...)
		d.plan.Steps = append(d.plan.Steps, s)
	}
	for i := range edits.Steps {
		s := &edits.Steps[i]
		d.edits[i].Base = s.From
		d.plan.Steps = append(d.plan.Steps, stepOf(s))
	}
	return d, c.decideRollouts(ctx, b, d, by)
}

// alsoPlans adds what is wrong with plans to what is wrong with other documents, so
// that all of it is seen at once.
func (c *Catalogue) alsoPlans(ctx context.Context, b *Batch, all *problems) error {
	makes := c.plans(b, nil)
	for i := range b.Edits {
		if e := &b.Edits[i]; e.ID.Kind == flags.KindRolloutPlan {
			if _, _, err := makes.Read(ctx, e.ID.Name, e.Content); all.in(e.Source, err) {
				return err
			}
		}
	}
	return flags.AsProblems(all.list)
}

func (c *Catalogue) plans(b *Batch, stored []flags.Rollout) *rollout.Documents {
	return &rollout.Documents{Flags: &newFlags{c, b}, Promises: &newPromises{c, b}, Webhooks: c.opt.Webhooks, Rollouts: stored, Now: c.opt.Now}
}

func stepOf(s *flagset.Step) guarantee.Step {
	out := guarantee.Step{Kind: s.Kind, Name: s.Name, Source: s.Source, Action: guarantee.Action(s.Action), To: strconv.FormatInt(s.To, 10), Diff: s.Diff}
	if s.From > 0 {
		out.From = strconv.FormatInt(s.From, 10)
	}
	return out
}

// decideRollouts decides what plans do to rollouts.
func (c *Catalogue) decideRollouts(ctx context.Context, b *Batch, d *decision, by flags.Author) error {
	first := len(b.Promises) // The steps of edits come after those of promises.
	if !slices.ContainsFunc(b.Edits, func(e flagset.Edit) bool { return e.ID.Kind == flags.KindRolloutPlan }) {
		return nil
	}
	all, err := c.opt.Rollouts.Rollouts(ctx)
	if err != nil {
		return fmt.Errorf("rollouts: %w", err)
	}
	makes := c.plans(b, all)
	var wrong problems
	for i := range b.Edits {
		e, s := &b.Edits[i], &d.plan.Steps[first+i]
		if e.ID.Kind != flags.KindRolloutPlan {
			continue
		}
		change, err := makes.Change(ctx, e.ID.Name, e.Content, s.Action != guarantee.ActionUnchanged, by)
		switch {
		case errors.Is(err, flags.ErrRefused):
			s.Refuse(strings.TrimPrefix(err.Error(), flags.ErrRefused.Error()+": "))
		case wrong.in(e.Source, err):
			return err
		case change != nil:
			d.rollouts = append(d.rollouts, *change)
			s.Notes = append(s.Notes, "It makes a draft rollout of "+change.Rollout.Plan.Flag+": nobody gets "+change.Rollout.Plan.Candidate+" by it before it is started.")
			if change.Rollout.Revision > 1 {
				s.Notes[len(s.Notes)-1] = "It changes the draft rollout " + change.Rollout.ID + "; approvals of the earlier plan go."
			}
		}
	}
	return flags.AsProblems(wrong.list)
}

// told names a rollout that was made in the plan's words.
func (d *decision) told(r *flags.RolloutChange) {
	for i := range d.plan.Steps {
		s := &d.plan.Steps[i]
		if s.Kind == flags.KindRolloutPlan && s.Name == r.Rollout.Document && r.Rollout.Revision == 1 {
			s.Notes = append(s.Notes, "The rollout is "+r.Rollout.ID+".")
		}
	}
}

// ruleNotes says when a guarantee names a reconciliation rule that is not kept here: it
// may be on its way, so that this forbids nothing.
func (c *Catalogue) ruleNotes(b *Batch, d *flags.Document) []string {
	if d == nil || d.Guarantee == nil || d.Guarantee.Reconciliation == nil {
		return nil
	}
	want := d.Guarantee.Reconciliation
	if slices.Contains(reconcile.Strategies(), reconcile.Strategy(want.Rule)) {
		return nil
	}
	content, ok := c.rule(b, want.Rule)
	if !ok {
		return []string{fmt.Sprintf("There is no ReconciliationRule %q: nobody can read here how conflicts are decided.", want.Rule)}
	}
	if r, err := reconcile.Stored(content); err == nil && r.Version != want.Version {
		return []string{fmt.Sprintf("It names version %d of rule %q, and version %d is current.", want.Version, want.Rule, r.Version)}
	}
	return nil
}

func (c *Catalogue) rule(b *Batch, name string) (json.RawMessage, bool) {
	id := flags.DocumentID{Kind: flags.KindRule, Name: name}
	for i := range b.Edits {
		if b.Edits[i].ID == id {
			return b.Edits[i].Content, true
		}
	}
	v, err := c.opt.Flags.Get(id)
	return v.Content, err == nil
}

// problems collects what is wrong in several places.
type problems struct{ list []flags.Problem }

// not collects the problems of an error; it reports whether it is an error of another
// kind.
func (p *problems) not(err error) bool {
	if ps, ok := errors.AsType[*flags.ProblemsError](err); ok {
		p.list = append(p.list, ps.Problems...)
		return false
	}
	return err != nil
}

// in is not for problems of what is below spec in a document of a file.
func (p *problems) in(source string, err error) bool {
	ps, ok := errors.AsType[*flags.ProblemsError](err)
	if !ok {
		return err != nil
	}
	for _, x := range ps.Problems {
		x.File = source
		x.Field = strings.TrimSuffix("spec."+x.Field, ".")
		p.list = append(p.list, x)
	}
	return false
}

// Stored is the current revision of a document with its text.
type Stored struct {
	flags.DocumentVersion
	Text []byte // canonical YAML
}

// Current returns the newest revision of every document that is not deleted, ordered by
// kind and name.
func (c *Catalogue) Current(ctx context.Context) ([]Stored, error) {
	promises, err := c.opt.Promises.Current(ctx)
	if err != nil {
		return nil, err
	}
	return c.withOthers(promises)
}

// withOthers adds the documents of the other kinds to promises.
func (c *Catalogue) withOthers(promises []guarantee.Stored) ([]Stored, error) {
	out := make([]Stored, 0, len(promises))
	for i := range promises {
		out = append(out, Stored{promises[i].DocumentVersion, promises[i].Content})
	}
	for _, k := range flagset.Kinds() {
		for _, v := range c.opt.Flags.List(k) {
			text, err := YAML(v.ID, v.Content)
			if err != nil {
				return nil, err
			}
			out = append(out, Stored{v, text})
		}
	}
	slices.SortStableFunc(out, func(a, b Stored) int { return strings.Compare(string(a.ID.Kind), string(b.ID.Kind)) })
	return out, nil
}

// LeftOut begins a line of an export about a draft that is not in it.
const LeftOut = "# Left out: "

// Export writes every document into one file that Parse reads back: what is in force, and
// at the top which drafts beside it are left out; or, with drafts, those in its place.
func (c *Catalogue) Export(ctx context.Context, drafts bool) ([]byte, error) {
	promises, err := c.opt.Promises.Current(ctx)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if !drafts {
		if promises, err = c.inForce(ctx, promises, &out); err != nil {
			return nil, err
		}
	}
	docs, err := c.withOthers(promises)
	if err != nil {
		return nil, err
	}
	for i := range docs {
		if i > 0 {
			out.WriteString("---\n")
		}
		out.Write(docs[i].Text)
	}
	return out.Bytes(), nil
}

// inForce replaces drafts by what goes on beside them, and says so.
func (c *Catalogue) inForce(ctx context.Context, newest []guarantee.Stored, say *bytes.Buffer) ([]guarantee.Stored, error) {
	held, err := c.opt.Promises.InForce(ctx)
	if err != nil {
		return nil, err
	}
	by := map[flags.DocumentID]*guarantee.Stored{}
	for i := range held {
		by[held[i].ID] = &held[i]
	}
	out := make([]guarantee.Stored, 0, len(newest))
	for i := range newest {
		n := &newest[i]
		if h := by[n.ID]; h != nil && h.Revision != n.Revision {
			fmt.Fprintf(say, "%s%s %s, a draft beside version %s, which is in force.\n", LeftOut, n.ID, n.Version, h.Version)
			n = h
		}
		out = append(out, *n)
	}
	return out, nil
}

// OpenSLO writes the active guarantees as OpenSLO v1.
func (c *Catalogue) OpenSLO(ctx context.Context) ([]byte, error) {
	docs, err := c.opt.Promises.InForce(ctx)
	if err != nil {
		return nil, err
	}
	return guarantee.Export(docs, true), nil
}

// Flagd writes the flags as a stock flagd reads them, indented; what rollouts decide is
// written out as targeting.
func (c *Catalogue) Flagd() ([]byte, error) {
	raw, err := c.opt.Flags.Set().Flagd()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return nil, fmt.Errorf("write flags for flagd: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}
