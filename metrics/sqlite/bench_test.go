package sqlite_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
	"tidemark/metrics/sqlite"
	"tidemark/metrics/storetest"
)

// batches prepares n different batches, so that a benchmark does not measure making them.
func batches(n, size int) [][]metrics.Event {
	tr := storetest.NewTraffic(1, storetest.Start)
	list := make([][]metrics.Event, n)
	for i := range list {
		list[i] = tr.Events(size)
	}
	return list
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1, 500, 5000, 10_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := open(b, sqlite.Options{})
			list := batches(max(1, min(64, 200_000/size)), size)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := s.Append(b.Context(), list[i%len(list)]); err != nil {
					b.Fatal(err)
				}
				i++
			}
			st, err := s.Stats(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(i)*float64(size)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(st.RawBytes)/float64(st.Events), "diskB/event")
		})
	}
}

// filled is a store of n events in batches of 8192.
func filled(b *testing.B, n int) (*sqlite.Store, []metrics.Event) {
	b.Helper()
	s := open(b, sqlite.Options{})
	tr := storetest.NewTraffic(1, storetest.Start)
	var some []metrics.Event
	for i := 0; i < n; i += 8192 {
		events := tr.Events(8192)
		if _, err := s.Append(b.Context(), events); err != nil {
			b.Fatal(err)
		}
		some = append(some, storetest.CloneEvent(&events[100]))
	}
	return s, some
}

func BenchmarkScan(b *testing.B) {
	s, _ := filled(b, 500_000)
	n := 0
	for b.Loop() {
		err := s.Scan(b.Context(), 0, func(_ metrics.Position, events []metrics.Event) error {
			n += len(events)
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkFindWrite(b *testing.B) {
	s, some := filled(b, 4_000_000)
	i := 0
	for b.Loop() {
		e := metrics.WriteEntity(some[i*37%len(some)].WriteID)
		found, _, err := s.Find(b.Context(), metrics.FindQuery{Kind: metrics.EntityWrite, Entity: e})
		if err != nil || len(found) == 0 {
			b.Fatal(len(found), err)
		}
		i++
	}
}

// BenchmarkCommit merges cells of windows that are open: each series once.
func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{2000, 200_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := open(b, sqlite.Options{})
			r := rand.New(rand.NewPCG(1, 1))
			var series []*metrics.Series
			for i := range 2000 {
				series = append(series, &metrics.Series{Feature: fmt.Sprint("feature-", i%50), Metric: metrics.MetricHop, ToPlace: fmt.Sprint(i)})
			}
			c := &metrics.Checkpoint{Deltas: map[metrics.CellKey]*sketch.Cell{}}
			for i := range n {
				cell := &sketch.Cell{N: 20, Hits: 20}
				for range 20 {
					cell.Observe(int64(r.ExpFloat64()*float64(time.Second)), 1)
				}
				k := metrics.CellKey{Series: series[i%2000], Start: storetest.Start/1e9 + int64(i/2000)*10*86}
				c.Deltas[k] = cell
			}
			for b.Loop() {
				if err := s.Commit(b.Context(), c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCells reads 24 h of one-minute cells of one series among many.
func BenchmarkCells(b *testing.B) {
	s := open(b, sqlite.Options{})
	var series []*metrics.Series
	for i := range 50 {
		series = append(series, &metrics.Series{Feature: fmt.Sprint("feature-", i), Metric: metrics.MetricVisible})
	}
	r := rand.New(rand.NewPCG(1, 1))
	from := storetest.Start / 1e9
	for m := range int64(24) {
		c := &metrics.Checkpoint{Deltas: map[metrics.CellKey]*sketch.Cell{}}
		for i := range int64(60 * 50) {
			cell := &sketch.Cell{N: 100, Hits: 100}
			for range 100 {
				cell.Observe(int64(r.ExpFloat64()*float64(time.Second)), 1)
			}
			c.Deltas[metrics.CellKey{Series: series[i%50], Start: from + m*3600 + i/50*60}] = cell
		}
		if err := s.Commit(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
	q := metrics.CellQuery{
		Level: metrics.Level1m, From: from, To: from + 86400,
		Metrics: []metrics.Metric{metrics.MetricVisible}, Match: metrics.Series{Feature: "feature-7"},
	}
	for b.Loop() {
		n := 0
		err := s.Cells(b.Context(), q, func(*metrics.Series, int64, *sketch.Cell) error { n++; return nil })
		if err != nil || n != 1440 {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkHeldCounts asks which labels are held most often, beside 5,000 events of 32
// labels that nobody else has.
func BenchmarkHeldCounts(b *testing.B) {
	s := open(b, sqlite.Options{Dir: b.TempDir()})
	events := make([]metrics.Event, 5000)
	for i := range events {
		events[i] = metrics.Event{
			Kind: metrics.KindInitiated, EventID: fmt.Sprint(i), WriteID: fmt.Sprint(i), Feature: "cart", OccurredAt: 1, ObservedAt: 1,
		}
		for n := range metrics.MaxLabels {
			events[i].Labels = append(events[i].Labels, fmt.Sprintf("label-%d-%d", i, n))
		}
	}
	began := time.Now()
	if h, err := s.Hold(b.Context(), 1, events, metrics.HeldTotal{Events: 1e6, Bytes: 1 << 30}); err != nil || h.Held != len(events) {
		b.Fatal(h.Held, err)
	}
	took := time.Since(began)
	for b.Loop() {
		if c, err := s.HeldCounts(b.Context(), metrics.HeldCountQuery{Limit: 201}); err != nil || len(c) != 201 {
			b.Fatal(len(c), err)
		}
	}
	b.ReportMetric(float64(took.Microseconds())/float64(len(events)), "us/held")
}
