package ingest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidemark/metrics"
	"tidemark/metrics/storetest"
)

// countingFolder counts what was folded.
type countingFolder struct {
	mu     sync.Mutex
	events int
	next   metrics.Position
	gap    bool
}

func (f *countingFolder) Fold(_ context.Context, first metrics.Position, batches ...[]metrics.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gap = f.gap || first != f.next
	for _, b := range batches {
		f.events += len(b)
		f.next = first + metrics.Position(len(b))
		first = f.next
	}
	return nil
}

func (f *countingFolder) Checkpoint(context.Context) error { return nil }
func (f *countingFolder) Due(time.Time) bool               { return false }
func (f *countingFolder) Full() bool                       { return false }

// gatedLog appends only when the gate lets it, and may fail.
type gatedLog struct {
	metrics.Log
	gate chan struct{}
	err  atomic.Pointer[error]
}

func (l *gatedLog) Append(ctx context.Context, batches ...[]metrics.Event) (metrics.Position, error) {
	if l.gate != nil {
		<-l.gate
	}
	if err := l.err.Load(); err != nil {
		return 0, *err
	}
	return l.Log.Append(ctx, batches...)
}

func event(id string) metrics.Event {
	return metrics.Event{EventID: id, Kind: metrics.KindInitiated, WriteID: "w-" + id, Feature: "cart", Service: "web", OccurredAt: 1}
}

