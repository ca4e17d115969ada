package sqlite_test

import (
	"fmt"
	"slices"
	"testing"

	"tidemark/metrics"
	"tidemark/metrics/sqlite"
)

// What is held of each feature is known again after a restart, so that a feature which
// had its share gets no second one, and what goes then makes room for it.
func TestSharesOfTheQuarantineOutliveARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	most := metrics.HeldTotal{Events: 8, Bytes: 1 << 20}
	next := 0
	hold := func(s *sqlite.Store, feature string, n, want int) {
		t.Helper()
		var events []metrics.Event
		for range n {
			next++
			events = append(events, metrics.Event{
				Kind: metrics.KindInitiated, EventID: fmt.Sprint(next), WriteID: "w", Feature: feature,
				Labels: []string{"odd", "even"}, OccurredAt: 1, ObservedAt: 1,
			})
		}
		h, err := s.Hold(t.Context(), 1, events, most)
		if err != nil || h.Held != want || !slices.Equal(h.Refused, h.OverShare) || len(h.Refused) != n-want {
			t.Fatalf("of %d events of %s: %+v, %v; want %d held, and the others beyond its share", n, feature, h, err, want)
		}
	}
	reopen := func(s *sqlite.Store) *sqlite.Store {
		t.Helper()
		total := s.HeldTotal()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, sqlite.Options{Dir: dir})
		if got := s.HeldTotal(); got != total {
			t.Fatalf("after a restart %+v is held, before it %+v", got, total)
		}
		return s
	}
	s := reopen(open(t, sqlite.Options{Dir: dir})) // with nothing held
	hold(s, "b", 6, 4)
	hold(s, "a", 1, 1)
	s = reopen(s)
	hold(s, "b", 2, 0)
	hold(s, "a", 2, 2)
	if n, err := s.Unhold(t.Context(), []int64{1, 2}); n != 2 || err != nil {
		t.Fatalf("%d events went, %v", n, err)
	}
	s = reopen(s)
	hold(s, "b", 5, 2)
	hold(s, "a", 2, 1)
	if got := s.HeldTotal().Events; got != 8 {
		t.Fatalf("%d events are held, want 8", got)
	}
}
