package rollup

import (
	"context"
	"fmt"
	"testing"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/storetest"
)

// countingStore counts how often open writes are read from it.
type countingStore struct {
	metrics.Store
	reads int
}

func (s *countingStore) Spilled(ctx context.Context, q metrics.SpilledQuery) ([]metrics.OpenWrite, error) {
	s.reads++
	return s.Store.Spilled(ctx, q)
}

// beginWrites are writes that expect a replica which says nothing.
func beginWrites(from, n int) []metrics.Event {
	out := make([]metrics.Event, n)
	for i := range out {
		id := fmt.Sprintf("w%d", from+i)
		out[i] = metrics.Event{
			EventID: "e-" + id, Kind: metrics.KindInitiated, WriteID: id, Feature: "cart", Key: "k-" + id, Service: "shop",
			OccurredAt: epoch + int64(from+i), ObservedAt: epoch + int64(from+i), Expect: []string{"eu"},
		}
	}
	return out
}

// spilled is an engine that has put n open writes down, and its store.
func spilled(tb testing.TB, n int) (*Engine, *countingStore) {
	tb.Helper()
	st := &countingStore{Store: storetest.NewMemory()}
	e, err := Open(context.Background(), st, nil, Options{Resident: 1, Now: func() time.Time { return time.Unix(0, epoch) }})
	if err != nil {
		tb.Fatal(err)
	}
	add(tb, e, st, beginWrites(0, n))
	return e, st
}

// add stores and folds events, and stores a checkpoint.
func add(tb testing.TB, e *Engine, st metrics.Store, events []metrics.Event) {
	tb.Helper()
	first, err := st.Append(context.Background(), events)
	if err != nil {
		tb.Fatal(err)
	}
	if err := e.Fold(context.Background(), first, events); err != nil {
		tb.Fatal(err)
	}
	if err := e.Checkpoint(context.Background()); err != nil {
		tb.Fatal(err)
	}
}

func TestOpenWritesAreReadAgainWhenACheckpointChangedThem(t *testing.T) {
	t.Parallel()
	e, st := spilled(t, 20)
	ask := func() []metrics.OpenWrite {
		t.Helper()
		rows, err := e.OpenWrites(context.Background(), metrics.SpilledQuery{Feature: "cart", Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	if n := len(ask()); n != 20 {
		t.Fatalf("%d open writes; want 20", n)
	}
	before := st.reads
	if n := len(ask()); n != 20 || st.reads != before {
		t.Errorf("asked again: %d open writes, read %d times more; want 20, 0", n, st.reads-before)
	}
	add(t, e, st, beginWrites(20, 5))
	if n := len(ask()); n != 25 {
		t.Errorf("after five more began: %d open writes; want 25", n)
	}
	arrived := metrics.Event{
		EventID: "a", Kind: metrics.KindVisible, WriteID: "w3", Feature: "cart", Key: "k-w3", Service: "reader", Replica: "eu",
		OccurredAt: epoch + int64(time.Second), ObservedAt: epoch + int64(time.Second),
	}
	add(t, e, st, []metrics.Event{arrived})
	rows := ask()
	if len(rows) != 24 {
		t.Errorf("after one arrived: %d open writes; want 24", len(rows))
	}
	for _, r := range rows {
		if r.WriteID == "w3" {
			t.Error("w3 is listed as open after it arrived")
		}
	}
}

// BenchmarkOpenWrites asks as a page does, with 2,000 writes put down.
func BenchmarkOpenWrites(b *testing.B) {
	e, _ := spilled(b, 2_000)
	q := metrics.SpilledQuery{Feature: "cart", Limit: 2_000}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.OpenWrites(context.Background(), q); err != nil {
			b.Fatal(err)
		}
	}
}
