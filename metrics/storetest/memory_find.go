package storetest

import (
	"cmp"
	"context"
	"slices"

	"tidemark/metrics"
)

// Find implements metrics.Log.
func (m *Memory) Find(ctx context.Context, q metrics.FindQuery) (found []metrics.Event, more bool, err error) {
	if q.Limit <= 0 {
		q.Limit = defaultFind
	}
	err = m.read(ctx, func() error {
		n := len(m.events)
		if q.Before > 0 {
			n = int(min(max(q.Before, m.begin), m.end()) - m.begin)
		}
		other := 0
		for i := range n {
			if !q.Earliest {
				i = n - 1 - i
			}
			e := &m.events[i]
			if m.begin+metrics.Position(i) < q.From || e.ObservedAt < q.Since || !belongs(e, q.Kind, q.Entity) {
				continue
			}
			if q.Feature != "" && e.Feature != q.Feature {
				if other++; other > cmp.Or(q.Pass, metrics.MaxPassed) {
					more = true
					break
				}
				continue
			}
			if len(found) == q.Limit {
				more = true
				break
			}
			found = append(found, CloneEvent(e))
		}
		if !q.Earliest {
			slices.Reverse(found)
		}
		return nil
	})
	return found, more, err
}

// defaultFind is how many events a Find without a limit returns.
const defaultFind = 10_000

func belongs(e *metrics.Event, kind metrics.EntityKind, want metrics.Entity) bool {
	ok := false
	e.Entities(func(k metrics.EntityKind, got metrics.Entity) {
		ok = ok || (k == kind && got == want)
	})
	return ok
}
