package rollup

import (
	"context"
	"fmt"
	"testing"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
	"tidemark/metrics/storetest"
)

// A fold that may spend no more time on late events says how many it left out, after a
// restart too, until a rebuild has counted them.
func TestLateEventsBeyondTheBudgetAreToldUntilARebuild(t *testing.T) {
	t.Parallel()
	var early, late []metrics.Event
	for i := range 20 {
		at := epoch + int64(i)*second
		w := metrics.Event{Kind: metrics.KindInitiated, Feature: "cart", Key: fmt.Sprint(i), WriteID: fmt.Sprintf("w-%d", i), OccurredAt: at, ObservedAt: at}
		w.EventID = w.WriteID
		early = append(early, w)
		late = append(late, with(w, metrics.KindVisible, "eu", at+second/10))
	}
	want, _ := run{batch: 40, resident: 1000}.fold(t, append(append([]metrics.Event{}, early...), late...))

	opts := run{resident: 1}.options()
	now := time.Unix(0, epoch)
	opts.ReloadShare = 0.3
	opts.Now = func() time.Time { now = now.Add(20 * time.Millisecond); return now } // What a look into the log takes.
	st := storetest.NewMemory()
	var r run
	e := r.open(t, st, opts)
	for _, batch := range [][]metrics.Event{early, late} {
		first, err := st.Append(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Fold(t.Context(), first, batch); err != nil {
			t.Fatal(err)
		}
	}
	left := e.Stats().Unfolded
	if left == 0 || left >= uint64(len(late)) {
		t.Fatalf("%d of %d late events were left out; want some", left, len(late))
	}
	if err := e.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := r.open(t, st, opts).Stats().Unfolded; n != left {
		t.Errorf("after a restart %d events are said to be left out, before it %d", n, left)
	}
	rebuilt, err := Rebuild(t.Context(), st, r.configs(), opts, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := rebuilt.Stats().Unfolded; n != 0 {
		t.Errorf("after a rebuild %d events are left out", n)
	}
	if n := r.open(t, st, opts).Stats().Unfolded; n != 0 {
		t.Errorf("after a rebuild and a restart %d events are said to be left out", n)
	}
	if w, g := aggregates(t, want), aggregates(t, st); fmt.Sprint(w) != fmt.Sprint(g) {
		t.Errorf("a rebuild gives\n%v\nwant\n%v", g, w)
	}
}

// The late events of one feature do not spend what is there to count those of another.
func TestLateEventsOfOneFeatureLeaveTimeForOthers(t *testing.T) {
	t.Parallel()
	var early, late []metrics.Event
	for i := range 21 {
		w := metrics.Event{Kind: metrics.KindInitiated, Feature: "feed", WriteID: fmt.Sprint("w-", i), OccurredAt: epoch, ObservedAt: epoch}
		if i == 0 {
			w.Feature = "quiet"
		}
		w.EventID = w.WriteID
		early = append(early, w)
		late = append(late, with(w, metrics.KindVisible, "eu", epoch+second))
	}
	late = append(late[1:], late[0])
	opts := run{resident: 1}.options()
	now := time.Unix(0, epoch)
	opts.ReloadShare = 0.3
	opts.Now = func() time.Time { now = now.Add(4 * time.Millisecond); return now } // What a look into the log takes.
	st := storetest.NewMemory()
	e := run{}.open(t, st, opts)
	for _, batch := range [][]metrics.Event{early, late} {
		first, err := st.Append(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Fold(t.Context(), first, batch); err != nil {
			t.Fatal(err)
		}
	}
	counted := map[string]int64{}
	q := metrics.CellQuery{Level: metrics.Level10s, To: 1 << 40, Metrics: []metrics.Metric{metrics.MetricVisible}, AllFeatures: true}
	err := e.Cells(t.Context(), q, func(s *metrics.Series, _ int64, c *sketch.Cell) error { counted[s.Feature] += c.Hits; return nil })
	if err != nil || counted["quiet"] != 1 || counted["feed"] == 0 || counted["feed"] == 20 {
		t.Errorf("late events that count: %v; want the one of quiet and some of feed (%v)", counted, err)
	}
}

// slowLog takes its time for each look.
type slowLog struct {
	metrics.Store

	look func(feature string)
}

func (s slowLog) Find(ctx context.Context, q metrics.FindQuery) ([]metrics.Event, bool, error) {
	s.look(q.Feature)
	return s.Store.Find(ctx, q)
}

// Looks into the log that take longer than a feature may spend are paid for before it has
// the next one; another feature does not wait for that.
func TestLongLooksIntoTheLogArePaidFor(t *testing.T) {
	t.Parallel()
	now, looked := time.Unix(0, epoch), map[string]time.Duration{}
	st := slowLog{Store: storetest.NewMemory(), look: func(feature string) {
		took := map[string]time.Duration{"feed": 150 * time.Millisecond, "quiet": 2 * time.Millisecond}[feature]
		now = now.Add(took)
		looked[feature] += took
	}}
	opts := run{resident: 1}.options()
	opts.ReloadShare, opts.Now = 0.3, func() time.Time { return now }
	e := run{}.open(t, st, opts)
	fold := func(events ...metrics.Event) {
		t.Helper()
		first, err := st.Append(t.Context(), events)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Fold(t.Context(), first, events); err != nil {
			t.Fatal(err)
		}
	}
	const writes = 200
	of := func(feature string, i int) metrics.Event {
		id := fmt.Sprint(feature, "-", i)
		return metrics.Event{Kind: metrics.KindInitiated, Feature: feature, WriteID: id, EventID: id, OccurredAt: epoch, ObservedAt: epoch}
	}
	for i := range writes {
		fold(of("feed", i), of("quiet", i))
	}
	began := now
	for i := range writes {
		now = now.Add(110 * time.Millisecond)
		fold(with(of("feed", i), metrics.KindVisible, "eu", epoch+second), with(of("quiet", i), metrics.KindVisible, "eu", epoch+second))
	}
	took := now.Sub(began)
	if share := looked["feed"].Seconds() / took.Seconds(); share < 0.1 || share > 0.16 {
		t.Errorf("looking for feed took %.2f of %s; want at most 0.15, and not much less", share, took)
	}
	if n := looked["quiet"] / (2 * time.Millisecond); n < writes {
		t.Errorf("%d looks for quiet; want one for each of %d late events", n, writes)
	}
}
