package simulate_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/simulate"
)

func atLeast(t *testing.T, what string, got, want float64) {
	t.Helper()
	if got < want {
		t.Errorf("%s: %.4f; want at least %.4f", what, got, want)
	}
}

func atMost(t *testing.T, what string, got, want float64) {
	t.Helper()
	if got > want {
		t.Errorf("%s: %.4f; want at most %.4f", what, got, want)
	}
}

func TestSteadyConverges(t *testing.T) {
	t.Parallel()
	l := run(t, named(t, "steady", 5*time.Minute), 1)
	for _, r := range []string{"cache-eu", "cache-us", "search"} {
		lags := l.lags("profile-edit", r, 0, 5*time.Minute)
		atLeast(t, r+" within 2 s", share(lags, within(2*time.Second)), 0.999)
		atLeast(t, r+" within 400 ms", share(lags, within(400*time.Millisecond)), 0.95)
	}
	if l.kinds[metrics.KindFailed] == 0 || l.kinds[metrics.KindHeartbeat] == 0 {
		t.Errorf("kinds %v; want a few failures, and heartbeats", l.kinds)
	}
	replays := 0
	for _, e := range l.events {
		if e.Kind == metrics.KindApplied && e.Attempt > 1 {
			replays++
		}
	}
	if replays == 0 {
		t.Error("no write was replayed")
	}
}

func TestPartitionDelaysOneRegionOnly(t *testing.T) {
	t.Parallel()
	l := run(t, named(t, "partition", time.Minute), 1)
	cut := l.lags("profile-edit", "cache-us", 11*time.Second, 25*time.Second)
	atMost(t, "cut off: cache-us within 4 s", share(cut, within(4*time.Second)), 0)
	atLeast(t, "cut off: cache-us in the end", share(cut, within(22*time.Second)), 0.99)
	atLeast(t, "cut off: cache-eu within 2 s", share(l.lags("profile-edit", "cache-eu", 11*time.Second, 25*time.Second), within(2*time.Second)), 0.98)
	atLeast(t, "healed: cache-us within 2 s", share(l.lags("profile-edit", "cache-us", 35*time.Second, 55*time.Second), within(2*time.Second)), 0.98)
}

func TestSlowReplicaIsSlowAlone(t *testing.T) {
	t.Parallel()
	l := run(t, named(t, "slow-replica", 2*time.Minute), 1)
	atMost(t, "cache-us within 500 ms", share(l.lags("profile-edit", "cache-us", 6*time.Second, 2*time.Minute), within(500*time.Millisecond)), 0.02)
	atLeast(t, "cache-us within 500 ms before", share(l.lags("profile-edit", "cache-us", 0, 4*time.Second), within(500*time.Millisecond)), 0.9)
	atLeast(t, "search within 500 ms", share(l.lags("profile-edit", "search", 6*time.Second, 2*time.Minute), within(500*time.Millisecond)), 0.97)
}

func TestStuckConsumerFailsAndCatchesUp(t *testing.T) {
	t.Parallel()
	l := run(t, named(t, "stuck-consumer", 2*time.Minute), 1)
	stuck := l.lags("profile-edit", "search", 11*time.Second, 45*time.Second)
	atMost(t, "stuck: search within 4 s", share(stuck, within(4*time.Second)), 0)
	atLeast(t, "stuck: search in the end", share(stuck, within(45*time.Second)), 0.99)
	attempts := map[string]int32{}
	beats := 0
	for _, e := range l.events {
		off := time.Duration(e.OccurredAt - epoch.UnixNano())
		if e.Replica != "search" || off < 11*time.Second || off > 50*time.Second {
			continue
		}
		switch e.Kind {
		case metrics.KindFailed:
			attempts[e.WriteID] = max(attempts[e.WriteID], e.Attempt)
		case metrics.KindHeartbeat:
			beats++
		case metrics.KindReceived, metrics.KindApplied:
			if off > 12*time.Second && off < 49*time.Second {
				t.Fatalf("search reports %v at %v although it is stuck", e.Kind, off)
			}
		default:
		}
	}
	if beats < 6 {
		t.Errorf("%d heartbeats while stuck; a stuck consumer is alive", beats)
	}
	var most int32
	for _, n := range attempts {
		most = max(most, n)
	}
	if len(attempts) == 0 || most < 4 {
		t.Errorf("failed attempts %v; want one write tried again and again", attempts)
	}
}

