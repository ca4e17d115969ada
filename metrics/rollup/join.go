package rollup

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"tidemark/metrics"
)

// said are the fields of a write that its origin has said. What the origin says of a
// write holds, whatever a replica adds: who may only report that writes arrive cannot
// make the numbers tell another story (docs/adr/0025). Where the origin says nothing, and
// between events of equal standing, the least value holds. So each field is the minimum
// over (standing, value), which is the same in any order.
type said uint8

const (
	saidModel said = 1 << iota
	saidVariant
	saidMechanism
	saidTrial
	saidExpect
	saidVersion
	saidKey
)

// weight is what an event's word on one field is worth beside what is known of it.
type weight uint8

const (
	overruled weight = iota // the origin has said it, and this is not from there
	equal                   // of equal standing: the least value holds
	first                   // the first word of the origin, which holds
)

// takes reports whether the event's value holds, given that it is the lesser one or not.
func (v weight) takes(lesser bool) bool { return v == first || v == equal && lesser }

// weigh weighs what an event says of a field.
func (w *write) weigh(field said, ev *metrics.Event) weight {
	switch known, atOrigin := w.said&field != 0, ev.Kind.AtOrigin(); {
	case atOrigin && !known:
		return first
	case atOrigin == known:
		return equal
	}
	return overruled
}

// hear weighs what an event says of a field, and notes that the origin has said it.
func (w *write) hear(field said, ev *metrics.Event) weight {
	v := w.weigh(field, ev)
	if v == first {
		w.said |= field
	}
	return v
}

// joinWrite merges the fields of an event into the state. Every merge is a minimum, a
// union or a least text, for what a write is about that of its origin alone where that
// says it (see said): commutative, associative and idempotent.
func (e *Engine) joinWrite(w *write, ev *metrics.Event) {
	e.joinName(w, saidModel, &w.model, ev, ev.Model)
	e.joinName(w, saidVariant, &w.variant, ev, ev.Variant)
	e.joinName(w, saidMechanism, &w.mechanism, ev, ev.Mechanism)
	e.joinTrial(w, ev)
	w.joinLabels(ev.Labels)
	rerouted := w.joinExpect(ev)
	before := w.standing()
	at := w.f.stampOf(ev)
	if ev.Kind.AtOrigin() {
		e.joinOrigin(w, ev, at)
	} else {
		e.joinReplica(w, ev, at)
	}
	e.joinPlace(w, ev)
	if rerouted && w.f.stateBased && before.key != nil {
		e.reroute(w)
	}
	if now, ok := w.begun(); ok && (!before.known || now != before.begun) && len(w.f.configs) > 0 {
		e.rebegun(w, before)
	}
	if ev.Kind.AtOrigin() && ev.SessionSeq != 0 && (w.seq == 0 || ev.SessionSeq < w.seq) {
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

// joinName merges one of the names that a write is counted by.
func (e *Engine) joinName(w *write, field said, known *uint32, ev *metrics.Event, name string) {
	if name == "" {
		return
	}
	switch w.hear(field, ev) {
	case first:
		*known = e.names.id(name)
	case equal:
		*known = e.names.least(*known, e.names.id(name))
	}
}

// joinExpect merges where a write has to arrive, and reports whether that changed.
func (w *write) joinExpect(ev *metrics.Event) (changed bool) {
	if len(ev.Expect) == 0 {
		return false
	}
	switch w.hear(saidExpect, ev) {
	case overruled:
		return false
	case first:
		changed = len(w.expect) > 0
		w.expect = w.expect[:0]
	}
	for _, r := range ev.Expect {
		i := w.f.replica(r)
		if at, ok := slices.BinarySearch(w.expect, i); !ok {
			w.expect = slices.Insert(w.expect, at, i)
			changed = true
		}
	}
	return changed
}

// joinPlace merges version and key: where a write stands among those of its key.
func (e *Engine) joinPlace(w *write, ev *metrics.Event) {
	version, rekeyed := w.version, false
	if !ev.Version.IsZero() && w.hear(saidVersion, ev).takes(w.version.IsZero() || lesserVersion(ev.Version, w.version)) {
		version = ev.Version
	}
	if ev.Key != "" && w.hear(saidKey, ev).takes(w.key == nil || ev.Key < w.key.key) {
		rekeyed = w.key == nil || ev.Key != w.key.key
	}
	if !rekeyed && version == w.version {
		return
	}
	old, k := w.key, w.key
	if rekeyed {
		k = e.keyFor(w.f, ev.Key)
	}
	stood := old != nil && !w.version.IsZero() // something of its key may depend on it
	if stood {
		e.touchReads(old, minTime)
	}
	if old != nil {
		e.remove(old, w)
		e.yieldReads(old, w)
	}
	if version != w.version {
		version.Text = cloneString(version.Text)
	}
	w.version = version
	if k == nil {
		return
	}
	if old != nil && rekeyed {
		w.resettleOwn() // without what it took from later versions of the key it leaves
	}
	e.touchReads(k, w.committed.t)
	e.insert(k, w)
	if stood {
		e.resettle(old)
	}
	if old != nil {
		e.dropKey(old)
	}
}

// moves reports whether an event may give a write another key than the one it has.
func (w *write) moves(ev *metrics.Event) bool {
	return w.key != nil && ev.Key != "" && ev.Key != w.key.key && w.weigh(saidKey, ev) != overruled
}

// yieldReads gives the reads that returned w's version to another write of that version,
// if there is one, as w no longer stands there.
func (e *Engine) yieldReads(k *keyState, w *write) {
	readers := w.readers
	w.readers = nil
	if !k.complete {
		e.holes++
	}
	if len(readers) > e.opts.busy.reads {
		e.linksLater(k).orphans = true
	}
	for _, r := range readers {
		e.touchRead(r)
		r.source = nil
		if b := k.busy; b != nil && b.orphans {
			continue
		}
		if u := k.find(r.version); u != nil {
			e.link(r, u)
		}
	}
}

// lesserVersion orders the versions that events give one write, and nothing else: by
// kind, then in the order of versions where that is total, else by text.
func lesserVersion(a, b metrics.Version) bool {
	if a.Kind == b.Kind && !a.Kind.TotalOrder() {
		return a.Text < b.Text
	}
	return cmp.Or(orderVersions(a, b), strings.Compare(a.Text, b.Text)) < 0
}

// sessionOf is the session that an event says its write was made in; "" when none. Only
// the origin knows that: elsewhere a write arrives without its user.
func sessionOf(ev *metrics.Event) string {
	if !ev.Kind.AtOrigin() {
		return ""
	}
	return ev.SessionID
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
