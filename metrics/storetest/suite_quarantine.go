package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"tidemark/metrics"
)

// testQuarantine holds labelled events in both stores, asks both the same, and takes
// some out again.
func testQuarantine(t *testing.T, s metrics.Store) {
	p := pair{NewMemory(), s}
	ctx := t.Context()
	events := NewTraffic(5, Start).Events(60)
	for i := range events {
		events[i].EventID = fmt.Sprintf("event-%d", i)
		if i == 5 || i == 6 { // Both of one conflict.
			events[i].Kind, events[i].WriteID, events[i].Feature = metrics.KindConflictDetected, "", "shop"
			events[i].ConflictID = []string{"c1", "shop~~c1"}[i-5]
		}
		events[i].Labels = [][]string{{"pii"}, {"tenant:acme", "pii"}, {"odd 'label'", "odd 'label'"}, {"tenant:globex"}}[i%4]
	}
	most := metrics.HeldTotal{Events: 50, Bytes: 1 << 20}
	hold := func(at int64, events []metrics.Event, most metrics.HeldTotal) {
		t.Helper()
		check(t, p, "hold", func(s metrics.Store) (any, error) { return s.Hold(ctx, at, events, most) })
	}
	hold(100, events[:20], most)
	hold(200, events[10:30], most)                                                          // ten are duplicates
	hold(300, append(events[28:30:30], events[28], events[40], events[40]), most)           // duplicates in one call
	hold(400, events[41:60], metrics.HeldTotal{Events: 50, Bytes: s.HeldTotal().Bytes + 1}) // no room for bytes
	hold(500, events, most)                                                                 // room for some events
	agree := func() {
		t.Helper()
		for _, q := range []metrics.HeldQuery{
			{},
			{Limit: 1000},
			{Limit: 7, Newest: true},
			{Limit: 7, Newest: true, Through: 20},
			{Limit: 7, After: 20},
			{Label: "pii", Limit: 1000},
			{Label: "odd 'label'", Feature: events[2].Feature},
			{Feature: events[0].Feature, Label: "tenant:acme", Through: 30, After: 3},
			{Without: []string{"pii", "odd 'label'"}},
			{Without: []string{"tenant:globex"}, HeldBefore: 300, Limit: 1000},
			{Label: "none"},
		} {
			check(t, p, fmt.Sprintf("held %+v", q), func(s metrics.Store) (any, error) { return s.Held(ctx, q) })
		}
		for _, q := range [][2]string{{}, {"", "pii"}, {events[2].Feature, "odd 'label'"}, {events[0].Feature, ""}, {"none", ""}} {
			check(t, p, fmt.Sprintf("number of %q", q), func(s metrics.Store) (any, error) { return s.HeldNumber(ctx, q[0], q[1]) })
		}
		for _, q := range []metrics.HeldCountQuery{{}, {Limit: 2}, {Feature: events[0].Feature}, {Feature: events[0].Feature, Limit: 1}, {Feature: "none"}} {
			check(t, p, fmt.Sprintf("counts %+v", q), func(s metrics.Store) (any, error) { return s.HeldCounts(ctx, q) })
		}
		for i := range events {
			check(t, p, "held write "+events[i].WriteID, func(s metrics.Store) (any, error) { return heldWrites(s, events[i].WriteID), nil })
		}
		for _, q := range [][2]string{{"shop", "c1"}, {"shop", "shop~~c1"}, {"shop", "feed~~c1"}, {"feed", "c1"}, {"shop", "c2"}, {"shop", ""}} {
			check(t, p, fmt.Sprintf("held conflict %q", q), func(s metrics.Store) (any, error) { return s.HeldConflict(q[0], q[1]), nil })
		}
		check(t, p, "total", func(s metrics.Store) (any, error) { return s.HeldTotal(), nil })
	}
	agree()
	some := 0
	for i := range events {
		some += len(s.HeldWrites(events[i].WriteID))
	}
	if n := s.HeldTotal().Events; n != 50 || some < 10 || !s.HeldConflict("shop", "c1") || s.HeldConflict("feed", "c1") {
		t.Fatalf("%d events are held, of %d writes; want 50 and some, and one of a conflict", n, some)
	}
	check(t, p, "unhold", func(s metrics.Store) (any, error) { return s.Unhold(ctx, []int64{1, 2, 2, 3, 6, 50, 999}) })
	agree()
	check(t, p, "unhold the conflict's other event", func(s metrics.Store) (any, error) { return s.Unhold(ctx, []int64{7}) })
	agree()
	hold(600, events[:3], most) // numbers are not used again
	agree()
	for _, change := range []func(e *metrics.Event){ // The same id, and another event.
		func(e *metrics.Event) { e.Feature += "-other" }, func(e *metrics.Event) { e.Kind = metrics.KindFailed },
	} {
		another, before := CloneEvent(&events[0]), s.HeldTotal().Events
		change(&another)
		for range 2 {
			hold(700, []metrics.Event{another}, metrics.HeldTotal{Events: 500, Bytes: 1 << 20})
		}
		if n := s.HeldTotal().Events; n != before+1 {
			t.Fatalf("%d events are held after %d and one that is another; want one more", n, before)
		}
	}
	agree()
	p.both(t, func(s metrics.Store) error { return s.ResetRollups(ctx, metrics.Reset{}) }) // a rebuild leaves it alone
	agree()
	if n := s.End(); n != 0 {
		t.Fatalf("the log has %d events", n)
	}
}

