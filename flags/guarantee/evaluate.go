package guarantee

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tidemark/flags"
)

// EvaluatorOptions are what an Evaluator needs.
type EvaluatorOptions struct {
	Store    flags.GuaranteeStore
	Observer Observer
	// Team returns who owns a feature that promises nothing; "" = nobody. May be nil.
	Team func(feature string) string
	// Alert is given the state of every alert rule after each evaluation; may be nil.
	Alert func(ctx context.Context, now time.Time, conditions []flags.AlertCondition) error
}

// Evaluator judges every active guarantee again and again. Tick is called by one
// caller at a time; everything else may be called at any time.
type Evaluator struct {
	opt     EvaluatorOptions
	snap    atomic.Pointer[Snapshot]
	mu      sync.Mutex // held by Tick
	docs    []Stored
	counts  map[countKey]timedCount
	day     string
	pointed time.Time
	loaded  time.Time
	stale   atomic.Bool
}

type countKey struct {
	guarantee, objective string
	window               time.Duration
}

type timedCount struct {
	Count
	first    time.Time // when there was first anything to count
	at, used time.Time
}

// NewEvaluator returns an evaluator that has judged nothing yet.
func NewEvaluator(opt EvaluatorOptions) *Evaluator {
	e := &Evaluator{opt: opt, counts: map[countKey]timedCount{}}
	e.snap.Store(&Snapshot{Results: []Result{}})
	e.stale.Store(true)
	return e
}

// Snapshot returns the latest verdicts without waiting. It is never nil and must
// not be changed.
func (e *Evaluator) Snapshot() *Snapshot { return e.snap.Load() }

// Reload makes the next Tick read the documents again.
func (e *Evaluator) Reload(context.Context) error {
	e.stale.Store(true)
	return nil
}

// Tick judges every active guarantee at a moment, publishes the verdicts, hands on
// the state of the alert rules, and keeps one point of attainment a day. When it
// fails, the verdicts before stay published with the error.
func (e *Evaluator) Tick(ctx context.Context, now time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.tick(ctx, now)
	if err != nil {
		last := *e.Snapshot()
		last.Error = err.Error()
		e.snap.Store(&last)
	}
	return err
}

func (e *Evaluator) tick(ctx context.Context, now time.Time) error {
	if err := e.load(ctx, now); err != nil {
		return err
	}
	snap := &Snapshot{At: now, Results: []Result{}}
	conditions := []flags.AlertCondition{}
	for i := range e.docs {
		r, cs, err := e.guarantee(ctx, &e.docs[i], now)
		if err != nil {
			return fmt.Errorf("evaluate %s: %w", e.docs[i].ID, err)
		}
		snap.Results = append(snap.Results, r)
		conditions = append(conditions, cs...)
	}
	policy, err := e.policyConditions(ctx, now)
	if err != nil {
		return err
	}
	conditions = append(conditions, policy...)
	e.forget(now)
	slices.SortStableFunc(snap.Results, func(a, b Result) int {
		return cmp.Or(cmp.Compare(a.Verdict.rank(), b.Verdict.rank()), cmp.Compare(a.Feature, b.Feature), cmp.Compare(a.Guarantee, b.Guarantee))
	})
	e.snap.Store(snap)
	if e.opt.Alert != nil {
		err = e.opt.Alert(ctx, now, conditions)
	}
	return errors.Join(err, e.keepPoints(ctx, snap))
}

// reread is how often the documents are read anew although nobody here changed
// them: another process may have.
const reread = time.Minute

// load reads the active guarantees when they may have changed.
func (e *Evaluator) load(ctx context.Context, now time.Time) error {
	if !e.stale.Swap(false) && now.Sub(e.loaded) < reread {
		return nil
	}
	vs, err := e.opt.Store.Documents(ctx)
	if err == nil {
		vs, err = versionsInForce(ctx, e.opt.Store, promises(vs))
	}
	var docs []Stored
	if err == nil {
		docs, err = decodeAll(vs)
	}
	if err != nil {
		e.stale.Store(true)
		return fmt.Errorf("evaluate: read documents: %w", err)
	}
	e.loaded = now
	e.docs = slices.DeleteFunc(docs, func(s Stored) bool {
		return s.Document.Guarantee == nil || s.Document.Status() != flags.StatusActive
	})
	return nil
}

