package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidemark/metrics"
	"tidemark/metrics/storetest"
)

func labelled(id string, labels ...string) metrics.Event {
	e := event(id)
	e.Labels = labels
	return e
}

func labelledOf(feature, id string, labels ...string) metrics.Event {
	e := labelled(id, labels...)
	e.Feature = feature
	return e
}

func known(labels ...string) *metrics.Vocabulary {
	var rules []metrics.LabelRule
	for _, l := range labels {
		rules = append(rules, metrics.LabelRule{Label: l, Services: []string{metrics.EveryService}})
	}
	return metrics.NewVocabulary(rules)
}

func TestUnknownLabelsAreHeldUntilTheyAreDeclared(t *testing.T) {
	t.Parallel()
	st := storetest.NewMemory()
	p, f := start(t, st, Options{Quarantine: Quarantine{Store: st}})
	p.SetLabels(known("pii"))
	submit := func(events ...metrics.Event) Receipt {
		t.Helper()
		r, err := p.Submit(t.Context(), events, func() {})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := submit(event("a"), labelled("b", "pii"), labelled("c", "secret"), labelled("d", "pii", "tenant:acme", "secret"), labelled("c", "secret"))
	if r.Accepted != 2 || r.Quarantined != 2 || r.Duplicates != 1 || !slices.Equal(r.Unknown, []string{"secret", "tenant:acme"}) {
		t.Fatalf("%+v", r)
	}
	release := func(want int) {
		t.Helper()
		if n, err := p.ReleaseKnown(t.Context()); err != nil || n != want {
			t.Fatalf("released %d, %v; want %d", n, err, want)
		}
	}
	release(0)
	p.SetLabels(known("pii", "tenant:*"))
	release(0)
	p.SetLabels(known("pii", "secret"))
	release(1)
	if r = submit(labelled("c", "secret")); r.Duplicates != 1 {
		t.Fatalf("sent again after the release: %+v", r)
	}
	p.SetLabels(known("pii", "secret", "tenant:*"))
	release(1)
	if s := p.Stats(); s.Quarantine.Events != 0 || s.Quarantine.Held != 2 || s.Quarantine.Released != 2 || s.Accepted != 4 {
		t.Fatalf("%+v", s)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f.events != 4 || st.End() != 4 {
		t.Fatalf("%d events folded, %d in the log; want 4", f.events, st.End())
	}
}

func TestAFullQuarantineRejects(t *testing.T) {
	t.Parallel()
	st := storetest.NewMemory()
	p, _ := start(t, st, Options{Quarantine: Quarantine{Store: st, Most: metrics.HeldTotal{Events: 2, Bytes: 1 << 20}}})
	r, err := p.Submit(t.Context(), []metrics.Event{
		event("a"), labelled("b", "x"), labelledOf("stock", "c", "x"), labelledOf("search", "d", "x"), labelled("b", "x"),
	}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	if r.Accepted != 1 || r.Quarantined != 2 || r.Duplicates != 1 || len(r.Rejected) != 1 {
		t.Fatalf("%+v", r)
	}
	if j := r.Rejected[0]; j.Code != CodeQuarantineFull || j.EventID != "d" || j.Index != 3 ||
		j.Message != `The labels "x" are not declared, and the quarantine is full (2 events, 1 MiB): declare them by documents of kind Label, or discard what is held.` {
		t.Fatalf("%+v", j)
	}
	if n, err := p.Discard(t.Context(), metrics.HeldQuery{Label: "x", Through: 1}); n != 1 || err != nil {
		t.Fatalf("discarded %d, %v", n, err)
	}
	if r, _ = p.Submit(t.Context(), []metrics.Event{labelled("d", "x")}, func() {}); r.Quarantined != 1 {
		t.Fatalf("there is room again: %+v", r)
	}
	if n, err := p.Release(t.Context(), metrics.HeldQuery{}); n != 2 || err != nil {
		t.Fatalf("released %d by order, %v", n, err)
	}
}

// A key of one feature that sends whatever it likes leaves others their room, and is told
// so; what was released and discarded makes room for it again.
func TestOneFeatureTakesItsShareOfTheQuarantine(t *testing.T) {
	t.Parallel()
	st := storetest.NewMemory()
	p, f := start(t, st, Options{Quarantine: Quarantine{Store: st, Most: metrics.HeldTotal{Events: 9, Bytes: 3 << 20}}})
	next := 0
	submit := func(feature string, n int) Receipt {
		t.Helper()
		var events []metrics.Event
		for range n {
			next++
			events = append(events, labelledOf(feature, fmt.Sprint(next), "x"))
		}
		r, err := p.Submit(t.Context(), events, func() {})
		if err != nil || r.Quarantined+len(r.Rejected) != n {
			t.Fatalf("%+v, %v", r, err)
		}
		return r
	}
	r := submit("b", 20)
	if r.Quarantined != 4 {
		t.Fatalf("%d events of b are held, want 4", r.Quarantined)
	}
	want := metrics.Rejection{
		Index: 4, EventID: "5", Code: CodeQuarantineFull, Field: "labels",
		Message: `The labels "x" are not declared, and feature b has its share of the quarantine, half of it (4 events, 1.5 MiB): declare them by documents of kind Label, or discard what is held of the feature.`,
	}
	if r.Rejected[0] != want {
		t.Errorf("got  %+v\nwant %+v", r.Rejected[0], want)
	}
	if r = submit("a", 4); r.Quarantined != 4 {
		t.Errorf("b leaves room for %d events of a, want 4: %+v", r.Quarantined, r.Rejected)
	}
	if n, err := p.Discard(t.Context(), metrics.HeldQuery{Feature: "b", Through: 1}); n != 1 || err != nil {
		t.Fatalf("discarded %d, %v", n, err)
	}
	if n, err := p.Release(t.Context(), metrics.HeldQuery{Feature: "b", Through: 2}); n != 1 || err != nil {
		t.Fatalf("released %d, %v", n, err)
	}
	if r = submit("b", 5); r.Quarantined != 2 {
		t.Errorf("%d events of b are held where 2 went", r.Quarantined)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := p.Stats().Quarantine; s.Events != 8 || s.Refused != 16+3 || f.events != 1 {
		t.Errorf("%+v, %d counted", s, f.events)
	}
}

func TestUnknownLabelsMayBeTaken(t *testing.T) {
	t.Parallel()
	st := storetest.NewMemory()
	if _, err := st.Hold(t.Context(), 1, []metrics.Event{labelled("old", "x")}, metrics.HeldTotal{Events: 9, Bytes: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	p, _ := start(t, st, Options{Quarantine: Quarantine{Store: st, Take: true}})
	r, err := p.Submit(t.Context(), []metrics.Event{labelled("new", "x")}, func() {})
	if err != nil || r.Accepted != 1 || r.Quarantined != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if n, err := p.ReleaseKnown(t.Context()); n != 1 || err != nil {
		t.Fatalf("released %d, %v", n, err)
	}
}

// failing fails calls of the quarantine and of the log as it is told.
type failing struct {
	*storetest.Memory

	fail func(what string) bool
}

var errFails = errors.New("fails")

func (f failing) Append(ctx context.Context, batches ...[]metrics.Event) (metrics.Position, error) {
	if f.fail("append") {
		return 0, errFails
	}
	return f.Memory.Append(ctx, batches...)
}

func (f failing) Hold(ctx context.Context, at int64, events []metrics.Event, most metrics.HeldTotal) (metrics.Holding, error) {
	if f.fail("hold") {
		return metrics.Holding{}, errFails
	}
	return f.Memory.Hold(ctx, at, events, most)
}

func (f failing) Unhold(ctx context.Context, numbers []int64) (int, error) {
	if f.fail("unhold") {
		return 0, errFails
	}
	return f.Memory.Unhold(ctx, numbers)
}

// Whatever fails, and however often the process starts anew, an acknowledged event is in
// the log or in quarantine, and what goes on is in the log with what is known.
func TestAcknowledgedIsStoredOrHeld(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		st := failing{storetest.NewMemory(), func(string) bool { return rapid.IntRange(0, 3).Draw(rt, "fails") == 0 }}
		labels := []string{"a", "b", "c"}
		acknowledged := map[string]bool{}
		declared := []string{}
		next := 0
		var p *Pipeline
		restart := func() {
			p = New(st, &countingFolder{}, nil, nil, Options{
				Now: func() time.Time { return time.Unix(9, 0) }, Quarantine: Quarantine{Store: st, Most: metrics.HeldTotal{Events: 20, Bytes: 1 << 20}},
			})
			p.SetLabels(known(declared...))
			p.Start()
		}
		restart()
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"submit", "submit", "declare", "release", "order", "restart"}).Draw(rt, "step") {
			case "submit":
				var events []metrics.Event
				for range rapid.IntRange(1, 5).Draw(rt, "events") {
					next++
					feature := rapid.SampledFrom([]string{"cart", "cart", "stock"}).Draw(rt, "feature")
					events = append(events, labelledOf(feature, fmt.Sprint(next), labels[:rapid.IntRange(0, 3).Draw(rt, "labels")]...))
				}
				ids := map[string]bool{}
				for _, e := range events {
					ids[e.EventID] = true
				}
				r, err := p.Submit(context.Background(), events, func() {})
				if err != nil {
					continue
				}
				for _, j := range r.Rejected {
					delete(ids, j.EventID)
				}
				if r.Accepted+r.Quarantined != len(ids) {
					rt.Fatalf("%+v of %d", r, len(ids))
				}
				for id := range ids {
					acknowledged[id] = true
				}
			case "declare":
				declared = labels[:rapid.IntRange(0, 3).Draw(rt, "declared")]
				p.SetLabels(known(declared...))
			case "release":
				_, _ = p.ReleaseKnown(context.Background()) // may fail halfway, which is the point
			case "order":
				_, _ = p.Release(context.Background(), metrics.HeldQuery{Label: "b"})
			case "restart":
				_ = p.Stop(context.Background())
				restart()
			}
		}
		_ = p.Stop(context.Background())
		found := map[string]bool{}
		err := st.Scan(context.Background(), 0, func(_ metrics.Position, events []metrics.Event) error {
			for i := range events {
				found[events[i].EventID] = true
			}
			return nil
		})
		if err != nil {
			rt.Fatal(err)
		}
		held, err := st.Held(context.Background(), metrics.HeldQuery{Limit: 1000})
		if err != nil {
			rt.Fatal(err)
		}
		for _, h := range held {
			found[h.Event.EventID] = true
		}
		for id := range acknowledged {
			if !found[id] {
				rt.Errorf("event %s was acknowledged, and is nowhere", id)
			}
		}
	})
}