// testQuarantineLabels holds events of one write with more labels than are told of one:
// what a store keeps beside its tables has a bound, and says that there are others.
func testQuarantineLabels(t *testing.T, s metrics.Store) {
	p := pair{NewMemory(), s}
	events := ofFeature("a", 0, 10)
	for i := range events {
		events[i].WriteID, events[i].Labels = "w", nil
		for n := range metrics.MaxTold / 8 {
			events[i].Labels = append(events[i].Labels, fmt.Sprintf("l-%03d", i*metrics.MaxTold/8+n))
		}
	}
	for i, more := range []bool{7: false, 8: true, 9: true} {
		check(t, p, "hold", func(s metrics.Store) (any, error) {
			return s.Hold(t.Context(), 1, events[i:i+1], metrics.HeldTotal{Events: 100, Bytes: 1 << 20})
		})
		check(t, p, "held write", func(s metrics.Store) (any, error) { return s.HeldWrites("w"), nil })
		if w := s.HeldWrites("w")[0]; len(w.Labels) != min(i+1, 8)*metrics.MaxTold/8 || w.More != more {
			t.Fatalf("after %d events %d labels are told, others %t", i+1, len(w.Labels), w.More)
		}
	}
}

// ofFeature are n events of a feature, each with an id of its own and of the same size.
func ofFeature(feature string, from, n int) []metrics.Event {
	events := make([]metrics.Event, n)
	for i := range events {
		events[i] = metrics.Event{
			Kind: metrics.KindInitiated, EventID: fmt.Sprintf("%s-%03d", feature, from+i), Feature: feature,
			Labels: []string{"odd"}, OccurredAt: Start, ObservedAt: Start,
		}
	}
	return events
}

