package storetest

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"tidemark/metrics"
)

// quarantine is what Memory keeps apart.
type quarantine struct {
	last  int64
	held  map[int64]metrics.Held
	total metrics.HeldTotal
}

// Hold implements metrics.Quarantine.
func (m *Memory) Hold(ctx context.Context, at int64, events []metrics.Event, most metrics.HeldTotal) (h metrics.Holding, err error) {
	err = m.write(ctx, func() error {
		ids := map[string]bool{}
		of := map[string]metrics.HeldTotal{} // by feature
		for _, held := range m.quarantine.held {
			e := &held.Event
			ids[metrics.HeldID(e)] = true
			of[e.Feature] = of[e.Feature].With(int64(len(e.AppendJSON(nil))))
		}
		for i := range events {
			size := int64(len(events[i].AppendJSON(nil)))
			feature := events[i].Feature
			switch own := of[feature]; {
			case ids[metrics.HeldID(&events[i])]:
				h.Duplicates++
			case own.Events > 0 && (own.Events >= most.Events/2 || own.Bytes+size > most.Bytes/2):
				h.Refused, h.OverShare = append(h.Refused, i), append(h.OverShare, i)
			case m.quarantine.total.Events+1 > most.Events || m.quarantine.total.Bytes+size > most.Bytes:
				h.Refused = append(h.Refused, i)
			default:
				m.quarantine.last++
				m.quarantine.held[m.quarantine.last] = metrics.Held{Number: m.quarantine.last, HeldAt: at, Event: CloneEvent(&events[i])}
				m.quarantine.total.Events++
				m.quarantine.total.Bytes += size
				ids[metrics.HeldID(&events[i])] = true
				of[feature] = own.With(size)
				h.Held++
			}
		}
		return nil
	})
	return h, err
}

// Held implements metrics.Quarantine.
func (m *Memory) Held(ctx context.Context, q metrics.HeldQuery) (found []metrics.Held, err error) {
	found = []metrics.Held{}
	err = m.read(ctx, func() error {
		for _, h := range m.quarantine.held {
			e := &h.Event
			without := slices.ContainsFunc(e.Labels, func(l string) bool { return slices.Contains(q.Without, l) })
			if is(q.Feature, e.Feature) && (q.Label == "" || slices.Contains(e.Labels, q.Label)) && !without &&
				(q.HeldBefore == 0 || h.HeldAt < q.HeldBefore) && h.Number > q.After && (q.Through == 0 || h.Number <= q.Through) {
				h.Event = CloneEvent(e)
				found = append(found, h)
			}
		}
		return nil
	})
	slices.SortFunc(found, func(a, b metrics.Held) int {
		if q.Newest {
			a, b = b, a
		}
		return cmp.Compare(a.Number, b.Number)
	})
	limit := 50
	if q.Limit > 0 {
		limit = min(q.Limit, 1000)
	}
	return found[:min(limit, len(found))], err
}

// HeldCounts implements metrics.Quarantine.
func (m *Memory) HeldCounts(ctx context.Context, q metrics.HeldCountQuery) (found []metrics.HeldCount, err error) {
	by := map[[2]string]metrics.HeldCount{}
	err = m.read(ctx, func() error {
		for _, h := range m.quarantine.held {
			if !is(q.Feature, h.Event.Feature) {
				continue
			}
			for _, l := range slices.Compact(slices.Sorted(slices.Values(h.Event.Labels))) {
				k := [2]string{h.Event.Feature, l}
				c, ok := by[k]
				if !ok {
					c = metrics.HeldCount{Feature: k[0], Label: k[1], Oldest: h.HeldAt}
				}
				c.Events, c.Oldest, c.Newest = c.Events+1, min(c.Oldest, h.HeldAt), max(c.Newest, h.HeldAt)
				by[k] = c
			}
		}
		return nil
	})
	found = slices.SortedFunc(maps.Values(by), func(a, b metrics.HeldCount) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(a.Feature, b.Feature), cmp.Compare(a.Label, b.Label))
	})
	if q.Limit > 0 {
		found = found[:min(q.Limit, len(found))]
	}
	return found, err
}

// HeldNumber implements metrics.Quarantine.
func (m *Memory) HeldNumber(ctx context.Context, feature, label string) (n int64, err error) {
	err = m.read(ctx, func() error {
		for _, h := range m.quarantine.held {
			if is(feature, h.Event.Feature) && (label == "" || slices.Contains(h.Event.Labels, label)) {
				n++
			}
		}
		return nil
	})
	return n, err
}

// HeldTotal implements metrics.Quarantine.
func (m *Memory) HeldTotal() metrics.HeldTotal {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.quarantine.total
}

// HeldWrites implements metrics.Quarantine.
func (m *Memory) HeldWrites(id string) (found []metrics.HeldWrite) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, n := range slices.Sorted(maps.Keys(m.quarantine.held)) {
		e := m.quarantine.held[n].Event
		if e.WriteID != id || id == "" {
			continue
		}
		i := slices.IndexFunc(found, func(w metrics.HeldWrite) bool { return w.Feature == e.Feature })
		if i < 0 {
			i, found = len(found), append(found, metrics.HeldWrite{Feature: e.Feature})
		}
		labels, all := metrics.LabelsOf([]metrics.Event{{Labels: found[i].Labels}, {Labels: e.Labels}})
		found[i].Labels, found[i].More = labels, found[i].More || !all
	}
	return found
}

// HeldConflict implements metrics.Quarantine.
func (m *Memory) HeldConflict(feature, id string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, h := range m.quarantine.held {
		e := &h.Event
		if e.Kind.IsConflict() && e.Feature == feature && metrics.OwnConflict(feature, e.ConflictID) == metrics.OwnConflict(feature, id) {
			return true
		}
	}
	return false
}

// Unhold implements metrics.Quarantine.
func (m *Memory) Unhold(ctx context.Context, numbers []int64) (n int, err error) {
	err = m.write(ctx, func() error {
		for _, number := range numbers {
			h, ok := m.quarantine.held[number]
			if !ok {
				continue
			}
			n++
			m.quarantine.total.Events--
			m.quarantine.total.Bytes -= int64(len(h.Event.AppendJSON(nil)))
			delete(m.quarantine.held, number)
		}
		return nil
	})
	return n, err
}
