package report_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/provenance"
	"tidemark/metrics/report"
	"tidemark/metrics/rollup"
	"tidemark/metrics/storetest"
)

// story is the events of one write on its way to eu and, unless us is down, to us.
func story(i int, at time.Duration, us bool) []metrics.Event {
	id := fmt.Sprintf("w%03d", i)
	ev := func(kind metrics.Kind, service, replica string, after time.Duration) metrics.Event {
		return metrics.Event{
			EventID: id + "/" + kind.String() + "/" + replica, Kind: kind, WriteID: id, Feature: "cart", Key: fmt.Sprintf("k%d", i),
			Service: service, Replica: replica, OccurredAt: ns(at + after), ObservedAt: ns(at + after), Version: metrics.SeqVersion(1),
		}
	}
	out := []metrics.Event{
		ev(metrics.KindInitiated, "web", "", 0),
		ev(metrics.KindCommitted, "web", "", 10*time.Millisecond),
		ev(metrics.KindPublished, "relay", "", 50*time.Millisecond),
		ev(metrics.KindApplied, "eu-svc", "eu", 100*time.Millisecond),
		ev(metrics.KindVisible, "eu-svc", "eu", 200*time.Millisecond),
	}
	if us {
		out = append(out,
			ev(metrics.KindApplied, "us-svc", "us", time.Second),
			ev(metrics.KindVisible, "us-svc", "us", 4*time.Second))
	}
	return out
}

// folded is what a real fold makes of 60 writes, one every 20 s up to now, in any
// order; us stops 5 minutes before now.
func folded(t *testing.T) *rollup.Engine {
	t.Helper()
	var events []metrics.Event
	for i := range 60 {
		at := -20*time.Minute + time.Duration(i)*20*time.Second
		events = append(events, story(i, at, at < -5*time.Minute)...)
	}
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	store := storetest.NewMemory()
	config := cart().Configs["cart"]
	engine, err := rollup.Open(t.Context(), store, []metrics.FeatureConfig{config}, rollup.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	first, err := store.Append(t.Context(), events)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Fold(t.Context(), first, events); err != nil {
		t.Fatal(err)
	}
	if err := engine.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	return engine
}

func TestAnswersFromARealFold(t *testing.T) {
	t.Parallel()
	engine := folded(t)
	rep := report.New(engine, now)
	f, err := rep.Feature(t.Context(), report.Query{Feature: "cart"})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "p50 everywhere", f.All.P50, 4*time.Second)
	near(t, "p50 first", f.First.P50, 200*time.Millisecond)
	mustRatio(t, "committed", f.Committed, 60, 60)
	mustRatio(t, "within 10 s", f.Converged[1].Ratio, 45, 60)
	if b := f.Backlog; b.Count != nil || b.Unconfirmed != 15 || b.UnconfirmedSince == nil || *b.UnconfirmedSince != ns(-5*time.Minute) {
		t.Errorf("backlog %+v; want unknown, 15 unconfirmed since 5 min", b)
	}
	if f.State != report.StateStopped || f.Answer != "cart stopped converging at 09:55 UTC, after replica us fell silent at 09:54 UTC." {
		t.Errorf("%s: %q", f.State, f.Answer)
	}
	if f.Slowest == nil || f.Slowest.ToPlace != "us" || f.Slowest.ToStage != "visible" || f.Path == nil || f.Path.Place != "us" {
		t.Fatalf("slowest %+v on %+v; want us, applied to visible", f.Slowest, f.Path)
	}
	near(t, "path", &f.Path.P95, 4*time.Second)
	a, err := rep.Attainment(t.Context(), report.AttainmentQuery{Query: report.Query{Feature: "cart"}, Threshold: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	mustRatio(t, "good", a.Good, 0, 60)
	if a.Estimated != 0 {
		t.Errorf("%d estimated although every write was counted", a.Estimated)
	}
	w, err := rep.Writes(t.Context(), report.WriteQuery{Feature: "cart", MinLag: 3 * time.Second, Limit: 500})
	if err != nil || len(w.Writes) < 20 || !w.Writes[0].Pending || w.Writes[0].WriteID != "w045" {
		t.Errorf("writes %+v, %v; want the oldest pending one first", w, err)
	}
}

func TestStoryAgreesWithTheFold(t *testing.T) {
	t.Parallel()
	engine := folded(t)
	tell := provenance.New(engine, report.New(engine, now), now)
	done, err := tell.Story(t.Context(), "", "w000")
	if err != nil || done.State != provenance.StateVisible || len(done.Timeline) != 7 {
		t.Fatalf("%+v, %v", done, err)
	}
	near(t, "all", done.AllNS, 4*time.Second)
	open, err := tell.Status(t.Context(), "", "w050")
	if err != nil || open.State != provenance.StateUnknown || open.Progress != "1 of 2" {
		t.Errorf("%+v, %v; want unknown, since us is silent", open, err)
	}
}
