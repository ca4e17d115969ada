package rollup

import (
	"context"
	"slices"

	"tidemark/metrics"
)

// foldWrite joins an event into the write that it names.
func (e *Engine) foldWrite(ctx context.Context, f *feature, ev *metrics.Event) error {
	w, err := e.writeFor(ctx, f, ev)
	if err != nil {
		if e.silent && ev.SessionID != "" {
			e.forgetSession(f, ev.SessionID) // it comes back with this write
		}
		return err
	}
	if err := e.late(ctx, f, ev, w.key); err != nil {
		return err
	}
	if err := e.lateInSession(ctx, w, ev); err != nil {
		return err
	}
	e.touchWrite(w)
	e.joinWrite(w, ev)
	if ev.SessionID != "" && w.session == nil {
		if err := e.enterSession(ctx, w, ev.SessionID); err != nil {
			return err
		}
	}
	if w.session != nil {
		e.lru.touch(&w.session.node, e.base)
	} else {
		e.lru.touch(&w.node, e.base)
	}
	return nil
}

// writeFor returns the resident write of an event, reading it back or making it.
func (e *Engine) writeFor(ctx context.Context, f *feature, ev *metrics.Event) (*write, error) {
	ent := metrics.WriteEntity(ev.WriteID)
	if w := e.lookupWrite(ent, f, ev.WriteID); w != nil {
		return w, nil
	}
	if e.seen.hasOwn(f, ent) {
		if e.silent {
			return nil, errSkip
		}
		if err := e.recallWrite(ctx, f, ent); err != nil {
			return nil, err
		}
		if w := e.lookupWrite(ent, f, ev.WriteID); w != nil {
			return w, nil
		}
	} else {
		e.seen.add(f.own(ent))
	}
	return e.newWrite(ent, f, ev.WriteID), nil
}

func (e *Engine) lookupWrite(ent metrics.Entity, f *feature, id string) *write {
	for w := e.writes.get(ent); w != nil; w = w.next {
		if w.id == id && w.f == f {
			return w
		}
	}
	return nil
}

func (e *Engine) newWrite(ent metrics.Entity, f *feature, id string) *write {
	w := &write{
		entity: ent, next: e.writes.get(ent), id: cloneString(id), f: f,
		initiated: noStamp, committed: noStamp, published: noStamp,
	}
	w.reps, w.expect, w.readers = w.few.reps[:0], w.few.expect[:0], w.few.readers[:0]
	w.node.w = w
	e.writes.put(ent, w)
	e.lru.push(&w.node)
	e.resident++
	return w
}

// late reads a key back when an event is so late that it may change the outcome of
// something of that key that was put down.
func (e *Engine) late(ctx context.Context, f *feature, ev *metrics.Event, k *keyState) error {
	if ev.Corrected() > f.evictedMax || e.silent || (!f.stateBased && !f.hasReads) {
		return nil
	}
	if k != nil {
		return e.recallKey(ctx, k)
	}
	if ev.Key == "" || !e.seen.has(uint64(metrics.KeyEntity(f.name, ev.Key))) {
		return nil
	}
	return e.recallKey(ctx, e.keyFor(f, ev.Key))
}

// lateInSession reads back what the session of a late write has read, since the
// write may turn out to have overtaken it.
func (e *Engine) lateInSession(ctx context.Context, w *write, ev *metrics.Event) error {
	if w.session == nil || ev.Corrected() > w.f.evictedMax || e.silent {
		return nil
	}
	unlinked := func(o sessionOp) bool {
		return o.r != nil && o.r.source == nil && o.r.key != nil && !o.r.version.IsZero()
	}
	if !slices.ContainsFunc(w.session.ops, unlinked) {
		return nil
	}
	for _, o := range slices.Clone(w.session.ops) { // Reading back changes the session.
		if !unlinked(o) {
			continue
		}
		if err := e.recallKey(ctx, o.r.key); err != nil {
			return err
		}
	}
	return nil
}

