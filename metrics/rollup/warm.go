package rollup

import "tidemark/metrics"

// warmAhead is how many events are warmed at once: those of some eight writes, whose
// states and the events themselves still fit into the nearer cache together.
const warmAhead = 64

// warming is what the next events will need. Neighbours share most of it.
type warming struct {
	writes   [warmAhead]warmWrite
	sessions [warmAhead]warmSession
	keys     [warmAhead]warmKey
}

type (
	warmWrite struct {
		entity metrics.Entity
		at     int // the event that names it
		w      *write
	}
	warmSession struct {
		entity metrics.Entity
		at     int // the event that names it
		s      *sessionState
	}
	warmKey struct {
		entity metrics.Entity
		k      *keyState
	}
)

// warm loads what the next events will need into the processor's cache. Folding one
// event follows a chain of pointers into memory that was not touched for a while,
// and waits for each; here the chains of several events are followed side by side,
// so that the waits overlap (Chen, Gibbons, Mowry: Improving Hash Join Performance
// through Prefetching, ICDE 2004). It changes nothing.
func (e *Engine) warm(events []metrics.Event) {
	t := &e.warming
	writes, sessions := e.warmSlots(t, events)
	keys, sum := 0, uint64(0)
	for i := range sessions {
		s := &t.sessions[i]
		if s.s == nil || s.s.entity != s.entity {
			sum += e.warmSeen(&events[s.at], s.entity)
			continue
		}
		sum += uint64(len(s.s.ops)) + uint64(len(s.s.verdicts))
	}
	for i := range writes {
		w := &t.writes[i]
		if w.w != nil && w.w.entity == w.entity {
			sum += w.w.few.reps[1].failed + uint64(len(w.w.readers))
			if k := w.w.key; k != nil {
				sum += uint64(len(k.ordered))
			}
			continue
		}
		sum += e.warmSeen(&events[w.at], w.entity)
		if ev := &events[w.at]; ev.Key != "" {
			k := &t.keys[keys]
			keys++
			k.entity = metrics.KeyEntity(ev.Feature, ev.Key)
			k.k = e.keys.warm(k.entity)
		}
	}
	for i := range keys {
		k := &t.keys[i]
		if k.k == nil || k.k.entity != k.entity {
			sum += e.seen.open.block(uint64(k.entity))[0]
			continue
		}
		if n := len(k.k.ordered); n > 0 {
			sum += k.k.ordered[n-1].version.Seq
		}
		if n := len(k.k.reads); n > 0 {
			sum += uint64(k.k.reads[n-1].at.t)
		}
	}
	e.warmth = sum
}

// warmSeen loads what tells whether a write or session was there before.
func (e *Engine) warmSeen(ev *metrics.Event, ent metrics.Entity) uint64 {
	if f := e.features[ev.Feature]; f != nil {
		return e.seen.open.block(f.own(ent))[0]
	}
	return 0
}

// warmSlots finds the slots of the writes and sessions that events name, and returns
// how many there are.
func (e *Engine) warmSlots(t *warming, events []metrics.Event) (writes, sessions int) {
	write, session := "", ""
	for i := range events {
		ev := &events[i]
		if ev.WriteID != "" && ev.WriteID != write {
			write = ev.WriteID
			w := &t.writes[writes]
			writes++
			w.entity, w.at = metrics.WriteEntity(write), i
			w.w = e.writes.warm(w.entity)
		}
		if ev.SessionID != "" && ev.SessionID != session {
			session = ev.SessionID
			s := &t.sessions[sessions]
			sessions++
			s.entity, s.at = metrics.SessionEntity(session), i
			s.s = e.sessions.warm(s.entity)
		}
	}
	return writes, sessions
}

// warmOldest does the same for the states that are put down next: they were not touched
// for longest.
func (e *Engine) warmOldest() {
	var nodes [evictAhead]*node
	n := 0
	for at := e.lru.root.next; at != &e.lru.root && n < len(nodes); at = at.next {
		nodes[n] = at
		n++
	}
	sum := uint64(0)
	for _, at := range nodes[:n] {
		switch {
		case at.s != nil:
			for _, o := range at.s.ops {
				if o.w != nil {
					sum += uint64(o.w.entity)
				} else {
					sum += uint64(o.r.seq)
				}
			}
			e.sessions.warm(at.s.entity)
		case at.w != nil:
			e.writes.warm(at.w.entity)
		}
	}
	for _, at := range nodes[:n] {
		if at.s == nil {
			continue
		}
		for _, o := range at.s.ops {
			if o.w == nil {
				continue
			}
			if w := e.writes.warm(o.w.entity); w != nil && w.key != nil {
				sum += uint64(w.key.entity)
			}
		}
	}
	e.warmth = sum
}