func TestSkewedClocks(t *testing.T) {
	t.Parallel()
	l := run(t, named(t, "skewed-clock", 2*time.Minute), 1)
	atLeast(t, "search, unmeasured and 250 ms behind, has negative lags",
		share(l.lags("profile-edit", "search", 0, 2*time.Minute), func(d time.Duration) bool { return d < -1 }), 0.9)
	for _, r := range []string{"cache-eu", "cache-us"} {
		atLeast(t, r+", measured, within 400 ms",
			share(l.lags("profile-edit", r, 0, 2*time.Minute), within(400*time.Millisecond)), 0.95)
	}
	// The region whose clock is 800 ms ahead wins nearly every conflict.
	won, all := 0, 0
	for _, e := range l.events {
		if e.Feature == "notes" && e.Kind == metrics.KindConflictResolved {
			all++
			if w := l.initiated[e.Winner]; w != nil && w.Region == "us" {
				won++
			}
		}
	}
	if all < 10 {
		t.Fatalf("only %d conflicts", all)
	}
	atLeast(t, "conflicts won by the clock that is ahead", float64(won)/float64(all), 0.95)
}

// concurrent finds pairs of writes of one key that had not seen each other, from
// the version vectors alone.
func (l *ledger) concurrent(feature string) map[[2]string]bool {
	byKey := map[string][]*metrics.Event{}
	for _, e := range l.initiated {
		if e.Feature == feature {
			byKey[e.Key] = append(byKey[e.Key], e)
		}
	}
	out := map[[2]string]bool{}
	for _, ws := range byKey {
		for i, a := range ws {
			for _, b := range ws[:i] {
				if metrics.Compare(a.Version, b.Version) == metrics.Concurrent {
					out[pair(a.WriteID, b.WriteID)] = true
				}
			}
		}
	}
	return out
}

func pair(a, b string) [2]string {
	if a > b {
		a, b = b, a
	}
	return [2]string{a, b}
}

func TestConflictStormConflictsAreReal(t *testing.T) {
	t.Parallel()
	l := run(t, named(t, "conflict-storm", 2*time.Minute), 1)
	for _, feature := range []string{"cart", "seat-map"} {
		truth, ids := l.concurrent(feature), map[string][2]string{}
		for _, e := range l.events {
			if e.Feature != feature || e.Kind != metrics.KindConflictDetected {
				continue
			}
			p := pair(e.WriteID, e.With[0])
			if !truth[p] {
				t.Fatalf("%s: conflict %s between writes that are ordered: %v", feature, e.ConflictID, p)
			}
			if old, ok := ids[e.ConflictID]; ok && old != p {
				t.Fatalf("conflict %s is between %v and %v", e.ConflictID, old, p)
			}
			ids[e.ConflictID] = p
		}
		rate := float64(len(ids)) / float64(len(l.initiated))
		atLeast(t, feature+": conflicts a write", rate, 0.01)
		// Those that are never found were superseded before the two met.
		atLeast(t, feature+": found of all concurrent pairs", float64(len(ids))/float64(len(truth)), 0.5)
	}
}

