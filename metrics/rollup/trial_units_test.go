package rollup

import (
	"testing"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/storetest"
)

func TestUnitsBeyondTheLimitAreCounted(t *testing.T) {
	t.Parallel()
	e, err := Open(t.Context(), storetest.NewMemory(), testConfigs(), Options{TrialUnits: 2, Now: func() time.Time { return time.Unix(0, epoch) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.SetTrials(t.Context(), []metrics.Trial{testTrial()}); err != nil {
		t.Fatal(err)
	}
	if err := e.Fold(t.Context(), 0, trialHistory()); err != nil {
		t.Fatal(err)
	}
	if got, _, _ := e.Evidence(t.Context(), "r1"); got.Overflow == 0 {
		t.Error("nothing was counted as beyond the limit")
	}
}

// unitWrites are writes of a feature, one for each unit, that the trial of the flag compares.
func unitWrites(feature, flag string, units []string) (events []metrics.Event) {
	for _, u := range units {
		events = append(events, metrics.Event{
			Kind: metrics.KindInitiated, EventID: flag + u, WriteID: flag + u, Feature: feature, Service: "web",
			Flag: flag, Unit: u, Variant: "new", OccurredAt: epoch + second, ObservedAt: epoch + second,
		})
	}
	return events
}

// The rollouts of one feature leave room for those of others, also after a restart; one
// that ends leaves its room. A rollout of no feature is as one of a feature of its own.
func TestTheTrialsOfOneFeatureFollowHalfOfTheUnits(t *testing.T) {
	t.Parallel()
	st := storetest.NewMemory()
	opts := run{resident: 1000}.options()
	opts.TrialUnits, opts.seen = 40, defaultSeenSize // So that a restart replays all of it.
	e := run{}.open(t, st, opts)
	set := func(names ...string) {
		t.Helper()
		var trials []metrics.Trial
		for _, name := range names {
			tr := testTrial()
			tr.ID, tr.Flag = name, name
			tr.Feature = map[byte]string{'f': "feed", 'c': "cart"}[name[0]]
			trials = append(trials, tr)
		}
		if err := e.SetTrials(t.Context(), trials); err != nil {
			t.Fatal(err)
		}
	}
	fold := func(feature, flag string, units []string) {
		t.Helper()
		foldInto(t, st, e, unitWrites(feature, flag, units)...)
	}
	want := func(when, id string, units, beyond int64) {
		t.Helper()
		ev, ok, err := e.Evidence(t.Context(), id)
		if !ok || err != nil {
			t.Fatal(when, id, ok, err)
		}
		got := int64(0)
		for _, s := range ev.Steps {
			got += s.Candidate.Units
		}
		if got != units || ev.Overflow != beyond {
			t.Errorf("%s: %s follows %d units, %d were beyond the limit; want %d and %d", when, id, got, ev.Overflow, units, beyond)
		}
	}
	units := unitsIn(true, 80)

	set("feed-1", "feed-2", "cart-1")
	fold("feed", "feed-1", units[:15])
	fold("feed", "feed-2", units[:15])
	want("at first", "feed-1", 15, 0)
	want("at first", "feed-2", 5, 10)
	e = run{}.open(t, st, opts)
	want("after a restart", "feed-1", 15, 0)
	want("after a restart", "feed-2", 5, 10)
	fold("feed", "feed-2", units[20:30])
	want("with more after it", "feed-2", 5, 20)
	fold("cart", "cart-1", units[:10])
	want("beside it", "cart-1", 10, 0)

	set("feed-2", "cart-1", "any-1")
	fold("feed", "feed-2", units[30:50])
	want("when the other has ended", "feed-2", 20, 25)
	fold("cart", "any-1", units[:30])
	want("up to the limit of all", "any-1", 10, 20)
	set("cart-1", "any-1")
	fold("cart", "any-1", units[40:80])
	want("up to half of it", "any-1", 20, 50)
	fold("cart", "cart-1", units[10:30])
	want("up to half of it", "cart-1", 20, 10)
}
