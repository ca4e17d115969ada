package rollup

import (
	"slices"

	"tidemark/metrics"
)

// evictAhead is how many states are warmed before they are put down.
const evictAhead = 16

// evict puts the longest untouched states down until the resident ones fit.
func (e *Engine) evict() {
	for i := 0; e.resident > e.opts.Resident; i++ {
		if i%evictAhead == 0 {
			e.warmOldest()
		}
		n := e.lru.oldest()
		if n == nil {
			return
		}
		e.lru.remove(n)
		switch {
		case n.w != nil:
			e.evictWrite(n.w)
		case n.r != nil:
			e.evictRead(n.r)
			delete(e.reads, n.r.id)
		default:
			e.evictSession(n.s)
		}
	}
}

func (e *Engine) evictSession(s *sessionState) {
	for o := range s.all {
		if o.w != nil {
			e.evictWrite(o.w)
		} else {
			e.evictRead(o.r)
		}
	}
	e.unweigh(&s.weight)
	unchain(&e.sessions, s.entity, s, func(s *sessionState) **sessionState { return &s.next })
}

// forgetSession makes a session not resident while replaying.
func (e *Engine) forgetSession(f *feature, id string) {
	s := e.lookupSession(metrics.SessionEntity(id), f, id)
	if s == nil {
		e.seen.add(f.own(metrics.SessionEntity(id))) // so that nothing begins it anew
		return
	}
	e.lru.remove(&s.node)
	e.evictSession(s)
}

// dropPartial ends a silent replay: what depends on a key of which some part was not
// replayed is not resident either, and comes back whole when it is needed.
func (e *Engine) dropPartial() {
	e.silent = true
	defer func() { e.silent = false }()
	e.partial = []*keyState{}
	for k := range e.keys.all() {
		for ; k != nil; k = k.next {
			if !k.complete {
				e.partial = append(e.partial, k)
			}
		}
	}
	for len(e.partial) > 0 { // what is dropped makes others partial
		k := e.partial[len(e.partial)-1]
		e.partial = e.partial[:len(e.partial)-1]
		if !k.empty() && (k.f.stateBased || k.f.hasReads) {
			e.dropMembers(k)
		}
	}
	e.partial = nil
}

// isPartial notes that some of a key is not resident any more.
func (e *Engine) isPartial(k *keyState) {
	if k.complete && e.partial != nil {
		e.partial = append(e.partial, k)
	}
	k.complete = false
}

func (e *Engine) dropMembers(k *keyState) {
	for _, list := range [][]*write{slices.Clone(k.ordered), slices.Clone(k.loose)} {
		for _, w := range list {
			switch {
			case w.key != k: // gone with its session
			case w.session != nil:
				e.lru.remove(&w.session.node)
				e.evictSession(w.session)
			default:
				e.forget(w)
			}
		}
	}
	for _, r := range slices.Clone(k.reads) {
		switch {
		case r.key != k:
		case r.session != nil:
			e.lru.remove(&r.session.node)
			e.evictSession(r.session)
		default:
			e.lru.remove(&r.node)
			delete(e.reads, r.id)
			e.evictRead(r)
		}
	}
}

// evictWrite puts a write down. Reads that point to it keep it as it was; should it
// be read back, they are pointed to the new state.
func (e *Engine) evictWrite(w *write) {
	e.stats.Evicted++
	if w.open() && !e.silent {
		e.putRow(w)
		if w.wantedByKey() {
			e.putDown.add(w.key, w.id)
		}
	}
	f := w.f
	f.evictedMax = max(f.evictedMax, w.lastTime())
	if k := w.key; k != nil {
		e.remove(k, w)
		e.isPartial(k)
		if w.version.Kind.TotalOrder() && (k.putDown.IsZero() || orderVersions(k.putDown, w.version) < 0) {
			k.putDown = w.version
		}
		e.dropKey(k)
	}
	e.forget(w)
}

// forget makes a write not resident, without a trace.
func (e *Engine) forget(w *write) {
	w.f.list(w, false)
	if w.node.prev != nil {
		e.lru.remove(&w.node)
	}
	if w.key != nil {
		k := w.key
		e.remove(k, w)
		e.isPartial(k)
		e.dropKey(k)
	}
	unchain(&e.writes, w.entity, w, func(w *write) **write { return &w.next })
	e.unweigh(&w.weight)
	e.resident--
}

func (e *Engine) evictRead(r *read) {
	r.f.evictedMax = max(r.f.evictedMax, r.at.t)
	if k := r.key; k != nil {
		e.detachRead(r)
		e.isPartial(k)
		e.dropKey(k)
	} else {
		e.detachRead(r)
	}
	e.unweigh(&r.weight)
	e.resident--
}

func (e *Engine) dropKey(k *keyState) {
	if k.empty() {
		unchain(&e.keys, k.entity, k, func(k *keyState) **keyState { return &k.next })
	}
}

// unchain removes an item from a table of chains.
func unchain[T any](m *table[T], ent metrics.Entity, item *T, next func(*T) **T) {
	head := m.get(ent)
	if head == item {
		if rest := *next(item); rest != nil {
			m.put(ent, rest)
		} else {
			m.drop(ent)
		}
		*next(item) = nil
		return
	}
	for at := head; at != nil; at = *next(at) {
		if *next(at) == item {
			*next(at) = *next(item)
			*next(item) = nil
			return
		}
	}
}

// putRow keeps a row of an open write, so that it is found while not resident.
func (e *Engine) putRow(w *write) {
	row := w.openRow()
	if w.key != nil {
		row.Key, row.KeyEntity = w.key.key, w.key.entity
	}
	if w.wantedByKey() {
		e.openKeys.add(uint64(w.key.entity))
	}
	w.row = true
	delete(e.spilledGone, w.name())
	e.spilledRows[w.name()] = row
}

// wantedByKey reports whether what happens to its key may be about an open write.
func (w *write) wantedByKey() bool { return w.key != nil && (w.f.stateBased || w.f.hasReads) }

func (w *write) name() metrics.WriteName { return metrics.WriteName{Feature: w.f.name, ID: w.id} }

func (w *write) openRow() metrics.OpenWrite {
	o := metrics.OpenWrite{WriteID: w.id, Feature: w.f.name}
	o.Initiated, _ = w.begun()
	for _, r := range w.expected() {
		if p := w.peek(r); p == nil || p.sat == noTime {
			o.Missing = append(o.Missing, w.f.repNames[r])
		}
	}
	slices.Sort(o.Missing)
	if w.key != nil {
		o.Key, o.KeyEntity = w.key.key, w.key.entity
	}
	return o
}

// noteRow removes the row of a write that is no longer open.
func (e *Engine) noteRow(w *write) {
	if !w.row || w.open() {
		return
	}
	w.row = false
	if k := w.key; k != nil {
		e.putDown.drop(k, w.id)
		e.puttingDown.drop(k, w.id)
	}
	delete(e.spilledRows, w.name())
	e.spilledGone[w.name()] = struct{}{}
}

// rowsOfAged keeps rows of the open writes that a restart would not bring back into
// memory, because it replays the log only from a later position.
func (e *Engine) rowsOfAged(replay metrics.Position) {
	for n := e.lru.root.next; n != &e.lru.root && n.pos < replay; n = n.next {
		if n.w != nil {
			e.rowOfAged(n.w)
		}
		if n.s != nil {
			for o := range n.s.all {
				if o.w != nil {
					e.rowOfAged(o.w)
				}
			}
		}
	}
}

func (e *Engine) rowOfAged(w *write) {
	if !w.row && w.open() {
		e.putRow(w)
	}
}