func TestConflictStormRules(t *testing.T) {
	t.Parallel()
	l := run(t, named(t, "conflict-storm", 2*time.Minute), 1)
	auto, manual := 0, 0
	for _, e := range l.events {
		if e.Kind != metrics.KindConflictResolved {
			continue
		}
		winner := l.initiated[e.Winner]
		if winner == nil {
			t.Fatalf("conflict %s was won by an unknown write %q", e.ConflictID, e.Winner)
		}
		if e.Auto == metrics.Yes {
			auto++
		} else {
			manual++
		}
		both := []string{e.WriteID, e.With[0]}
		switch e.Rule {
		case "cart-merge":
			for _, id := range both {
				if !metrics.Dominates(winner.Version, l.initiated[id].Version) {
					t.Errorf("merge %s has version %v, which does not include %v", winner.WriteID, winner.Version, l.initiated[id].Version)
				}
			}
		default:
			if !slices.Contains(both, e.Winner) {
				t.Errorf("rule %s chose %s; want one of %v", e.Rule, e.Winner, both)
			}
		}
	}
	if auto == 0 || manual == 0 {
		t.Errorf("%d automatic and %d manual resolutions; want both", auto, manual)
	}
}

func TestCandidates(t *testing.T) {
	t.Parallel()
	good := run(t, named(t, "good-candidate", 10*time.Minute), 1)
	bad, checked := good.broken("profile-edit", "candidate", true)
	if checked < 200 || bad != 0 {
		t.Errorf("good candidate: %d of %d reads miss the session's own write; want none of many", bad, checked)
	}
	if bad, checked = good.broken("profile-edit", "control", true); bad == 0 || checked < 200 {
		t.Errorf("control: %d of %d reads miss the session's own write; want some", bad, checked)
	}
	worse := run(t, named(t, "bad-candidate", 5*time.Minute), 1)
	p50 := func(variant string) time.Duration {
		var lags []time.Duration
		for id, e := range worse.initiated {
			if lag, ok := worse.reached[id]["cache-eu"]; ok && e.Variant == variant {
				lags = append(lags, lag)
			}
		}
		slices.Sort(lags)
		return lags[len(lags)/2]
	}
	if c, k := p50("candidate"), p50("control"); c < 3*k {
		t.Errorf("bad candidate: median lag %v against %v; want at least three times", c, k)
	}
}

// A causal replica never shows a write before what it depends on.
func TestCausalArmKeepsCauses(t *testing.T) {
	t.Parallel()
	sc := named(t, "bad-candidate", 3*time.Minute)
	sc.Features[0].Arms[0].Share, sc.Features[0].Arms[1].Share = 1, 0
	l := run(t, sc, 1)
	if n, all := l.overtaken(); n != 0 || all < 200 {
		t.Errorf("causal: %d of %d writes were applied before a parent; want none of many", n, all)
	}
	sc.Features[0].Arms[0].Model = simulate.Eventual
	if n, _ := run(t, sc, 1).overtaken(); n == 0 {
		t.Error("eventual: no write was applied before a parent; the check cannot fail")
	}
}

// overtaken counts pairs (write, replica) at which a parent was applied later.
func (l *ledger) overtaken() (n, all int) {
	first := map[[2]string]int64{}
	for _, e := range l.events {
		k := [2]string{e.WriteID, e.Replica}
		if e.Kind == metrics.KindApplied && (first[k] == 0 || e.OccurredAt < first[k]) {
			first[k] = e.OccurredAt
		}
	}
	for id, e := range l.initiated {
		for _, r := range []string{"cache-eu", "cache-us"} {
			for _, parent := range e.Parents {
				a, b := first[[2]string{parent, r}], first[[2]string{id, r}]
				if a != 0 && b != 0 {
					all++
					if b < a {
						n++
					}
				}
			}
		}
	}
	return n, all
}

func TestAtRate(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"steady", "conflict-storm", "pbs-wan", "demo"} {
		for _, want := range []float64{20, 600} {
			sc, err := named(t, name, time.Minute).AtRate(want)
			if err != nil {
				t.Fatal(err)
			}
			got := float64(len(run(t, sc, 9).events)) / 60
			if got < want*0.8 || got > want*1.2 {
				t.Errorf("%s at %g events/s: %g", name, want, got)
			}
		}
	}
	for _, bad := range []float64{0, -1, 2e6} {
		if _, err := named(t, "steady", time.Minute).AtRate(bad); !errors.Is(err, simulate.ErrScenario) {
			t.Errorf("rate %g: error %v; want ErrScenario", bad, err)
		}
	}
}
