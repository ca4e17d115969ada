package reconcile_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/flags"
	"tidemark/flags/reconcile"
	"tidemark/metrics"
	"tidemark/metrics/rollup"
	"tidemark/metrics/simulate"
	"tidemark/metrics/storetest"
)

// documents are rules by name, one revision each.
type documents map[string][]string // name → contents, newest first

func (d documents) Versions(_ context.Context, id flags.DocumentID) ([]flags.DocumentVersion, error) {
	var out []flags.DocumentVersion
	for i, content := range d[id.Name] {
		out = append(out, flags.DocumentVersion{ID: id, Revision: int64(len(d[id.Name]) - i), Content: []byte(content), Status: flags.StatusActive})
	}
	return out, nil
}

// indexed finds the events of a write without a walk through all of them.
type indexed struct {
	*rollup.Engine
	of map[metrics.Entity][]metrics.Event
}

func (r indexed) Find(_ context.Context, q metrics.FindQuery) ([]metrics.Event, bool, error) {
	return slices.Clone(r.of[q.Entity]), false, nil
}

// storm is what a real fold makes of two minutes of the simulated conflict storm. The
// simulator decides its conflicts by code of its own.
func storm(t *testing.T) (reconcile.Reader, time.Time) {
	t.Helper()
	sc, err := simulate.Named("conflict-storm")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	sc.Duration = 2 * time.Minute
	sim, err := simulate.New(sc, 7, begin)
	if err != nil {
		t.Fatal(err)
	}
	end := begin.Add(10 * time.Minute)
	store := storetest.NewMemory()
	engine, err := rollup.Open(t.Context(), store, nil, rollup.Options{Now: func() time.Time { return end }})
	if err != nil {
		t.Fatal(err)
	}
	var events []metrics.Event
	for _, e := range sim.All() {
		events = append(events, *e)
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
	r := indexed{engine, map[metrics.Entity][]metrics.Event{}}
	for i := range events {
		id := metrics.WriteEntity(events[i].WriteID)
		r.of[id] = append(r.of[id], events[i])
	}
	return r, end
}

var stormRules = documents{
	"cart-merge": {`{"version":3,"strategy":"merge","parameters":{"order":"time"}}`, `{"version":2,"strategy":"last-writer-wins","parameters":{"order":"time"}}`},
	"seat-owner": {`{"version":1,"strategy":"owner-wins","parameters":{"order":"reported"}}`},
	"notes-lww":  {`{"version":1,"strategy":"last-writer-wins"}`},
}

// TestSimulatedServicesFollowTheirRules compares two implementations of three rules:
// where a conflict can be judged the simulator and this package agree.
func TestSimulatedServicesFollowTheirRules(t *testing.T) {
	t.Parallel()
	engine, end := storm(t)
	j := reconcile.NewJudge(reconcile.JudgeOptions{Reader: engine, Rules: stormRules, Now: func() time.Time { return end }})
	for rule, atLeast := range map[string]float64{"cart-merge": 0.5, "seat-owner": 0.95, "notes-lww": 0.95} {
		a, err := j.Agreement(t.Context(), reconcile.AgreementQuery{Rule: rule})
		if err != nil {
			t.Fatal(err)
		}
		judged := a.Agree + a.Differ
		if judged < 50 || a.Differ > 0 || float64(judged) < atLeast*float64(judged+a.Unjudged) {
			t.Errorf("%s: %+v; want no difference, and %.0f%% judged", rule, a.Tally, 100*atLeast)
			for _, e := range a.Examples {
				t.Logf("%+v", e)
			}
		}
		again, err := j.Agreement(t.Context(), reconcile.AgreementQuery{Rule: rule})
		if err != nil || again.Agree != a.Agree || again.Unjudged != a.Unjudged {
			t.Errorf("%s: what is remembered says %+v, %v", rule, again.Tally, err)
		}
	}
}

// TestReplayOfAnotherRule tries keeping one write where they were merged: every conflict
// ends otherwise, and what one of two writes changed is lost.
func TestReplayOfAnotherRule(t *testing.T) {
	t.Parallel()
	engine, end := storm(t)
	j := reconcile.NewJudge(reconcile.JudgeOptions{Reader: engine, Rules: stormRules, Now: func() time.Time { return end }})
	q, err := reconcile.PrepareReplay(t.Context(), stormRules, "cart-merge", "2", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Of = reconcile.AgreementQuery{Rule: "cart-merge", Limit: 50}
	seen := 0
	r, err := j.Replay(t.Context(), *q, func(done, _ int) { seen = done })
	if err != nil {
		t.Fatal(err)
	}
	if r.Conflicts != 50 || !r.More || seen != 49 {
		t.Errorf("%d conflicts, more %v, progress %d; want 50 of more", r.Conflicts, r.More, seen)
	}
	if r.Same > 0 || r.Changed < 25 || r.Changed+r.Asked+r.Spared+r.Left+r.Unjudged != 50 {
		t.Errorf("%+v; want all changed but for what cannot be told", r.Changes)
	}
	if r.After.Fields < r.Compared || r.Before.Fields >= r.After.Fields {
		t.Errorf("lost before %+v, after %+v in %d; keeping one of two writes loses a field each", r.Before, r.After, r.Compared)
	}
	if len(r.Examples) == 0 || !strings.HasPrefix(r.Examples[0].Was, "merged into ") {
		t.Errorf("examples %+v", r.Examples)
	}

	same, err := reconcile.PrepareReplay(t.Context(), stormRules, "cart-merge", "3", nil)
	if err != nil {
		t.Fatal(err)
	}
	same.Of = q.Of
	if r, err = j.Replay(t.Context(), *same, nil); err != nil || r.Before != r.After {
		t.Errorf("the rule itself: %+v, %v", r, err)
	}
}
