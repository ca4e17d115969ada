package rollup

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tidemark/metrics"
	"tidemark/metrics/storetest"
)

// weighed is what the states in memory take, looked at one by one.
func weighed(e *Engine) (n int) {
	unit := func(bytes int) int { return 1 + max(bytes, 0)/weightUnit }
	for w := range e.writes.all() {
		for ; w != nil; w = w.next {
			n += unit(w.bytes())
		}
	}
	for _, r := range e.reads {
		n += unit(r.bytes())
	}
	for s := range e.sessions.all() {
		for ; s != nil; s = s.next {
			n += unit(s.bytes()) - 1
			for o := range s.all {
				if o.r != nil {
					n += unit(o.r.bytes())
				}
			}
		}
	}
	return n
}

// Whoever sends long texts and lists has fewer states in memory, and the same numbers.
func TestLargeStatesTakeTheRoomOfMany(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		events := shuffled(rt, genHistory(rt))
		for i := range events {
			if ev := &events[i]; rapid.IntRange(0, 3).Draw(rt, "large") == 0 {
				ev.Labels = append(ev.Labels, numbered(strings.Repeat("z", 60), 0, rapid.IntRange(1, 30).Draw(rt, "labels"))...)
			}
		}
		r := run{batch: rapid.IntRange(1, 30).Draw(rt, "batch"), resident: 1000, ops: true}
		want, whole := r.fold(t, events)
		r.resident = rapid.IntRange(4, 40).Draw(rt, "resident")
		got, part := r.fold(t, events)
		diff(rt, "in little memory", withoutWFR(aggregates(t, want)), withoutWFR(aggregates(t, got)))
		for _, e := range []*Engine{whole, part} {
			if n := weighed(e); n != e.resident || n > 1000 {
				rt.Fatalf("the states in memory take %d, counted as %d", n, e.resident)
			}
		}
		if part.resident > r.resident {
			rt.Fatalf("the states in memory take %d, of %d", part.resident, r.resident)
		}
	})
}

// A hundred writes that arrive at a hundred replicas each, in sessions that check all of
// them, take no more room than there is for a hundred ordinary ones.
func TestAFewEventsOfManyReplicasTakeNoMoreRoom(t *testing.T) {
	t.Parallel()
	st := storetest.NewMemory()
	e := run{}.open(t, st, run{resident: 100}.options())
	for i := range 100 {
		events := make([]metrics.Event, 100)
		for j := range events {
			events[j] = metrics.Event{
				Kind: metrics.KindReceived, Feature: "feed", WriteID: fmt.Sprint(i), EventID: fmt.Sprint(i, "-", j),
				Replica: fmt.Sprint("r", j), OccurredAt: epoch, ObservedAt: epoch,
			}
		}
		foldInto(t, st, e, events...)
	}
	if e.writes.n > 20 || e.resident > 100 {
		t.Errorf("%d writes of 100 replicas each are in memory", e.writes.n)
	}
}
