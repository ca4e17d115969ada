package flagset

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tidemark/flags"
	"tidemark/flags/eval"
)

// SetName is the name of the one document that holds the set's own metadata.
const SetName = "default"

// Options are what a Catalogue needs.
type Options struct {
	Store flags.GuaranteeStore
	// Rollouts says which rollouts decide at the start; nil when there are none.
	Rollouts flags.RolloutStore
	// Usage keeps how often flags are evaluated; nil keeps it in memory alone.
	Usage flags.UsageStore
	// PinCounts keeps how many sessions hold pins; nil keeps it in memory alone.
	PinCounts flags.PinStore
	// Pins signs and checks the pins of sessions; nil gives none.
	Pins *eval.Pins
	Now  func() time.Time
	// CheckPlan says what is wrong with a rollout plan, which is JSON; nil takes any
	// object.
	CheckPlan func(plan json.RawMessage) error
	// LabelsChanged is called after documents of kind Label were stored; may be nil.
	LabelsChanged func(ctx context.Context) error
	// CheckPolicy says what is wrong with a policy; nil takes any object.
	CheckPolicy func(name string, policy []byte) error
	// PoliciesChanged is called after documents of kind Policy or Ownership were stored;
	// may be nil.
	PoliciesChanged func(ctx context.Context) error
}

// Catalogue is the flags, cohorts and set metadata with their history. It is safe
// for concurrent use.
type Catalogue struct {
	opt     Options
	usage   *usage
	pins    *pins
	sample  *sample
	cohorts cohortCache
	trials  atomic.Int32 // rules that are being tried
	tryFor  time.Duration

	// mu is held by whoever changes something, so that what is compiled is what is
	// stored. Readers never wait for it.
	mu  sync.Mutex
	now atomic.Pointer[state]
}

// state is what is current. It is never changed, only replaced.
type state struct {
	documents   map[flags.DocumentID]flags.DocumentVersion // tombstones too
	past        map[string][]eval.Source
	assignments []flags.Assignment
	pinsBroken  map[string]int64 // by flag, Unix ns; nil when nobody keeps account
	set         *eval.Set
	counters    counters      // of what set answers
	changed     chan struct{} // closed when the next state takes its place
}

// Open reads the catalogue and compiles it.
func Open(ctx context.Context, opt Options) (*Catalogue, error) {
	c := &Catalogue{opt: opt, usage: newUsage(), pins: newPins(), sample: newSample(opt.Now), tryFor: tryFor}
	s, err := c.read(ctx)
	if err != nil {
		return nil, err
	}
	if s.assignments, err = activeAssignments(ctx, opt.Rollouts); err != nil {
		return nil, err
	}
	if s.pinsBroken, err = pinsBroken(ctx, opt.Rollouts); err != nil {
		return nil, err
	}
	if s.set, err = c.compile(s); err != nil {
		return nil, fmt.Errorf("stored flags cannot be evaluated: %w", err)
	}
	s.counters = make(counters, s.set.Kinds())
	c.now.Store(s)
	return c, nil
}

// read makes a state of what is stored, without its set.
func (c *Catalogue) read(ctx context.Context) (*state, error) {
	history, err := c.opt.Store.History(ctx)
	if err != nil {
		return nil, fmt.Errorf("flags: %w", err)
	}
	s := &state{documents: map[flags.DocumentID]flags.DocumentVersion{}, past: map[string][]eval.Source{}, changed: make(chan struct{})}
	for _, v := range history {
		if Keeps(v.ID.Kind) {
			s.put(v, c.opt.Now())
		}
	}
	return s, nil
}

// Keeps reports whether documents of a kind belong to this catalogue.
func Keeps(k flags.DocumentKind) bool { return slices.Contains(Kinds(), k) }

// Kinds lists the kinds of document that the catalogue keeps.
func Kinds() []flags.DocumentKind {
	return []flags.DocumentKind{flags.KindFlag, flags.KindCohort, flags.KindFlagSet, flags.KindRolloutPlan, flags.KindRule, flags.KindLabel, flags.KindPolicy, flags.KindOwnership}
}

// Revisions of a flag that a session may still be pinned to: those that were current
// within keepPast, and of these the newest maxPast.
const (
	keepPast = 31 * 24 * time.Hour
	maxPast  = 50
)

// put makes a revision current. The flag's revision before it becomes part of the
// past, where sessions that are pinned to it find it.
func (s *state) put(v flags.DocumentVersion, now time.Time) {
	old, ok := s.documents[v.ID]
	s.documents[v.ID] = v
	if !ok || v.ID.Kind != flags.KindFlag || old.Status == flags.StatusDeleted || now.Sub(v.At) > keepPast {
		return
	}
	past := append(slices.Clone(s.past[v.ID.Name]), source(&old))
	s.past[v.ID.Name] = past[max(0, len(past)-maxPast):]
}

// clone copies the state so that a change can be tried on it.
func (s *state) clone() *state {
	return &state{
		documents: maps.Clone(s.documents), past: maps.Clone(s.past), assignments: s.assignments,
		pinsBroken: s.pinsBroken, set: s.set, changed: make(chan struct{}),
	}
}

// current returns the documents of a kind that are not deleted, ordered by name.
func (s *state) current(k flags.DocumentKind) []flags.DocumentVersion {
	out := []flags.DocumentVersion{}
	for id, v := range s.documents {
		if id.Kind == k && v.Status != flags.StatusDeleted {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b flags.DocumentVersion) int { return strings.Compare(a.ID.Name, b.ID.Name) })
	return out
}

// Set returns what evaluates: the current flags, compiled. It costs one atomic load.
func (c *Catalogue) Set() *eval.Set { return c.now.Load().set }

// Changed returns a channel that is closed at the next change. Take it before Set,
// so that no change falls in between.
func (c *Catalogue) Changed() <-chan struct{} { return c.now.Load().changed }

// SetAssignments replaces what rollouts decide. Nothing changes when one of them
// does not fit its flag.
func (c *Catalogue) SetAssignments(ctx context.Context, as []flags.Assignment) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.now.Load().clone()
	broken, err := pinsBroken(ctx, c.opt.Rollouts)
	if err != nil {
		return err
	}
	s.assignments, s.pinsBroken = slices.Clone(as), broken
	if s.set, err = c.compile(s); err != nil {
		return fmt.Errorf("assignments: %w", err)
	}
	c.swap(s)
	return nil
}

// Assignments returns what rollouts decide.
func (c *Catalogue) Assignments() []flags.Assignment { return slices.Clone(c.now.Load().assignments) }

// swap makes a state current and wakes who waits for a change.
func (c *Catalogue) swap(s *state) {
	s.counters = make(counters, s.set.Kinds())
	close(c.now.Swap(s).changed)
}
