package rollup

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
	"tidemark/metrics/storetest"
)

// everything is all that a Reader or Store answers, in its order.
func everything(t testing.TB, cells func(context.Context, metrics.CellQuery, metrics.CellFunc) error) []string {
	t.Helper()
	var out []string
	for _, l := range metrics.Levels {
		q := metrics.CellQuery{
			Level: l, To: 1 << 40, AllFeatures: true,
			Metrics: []metrics.Metric{metrics.MetricWrites, metrics.MetricVisible, metrics.MetricHop, metrics.MetricGood, metrics.MetricRYW},
		}
		err := cells(context.Background(), q, func(s *metrics.Series, start int64, c *sketch.Cell) error {
			out = append(out, fmt.Sprintf("%d %+v %d %x", l, *s, start, c.Append(nil)))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestReadersSeeWhatIsNotYetStored(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		events := genHistory(rt)
		st := storetest.NewMemory()
		e := run{}.open(t, st, Options{Now: func() time.Time { return time.Unix(0, epoch) }})
		cut := rapid.IntRange(0, len(events)).Draw(rt, "checkpoint after")
		pos := metrics.Position(0)
		for _, part := range [][]metrics.Event{events[:cut], events[cut:]} {
			if _, err := st.Append(context.Background(), part); err != nil {
				rt.Fatal(err)
			}
			if err := e.Fold(context.Background(), pos, part); err != nil {
				rt.Fatal(err)
			}
			if pos == 0 {
				if err := e.Checkpoint(context.Background()); err != nil {
					rt.Fatal(err)
				}
			}
			pos += metrics.Position(len(part))
		}
		before := everything(t, e.Cells)
		if err := e.Checkpoint(context.Background()); err != nil {
			rt.Fatal(err)
		}
		if d := cmp.Diff(everything(t, st.Cells), before); d != "" {
			rt.Fatalf("(-stored +read before it was):\n%s", d)
		}
		if d := cmp.Diff(before, everything(t, e.Cells)); d != "" {
			rt.Fatalf("(-before the checkpoint +after):\n%s", d)
		}
	})
}

// midway lets something happen at the moments of a checkpoint.
type midway struct {
	metrics.Store
	begun, stored, reading func()
}

func (m *midway) Commit(ctx context.Context, c *metrics.Checkpoint) error {
	m.begun()
	err := m.Store.Commit(ctx, c)
	m.stored()
	return err
}

func (m *midway) Cells(ctx context.Context, q metrics.CellQuery, fn metrics.CellFunc) error {
	m.reading()
	return m.Store.Cells(ctx, q, fn)
}

// TestReadersDoNotWaitForCheckpoints: a reader sees each write once, just before a
// checkpoint is stored, just after, and when one is stored while it begins to read.
func TestReadersDoNotWaitForCheckpoints(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	nothing := func() {}
	st := &midway{Store: storetest.NewMemory(), begun: nothing, stored: nothing, reading: nothing}
	e := run{}.open(t, st, Options{Now: func() time.Time { return time.Unix(0, epoch) }})
	traffic := storetest.NewTraffic(7, epoch)
	fold := func() {
		t.Helper()
		events := traffic.Events(400)
		pos, err := st.Append(ctx, events)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Fold(ctx, pos, events); err != nil {
			t.Fatal(err)
		}
	}
	checkpoint := func() {
		t.Helper()
		if err := e.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
	}
	fold()
	checkpoint()
	fold()
	want := everything(t, e.Cells)
	if len(want) == 0 {
		t.Fatal("nothing was counted")
	}
	same := func(when string) func() {
		return func() {
			if d := cmp.Diff(want, everything(t, e.Cells)); d != "" {
				t.Errorf("%s (-before +then):\n%s", when, d)
			}
		}
	}
	st.begun, st.stored = same("before it is stored"), same("after it was stored")
	checkpoint()
	st.begun, st.stored = nothing, nothing
	fold()
	want = everything(t, e.Cells)
	st.reading = func() { st.reading = nothing; checkpoint() }
	same("stored while a reader began")()

	// A checkpoint that moves no position: other objectives count what was folded anew.
	w := metrics.Event{EventID: "w", WriteID: "w", Feature: "cart", Service: "web", Kind: metrics.KindInitiated, OccurredAt: epoch, ObservedAt: epoch}
	foldInto(t, st, e, w)
	want = everything(t, e.Cells)
	configs := testConfigs()
	configs[0].Thresholds[0].Value, configs[1].Thresholds[0].Value = second/20, second/20
	e.SetConfigs(configs)
	before := want
	if want = everything(t, e.Cells); slices.Equal(before, want) {
		t.Fatal("the new objectives changed nothing")
	}
	st.reading = func() { st.reading = nothing; checkpoint() }
	same("stored at the same position while a reader began")()
}

// TestAConflictIsFoundAtEachMoment: also while the checkpoint that holds it is being
// stored.
func TestAConflictIsFoundAtEachMoment(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	st := &midway{Store: storetest.NewMemory(), stored: func() {}, reading: func() {}}
	e := run{}.open(t, st, Options{Now: func() time.Time { return time.Unix(0, epoch) }})
	found := func(when string) {
		t.Helper()
		if c, err := e.Conflict(ctx, "c1"); err != nil || c.Key != "k" {
			t.Errorf("%s: %+v, %v", when, c, err)
		}
	}
	st.begun = func() { found("while it is being stored") }
	events := []metrics.Event{{
		EventID: "1", Kind: metrics.KindConflictDetected, ConflictID: "c1", Feature: "cart", Key: "k",
		Service: "web", With: []string{"w1", "w2"}, OccurredAt: epoch, ObservedAt: epoch,
	}}
	pos, err := st.Append(ctx, events)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Fold(ctx, pos, events); err != nil {
		t.Fatal(err)
	}
	found("before")
	if err := e.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	found("after")
}
