package rollup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"tidemark/metrics"
)

// findLimit bounds how much of the history of one entity is read back.
const findLimit = 10_000

// openKeysMarks sizes the filter of keys with open writes that were put down, in
// marks' worth of entities; more keys only cost look-ups in vain.
const openKeysMarks = 5

// reloadBudget limits the share of time that goes into reading states back, and what of
// it one feature takes: at most half of what the others leave, so that there always is
// something left for one that had nothing yet. Reading back may take longer than there
// was left, since nothing ends it: the feature waits until the rest is paid.
type reloadBudget struct {
	share float64
	since time.Time
	spent time.Duration // in this window
	by    map[*feature]spending
}

// spending is what one feature has spent: of this window, and beyond that what is not paid yet.
type spending struct{ now, owed time.Duration }

func (s spending) all() time.Duration { return s.now + s.owed }

// budgetWindow is over how long the share is taken: short, since all of it may be
// spent at once, and readers and senders wait as long.
const budgetWindow = 100 * time.Millisecond

func (b *reloadBudget) begin(now time.Time) {
	if past := now.Sub(b.since); past > budgetWindow {
		b.since, b.spent = now, 0
		b.pay(past)
	}
}

// pay gives features what they had of the time that is past: as much to each, and what
// one does not need to those who owe more, but to none more than half.
func (b *reloadBudget) pay(past time.Duration) {
	rest := time.Duration(b.share * float64(past))
	most := rest / 2
	owing := slices.SortedFunc(maps.Keys(b.by), func(f, g *feature) int { return cmp.Compare(b.by[f].all(), b.by[g].all()) })
	for i, f := range owing {
		all := b.by[f].all()
		paid := min(all, most, rest/time.Duration(len(owing)-i))
		rest -= paid
		if b.by[f] = (spending{owed: all - paid}); paid == all {
			delete(b.by, f)
		}
	}
}

func (b *reloadBudget) allows(f *feature) bool {
	return b.share >= 1 || b.by[f].all() < b.most(f)
}

// most is what a feature may spend in this window.
func (b *reloadBudget) most(f *feature) time.Duration {
	return (time.Duration(b.share*float64(budgetWindow)) - (b.spent - b.by[f].now)) / 2
}

// spend takes no more from the others than the feature was allowed; the rest it owes.
func (b *reloadBudget) spend(f *feature, took time.Duration) {
	switch {
	case b.share >= 1:
		return
	case b.by == nil:
		b.by = map[*feature]spending{}
	}
	own := b.by[f]
	now := min(took, max(0, b.most(f)-own.now))
	b.by[f] = spending{now: own.now + now, owed: own.owed + took - now}
	b.spent += now
}

// loaded collects the states made while reading back: they are already counted.
type loaded struct {
	depth    int
	writes   []*write
	sessions []*sessionState
	reads    []*read
	unlinked []*write // to be linked to the reads that returned their versions
}

// lookBack reads the events of a feature's entity that were folded before this batch.
func (e *Engine) lookBack(ctx context.Context, f *feature, kind metrics.EntityKind, ent metrics.Entity) ([]metrics.Event, error) {
	if e.base == 0 { // nothing was folded yet, and 0 would mean no bound
		return nil, nil
	}
	if !e.reload.allows(f) {
		return nil, errSkip
	}
	begin := e.opts.Now()
	events, _, err := e.store.Find(ctx, metrics.FindQuery{Kind: kind, Entity: ent, Feature: f.name, Before: e.base, Limit: findLimit})
	e.reload.spend(f, e.opts.Now().Sub(begin))
	e.stats.Reloads++
	if err != nil {
		return nil, fmt.Errorf("read back entity %x: %w", uint64(ent), err)
	}
	return events, nil
}

// beginLoad and endLoad bracket the making of states that are already counted: no
// change to them is a change of the series.
func (e *Engine) beginLoad() { e.loaded.depth++ }

func (e *Engine) endLoad() {
	e.loaded.depth--
	if e.loaded.depth > 0 {
		return
	}
	l := e.loaded
	e.loaded = loaded{}
	for _, w := range l.writes {
		if w.key != nil {
			e.settleKey(w.key)
		}
	}
	for _, w := range l.unlinked {
		if w.key != nil {
			e.linkReads(w.key, w)
		}
	}
	for _, w := range l.unlinked {
		if w.key != nil {
			e.linkKey(w.key)
		}
	}
	for _, w := range l.writes {
		w.dirty, w.counted = false, true
		e.weigh(&w.weight, w.bytes())
		w.f.list(w, w.open())
	}
	for _, s := range l.sessions {
		s.dirty, s.counted = false, true
		e.judgeSession(s)
	}
	e.withStale(func() {
		for _, r := range l.reads {
			r.dirty, r.counted = false, true
			e.weigh(&r.weight, r.bytes())
			if r.key != nil {
				r.countedAs = e.stalenessOf(r)
			}
		}
	})
	e.settled++
}

