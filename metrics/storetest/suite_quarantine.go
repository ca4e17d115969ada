package storetest

import (
	"fmt"
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
		check(t, p, "counts", func(s metrics.Store) (any, error) { return s.HeldCounts(ctx) })
		for i := range events {
			check(t, p, "held write "+events[i].WriteID, func(s metrics.Store) (any, error) { return heldWrites(s, events[i].WriteID), nil })
		}
		check(t, p, "total", func(s metrics.Store) (any, error) { return s.HeldTotal(), nil })
	}
	agree()
	some := 0
	for i := range events {
		some += len(s.HeldWrites(events[i].WriteID))
	}
	if n := s.HeldTotal().Events; n != 50 || some < 10 {
		t.Fatalf("%d events are held, of %d writes; want 50 and some", n, some)
	}
	check(t, p, "unhold", func(s metrics.Store) (any, error) { return s.Unhold(ctx, []int64{1, 2, 2, 3, 50, 999}) })
	agree()
	hold(600, events[:3], most) // numbers are not used again
	agree()
	p.both(t, func(s metrics.Store) error { return s.ResetRollups(ctx, metrics.Reset{}) }) // a rebuild leaves it alone
	agree()
	if n := s.End(); n != 0 {
		t.Fatalf("the log has %d events", n)
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
