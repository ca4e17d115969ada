package rollup

import (
	"context"
	"fmt"
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