// joinWrite merges the fields of an event into the state. Every merge is a
// minimum, a union or a least text: commutative, associative and idempotent.
func (e *Engine) joinWrite(w *write, ev *metrics.Event) {
	n := &e.names
	w.model = n.least(w.model, n.id(ev.Model))
	w.variant = n.least(w.variant, n.id(ev.Variant))
	w.mechanism = n.least(w.mechanism, n.id(ev.Mechanism))
	e.joinTrial(w, ev)
	w.joinLabels(ev.Labels)
	rerouted := false
	for _, r := range ev.Expect {
		i := w.f.replica(r)
		if at, ok := slices.BinarySearch(w.expect, i); !ok {
			w.expect = slices.Insert(w.expect, at, i)
			rerouted = true
		}
	}
	before := w.standing()
	at := w.f.stampOf(ev)
	if ev.Kind.AtOrigin() {
		e.joinOrigin(w, ev, at)
	} else {
		e.joinReplica(w, ev, at)
	}
	e.joinVersion(w, ev)
	if rerouted && w.f.stateBased && before.key != nil {
		e.reroute(w)
	}
	if now, ok := w.begun(); ok && (!before.known || now != before.begun) && len(w.f.configs) > 0 {
		e.rebegun(w, before)
	}
	if ev.SessionSeq != 0 && (w.seq == 0 || ev.SessionSeq < w.seq) {
		e.resequence(w, ev.SessionSeq)
	}
}

// standing is what decides how a write's satisfactions are computed.
type standing struct {
	key     *keyState // nil: its insertion will take over what later versions satisfy
	config  *config
	begun   int64
	known   bool // that it has begun
	reached bool // some replica has reported of it
}

func (w *write) standing() standing {
	s := standing{key: w.key, config: w.config(), reached: len(w.reps) > 0}
	s.begun, s.known = w.begun()
	return s
}

// rebegun settles a write anew whose beginning became known or moved, where that
// changed which config holds for it. A write that had nothing to settle took over
// what holds now when it was placed among its key's, which is all there is to do
// for nearly every write: settling a key anew may mean to read all of it back.
func (e *Engine) rebegun(w *write, before standing) {
	if w.config() != before.config && (before.reached || before.key != nil) {
		e.unsettle(w)
	} else if w.key != nil && w.version.Kind.TotalOrder() {
		if i, ok := w.key.position(w); ok {
			e.inherit(w.key, i)
		}
	}
}

func (e *Engine) joinOrigin(w *write, ev *metrics.Event, at stamp) {
	n := &e.names
	w.region = n.least(w.region, n.id(ev.Region))
	switch ev.Kind {
	case metrics.KindInitiated:
		w.initiated.join(at)
		w.origin = n.least(w.origin, n.id(ev.Service))
	case metrics.KindCommitted:
		if at.t < w.committed.t && w.key != nil {
			e.touchReads(w.key, at.t)
		}
		w.committed.join(at)
		w.origin = n.least(w.origin, n.id(ev.Service))
	default:
		w.published.join(at)
		w.publisher = n.least(w.publisher, n.id(ev.Service))
	}
}

func (e *Engine) joinReplica(w *write, ev *metrics.Event, at stamp) {
	name := ev.Replica
	if name == "" {
		name = ev.Service
	}
	r := w.f.replica(name)
	p := w.rep(r)
	n := &e.names
	p.region = n.least(p.region, n.id(ev.Region))
	if ev.Kind != metrics.KindFailed {
		w.carry(n, p, n.id(ev.Service))
	}
	switch ev.Kind {
	case metrics.KindReceived:
		e.observeClocks(w, at, ev)
		p.received.join(at)
	case metrics.KindApplied:
		e.observeClocks(w, at, ev)
		p.applied.join(at)
	case metrics.KindVisible:
		p.visible.join(at)
	case metrics.KindFailed:
		p.failed |= 1 << min(max(ev.Attempt, 1)-1, 63)
	}
	if ev.Attempt > 1 && ev.Kind != metrics.KindFailed {
		p.attempts |= 1 << min(ev.Attempt-2, 63)
	}
	e.settle(w, r)
}