// recallWrite brings a feature's writes with that entity back, with their sessions.
func (e *Engine) recallWrite(ctx context.Context, f *feature, ent metrics.Entity) error {
	events, err := e.lookBack(ctx, f, metrics.EntityWrite, ent)
	if err != nil {
		return err
	}
	e.beginLoad()
	defer e.endLoad()
	var missing []string
	first := len(e.loaded.writes)
	for i := range events {
		ev := &events[i]
		if metrics.WriteEntity(ev.WriteID) != ent || !ofWrite(ev) {
			continue
		}
		w := e.lookupWrite(ent, f, ev.WriteID)
		if w == nil {
			w = e.newWrite(ent, f, ev.WriteID)
			w.dirty, w.row = true, true
			e.loaded.writes = append(e.loaded.writes, w)
		}
		if !slices.Contains(e.loaded.writes, w) {
			continue
		}
		e.joinWrite(w, ev)
		if id := sessionOf(ev); id != "" && w.session == nil && !slices.Contains(missing, id) {
			missing = append(missing, id)
		}
	}
	for _, w := range e.loaded.writes[first:] {
		if w.key != nil && w.f.stateBased { // what later versions satisfy
			if err := e.recallKey(ctx, w.key); err != nil && !errors.Is(err, errSkip) {
				return err
			}
		}
	}
	for _, id := range missing {
		if s := e.lookupSession(metrics.SessionEntity(id), f, id); s != nil && slices.Contains(e.loaded.sessions, s) {
			continue // its reading back is under way and will come to this write
		}
		if err := e.recallSession(ctx, f, metrics.SessionEntity(id), id); err != nil && !errors.Is(err, errSkip) {
			return err
		}
	}
	return nil
}

// recallSession brings a feature's part of a session back with all its operations.
func (e *Engine) recallSession(ctx context.Context, f *feature, ent metrics.Entity, id string) error {
	events, err := e.lookBack(ctx, f, metrics.EntitySession, ent)
	if err != nil {
		return err
	}
	e.beginLoad()
	defer e.endLoad()
	s := e.lookupSession(ent, f, id)
	if s == nil {
		s = e.newSession(ent, f, id)
		s.dirty = true
		e.loaded.sessions = append(e.loaded.sessions, s)
	}
	for i := range events {
		ev := &events[i]
		if ev.SessionID != id {
			continue
		}
		if ev.Kind == metrics.KindRead {
			if err := e.loadRead(ctx, f, s, ev); err != nil {
				return err
			}
			continue
		}
		if ofWrite(ev) && sessionOf(ev) != "" {
			if err := e.loadSessionWrite(ctx, f, s, ev); err != nil {
				return err
			}
		}
	}
	return nil
}

// ofWrite reports whether the fold joins an event into a write.
func ofWrite(ev *metrics.Event) bool {
	return ev.WriteID != "" && (ev.Kind.IsStage() || ev.Kind == metrics.KindFailed)
}

func (e *Engine) loadSessionWrite(ctx context.Context, f *feature, s *sessionState, ev *metrics.Event) error {
	ent := metrics.WriteEntity(ev.WriteID)
	w := e.lookupWrite(ent, f, ev.WriteID)
	if w == nil {
		if err := e.recallWrite(ctx, f, ent); err != nil {
			return err
		}
		if w = e.lookupWrite(ent, f, ev.WriteID); w == nil {
			return nil
		}
	}
	if w.session != nil {
		return nil
	}
	w.session = s
	s.add(sessionOp{seq: w.seq, w: w})
	if w.node.prev != nil {
		e.lru.remove(&w.node)
	}
	return nil
}

// loadRead makes a read again that is already counted.
func (e *Engine) loadRead(ctx context.Context, f *feature, s *sessionState, ev *metrics.Event) error {
	id := e.readID(ev)
	r := e.findRead(s, id, ev.SessionSeq)
	switch {
	case r == nil:
		r = e.newRead(f, s, id, ev)
		r.dirty = true
		e.loaded.reads = append(e.loaded.reads, r)
	case !slices.Contains(e.loaded.reads, r) || !e.wins(r, ev):
		return nil
	}
	e.setRead(r, ev)
	if r.key != nil && !r.key.covers(r) {
		if err := e.recallKey(ctx, r.key); err != nil && !errors.Is(err, errSkip) {
			return err
		}
	}
	return nil
}

// recallKey brings everything of a key back.
func (e *Engine) recallKey(ctx context.Context, k *keyState) error {
	if k.complete {
		return nil
	}
	events, err := e.lookBack(ctx, k.f, metrics.EntityKey, k.entity)
	if err != nil {
		return err
	}
	k.complete, k.putDown = true, metrics.Version{}
	e.beginLoad()
	defer e.endLoad()
	for i := range events {
		ev := &events[i]
		if ev.Key != k.key || ev.Feature != k.f.name {
			continue
		}
		if err := e.loadOfKey(ctx, k, ev); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) loadOfKey(ctx context.Context, k *keyState, ev *metrics.Event) error {
	if ev.Kind == metrics.KindRead {
		if ev.SessionID == "" {
			return e.loadRead(ctx, k.f, nil, ev)
		}
		ent := metrics.SessionEntity(ev.SessionID)
		if e.lookupSession(ent, k.f, ev.SessionID) == nil {
			return e.recallSession(ctx, k.f, ent, ev.SessionID)
		}
		return nil
	}
	if !ofWrite(ev) {
		return nil
	}
	ent := metrics.WriteEntity(ev.WriteID)
	if e.lookupWrite(ent, k.f, ev.WriteID) != nil {
		return nil
	}
	return e.recallWrite(ctx, k.f, ent)
}

// wantKey is recallKey for callers deep in a join; an error is kept for Fold.
func (e *Engine) wantKey(k *keyState) {
	if k.complete || e.silent || e.ctx == nil {
		return
	}
	if err := e.recallKey(e.ctx, k); err != nil {
		e.note(err)
	}
}

func (e *Engine) note(err error) {
	if errors.Is(err, errSkip) {
		e.stats.Unfolded++
	} else {
		e.err = errors.Join(e.err, err)
	}
}
