package rollup

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"tidemark/metrics"
	"tidemark/metrics/storetest"
)

// BenchmarkFold folds batches of 5,000 events, 8 a write, with checkpoints to a store
// that does nothing, so that only the fold is measured.
func BenchmarkFold(b *testing.B) {
	const batch = 5_000
	traffic := storetest.NewTraffic(1, epoch)
	e, err := Open(context.Background(), storetest.NewMemory(), testConfigs(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	batches := make([][]metrics.Event, 40)
	for i := range batches {
		batches[i] = traffic.Events(batch)
	}
	pos := metrics.Position(0)
	round := 0
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		events := batches[i%len(batches)]
		if i > 0 && i%len(batches) == 0 {
			b.StopTimer()
			round++
			for _, bt := range batches {
				for j := range bt {
					bt[j].WriteID += "x" // the same traffic of other writes
				}
			}
			b.StartTimer()
		}
		if err := e.Fold(context.Background(), pos, events); err != nil {
			b.Fatal(err)
		}
		pos += batch
		if i%20 == 19 {
			e.mu.Lock()
			e.cut()
			e.mu.Unlock()
		}
	}
	b.ReportMetric(float64(b.N)*batch/b.Elapsed().Seconds(), "events/s")
}

// manyReaders are n reads of one version in as many sessions.
func manyReaders(n int) []metrics.Event {
	events := make([]metrics.Event, n)
	for i := range events {
		events[i] = metrics.Event{
			Kind: metrics.KindRead, EventID: fmt.Sprint("r", i), Feature: "cart", Key: "k", Version: metrics.SeqVersion(1),
			OccurredAt: epoch + 60*second + int64(i), SessionID: fmt.Sprint(i), SessionSeq: 1,
		}
	}
	return events
}

// oneByOne are n arrivals of the write that manyReaders have read, a batch each.
func oneByOne(n int) [][]metrics.Event {
	batches := make([][]metrics.Event, n)
	for i := range batches {
		batches[i] = []metrics.Event{{
			Kind: metrics.KindReceived, EventID: fmt.Sprint("w", i), WriteID: "w", Feature: "cart", Key: "k", Version: metrics.SeqVersion(1),
			Replica: "eu", OccurredAt: epoch + 60*second - int64(i),
		}}
	}
	return batches
}

// BenchmarkSmallBatches folds 500 requests of one event about a write that 20,000 sessions
// have read.
func BenchmarkSmallBatches(b *testing.B) {
	reads, batches := manyReaders(20_000), oneByOne(500)
	for b.Loop() {
		e := run{}.open(b, storetest.NewMemory(), Options{})
		err := e.Fold(context.Background(), 0, reads)
		if err == nil {
			err = e.Fold(context.Background(), metrics.Position(len(reads)), batches...)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDropPartial puts down, as a restart does, 20,000 keys that sessions link in a row,
// because something of the first one is not in memory.
func BenchmarkDropPartial(b *testing.B) {
	const n = 20_000
	events := make([]metrics.Event, 2*n)
	for i := range events {
		events[i] = metrics.Event{
			Kind: metrics.KindInitiated, EventID: fmt.Sprint(i), WriteID: fmt.Sprint(i), Feature: "cart", Key: fmt.Sprint((i + 1) / 2),
			OccurredAt: epoch, SessionID: fmt.Sprint(i / 2), SessionSeq: int64(i%2 + 1),
		}
	}
	for b.Loop() {
		b.StopTimer()
		e := run{}.open(b, storetest.NewMemory(), Options{})
		if err := e.Fold(context.Background(), 0, events); err != nil {
			b.Fatal(err)
		}
		e.keyFor(e.feature("cart"), "0").complete = false
		b.StartTimer()
		if e.dropPartial(); e.resident != 0 {
			b.Fatalf("%d states are left", e.resident)
		}
	}
}

// BenchmarkReadsOfOneKey folds reads of one key, of which memory holds the last 100,000.
func BenchmarkReadsOfOneKey(b *testing.B) {
	const n = 100_000
	e := run{}.open(b, storetest.NewMemory(), Options{Resident: n})
	events := manyReaders(n)
	for i := range events {
		events[i].SessionID, events[i].SessionSeq = "", 0
	}
	for at := 0; b.Loop(); at += n {
		for i := range events {
			events[i].EventID, events[i].OccurredAt = fmt.Sprint(at, "-", i), epoch+int64(at+i)
		}
		if err := e.Fold(context.Background(), metrics.Position(at), slices.Collect(slices.Chunk(events, 2000))...); err != nil {
			b.Fatal(err)
		}
	}
}
