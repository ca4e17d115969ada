package sqlite

import (
	"context"
	"fmt"
	"testing"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
	"tidemark/metrics/storetest"
)

// TestWhoSeesACellKnowsItsSeries: each checkpoint adds a series, and a reader that sees the
// checkpoint finds the cells of all so far, also at the moment at which it is stored.
func TestWhoSeesACellKnowsItsSeries(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := openAt(t, t.TempDir())
	const n = 150
	if _, err := s.Append(ctx, storetest.NewTraffic(1, storetest.Start).Events(n)); err != nil {
		t.Fatal(err)
	}
	stored := make(chan error, 1)
	go func() { stored <- addSeries(context.WithoutCancel(ctx), s, n) }()
	for last := metrics.Position(0); last < n; {
		found := metrics.Position(0)
		q := metrics.CellQuery{Level: metrics.Level10s, From: 0, To: 1 << 40, Metrics: []metrics.Metric{metrics.MetricWrites}, AllFeatures: true}
		q.At = func(p metrics.Position) error { last = p; return nil }
		if err := s.Cells(ctx, q, func(*metrics.Series, int64, *sketch.Cell) error { found++; return nil }); err != nil {
			t.Fatal(err)
		}
		if found != last {
			t.Errorf("at checkpoint %d there are cells of %d series", last, found)
			break
		}
	}
	if err := <-stored; err != nil {
		t.Fatal(err)
	}
}

func addSeries(ctx context.Context, s *Store, n int) error {
	for i := range n {
		key := metrics.CellKey{Series: &metrics.Series{Feature: "cart", Metric: metrics.MetricWrites, Model: fmt.Sprint(i)}, Start: 1_800_000_000}
		c := &metrics.Checkpoint{Position: metrics.Position(i + 1), Deltas: map[metrics.CellKey]*sketch.Cell{key: {N: 1}}}
		if err := s.Commit(ctx, c); err != nil {
			return err
		}
	}
	return nil
}
