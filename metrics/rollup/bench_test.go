package rollup

import (
	"context"
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
