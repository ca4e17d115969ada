package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidemark/metrics"
	"tidemark/metrics/storetest"
)

func openIndexed(tb testing.TB, dir string, x indexing) *Store {
	tb.Helper()
	s, err := Open(tb.Context(), Options{Dir: dir, index: x, Registerer: prometheus.NewRegistry()})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// TestStoreOfManyRuns is the shared suite with runs so small that all are merged, and
// again.
func TestStoreOfManyRuns(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) metrics.Store {
		return openIndexed(t, t.TempDir(), indexing{segments: 3, fan: 3})
	})
}

// counted is the value of one of the store's own metrics.
func counted(tb testing.TB, s *Store, name string) float64 {
	tb.Helper()
	families, err := s.inst.reg.(*prometheus.Registry).Gather()
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "tidemark_store_"+name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	tb.Fatalf("no metric %s", name)
	return 0
}

// fillSegments appends n segments that are never merged, and returns an event of each.
func fillSegments(tb testing.TB, s *Store, tr *storetest.Traffic, n int) (some []metrics.Event) {
	tb.Helper()
	for range n {
		events := tr.Events(closedSize)
		if _, err := s.Append(tb.Context(), events); err != nil {
			tb.Fatal(err)
		}
		some = append(some, events[len(events)/2])
	}
	if err := s.maintain(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return some
}

// chunkRuns are the runs that chunks belong to, known are those of the list.
func chunkRuns(tb testing.TB, s *Store) (stored, known []int64) {
	tb.Helper()
	p := s.log.last()
	f, err := p.db(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	rows, err := f.r.QueryContext(tb.Context(), "SELECT DISTINCT id >> ? FROM chunk ORDER BY 1", maxChunks+2)
	if err != nil {
		tb.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			tb.Fatal(err)
		}
		stored = append(stored, id)
	}
	if err := rows.Err(); err != nil {
		tb.Fatal(err)
	}
	for i := range p.runs {
		known = append(known, p.runs[i].id)
	}
	slices.Sort(known)
	return stored, known
}

// TestLookupsReadByTheLogarithm holds what finding a write reads: with ten times the
// segments not even one chunk more for each level of the index, and no more segments.
func TestLookupsReadByTheLogarithm(t *testing.T) {
	t.Parallel()
	x := indexing{segments: 8, fan: 4}
	s := openIndexed(t, t.TempDir(), x)
	tr := storetest.NewTraffic(1, storetest.Start)
	read := func(some []metrics.Event) (chunks, segments float64) {
		c, g := counted(t, s, "find_chunks_total"), counted(t, s, "find_segments_total")
		for i := range some {
			found, _, err := s.Find(t.Context(), metrics.FindQuery{Kind: metrics.EntityWrite, Entity: metrics.WriteEntity(some[i].WriteID)})
			if err != nil || len(found) == 0 {
				t.Fatalf("write %s: %d events, %v", some[i].WriteID, len(found), err)
			}
		}
		n := float64(len(some))
		return (counted(t, s, "find_chunks_total") - c) / n, (counted(t, s, "find_segments_total") - g) / n
	}
	old := fillSegments(t, s, tr, 60)[:40] // so that the later half of none is to come
	for _, stored := range []int{60, 600} {
		levels := 1
		for n := stored / x.segments; n >= x.fan; n /= x.fan {
			levels++
		}
		if stored > 60 {
			fillSegments(t, s, tr, stored-60)
		}
		chunks, segments := read(old)
		if most := float64(levels * (x.fan - 1)); chunks > most {
			t.Errorf("%d segments: %.1f chunks for a write; at most %.0f", stored, chunks, most)
		}
		if segments > 3 {
			t.Errorf("%d segments: %.1f were read for a write", stored, segments)
		}
	}
	if stored, known := chunkRuns(t, s); !reflect.DeepEqual(stored, known) {
		t.Errorf("there are chunks of the runs %v; known are %v", stored, known)
	}
}

// TestOldSegmentsOfAKeyAreNotRead asks for what followed on a key that was busy before.
func TestOldSegmentsOfAKeyAreNotRead(t *testing.T) {
	t.Parallel()
	s := openIndexed(t, t.TempDir(), indexing{segments: 4, fan: 2})
	tr := storetest.NewTraffic(1, storetest.Start)
	const segments = 100
	const since = storetest.Start + (segments-10)*int64(time.Second)
	for i := range segments {
		events := tr.Events(closedSize)
		for n := range events {
			events[n].ObservedAt = storetest.Start + int64(i)*int64(time.Second)
		}
		events[7].Feature, events[7].Key = "feature", "busy"
		if _, err := s.Append(t.Context(), events); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, earliest := range []bool{false, true} {
		before := counted(t, s, "find_segments_total")
		found, _, err := s.Find(t.Context(), metrics.FindQuery{
			Kind: metrics.EntityKey, Entity: metrics.KeyEntity("feature", "busy"), Since: since, Earliest: earliest,
		})
		if err != nil || len(found) != 10 {
			t.Fatalf("%d events, %v; want 10", len(found), err)
		}
		if n := counted(t, s, "find_segments_total") - before; n != 10 {
			t.Errorf("%.0f segments were read for 10 of %d", n, segments)
		}
	}
}

// TestACutOffMergeIsSweptUp leaves chunks of no run behind, below and above the known
// ids, and opens the store again.
func TestACutOffMergeIsSweptUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x := indexing{segments: 2, fan: 3}
	tr := storetest.NewTraffic(1, storetest.Start)
	s := openIndexed(t, dir, x)
	some := fillSegments(t, s, tr, 21)
	_, known := chunkRuns(t, s)
	f := s.log.last().file
	for _, id := range []int64{1, known[len(known)-1] + 1} {
		if slices.Contains(known, id) {
			t.Fatalf("run %d was not merged away", id)
		}
		for chunk := range uint64(600) {
			if err := f.exec(t.Context(), "INSERT INTO chunk (id, data) VALUES (?, x'00')", chunkID(id, metrics.EntityKey, chunk)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openIndexed(t, dir, x)
	some = append(some, fillSegments(t, s, tr, 20)...)
	if stored, known := chunkRuns(t, s); !reflect.DeepEqual(stored, known) {
		t.Errorf("there are chunks of the runs %v; known are %v", stored, known)
	}
	for i := range some {
		found, _, err := s.Find(t.Context(), metrics.FindQuery{Kind: metrics.EntityWrite, Entity: metrics.WriteEntity(some[i].WriteID)})
		if err != nil || len(found) == 0 {
			t.Fatalf("write %d: %d events, %v", i, len(found), err)
		}
	}
}

// TestRunsWithoutTimes reads runs as they were stored before they had times.
func TestRunsWithoutTimes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openIndexed(t, dir, indexing{segments: 4, fan: 1000})
	some := fillSegments(t, s, storetest.NewTraffic(1, storetest.Start), 24)
	if err := s.log.last().file.exec(t.Context(), "UPDATE run SET newest = NULL WHERE id < 4"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openIndexed(t, dir, indexing{segments: 4, fan: 3})
	if err := s.maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range some {
		q := metrics.FindQuery{Kind: metrics.EntityWrite, Entity: metrics.WriteEntity(some[i].WriteID), Since: some[i].ObservedAt}
		found, _, err := s.Find(t.Context(), q)
		if err != nil || len(found) == 0 {
			t.Fatalf("write %d: %d events, %v", i, len(found), err)
		}
	}
}

// TestFindWhileRunsAreMerged looks events up all the time while the runs that it looks
// into go.
func TestFindWhileRunsAreMerged(t *testing.T) {
	t.Parallel()
	s := openIndexed(t, t.TempDir(), indexing{segments: 2, fan: 2})
	tr := storetest.NewTraffic(1, storetest.Start)
	some := fillSegments(t, s, tr, 8)
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for n := range uint64(2) {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(n, 1))
			for ctx.Err() == nil {
				e := &some[r.IntN(len(some))]
				found, _, err := s.Find(t.Context(), metrics.FindQuery{Kind: metrics.EntityWrite, Entity: metrics.WriteEntity(e.WriteID)})
				if err != nil || len(found) == 0 {
					t.Errorf("write %s: %d events, %v", e.WriteID, len(found), err)
					return
				}
			}
		})
	}
	fillSegments(t, s, tr, 120)
	cancel()
	readers.Wait()
}

// TestMergedRunIsWhole compares the entries of a merged run with those of its sources.
func TestMergedRunIsWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openIndexed(t, dir, indexing{segments: 90, fan: 1000})
	fillSegments(t, s, storetest.NewTraffic(1, storetest.Start), 330)
	before := entriesOf(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openIndexed(t, dir, indexing{segments: 90, fan: 3})
	if err := s.maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := s.log.last()
	if len(p.runs) != 1 || p.runs[0].placeBits() != 9 {
		t.Fatalf("%d runs, %d bits of place; want one of 9", len(p.runs), p.runs[0].placeBits())
	}
	if after := entriesOf(t, s); !reflect.DeepEqual(before, after) {
		t.Errorf("%d entries before, %d after, or they differ", len(before), len(after))
	}
}

// entriesOf lists everything that the runs of the last partition say.
func entriesOf(tb testing.TB, s *Store) map[string]bool {
	tb.Helper()
	all := map[string]bool{}
	p := s.log.last()
	_, err := p.read(tb.Context(), func(db *sql.DB) error {
		for i := range p.runs {
			r := &p.runs[i]
			for _, kind := range kinds() {
				src := newSource(r, kind, 0, r.placeBits())
				for {
					if err := src.fill(tb.Context(), db); err != nil {
						return err
					}
					if len(src.entries) == 0 {
						break
					}
					for _, e := range src.entries {
						all[fmt.Sprint(kind, e>>r.placeBits(), r.segments[e&(1<<r.placeBits()-1)])] = true
					}
					src.entries = nil
				}
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return all
}
