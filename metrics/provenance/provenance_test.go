package provenance_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/metrics"
	"tidemark/metrics/provenance"
	"tidemark/metrics/report"
	"tidemark/metrics/report/reporttest"
)

var noon = time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)

func ns(d time.Duration) int64 { return noon.Add(d).UnixNano() }

func now() time.Time { return noon }

// store is a feature with four state-based replicas and a promise of 10 s.
func store() *reporttest.Reader {
	r := reporttest.New()
	c := metrics.FeatureConfig{Feature: "cart", Thresholds: []metrics.Threshold{{Scope: metrics.ScopeAll, Value: int64(10 * time.Second)}}}
	for _, name := range []string{"ap", "eu", "log", "us"} {
		kind := metrics.StateBased
		if name == "log" {
			kind = metrics.OperationBased
		}
		c.Replicas = append(c.Replicas, metrics.RouteReplica{Name: name, Kind: kind})
		r.HeardRows = append(r.HeardRows, metrics.Heard{Feature: "cart", Replica: name, Last: ns(-time.Second)})
	}
	r.Configs["cart"] = c
	return r
}

func event(id, write string, kind metrics.Kind, replica string, at time.Duration) metrics.Event {
	return metrics.Event{
		EventID: id, Kind: kind, WriteID: write, Feature: "cart", Key: "k1", Service: "svc", Replica: replica,
		OccurredAt: ns(at), Version: metrics.SeqVersion(7),
	}
}

func teller(r *reporttest.Reader) *provenance.Teller {
	return provenance.New(r, report.New(r, now), now)
}

// three adds w1, which is visible at three of four replicas and older than usual.
func three(r *reporttest.Reader, age time.Duration) {
	r.Events = append(r.Events,
		event("e1", "w1", metrics.KindInitiated, "", -age),
		event("e2", "w1", metrics.KindCommitted, "", -age+10*time.Millisecond),
		event("e3", "w1", metrics.KindVisible, "eu", -age+100*time.Millisecond),
		event("e4", "w1", metrics.KindVisible, "ap", -age+200*time.Millisecond),
		event("e5", "w1", metrics.KindVisible, "log", -age+300*time.Millisecond),
	)
}

func TestUnknownWrite(t *testing.T) {
	t.Parallel()
	for _, ask := range []func() error{
		func() error { _, err := teller(store()).Story(t.Context(), "", "nope"); return err },
		func() error { _, err := teller(store()).Status(t.Context(), "", "nope"); return err },
	} {
		if err := ask(); !errors.Is(err, provenance.ErrNotFound) {
			t.Errorf("got %v, want not found", err)
		}
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, state string
		age         time.Duration
		change      func(*reporttest.Reader)
	}{
		{"under way", provenance.StatePending, 2 * time.Second, func(*reporttest.Reader) {}},
		{"past its promise", provenance.StateLate, 20 * time.Second, func(*reporttest.Reader) {}},
		{"arrived", provenance.StateVisible, 20 * time.Second, func(r *reporttest.Reader) {
			r.Events = append(r.Events, event("e6", "w1", metrics.KindVisible, "us", -19*time.Second))
		}},
		{"missing only where nothing is heard", provenance.StateUnknown, 20 * time.Second, func(r *reporttest.Reader) {
			r.HeardRows[3].Last = ns(-5 * time.Minute)
		}},
		{"without a route", provenance.StateUnknown, 20 * time.Second, func(r *reporttest.Reader) { clear(r.Configs) }},
		{"in an open conflict", provenance.StateConflict, 2 * time.Second, func(r *reporttest.Reader) {
			e := event("e7", "other", metrics.KindConflictDetected, "eu", -time.Second)
			e.ConflictID, e.With = "c1", []string{"w1"}
			r.Events = append(r.Events, e)
			r.ConflictRows = []metrics.Conflict{{ID: "c1", Feature: "cart", Key: "k1", Writes: []string{"other", "w1"}, DetectedAt: ns(-time.Second)}}
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := store()
			three(r, c.age)
			c.change(r)
			s, err := teller(r).Story(t.Context(), "", "w1")
			if err != nil {
				t.Fatal(err)
			}
			if s.State != c.state || s.Answer == "" {
				t.Errorf("state %s (%q), want %s", s.State, s.Answer, c.state)
			}
		})
	}
}

func TestProgressAndStatus(t *testing.T) {
	t.Parallel()
	r := store()
	three(r, 20*time.Second)
	st, err := teller(r).Status(t.Context(), "", "w1")
	if err != nil {
		t.Fatal(err)
	}
	if st.Progress != "3 of 4" || !slices.Equal(st.Missing, []string{"us"}) || st.Kept == nil || *st.Kept || *st.AgeNS != int64(20*time.Second) {
		t.Errorf("status %+v; want 3 of 4, us missing, promise broken", st)
	}
	if !st.VisibleAt("eu") || st.VisibleAt("us") || st.VisibleAt("") {
		t.Error("visible at eu only")
	}
}

