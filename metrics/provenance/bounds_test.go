package provenance_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/provenance"
	"tidemark/metrics/report"
	"tidemark/metrics/report/reporttest"
)

// asked counts the events that were returned, and remembers the largest limit.
type asked struct {
	*reporttest.Reader
	finds, events int
	unbounded     bool
}

func (a *asked) Find(ctx context.Context, q metrics.FindQuery) ([]metrics.Event, bool, error) {
	events, more, err := a.Reader.Find(ctx, q)
	a.finds, a.events = a.finds+1, a.events+len(events)
	a.unbounded = a.unbounded || q.Limit == 0
	return events, more, err
}

// busy is a store with w1, begun a minute before it arrived, among n other writes of its
// key and session before and n after it, each visible at eu alone; the latest also at us.
func busy(n int) *reporttest.Reader {
	r := store()
	add := func(e metrics.Event, observed time.Duration) {
		e.ObservedAt, e.SessionID = ns(observed), "s1"
		r.Events = append(r.Events, e)
	}
	other := func(i int, observed time.Duration, version uint64, replicas ...string) {
		for _, replica := range replicas {
			e := event(fmt.Sprint("o", i, replica), fmt.Sprint("other", i), metrics.KindVisible, replica, observed)
			e.Version = metrics.SeqVersion(version)
			add(e, observed)
		}
	}
	for i := range n {
		other(i, -20*time.Second+time.Duration(i), 1, "eu", "ap", "log")
	}
	three(r, 70*time.Second)
	for i := len(r.Events) - 5; i < len(r.Events); i++ {
		r.Events[i].ObservedAt, r.Events[i].SessionID = ns(-10*time.Second), "s1"
	}
	for i := range n {
		other(n+i, -9*time.Second+time.Duration(i), 8, "eu")
	}
	other(2*n, -time.Second, 9, "us")
	return r
}

// TestWhatIsReadIsBounded tells the story of a write on a key that is twenty times
// busier than another: no more questions are asked, and no more is read.
func TestWhatIsReadIsBounded(t *testing.T) {
	t.Parallel()
	var before *asked
	for _, n := range []int{200, 4_000} {
		a := &asked{Reader: busy(n)}
		if _, err := provenance.New(a, report.New(a, now), now).Story(t.Context(), "", "w1"); err != nil {
			t.Fatal(err)
		}
		if a.events > 5+2*50+50+2*50 || a.unbounded {
			t.Errorf("%d writes before and after: %d events were read (unbounded: %v)", n, a.events, a.unbounded)
		}
		if before != nil && (a.finds != before.finds || a.events != before.events) {
			t.Errorf("%d questions with %d events of a busier key, %d with %d before", a.finds, a.events, before.finds, before.events)
		}
		before = a
	}
}

// TestTheLatestOfABusyKeyDecides finds the later version that satisfied us long after,
// and does not claim to know when.
func TestTheLatestOfABusyKeyDecides(t *testing.T) {
	t.Parallel()
	s, err := teller(busy(1000)).Story(t.Context(), "", "w1")
	if err != nil {
		t.Fatal(err)
	}
	us := s.Route.Replicas[3]
	if us.At == nil || us.SupersededBy == nil || us.SupersededBy.WriteID != "other2000" || !us.SupersededBy.AtMost {
		t.Errorf("us: %+v (%+v); want satisfied by other2000, at the latest", us, us.SupersededBy)
	}
	if eu := s.Route.Replicas[1]; eu.SupersededBy != nil || eu.At == nil || *eu.At != ns(-70*time.Second+100*time.Millisecond) {
		t.Errorf("eu: %+v; it showed the write itself first", eu)
	}
}

// TestAVersionThatFollowsOnABusyKeyIsFound has more events of the key before the write
// than are read.
func TestAVersionThatFollowsOnABusyKeyIsFound(t *testing.T) {
	t.Parallel()
	r := busy(1000)
	for i := range r.Events {
		if r.Events[i].WriteID == "other1001" {
			r.Events[i].Replica = "us"
		}
	}
	s, err := teller(r).Story(t.Context(), "", "w1")
	if err != nil {
		t.Fatal(err)
	}
	if us := s.Route.Replicas[3]; us.SupersededBy == nil || us.SupersededBy.WriteID != "other1001" || us.SupersededBy.AtMost {
		t.Errorf("us: %+v (%+v); want satisfied by other1001", us, us.SupersededBy)
	}
}

// TestAConflictThatNoEventOfTheWriteNames is found by its row.
func TestAConflictThatNoEventOfTheWriteNames(t *testing.T) {
	t.Parallel()
	r := store()
	three(r, 20*time.Second)
	row := func(id, key string, at time.Duration, writes ...string) {
		r.ConflictRows = append(r.ConflictRows, metrics.Conflict{ID: id, Feature: "cart", Key: key, Writes: writes, DetectedAt: ns(at)})
	}
	row("c1", "k1", -10*time.Second, "other", "w1")
	row("c2", "k1", -10*time.Second, "other", "w2")
	row("c3", "k2", -10*time.Second, "other", "w1")
	row("c4", "k1", -time.Hour, "other", "w1")
	s, err := teller(r).Story(t.Context(), "", "w1")
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Conflicts) != 1 || s.Conflicts[0].ID != "c1" || s.State != provenance.StateConflict {
		t.Errorf("conflicts %+v in state %s; want c1 alone, open", s.Conflicts, s.State)
	}
}