func (e *Evaluator) guarantee(ctx context.Context, s *Stored, now time.Time) (Result, []flags.AlertCondition, error) {
	g := s.Document.Guarantee
	r := Result{
		Guarantee: g.Name, Feature: g.Feature, Version: g.Version, Revision: s.Revision,
		Owner: g.Owner, Story: g.Story, Model: g.Model, Objectives: []ObjectiveResult{},
	}
	state, err := e.opt.Observer.State(ctx, g.Feature, now)
	if err != nil {
		return r, nil, err
	}
	for _, rep := range state.Replicas {
		if rep.Expected && rep.Silent {
			r.Silent = append(r.Silent, rep.Name)
		}
	}
	conditions := []flags.AlertCondition{silenceCondition(g, &r, &state, now)}
	for i := range g.Objectives {
		o := &g.Objectives[i]
		or, err := e.objective(ctx, g, o, &state, now)
		if err != nil {
			return r, nil, fmt.Errorf("%s: %w", o.Key(), err)
		}
		r.Objectives = append(r.Objectives, or)
		conditions = append(conditions, objectiveConditions(g, &or)...)
	}
	r.sum()
	return r, conditions, nil
}

func (e *Evaluator) objective(ctx context.Context, g *flags.Guarantee, o *flags.Objective, s *State, now time.Time) (ObjectiveResult, error) {
	r := ObjectiveResult{Key: o.Key(), SLI: o.SLI, Words: Words(o), WindowNS: int64(o.Window)}
	silent := silentFor(o, s)
	if !o.Counts() {
		r.LimitNS = int64(o.Value)
		r.judgeAge(o, silent, s, now)
		return r, nil
	}
	r.Goal = o.Goal()
	whole, err := e.count(ctx, g, o, o.Window, now)
	if err != nil {
		return r, err
	}
	r.Good, r.Eligible = whole.Eligible-whole.Bad, whole.Eligible
	if r.Eligible > 0 {
		share := float64(r.Good) / float64(r.Eligible)
		left, _ := budgetLeft(whole, allowed(o))
		r.Attainment, r.BudgetLeft = &share, &left
	}
	if err := e.burn(ctx, g, o, &r, now); err != nil {
		return r, err
	}
	r.judge(o, silent, s, now)
	return r, nil
}

// burn adds the burn rates, and how long the budget lasts at that of the last hour.
func (e *Evaluator) burn(ctx context.Context, g *flags.Guarantee, o *flags.Objective, r *ObjectiveResult, now time.Time) error {
	for _, rule := range BurnRules() {
		if rule.Long > o.Window {
			continue // the budget itself is younger than the rule
		}
		b := BurnResult{Rule: rule.Name, Severity: rule.Severity, Factor: rule.Factor, LongNS: int64(rule.Long), ShortNS: int64(rule.Short)}
		var err error
		if b.Long, err = e.rate(ctx, g, o, rule.Long, now); err != nil {
			return err
		}
		if b.Short, err = e.rate(ctx, g, o, rule.Short, now); err != nil {
			return err
		}
		b.Exceeded = b.known() && *b.Long > rule.Factor && *b.Short > rule.Factor
		r.Burn = append(r.Burn, b)
	}
	if len(r.Burn) == 0 || r.Burn[0].Long == nil || r.BudgetLeft == nil {
		return nil
	}
	if d, ok := exhaustion(*r.BudgetLeft, *r.Burn[0].Long, o.Window); ok {
		ns := int64(d)
		r.ExhaustedInNS = &ns
	}
	return nil
}

func (e *Evaluator) rate(ctx context.Context, g *flags.Guarantee, o *flags.Objective, window time.Duration, now time.Time) (*float64, error) {
	c, err := e.count(ctx, g, o, window, now)
	if err != nil {
		return nil, err
	}
	rate, ok := burnRate(c, allowed(o))
	if !ok {
		return nil, nil
	}
	return &rate, nil
}

// count asks the observer, but for a wide window not at every tick: a minute
// changes little of three days, unless it was in that minute that they came in.
func (e *Evaluator) count(ctx context.Context, g *flags.Guarantee, o *flags.Objective, window time.Duration, now time.Time) (Count, error) {
	k := countKey{g.Name, o.Key(), window}
	kept, ok := e.counts[k]
	if ok && now.Sub(kept.at) < refresh(window, now.Sub(kept.first)) && !now.Before(kept.at) {
		kept.used = now
		e.counts[k] = kept
		return kept.Count, nil
	}
	c, err := e.opt.Observer.Count(ctx, g.Feature, o, window, now)
	if err != nil {
		return c, fmt.Errorf("count over %s: %w", flags.FormatDuration(window), err)
	}
	if c.Eligible > 0 { // nothing is soon something: a feature has just begun
		first := now
		if ok {
			first = kept.first
		}
		e.counts[k] = timedCount{c, first, now, now}
	}
	return c, nil
}

// refresh is how old a count may be: a two-hundredth of its window, from nothing
// for windows under 30 minutes to a minute, and at most a tenth of the time since
// there was first anything to count.
func refresh(window, known time.Duration) time.Duration {
	if window < 30*time.Minute {
		return 0
	}
	return min(window/200, time.Minute, known/10)
}

// forget drops counts that the last tick had no use for.
func (e *Evaluator) forget(now time.Time) {
	for k, c := range e.counts {
		if !c.used.Equal(now) {
			delete(e.counts, k)
		}
	}
}
