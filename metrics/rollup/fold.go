package rollup

import (
	"context"

	"tidemark/metrics"
)

// foldWrite joins an event into the write that it names.
func (e *Engine) foldWrite(ctx context.Context, f *feature, ev *metrics.Event) error {
	w, err := e.writeFor(ctx, f, ev)
	if err != nil {
		if id := sessionOf(ev); e.silent && id != "" {
			e.forgetSession(f, id) // it comes back with this write
		}
		return err
	}
	if err := e.late(ctx, f, ev, w.key); err != nil {
		return err
	}
	if w.moves(ev) {
		if err := e.late(ctx, f, ev, nil); err != nil {
			return err
		}
	}
	if err := e.lateInSession(ctx, w, ev); err != nil {
		return err
	}
	e.touchWrite(w)
	e.joinWrite(w, ev)
	if id := sessionOf(ev); id != "" && w.session == nil {
		if err := e.enterSession(ctx, w, id); err != nil {
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
	s, holes := w.session, e.holes
	if s.whole == holes { // as when it was looked at last
		return nil
	}
	var ops []sessionOp // Reading back changes the session.
	for o := range s.all {
		if unlinked(o) && !o.r.key.complete {
			ops = append(ops, o)
		}
	}
	for _, o := range ops {
		if !unlinked(o) {
			continue
		}
		if err := e.recallKey(ctx, o.r.key); err != nil {
			return err
		}
	}
	s.whole = holes
	return nil
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
