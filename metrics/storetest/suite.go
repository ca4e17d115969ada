package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

// Start is the time (Unix ns) at which the suite's events begin: a multiple of an hour.
const Start = int64(1_750_000_000/3600*3600) * int64(time.Second)

// Run checks that stores made by open, each empty and closed by the test's
// cleanup, keep the contract of metrics.Store.
func Run(t *testing.T, open func(t *testing.T) metrics.Store) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(t *testing.T, s metrics.Store)
	}{
		{"Empty", testEmpty},
		{"AppendScan", testAppendScan},
		{"Find", testFind},
		{"FindOfFeature", testFindOfFeature},
		{"ReadWhileAppending", testReadWhileAppending},
		{"Rollups", testRollups},
		{"ZeroCellsGo", testZeroCellsGo},
		{"Pages", testPages},
		{"BadPosition", testBadPosition},
		{"Reset", testReset},
		{"Prune", testPrune},
		{"Quarantine", testQuarantine},
		{"QuarantineLabels", testQuarantineLabels},
		{"QuarantineShares", testQuarantineShares},
		{"QuarantineSharesAtRandom", testQuarantineSharesAtRandom},
		{"Closed", testClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if reflect.DeepEqual(want, got) { // Most are, and cmp.Diff takes its time.
		return
	}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b *sketch.Cell) bool { return a.Equal(b) }),
		cmp.AllowUnexported(foundCell{})); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

// ScanAll returns copies of all events from a position on, and fails the test when
// runs do not follow one another.
func ScanAll(t *testing.T, s metrics.Store, from metrics.Position) []metrics.Event {
	t.Helper()
	var all []metrics.Event
	next := max(from, s.Begin())
	must(t, s.Scan(t.Context(), from, func(first metrics.Position, events []metrics.Event) error {
		if first != next || len(events) == 0 {
			return fmt.Errorf("a run of %d events begins at %d, want %d", len(events), first, next)
		}
		for i := range events {
			all = append(all, CloneEvent(&events[i]))
		}
		next += metrics.Position(len(events))
		return nil
	}))
	return all
}

func testEmpty(t *testing.T, s metrics.Store) {
	ctx := t.Context()
	if s.Begin() != 0 || s.End() != 0 || len(ScanAll(t, s, 0)) != 0 {
		t.Fatalf("an empty log goes from %d to %d", s.Begin(), s.End())
	}
	pos, err := s.Append(ctx)
	if pos != 0 || err != nil {
		t.Fatalf("append nothing: %d, %v", pos, err)
	}
	found, more, err := s.Find(ctx, metrics.FindQuery{Kind: metrics.EntityWrite, Entity: 1})
	if len(found) > 0 || more || err != nil {
		t.Fatalf("find: %v %v %v", found, more, err)
	}
	if _, err := s.Blob(ctx, "none"); !errors.Is(err, metrics.ErrNotFound) {
		t.Fatalf("blob: %v", err)
	}
	if _, err := s.Conflict(ctx, "none"); !errors.Is(err, metrics.ErrNotFound) {
		t.Fatalf("conflict: %v", err)
	}
	st, err := s.Stats(ctx)
	must(t, err)
	if st.Events != 0 || st.OldestRaw != 0 {
		t.Fatalf("stats: %+v", st)
	}
	must(t, s.Commit(ctx, &metrics.Checkpoint{}))
	must(t, s.Prune(ctx, time.Unix(0, Start), metrics.Retention{Raw: time.Hour, Rows: time.Hour}))
}

