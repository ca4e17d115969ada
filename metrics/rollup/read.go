package rollup

import (
	"context"
	"slices"

	"github.com/zeebo/xxh3"

	"tidemark/metrics"
)

// foldRead joins a read event.
func (e *Engine) foldRead(ctx context.Context, f *feature, ev *metrics.Event) error {
	var s *sessionState
	err := e.late(ctx, f, ev, nil)
	if err != nil {
		return err
	}
	if ev.SessionID != "" {
		if s, err = e.sessionFor(ctx, f, ev.SessionID); err != nil {
			return err
		}
	}
	id := e.readID(ev) // not sooner: reading back makes ids too
	r, err := e.readFor(ctx, f, s, id, ev)
	if err != nil {
		return err
	}
	if r == nil {
		r = e.newRead(f, s, id, ev)
	} else if !e.wins(r, ev) {
		return nil
	}
	e.setRead(r, ev)
	if s != nil {
		e.lru.touch(&s.node, e.base)
	} else {
		e.lru.touch(&r.node, e.base)
	}
	return nil
}

// readFor returns the resident read of an event, reading one without a session back
// by its key; nil when it is new.
func (e *Engine) readFor(ctx context.Context, f *feature, s *sessionState, id string, ev *metrics.Event) (*read, error) {
	if r := e.findRead(s, id, ev.SessionSeq); r != nil || s != nil {
		return r, nil
	}
	h := xxh3.HashStringSeed(id, readSeed)
	if !e.seen.has(h) {
		e.seen.add(h)
		return nil, nil
	}
	if e.silent {
		return nil, errSkip
	}
	if err := e.recallKey(ctx, e.keyFor(f, ev.Key)); err != nil {
		return nil, err
	}
	return e.findRead(nil, id, 0), nil
}

// readSeed tells reads without a session from the entities of package metrics.
const readSeed = 4

func (e *Engine) findRead(s *sessionState, id string, seq int64) *read {
	if s == nil {
		return e.reads[id]
	}
	return s.read(seq, id)
}

// wins decides between two events with one natural key: the earlier time, then the
// lesser event id.
func (e *Engine) wins(r *read, ev *metrics.Event) bool {
	at := e.stampOf(ev)
	if at.t != r.at.t {
		return at.t < r.at.t
	}
	return ev.EventID < r.event
}

func (e *Engine) newRead(f *feature, s *sessionState, id string, ev *metrics.Event) *read {
	r := &read{f: f, session: s, seq: ev.SessionSeq}
	both := id + ev.EventID // one piece of memory: they come and go together
	r.id, r.event = both[:len(id)], both[len(id):]
	e.resident++
	if s != nil {
		e.touchSession(s)
		s.add(sessionOp{seq: r.seq, r: r})
		return r
	}
	r.node.r = r
	e.reads[r.id] = r
	e.lru.push(&r.node)
	return r
}

// setRead gives a read the fields of an event.
func (e *Engine) setRead(r *read, ev *metrics.Event) {
	e.touchRead(r)
	e.detachRead(r)
	n := &e.names
	r.f = e.feature(ev.Feature)
	r.f.hasReads = true
	r.version, r.at = cloneVersion(ev.Version), e.stampOf(ev)
	if r.event != ev.EventID {
		r.event = cloneString(ev.EventID)
	}
	r.region, r.model, r.variant = n.id(ev.Region), n.id(ev.Model), n.id(ev.Variant)
	e.joinReadTrial(r, ev)
	if r.hasRep = ev.Replica != ""; r.hasRep {
		r.replica = r.f.replica(ev.Replica)
	}
	if ev.Key != "" {
		e.attachRead(r, e.keyFor(r.f, ev.Key))
	}
}

func orderReads(a, b *read) int {
	switch {
	case a.at.t < b.at.t:
		return -1
	case a.at.t > b.at.t:
		return 1
	case a.id < b.id:
		return -1
	case a.id > b.id:
		return 1
	}
	return 0
}

func (e *Engine) attachRead(r *read, k *keyState) {
	r.key = k
	i, _ := slices.BinarySearchFunc(k.reads, r, orderReads)
	k.reads = slices.Insert(k.reads, i, r)
	w := k.find(r.version)
	if w == nil {
		e.recallOpen(k) // it may be among those that were put down
		w = k.find(r.version)
	}
	if w != nil && r.source == nil {
		r.linkTo(w)
	} else if !k.complete {
		e.holes++
	}
}

// unlink makes a read forget which write's version it returned.
func (r *read) unlink() {
	if r.source == nil {
		return
	}
	if w, i := r.source, int(r.place); i < len(w.readers) && w.readers[i] == r {
		last := len(w.readers) - 1
		w.readers[i] = w.readers[last]
		w.readers[i].place = r.place
		w.readers[last], w.readers = nil, w.readers[:last]
	}
	r.source = nil
}

func (e *Engine) detachRead(r *read) {
	r.unlink()
	if r.key != nil {
		if i, ok := slices.BinarySearchFunc(r.key.reads, r, orderReads); ok {
			r.key.reads = without(r.key.reads, i)
		}
		r.key = nil
	}
}
