package rollup

import "tidemark/metrics"

// warmAhead is how many events are warmed at once.
const warmAhead = 16

// warm loads what the next events will need into the processor's cache. Folding one
// event follows a chain of pointers into memory that was not touched for a while,
// and waits for each; here the chains of several events are followed side by side,
// so that the waits overlap (Chen, Gibbons, Mowry: Improving Hash Join Performance
// through Prefetching, ICDE 2004). It changes nothing.
func (e *Engine) warm(events []metrics.Event) {
	var writes, sessions [warmAhead]metrics.Entity
	var w [warmAhead]*write
	var s [warmAhead]*sessionState
	for i := range events {
		ev := &events[i]
		if ev.WriteID != "" {
			writes[i] = metrics.WriteEntity(ev.WriteID)
			w[i] = e.writes.warm(writes[i])
		}
		if ev.SessionID != "" {
			sessions[i] = metrics.SessionEntity(ev.SessionID)
			s[i] = e.sessions.warm(sessions[i])
		}
	}
	sum := uint64(0)
	for i := range events {
		if w[i] != nil {
			sum += uint64(w[i].seq) + uint64(len(w[i].id)) + uint64(len(w[i].readers))
		}
		if s[i] != nil {
			sum += uint64(len(s[i].ops))
		}
	}
	for i := range events {
		ev := &events[i]
		if w[i] != nil && w[i].entity == writes[i] {
			if r := w[i].reps; len(r) > 0 {
				sum += uint64(r[0].replica) + r[len(r)-1].failed
			}
			if k := w[i].key; k != nil {
				sum += uint64(len(k.ordered))
			}
			continue
		}
		if ev.WriteID != "" {
			sum += e.seen.open.block(uint64(writes[i]))[0]
		}
		if ev.Key != "" {
			if k := e.keys.warm(metrics.KeyEntity(ev.Feature, ev.Key)); k != nil {
				sum += uint64(len(k.key))
			}
		}
	}
	e.warmth = sum
}