// The order in which events arrive changes nothing.
func TestAnyOrderTellsTheSameStory(t *testing.T) {
	t.Parallel()
	r := store()
	three(r, 2*time.Second)
	later := event("e9", "w1", metrics.KindVisible, "eu", -time.Second)
	later.Attempt = 2
	r.Events = append(r.Events, r.Events[2], later, event("e8", "w1", metrics.KindVisible, "ap", -1700*time.Millisecond))
	want, err := teller(r).Story(t.Context(), "", "w1")
	if err != nil {
		t.Fatal(err)
	}
	if len(want.Timeline) != 5 || len(want.Replays) != 1 || len(want.Duplicates) != 1 {
		t.Fatalf("%d steps, %d replays, %d duplicates; want 5, 1, 1", len(want.Timeline), len(want.Replays), len(want.Duplicates))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		rng.Shuffle(len(r.Events), func(i, j int) { r.Events[i], r.Events[j] = r.Events[j], r.Events[i] })
		got, err := teller(r).Story(t.Context(), "", "w1")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("another order tells another story:\n%s", d)
		}
	}
}

func TestLaterVersionSatisfiesStateBasedReplicasOnly(t *testing.T) {
	t.Parallel()
	r := store()
	r.Events = []metrics.Event{event("e1", "w1", metrics.KindInitiated, "", -5*time.Second)}
	next := func(id, replica string, at time.Duration, version uint64) {
		e := event(id, "w2", metrics.KindVisible, replica, at)
		e.Version = metrics.SeqVersion(version)
		r.Events = append(r.Events, e)
	}
	next("n1", "us", -3*time.Second, 8)
	next("n2", "log", -3*time.Second, 8)
	next("n3", "eu", -3*time.Second, 6) // an earlier version satisfies nothing
	s, err := teller(r).Story(t.Context(), "", "w1")
	if err != nil {
		t.Fatal(err)
	}
	us := s.Route.Replicas[3]
	if us.SupersededBy == nil || us.SupersededBy.WriteID != "w2" || us.LagNS == nil || *us.LagNS != int64(2*time.Second) {
		t.Errorf("us: %+v, want superseded by w2 after 2 s", us)
	}
	if !slices.Equal(s.Route.Missing, []string{"ap", "eu", "log"}) {
		t.Errorf("missing %v; operations and earlier versions satisfy nothing", s.Route.Missing)
	}
}

func TestAppliedIsVisibleOnlyWhereVisibilityIsNotReported(t *testing.T) {
	t.Parallel()
	r := store()
	three(r, 2*time.Second)
	r.Events = append(r.Events, event("e6", "w1", metrics.KindApplied, "us", -time.Second))
	s, err := teller(r).Story(t.Context(), "", "w1")
	if err != nil || s.State != provenance.StateVisible || *s.AllNS != int64(time.Second) {
		t.Fatalf("%+v, %v; want applied at us to count", s, err)
	}
	r.Sample(metrics.Series{
		Feature: "cart", Metric: metrics.MetricHop, FromStage: "applied", FromPlace: "us", ToStage: "visible", ToPlace: "us", Replica: "us",
	}, ns(-time.Hour), 1)
	s, err = teller(r).Story(t.Context(), "", "w1")
	if err != nil || s.State != provenance.StatePending {
		t.Errorf("%s, %v; us reports visibility, so applied is not enough", s.State, err)
	}
}

func TestClockErrorsAndNoVerdictWithinThem(t *testing.T) {
	t.Parallel()
	r := store()
	a := event("e1", "w1", metrics.KindInitiated, "", -2*time.Second)
	a.ClockID, a.HasOffset, a.ClockOffset, a.ClockError = "c1", true, int64(time.Millisecond), int64(5*time.Millisecond)
	b := event("e2", "w1", metrics.KindVisible, "eu", -2*time.Second+4*time.Millisecond)
	b.ClockID, b.HasOffset, b.ClockError = "c2", true, int64(2*time.Millisecond)
	r.Events = []metrics.Event{b, a}
	s, err := teller(r).Story(t.Context(), "", "w1")
	if err != nil || len(s.Timeline) != 2 {
		t.Fatalf("%+v, %v", s, err)
	}
	step := s.Timeline[1]
	if *step.ErrorNS != int64(2*time.Millisecond) || *step.SincePreviousNS != int64(3*time.Millisecond) || !step.Undecided {
		t.Errorf("step %+v; want 3 ms ± 7 ms, undecided", step)
	}
	if s.Timeline[0].RawAt == s.Timeline[0].At {
		t.Error("the raw time is not kept apart")
	}
}

