package sqlite

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"tidemark/metrics"
)

// heldIndex knows of which writes and conflicts something is in quarantine, so that
// whoever reads one need not look at the tables. A write whose hash is another's counts as
// held too.
type heldIndex struct {
	mu        sync.RWMutex
	writes    map[metrics.Entity][]*heldWrite
	conflicts map[conflictName]int
	events    map[int64]heldEvent // by number
}

// heldEvent is what an event is of.
type heldEvent struct {
	write    *heldWrite   // nil when it names none
	conflict conflictName // zero when it is of none
}

// conflictName is what a feature calls its conflict.
type conflictName struct{ feature, id string }

// heldWrite is a feature's write. Labels of events that went stay until the last of them
// goes.
type heldWrite struct {
	metrics.HeldWrite

	entity metrics.Entity
	events int
	known  map[string]struct{} // the labels
}

// HeldWrites implements metrics.Quarantine.
func (s *Store) HeldWrites(id string) []metrics.HeldWrite {
	h := &s.quarantine.index
	h.mu.RLock()
	defer h.mu.RUnlock()
	if len(h.writes) == 0 {
		return nil
	}
	var out []metrics.HeldWrite
	for _, w := range h.writes[metrics.WriteEntity(id)] {
		out = append(out, metrics.HeldWrite{Feature: w.Feature, Labels: slices.Clone(w.Labels), More: w.More})
	}
	return out
}

// HeldConflict implements metrics.Quarantine.
func (s *Store) HeldConflict(feature, id string) bool {
	h := &s.quarantine.index
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.conflicts[conflictName{feature, metrics.OwnConflict(feature, id)}] > 0
}

// add takes in events by their numbers.
func (h *heldIndex) add(events map[int64]*metrics.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.events == nil {
		h.writes, h.conflicts, h.events = map[metrics.Entity][]*heldWrite{}, map[conflictName]int{}, map[int64]heldEvent{}
	}
	for number, e := range events {
		var of heldEvent
		if e.WriteID != "" {
			of.write = h.write(metrics.WriteEntity(e.WriteID), e.Feature)
			of.write.events++
			of.write.label(e.Labels)
		}
		if e.Kind.IsConflict() {
			of.conflict = conflictName{strings.Clone(e.Feature), strings.Clone(metrics.OwnConflict(e.Feature, e.ConflictID))}
			h.conflicts[of.conflict]++
		}
		if of != (heldEvent{}) {
			h.events[number] = of
		}
	}
}

// label takes in labels, as many as are told of a write.
func (w *heldWrite) label(labels []string) {
	for _, l := range labels {
		if _, ok := w.known[l]; ok {
			continue
		}
		if len(w.Labels) == metrics.MaxTold {
			w.More = true
			return
		}
		l = strings.Clone(l)
		w.known[l] = struct{}{}
		w.Labels = append(w.Labels, l)
	}
}

func (h *heldIndex) write(entity metrics.Entity, feature string) *heldWrite {
	for _, w := range h.writes[entity] {
		if w.Feature == feature {
			return w
		}
	}
	w := &heldWrite{entity: entity, HeldWrite: metrics.HeldWrite{Feature: strings.Clone(feature)}, known: map[string]struct{}{}}
	h.writes[entity] = append(h.writes[entity], w)
	return w
}

// remove forgets events that went.
func (h *heldIndex) remove(numbers []int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range numbers {
		of := h.events[n]
		delete(h.events, n)
		if of.conflict != (conflictName{}) {
			if h.conflicts[of.conflict]--; h.conflicts[of.conflict] == 0 {
				delete(h.conflicts, of.conflict)
			}
		}
		if w := of.write; w != nil {
			if w.events--; w.events == 0 {
				h.forget(w)
			}
		}
	}
}

// forget drops a write of which nothing is held any more.
func (h *heldIndex) forget(w *heldWrite) {
	rest := slices.DeleteFunc(h.writes[w.entity], func(o *heldWrite) bool { return o == w })
	if h.writes[w.entity] = rest; len(rest) == 0 {
		delete(h.writes, w.entity)
	}
}

// loadHeld reads of which writes and conflicts something is held.
func (s *Store) loadHeld(ctx context.Context) error {
	if s.quarantine.total.Events == 0 {
		return nil
	}
	for after := int64(0); ; {
		list, err := s.held(ctx, metrics.HeldQuery{After: after, Limit: maxHeld})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return nil
		}
		events := map[int64]*metrics.Event{}
		for i := range list {
			events[list[i].Number] = &list[i].Event
		}
		s.quarantine.index.add(events)
		after = slices.Max(slices.Collect(maps.Keys(events)))
	}
}