// joinVersion merges version and key. Two events of one write should agree; when
// they do not, the lesser value stands.
func (e *Engine) joinVersion(w *write, ev *metrics.Event) {
	if w.key == nil && ev.Key != "" {
		k := e.keyFor(w.f, ev.Key)
		if w.version.IsZero() {
			w.version = cloneVersion(ev.Version)
		}
		e.touchReads(k, w.committed.t)
		e.insert(k, w)
		return
	}
	if ev.Version.IsZero() || ev.Version == w.version {
		return
	}
	if !w.version.IsZero() && orderVersions(w.version, ev.Version) <= 0 && w.version.Kind <= ev.Version.Kind {
		return
	}
	k := w.key
	if k == nil {
		w.version = cloneVersion(ev.Version)
		return
	}
	if w.version.IsZero() { // nothing of the key depends on it yet
		e.remove(k, w)
		w.version = cloneVersion(ev.Version)
		e.touchReads(k, w.committed.t)
		e.insert(k, w)
		return
	}
	e.touchReads(k, minTime)
	e.remove(k, w)
	w.version = cloneVersion(ev.Version)
	e.insert(k, w)
	e.resettle(k)
}

func cloneVersion(v metrics.Version) metrics.Version {
	v.Text = cloneString(v.Text)
	return v
}

func (e *Engine) keyFor(f *feature, key string) *keyState {
	ent := metrics.KeyEntity(f.name, key)
	for k := e.keys.get(ent); k != nil; k = k.next {
		if k.key == key && k.f == f {
			return k
		}
	}
	k := &keyState{entity: ent, next: e.keys.get(ent), f: f, key: cloneString(key)}
	k.ordered, k.reads = k.few.ordered[:0], k.few.reads[:0]
	k.complete = !e.seen.has(uint64(ent))
	if k.complete {
		e.seen.add(uint64(ent))
	}
	e.keys.put(ent, k)
	return k
}

// enterSession makes a write an operation of its session.
func (e *Engine) enterSession(ctx context.Context, w *write, id string) error {
	s, err := e.sessionFor(ctx, w.f, id)
	if err != nil {
		if e.silent {
			e.forget(w) // it comes back with its session
		}
		return err
	}
	if w.session != nil { // the session was read back, with this write in it
		return nil
	}
	e.touchSession(s)
	w.session = s
	s.add(sessionOp{seq: w.seq, w: w})
	if w.node.prev != nil {
		e.lru.remove(&w.node)
	}
	return nil
}

func (e *Engine) resequence(w *write, seq int64) {
	if w.session == nil {
		w.seq = seq
		return
	}
	e.touchSession(w.session)
	w.session.drop(sessionOp{seq: w.seq, w: w})
	w.seq = seq
	w.session.add(sessionOp{seq: w.seq, w: w})
}

// sessionFor returns a feature's part of a session: what another one says of the same
// session says nothing about this one, as it may be about another user.
func (e *Engine) sessionFor(ctx context.Context, f *feature, id string) (*sessionState, error) {
	ent := metrics.SessionEntity(id)
	if s := e.lookupSession(ent, f, id); s != nil {
		return s, nil
	}
	if e.seen.hasOwn(f, ent) {
		if e.silent {
			return nil, errSkip
		}
		if err := e.recallSession(ctx, f, ent, id); err != nil {
			return nil, err
		}
		if s := e.lookupSession(ent, f, id); s != nil {
			return s, nil
		}
	} else {
		e.seen.add(f.own(ent))
	}
	return e.newSession(ent, f, id), nil
}

func (e *Engine) lookupSession(ent metrics.Entity, f *feature, id string) *sessionState {
	for s := e.sessions.get(ent); s != nil; s = s.next {
		if s.id == id && s.f == f {
			return s
		}
	}
	return nil
}

func (e *Engine) newSession(ent metrics.Entity, f *feature, id string) *sessionState {
	s := &sessionState{f: f, entity: ent, next: e.sessions.get(ent), id: cloneString(id)}
	s.ops = s.few[:0]
	s.node.s = s
	e.sessions.put(ent, s)
	e.lru.push(&s.node)
	return s
}