func TestRelativesAndConflicts(t *testing.T) {
	t.Parallel()
	r := store()
	three(r, 2*time.Second)
	r.Events[0].Parents = []string{"w0", "gone"}
	r.Events[0].SessionID, r.Events[0].Delta, r.Events[0].Labels = "s1", `{"a":1}`, []string{"pii"}
	parent := event("p1", "w0", metrics.KindInitiated, "", -time.Minute)
	parent.Key = "k0"
	child := event("k1", "w9", metrics.KindInitiated, "", -time.Second)
	child.Key, child.SessionID, child.Parents = "k2", "s1", []string{"w1"}
	lost := event("c1", "w1", metrics.KindConflictResolved, "eu", -time.Second)
	lost.ConflictID, lost.With = "c1", []string{"w8"}
	r.Events = append(r.Events, parent, child, lost)
	r.ConflictRows = []metrics.Conflict{{ID: "c1", Feature: "cart", Writes: []string{"w1", "w8"}, ResolvedAt: ns(-time.Second), Rule: "lww", Winner: "w8", Auto: metrics.Yes}}
	s, err := teller(r).Story(t.Context(), "", "w1")
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Parents) != 2 || !s.Parents[0].Known || s.Parents[0].Key != "k0" || s.Parents[1].Known {
		t.Errorf("parents %+v", s.Parents)
	}
	if len(s.Children) != 1 || s.Children[0].WriteID != "w9" {
		t.Errorf("children %+v", s.Children)
	}
	if len(s.Conflicts) != 1 || s.Conflicts[0].Why == "" || s.State != provenance.StatePending {
		t.Errorf("conflicts %+v in state %s", s.Conflicts, s.State)
	}
	if !slices.Equal(s.Labels, []string{"pii"}) || s.Delta != `{"a":1}` {
		t.Errorf("labels %v, delta %s", s.Labels, s.Delta)
	}
}

func TestETAFollowsTheCurve(t *testing.T) {
	t.Parallel()
	r := store()
	three(r, 2*time.Second)
	all := metrics.Series{Feature: "cart", Metric: metrics.MetricVisibleAll}
	for i := range 100 { // half take 1 s, half 4 s: at 2 s only the latter are left
		r.Sample(all, ns(-30*time.Minute), int64(time.Second)+int64(i%2)*int64(3*time.Second))
	}
	s, err := teller(r).Story(t.Context(), "", "w1")
	if err != nil || s.ETA == nil || s.ETA.P50NS == nil {
		t.Fatalf("eta %+v, %v", s.ETA, err)
	}
	if d := time.Duration(*s.ETA.P50NS); d < 1900*time.Millisecond || d > 2100*time.Millisecond {
		t.Errorf("eta %s, want 2 s", d)
	}
}

// hub is a Subscriber that a test notifies.
type hub struct {
	mu        sync.Mutex
	ch        chan struct{}
	cancelled bool
}

func (h *hub) Subscribe(string) (<-chan struct{}, func()) {
	return h.ch, func() { h.mu.Lock(); h.cancelled = true; h.mu.Unlock() }
}

// locked lets a test add events while Wait reads.
type locked struct {
	*reporttest.Reader
	mu sync.Mutex
}

func (l *locked) Find(ctx context.Context, q metrics.FindQuery) ([]metrics.Event, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Reader.Find(ctx, q)
}

func (l *locked) add(e metrics.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Events = append(l.Events, e)
}

func TestWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &locked{Reader: store()}
		tell := provenance.New(r, report.New(r, now), now)
		h := &hub{ch: make(chan struct{}, 1)}
		go func() {
			time.Sleep(time.Second) // fake time: nothing is known of w1 before
			r.add(event("e1", "w1", metrics.KindInitiated, "", -2*time.Second))
			h.ch <- struct{}{}
			time.Sleep(time.Second)
			r.add(event("e2", "w1", metrics.KindVisible, "eu", -time.Second))
			h.ch <- struct{}{}
		}()
		begun := time.Now()
		s, err := tell.Wait(t.Context(), h, "", "w1", "eu", 10*time.Second)
		if err != nil || !s.VisibleAt("eu") || time.Since(begun) != 2*time.Second || !h.cancelled {
			t.Errorf("%+v, %v after %s, cancelled %v; want eu after 2 s", s, err, time.Since(begun), h.cancelled)
		}
		begun = time.Now()
		s, err = tell.Wait(t.Context(), h, "", "w1", "us", 3*time.Second)
		if err != nil || s.VisibleAt("us") || time.Since(begun) != 3*time.Second {
			t.Errorf("%+v, %v after %s; want the status as it is after the timeout", s, err, time.Since(begun))
		}
		if _, err = tell.Wait(t.Context(), h, "", "nope", "", time.Second); !errors.Is(err, provenance.ErrNotFound) {
			t.Errorf("unknown write: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err = tell.Wait(ctx, h, "", "w1", "us", time.Second); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}
