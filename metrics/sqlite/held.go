package sqlite

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"tidemark/metrics"
)

// heldWrites knows of which writes something is in quarantine, so that whoever reads a
// write need not look at the tables. A write whose hash is another's counts as held too.
type heldWrites struct {
	mu     sync.RWMutex
	writes map[metrics.Entity][]*heldWrite
	events map[int64]*heldWrite // by number
}

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
	h := &s.quarantine.writes
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

// add takes in events by their numbers.
func (h *heldWrites) add(events map[int64]*metrics.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.writes == nil {
		h.writes, h.events = map[metrics.Entity][]*heldWrite{}, map[int64]*heldWrite{}
	}
	for number, e := range events {
		if e.WriteID == "" {
			continue
		}
		w := h.write(metrics.WriteEntity(e.WriteID), e.Feature)
		w.events++
		h.events[number] = w
		w.label(e.Labels)
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

func (h *heldWrites) write(entity metrics.Entity, feature string) *heldWrite {
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
func (h *heldWrites) remove(numbers []int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range numbers {
		w, ok := h.events[n]
		if !ok {
			continue
		}
		delete(h.events, n)
		if w.events--; w.events > 0 {
			continue
		}
		rest := slices.DeleteFunc(h.writes[w.entity], func(o *heldWrite) bool { return o == w })
		if h.writes[w.entity] = rest; len(rest) == 0 {
			delete(h.writes, w.entity)
		}
	}
}

// loadHeld reads of which writes something is held.
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
		s.quarantine.writes.add(events)
		after = slices.Max(slices.Collect(maps.Keys(events)))
	}
}