func testAppendScan(t *testing.T, s metrics.Store) {
	tr := NewTraffic(1, Start)
	var want []metrics.Event
	for _, sizes := range [][]int{{1}, {1, 2}, {500, 0, 500}, {3000}, {20_000}, {7}} {
		var batches [][]metrics.Event
		first := metrics.Position(len(want))
		for _, n := range sizes {
			b := tr.Events(n)
			batches, want = append(batches, b), append(want, b...)
		}
		got, err := s.Append(t.Context(), batches...)
		must(t, err)
		if got != first || s.End() != metrics.Position(len(want)) {
			t.Fatalf("appended at %d, end %d; want %d and %d", got, s.End(), first, len(want))
		}
	}
	for _, from := range []int{0, 1, 2, 777, 1003, 4000, 12_345, len(want) - 1, len(want), len(want) + 10} {
		rest := want[min(from, len(want)):]
		if got := ScanAll(t, s, metrics.Position(from)); len(got) != len(rest) || (len(got) > 0 && !reflect.DeepEqual(got, rest)) {
			t.Fatalf("scan from %d: %d events, want %d (or they differ)", from, len(got), len(rest))
		}
	}
	stop := errors.New("stop")
	if err := s.Scan(t.Context(), 0, func(metrics.Position, []metrics.Event) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("the error of fn came back as %v", err)
	}
	st, err := s.Stats(t.Context())
	must(t, err)
	if st.Events != uint64(len(want)) || st.OldestRaw != want[0].ObservedAt || st.Segments < 1 || st.Partitions < 1 {
		t.Fatalf("stats: %+v", st)
	}
}

func testFind(t *testing.T, s metrics.Store) {
	tr := NewTraffic(2, Start)
	ref := NewMemory()
	for i := range 30 {
		b := tr.Events([]int{1, 40, 900}[i%3])
		_, err := s.Append(t.Context(), b)
		must(t, err)
		_, err = ref.Append(t.Context(), b)
		must(t, err)
	}
	events, step := ScanAll(t, ref, 0), 97
	if testing.Short() { // as under the race detector, which has seen it all after a few
		step = 970
	}
	for i := 0; i < len(events); i += step {
		events[i].Entities(func(k metrics.EntityKind, e metrics.Entity) {
			for _, q := range []metrics.FindQuery{
				{Kind: k, Entity: e},
				{Kind: k, Entity: e, Limit: 2},
				{Kind: k, Entity: e, Before: metrics.Position(i)},
				{Kind: k, Entity: e, Before: metrics.Position(i + 1), Limit: 1},
				{Kind: k, Entity: e, Limit: 3, Earliest: true},
				{Kind: k, Entity: e, Before: metrics.Position(i + 1), Earliest: true},
				{Kind: k, Entity: e, Since: events[i].ObservedAt, Limit: 2, Earliest: true},
				{Kind: k, Entity: e, Since: events[i].ObservedAt},
				{Kind: k, Entity: e, From: metrics.Position(i)},
				{Kind: k, Entity: e, From: metrics.Position(i + 1)},
				{Kind: k, Entity: e, From: metrics.Position(i), Limit: 1, Earliest: true},
				{Kind: k, Entity: e, From: metrics.Position(i), Before: metrics.Position(i + 1), Earliest: true},
				{Kind: k, Entity: e, From: s.End()},
			} {
				sameFind(t, ref, s, q)
			}
		})
	}
}

// testFindOfFeature lets two features use the same write, and one of them very often.
func testFindOfFeature(t *testing.T, s metrics.Store) {
	ref := NewMemory()
	add := func(feature string, n int) {
		events := make([]metrics.Event, n)
		for i := range events {
			at := Start + int64(i)
			events[i] = metrics.Event{
				EventID: fmt.Sprintf("%s-%d-%d", feature, n, i), Kind: metrics.KindFailed, WriteID: "w", Feature: feature, Service: "s", OccurredAt: at, ObservedAt: at,
			}
		}
		for _, to := range []metrics.Store{ref, s} {
			_, err := to.Append(t.Context(), events)
			must(t, err)
		}
	}
	for n := range 5 {
		add("cart", 3+n)
		add("shop", 7)
	}
	for _, limit := range []int{0, 2, 25, 100} {
		for _, earliest := range []bool{false, true} {
			q := metrics.FindQuery{Kind: metrics.EntityWrite, Entity: metrics.WriteEntity("w"), Feature: "cart", Limit: limit, Earliest: earliest}
			sameFind(t, ref, s, q)
			q.Feature = "nobody's"
			sameFind(t, ref, s, q)
		}
	}
	add("shop", 5000)
	q := metrics.FindQuery{Kind: metrics.EntityWrite, Entity: metrics.WriteEntity("w"), Feature: "cart", Limit: 1000, Earliest: true}
	sameFind(t, ref, s, q)
	q.Pass = 5000
	events, more, err := s.Find(t.Context(), q)
	must(t, err)
	if len(events) != 25 || !more {
		t.Fatalf("%d events, more %v; want all 25 of the feature, and that not all of the others were passed over", len(events), more)
	}
	q.Earliest = false
	if _, more, err := s.Find(t.Context(), q); err != nil || !more {
		t.Fatalf("from the end: more %v, %v", more, err)
	}
}

