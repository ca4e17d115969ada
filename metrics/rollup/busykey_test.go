package rollup

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tidemark/metrics"
	"tidemark/metrics/storetest"
)

// busyKeys are events of 2n writes and reads of one key, in orders in which each might cost
// as many steps as there were before.
func busyKeys(n int) map[string]func(i int) metrics.Event {
	seq := func(i int) metrics.Version { return metrics.SeqVersion(uint64(i + 1)) } //nolint:gosec // not negative
	vector := func(i int) metrics.Version {
		v, _ := metrics.VVVersion(map[string]uint64{"a": uint64(i + 1)}) //nolint:gosec // not negative
		return v
	}
	begun := func(i int, v metrics.Version) metrics.Event {
		return metrics.Event{
			Kind: metrics.KindInitiated, WriteID: fmt.Sprint("w", i), Feature: "cart", Key: "k",
			Version: v, OccurredAt: epoch + 60*second + int64(i),
		}
	}
	read := func(at int, v metrics.Version) metrics.Event {
		return metrics.Event{Kind: metrics.KindRead, Feature: "cart", Key: "k", Version: v, OccurredAt: epoch + 61*second + int64(at)}
	}
	shown := func(i int, at int64) metrics.Event {
		return with(begun(i, seq(i)), metrics.KindVisible, "eu", epoch+90*second+at)
	}
	half := func(first, second func(i int) metrics.Event) func(i int) metrics.Event {
		return func(i int) metrics.Event {
			if i < n {
				return first(i)
			}
			return second(i - n)
		}
	}
	rising := func(i int) metrics.Event { return begun(i, seq(i)) }
	return map[string]func(i int) metrics.Event{
		"ordinary":         half(rising, func(i int) metrics.Event { return shown(i, int64(i)) }),
		"shown-earlier":    half(rising, func(i int) metrics.Event { return shown(n-1, int64(-i)) }),
		"falling-versions": func(i int) metrics.Event { return begun(i, seq(2*n-i)) },
		"falling-reads":    func(i int) metrics.Event { return read(-i, seq(i)) },
		"applied-then-shown": half(rising, func(i int) metrics.Event {
			ev := shown(n-1-i/2, int64(-i))
			if i%2 == 0 {
				ev.Kind, ev.OccurredAt = metrics.KindApplied, ev.OccurredAt-second
			}
			return ev
		}),
		"renumbered": half(func(i int) metrics.Event { return begun(i, seq(i+n)) }, rising),
		"begun-under-another-promise": half(func(i int) metrics.Event {
			return with(begun(i, seq(i)), metrics.KindCommitted, "", epoch+60*second)
		}, func(i int) metrics.Event {
			return with(begun(i, seq(i)), metrics.KindInitiated, "", epoch)
		}),
		"expecting-others": half(func(i int) metrics.Event {
			ev := begun(i, seq(n+i))
			ev.Expect = []string{"us"}
			return ev
		}, func(i int) metrics.Event {
			ev := begun(n+i, seq(i))
			ev.Expect = []string{"eu"}
			return ev
		}),
		"read-then-written":         half(func(i int) metrics.Event { return read(i, seq(i)) }, rising),
		"vectors-read-then-written": half(func(i int) metrics.Event { return read(i, vector(i)) }, func(i int) metrics.Event { return begun(i, vector(i)) }),
		"vectors-written-then-read": half(func(i int) metrics.Event { return begun(i, vector(i)) }, func(i int) metrics.Event { return read(i, vector(i)) }),
		"one-version":               half(func(i int) metrics.Event { return read(i, seq(0)) }, func(i int) metrics.Event { return begun(n-i, seq(0)) }),
		"committed-before-reads": half(func(i int) metrics.Event { return read(i, seq(i)) }, func(i int) metrics.Event {
			return with(begun(i, seq(0)), metrics.KindCommitted, "", epoch+60*second)
		}),
	}
}

// BenchmarkBusyKey folds 20,000 events of one key in two batches.
func BenchmarkBusyKey(b *testing.B) {
	const n = 10_000
	for name, event := range busyKeys(n) {
		b.Run(name, func(b *testing.B) {
			events := make([]metrics.Event, 2*n)
			for i := range events {
				events[i] = event(i)
				events[i].EventID = fmt.Sprint(i)
			}
			for b.Loop() {
				e := run{}.open(b, storetest.NewMemory(), Options{Resident: 3 * n})
				if err := e.Fold(context.Background(), 0, events[:n], events[n:]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestSettlingWithTheBatchChangesNothing, with what memory there may be: whether what events
// change of a key is settled at once or with their batch. With little of it, sessions that
// were put down make writes-follow-reads hang on what comes back when.
func TestSettlingWithTheBatchChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		events := shuffled(rt, genHistory(rt))
		r := run{batch: rapid.IntRange(1, 30).Draw(rt, "batch"), resident: rapid.SampledFrom([]int{2, 4, 8, 1000}).Draw(rt, "resident")}
		want, we := r.fold(t, events)
		r.busy = genBusy(rt)
		got, ge := r.fold(t, events)
		all := func(a []string) []string { return a }
		if r.resident < 1000 {
			all = withoutWFR
		}
		diff(rt, "settled with the batch", all(aggregates(t, want)), all(aggregates(t, got)))
		if a, b := we.Stats().Unfolded, ge.Stats().Unfolded; a != b {
			rt.Fatalf("%d events were not counted, before %d", b, a)
		}
	})
}

// Requests of one event each are settled together: what one of them settles may be all that
// is in memory.
func TestSmallBatchesAreSettledTogether(t *testing.T) {
	t.Parallel()
	reads, batches := manyReaders(100), oneByOne(together+1)
	st := storetest.NewMemory()
	e := run{}.open(t, st, run{resident: 1000}.options())
	foldInto(t, st, e, reads...)
	first, err := st.Append(t.Context(), batches...)
	before := e.settled
	if err == nil {
		err = e.Fold(t.Context(), first, batches...)
	}
	if n := e.settled - before; err != nil || n > 2 || e.Stats().Position != st.End() {
		t.Errorf("%d requests are settled %d times, up to %d of %d (%v)", len(batches), n, e.Stats().Position, st.End(), err)
	}
}

// TestFoldingBatchesTogetherChangesNothing, with what memory there may be.
func TestFoldingBatchesTogetherChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		events := shuffled(rt, genHistory(rt))
		r := run{batch: rapid.IntRange(1, 5).Draw(rt, "batch"), resident: rapid.SampledFrom([]int{4, 8, 1000}).Draw(rt, "resident")}
		r.ops = r.resident < 1000 // what later versions satisfy hangs on what is in memory
		want, _ := r.fold(t, events)
		st := storetest.NewMemory()
		e := r.open(t, st, r.options())
		batches := slices.Collect(slices.Chunk(events, r.batch))
		first, err := st.Append(t.Context(), batches...)
		if err == nil {
			err = e.Fold(t.Context(), first, batches...)
		}
		if err == nil {
			err = e.Checkpoint(t.Context())
		}
		if err != nil {
			rt.Fatal(err)
		}
		all := func(a []string) []string { return a }
		if r.resident < 1000 {
			all = withoutWFR
		}
		diff(rt, "folded together", all(aggregates(t, want)), all(aggregates(t, st)))
	})
}
