package rollup

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tidemark/metrics"
	"tidemark/metrics/storetest"
)

// TestOperationsOfALongSessionStayInOrder, in whatever order they come and go.
func TestOperationsOfALongSessionStayInOrder(t *testing.T) {
	t.Parallel()
	order := func(a, b sessionOp) int { return a.order(b.seq, b.kind(), b.id()) }
	rapid.Check(t, func(rt *rapid.T) {
		s := &sessionState{}
		s.ops = s.few[:0]
		n := rapid.IntRange(0, 5*maxRun).Draw(rt, "operations")
		draw := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "order"), 1))
		falls := rapid.Bool().Draw(rt, "falling")
		var all []sessionOp
		for i := range n {
			o := sessionOp{seq: int64(n - i)}
			if !falls {
				o.seq = draw.Int64N(int64(n))
			}
			if id := fmt.Sprint(draw.IntN(3)); draw.IntN(2) == 0 {
				o.w = &write{id: id}
			} else {
				o.r = &read{id: id}
			}
			s.add(o)
			s.add(o)
			all = append(all, o)
		}
		slices.SortStableFunc(all, order)
		all = slices.CompactFunc(all, func(a, b sessionOp) bool { return order(a, b) == 0 })
		check := func() {
			if got := slices.Collect(s.all); !slices.Equal(got, all) {
				rt.Fatalf("%d operations, want %d", len(got), len(all))
			}
			for _, o := range all {
				if o.r != nil && s.read(o.seq, o.r.id) != o.r {
					rt.Fatalf("the read %s at %d is not found", o.r.id, o.seq)
				}
			}
		}
		check()
		gone, kept := rapid.IntRange(0, len(all)).Draw(rt, "kept from"), all[:0:0]
		for i, o := range all {
			if i < gone || draw.IntN(3) == 0 {
				s.drop(o)
				s.drop(o)
			} else {
				kept = append(kept, o)
			}
		}
		all = kept
		check()
	})
}

// BenchmarkLongSession folds 80,000 events of one session in two batches: the last operation
// first, or late writes beside reads that returned what nobody wrote.
func BenchmarkLongSession(b *testing.B) {
	const n = 40_000
	op := func(i, seq int) metrics.Event {
		return metrics.Event{
			Kind: metrics.KindCommitted, EventID: fmt.Sprint(i), WriteID: fmt.Sprint(i), Feature: "cart", Key: "k",
			OccurredAt: epoch + 60*second, SessionID: "s", SessionSeq: int64(seq),
		}
	}
	for name, event := range map[string]func(i int) metrics.Event{
		"ordinary": func(i int) metrics.Event { return op(i, i+1) },
		"falling":  func(i int) metrics.Event { return op(i, 2*n-i) },
		"late": func(i int) metrics.Event {
			ev := op(i, i+1)
			switch {
			case i < n/2:
				ev.Kind, ev.Version = metrics.KindRead, metrics.SeqVersion(1)
			case i >= n:
				ev.Kind, ev.WriteID = metrics.KindPublished, fmt.Sprint(n/2+i%(n/2))
			}
			return ev
		},
	} {
		b.Run(name, func(b *testing.B) {
			events := make([]metrics.Event, 2*n)
			for i := range events {
				events[i] = event(i)
			}
			for b.Loop() {
				e := run{}.open(b, storetest.NewMemory(), Options{Resident: 3 * n})
				e.feature("cart").evictedMax = epoch + 120*second
				if err := e.Fold(context.Background(), 0, events[:n], events[n:]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