func sameFind(t *testing.T, ref, s metrics.Store, q metrics.FindQuery) {
	t.Helper()
	want, wantMore, err := ref.Find(t.Context(), q)
	must(t, err)
	got, more, err := s.Find(t.Context(), q)
	must(t, err)
	if more != wantMore {
		t.Fatalf("find %+v: more = %v, want %v", q, more, wantMore)
	}
	same(t, fmt.Sprintf("find %+v", q), want, got)
}

func testReadWhileAppending(t *testing.T, s metrics.Store) {
	tr := NewTraffic(3, Start)
	all := tr.Events(6000)
	appended := make(chan error, 1)
	go func() {
		for i := 0; i < len(all); i += 60 {
			if _, err := s.Append(context.Background(), all[i:i+60]); err != nil {
				appended <- err
				return
			}
		}
		appended <- nil
	}()
	write := metrics.WriteEntity(all[0].WriteID)
	for {
		got := ScanAll(t, s, 0)
		if !reflect.DeepEqual(got, all[:len(got)]) && len(got) > 0 {
			t.Fatalf("%d events were read that differ from what was appended", len(got))
		}
		if _, _, err := s.Find(t.Context(), metrics.FindQuery{Kind: metrics.EntityWrite, Entity: write}); err != nil {
			t.Fatal(err)
		}
		if len(got) == len(all) {
			break
		}
		select {
		case err := <-appended:
			must(t, err)
			appended <- nil
		default:
		}
	}
	must(t, <-appended)
}

func testBadPosition(t *testing.T, s metrics.Store) {
	_, err := s.Append(t.Context(), NewTraffic(4, Start).Events(10))
	must(t, err)
	must(t, s.Commit(t.Context(), &metrics.Checkpoint{Position: 5, Blobs: map[string][]byte{"a": {1}}}))
	for _, pos := range []metrics.Position{4, 11} {
		c := &metrics.Checkpoint{Position: pos, Blobs: map[string][]byte{"a": {2}}}
		if err := s.Commit(t.Context(), c); err == nil {
			t.Fatalf("a checkpoint at %d was stored", pos)
		}
	}
	b, err := s.Blob(t.Context(), "a")
	must(t, err)
	if !slices.Equal(b, []byte{1}) {
		t.Fatalf("a refused checkpoint changed a blob to %v", b)
	}
}

func testClosed(t *testing.T, s metrics.Store) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Append(cancelled, NewTraffic(5, Start).Events(1)); !errors.Is(err, context.Canceled) || s.End() != 0 {
		t.Fatalf("append after cancelling: %v, end %d", err, s.End())
	}
	must(t, s.Close())
	must(t, s.Close())
	ctx := t.Context()
	_, appendErr := s.Append(ctx, NewTraffic(5, Start).Events(1))
	_, _, findErr := s.Find(ctx, metrics.FindQuery{Kind: metrics.EntityWrite})
	_, statsErr := s.Stats(ctx)
	for what, err := range map[string]error{
		"append": appendErr, "find": findErr, "stats": statsErr,
		"scan":   s.Scan(ctx, 0, func(metrics.Position, []metrics.Event) error { return nil }),
		"commit": s.Commit(ctx, &metrics.Checkpoint{}),
	} {
		if !errors.Is(err, metrics.ErrClosed) {
			t.Errorf("%s after close: %v", what, err)
		}
	}
}