func start(t *testing.T, log metrics.Log, o Options) (*Pipeline, *countingFolder) {
	t.Helper()
	f := &countingFolder{}
	p := New(log, f, nil, nil, o)
	p.Start()
	t.Cleanup(func() {
		if err := p.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p, f
}

func TestSubmitStoresOnceAndSaysSo(t *testing.T) {
	t.Parallel()
	st := storetest.NewMemory()
	p, f := start(t, st, Options{Now: func() time.Time { return time.Unix(7, 0) }})
	var released atomic.Int32
	submit := func(ids ...string) Receipt {
		events := make([]metrics.Event, len(ids))
		for i, id := range ids {
			events[i] = event(id)
		}
		r, err := p.Submit(t.Context(), events, func() { released.Add(1) })
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := submit("a", "b", "a"); r.Accepted != 2 || r.Duplicates != 1 {
		t.Errorf("accepted %d, duplicates %d; want 2 and 1", r.Accepted, r.Duplicates)
	}
	if r := submit("b", "c"); r.Accepted != 1 || r.Duplicates != 1 {
		t.Errorf("accepted %d, duplicates %d; want 1 and 1", r.Accepted, r.Duplicates)
	}
	if r := submit("b"); r.Accepted != 0 || r.Duplicates != 1 {
		t.Errorf("accepted %d, duplicates %d; want 0 and 1", r.Accepted, r.Duplicates)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st.End() != 3 || f.events != 3 || f.gap {
		t.Errorf("the log has %d events and %d were folded (out of order: %v); want 3", st.End(), f.events, f.gap)
	}
	if n := released.Load(); n != 3 {
		t.Errorf("released %d of 3 submissions", n)
	}
	err := st.Scan(t.Context(), 0, func(_ metrics.Position, es []metrics.Event) error {
		for i := range es {
			if es[i].ObservedAt != time.Unix(7, 0).UnixNano() {
				t.Errorf("event %s was observed at %d", es[i].EventID, es[i].ObservedAt)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Submit(t.Context(), []metrics.Event{event("z")}, func() {}); !errors.Is(err, ErrStopped) {
		t.Errorf("after stop: %v; want ErrStopped", err)
	}
}

func TestOverloadIsRefusedAndWhatWaitsIsKept(t *testing.T) {
	t.Parallel()
	log := &gatedLog{Log: storetest.NewMemory(), gate: make(chan struct{})}
	p, f := start(t, log, Options{QueueEvents: 10})
	results := make(chan error, 3)
	batch := func(n int) []metrics.Event {
		es := make([]metrics.Event, 4)
		for i := range es {
			es[i] = event(fmt.Sprintf("%d-%d", n, i))
		}
		return es
	}
	for n := range 2 { // eight wait: within the limit
		go func() {
			_, err := p.Submit(context.Background(), batch(n), func() {})
			results <- err
		}()
	}
	for p.queued.Load() < 8 {
		runtime.Gosched() // until both have queued up
	}
	if _, err := p.Submit(t.Context(), batch(9), func() {}); !errors.Is(err, ErrOverloaded) {
		t.Errorf("with a full queue: %v; want ErrOverloaded", err)
	}
	close(log.gate)
	for range 2 {
		if err := <-results; err != nil {
			t.Errorf("what was queued: %v", err)
		}
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f.events != 8 {
		t.Errorf("%d events were folded; want 8", f.events)
	}
}

func TestAFailedTransactionAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	st := storetest.NewMemory()
	log := &gatedLog{Log: st}
	full := metrics.ErrFull
	log.err.Store(&full)
	p, _ := start(t, log, Options{})
	if _, err := p.Submit(t.Context(), []metrics.Event{event("a")}, func() {}); !errors.Is(err, metrics.ErrFull) {
		t.Fatalf("%v; want ErrFull", err)
	}
	log.err.Store(nil)
	r, err := p.Submit(t.Context(), []metrics.Event{event("a")}, func() {})
	if err != nil || r.Accepted != 1 || r.Duplicates != 0 {
		t.Errorf("sent again: %+v, %v; want it accepted, not taken for a duplicate", r, err)
	}
	if st.End() != 1 {
		t.Errorf("the log has %d events; want 1", st.End())
	}
}

func TestCardinalityIsLimitedAndNeighboursAreNotHarmed(t *testing.T) {
	t.Parallel()
	p, _ := start(t, storetest.NewMemory(), Options{Cardinality: Cardinality{Features: 2, ReplicasPerFeature: 1}})
	mk := func(id, feature, replica string) metrics.Event {
		e := event(id)
		e.Feature, e.Replica = feature, replica
		return e
	}
	events := []metrics.Event{
		mk("1", "a", "r"), mk("2", "b", ""), mk("3", "c", ""), mk("4", "a", "s"), mk("5", "a", "r"),
	}
	r, err := p.Submit(t.Context(), events, func() {})
	if err != nil {
		t.Fatal(err)
	}
	if r.Accepted != 3 || len(r.Rejected) != 2 {
		t.Fatalf("%+v; want 3 accepted and 2 rejected", r)
	}
	for i, want := range []struct {
		index int
		field string
	}{{2, "feature"}, {3, "replica"}} {
		got := r.Rejected[i]
		if got.Index != want.index || got.Field != want.field || got.Code != CodeCardinality || got.Message == "" {
			t.Errorf("%+v; want index %d, field %s", got, want.index, want.field)
		}
	}
	if n := p.Stats().Rejected[CodeCardinality]; n != 2 {
		t.Errorf("counted %d rejections; want 2", n)
	}
}

func TestRecentIsAnExactSetOfTheNewestIDs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		const limit = 16
		r := newRecent(limit)
		var order []string // every id in the order of its first adding
		known := map[string]bool{}
		for range rapid.IntRange(0, 30).Draw(rt, "groups") {
			var added []fingerprint
			var ids []string
			for range rapid.IntRange(0, 6).Draw(rt, "ids") {
				id := fmt.Sprint(rapid.IntRange(0, 80).Draw(rt, "id"))
				fresh := r.add(fingerprintOf("", 0, id))
				newest := known[id] && within(order, id, limit)
				if fresh && newest {
					rt.Fatalf("id %s is among the newest %d and was taken for new", id, limit)
				}
				if !fresh && !known[id] {
					rt.Fatalf("id %s was never added and was taken for known", id)
				}
				if fresh {
					added, ids = append(added, fingerprintOf("", 0, id)), append(ids, id)
					known[id] = true
				}
			}
			if rapid.IntRange(0, 3).Draw(rt, "fails") == 0 {
				r.undo(added)
				for _, id := range ids {
					known[id] = within(order, id, len(order))
				}
			} else {
				order = append(order, ids...)
			}
			r.turn()
		}
	})
}

// within reports whether an id is among the last n of order.
func within(order []string, id string, n int) bool {
	return slices.Contains(order[max(0, len(order)-n):], id)
}

func BenchmarkRecent(b *testing.B) {
	r := newRecent(500_000)
	ids := make([]string, 1<<20)
	for i := range ids {
		ids[i] = fmt.Sprintf("018f4c1e-%04x-7000-8000-%012x", i&0xffff, i*2654435761)
	}
	b.ReportAllocs()
	for i := range b.N {
		r.add(fingerprintOf("", 0, ids[i&(1<<20-1)]))
		if i%5_000 == 0 {
			r.turn()
		}
	}
}

// Groups that wait to be folded are folded as one, up to the size of a group.
func TestGroupsThatWaitAreFoldedTogether(t *testing.T) {
	t.Parallel()
	p := New(storetest.NewMemory(), &countingFolder{}, nil, nil, Options{GroupEvents: 5})
	for i := range 8 {
		p.stored <- group{first: metrics.Position(i), batches: [][]metrics.Event{{event("a")}}, subs: []*submission{{}}} //nolint:gosec // small
	}
	if g := p.withWaiting(<-p.stored); g.first != 0 || len(g.batches) != 5 || len(g.subs) != 5 {
		t.Errorf("from %d on %d batches of %d submissions are folded; want 5 from 0 on", g.first, len(g.batches), len(g.subs))
	}
	close(p.stored)
	if g := p.withWaiting(<-p.stored); g.first != 5 || len(g.batches) != 3 {
		t.Errorf("from %d on %d batches are folded; want the 3 that are left", g.first, len(g.batches))
	}
}