// testQuarantineShares fills the quarantine with one feature: others have room all the
// same, and what goes makes room for the feature whose it was.
func testQuarantineShares(t *testing.T, s metrics.Store) {
	p := pair{NewMemory(), s}
	ctx := t.Context()
	size := int64(len(ofFeature("a", 0, 1)[0].AppendJSON(nil)))
	hold := func(what string, events []metrics.Event, most metrics.HeldTotal, want metrics.Holding) {
		t.Helper()
		check(t, p, what, func(s metrics.Store) (any, error) {
			h, err := s.Hold(ctx, 1, events, most)
			same(t, what, want, h)
			return h, err
		})
	}
	unhold := func(numbers ...int64) {
		t.Helper()
		check(t, p, "unhold", func(s metrics.Store) (any, error) { return s.Unhold(ctx, numbers) })
	}
	most := metrics.HeldTotal{Events: 7, Bytes: 1 << 20} // 3 of one feature
	over := func(n ...int) metrics.Holding { return metrics.Holding{Refused: n, OverShare: n} }
	held := func(n int, h metrics.Holding) metrics.Holding { h.Held = n; return h }
	hold("b fills its share", ofFeature("b", 0, 5), most, held(3, over(3, 4)))
	hold("b is held already", ofFeature("b", 0, 3), most, metrics.Holding{Duplicates: 3})
	hold("a and b", append(ofFeature("b", 5, 1), ofFeature("a", 0, 4)...), most, held(3, over(0, 4)))
	hold("the rest", append(ofFeature("c", 0, 2), ofFeature("a", 9, 1)...), most,
		metrics.Holding{Held: 1, Refused: []int{1, 2}, OverShare: []int{2}})
	unhold(1, 1, 99)
	hold("b where one of b went", append(ofFeature("a", 10, 1), ofFeature("b", 10, 2)...), most, held(1, over(0, 2)))
	unhold(2, 3, 4, 5, 6, 7, 8)
	check(t, p, "total", func(s metrics.Store) (any, error) { return s.HeldTotal(), nil })

	most = metrics.HeldTotal{Events: 100, Bytes: 5 * size} // 2 of one feature
	hold("bytes of b", ofFeature("b", 20, 4), most, held(2, over(2, 3)))
	hold("bytes of a", ofFeature("a", 20, 3), most, held(2, over(2)))
	hold("bytes of others", append(ofFeature("c", 20, 1), ofFeature("d", 20, 1)...), most, metrics.Holding{Held: 1, Refused: []int{1}})
	unhold(9, 10, 11, 12, 13)
	hold("the first event, beyond half", ofFeature("b", 30, 2), metrics.HeldTotal{Events: 1, Bytes: size}, held(1, over(1)))
	if n := s.HeldTotal(); n != (metrics.HeldTotal{Events: 1, Bytes: size}) {
		t.Fatalf("%+v is held, want one event of %d bytes", n, size)
	}
}

// testQuarantineSharesAtRandom holds and takes out at random, and both stores keep the
// same count of each feature.
func testQuarantineSharesAtRandom(t *testing.T, s metrics.Store) {
	p := pair{NewMemory(), s}
	rng := rand.New(rand.NewPCG(11, 12))
	over, full := 0, 0
	for step := range 150 {
		feature := []string{"a", "b", "c", "longer-than-the-others"}[rng.IntN(4)]
		events := ofFeature(feature, 10*step, 1+rng.IntN(4))
		most := metrics.HeldTotal{Events: 12, Bytes: 1 << 20}
		if rng.IntN(2) == 0 {
			most = metrics.HeldTotal{Events: 1000, Bytes: 1500}
		}
		check(t, p, fmt.Sprintf("hold in step %d", step), func(s metrics.Store) (any, error) {
			h, err := s.Hold(t.Context(), int64(step), events, most)
			over, full = over+len(h.OverShare), full+len(h.Refused)-len(h.OverShare)
			return h, err
		})
		held, err := s.Held(t.Context(), metrics.HeldQuery{Limit: 1000})
		must(t, err)
		var numbers []int64
		for i := range held {
			if rng.IntN(4) == 0 {
				numbers = append(numbers, held[i].Number)
			}
		}
		check(t, p, "unhold", func(s metrics.Store) (any, error) { return s.Unhold(t.Context(), numbers) })
		check(t, p, "total", func(s metrics.Store) (any, error) { return s.HeldTotal(), nil })
		check(t, p, "counts", func(s metrics.Store) (any, error) { return s.HeldCounts(t.Context(), metrics.HeldCountQuery{}) })
	}
	if over == 0 || full == 0 {
		t.Fatalf("%d events were beyond a share, %d beyond all: want some of both", over, full)
	}
}

// heldWrites is what is held of a write, with no order: labels of events that went stay
// until the write's last one goes, so what remains is compared alone.
func heldWrites(s metrics.Store, id string) []string {
	found := []string{}
	for _, w := range s.HeldWrites(id) {
		found = append(found, w.Feature)
	}
	slices.Sort(found)
	return found
}
