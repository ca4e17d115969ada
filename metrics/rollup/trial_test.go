package rollup

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/twmb/murmur3"
	"pgregory.net/rapid"

	"tidemark/metrics"
	"tidemark/metrics/storetest"
)

// testTrial compares nearly everybody from the beginning, and everybody later.
func testTrial() metrics.Trial {
	return metrics.Trial{
		ID: "r1", Flag: "cart-model", Feature: "cart", Salt: "s.", Candidate: "new", Control: "old", Deadline: 2 * second,
		Steps: []metrics.TrialStep{{Index: 0, From: epoch, Percent: 4000}, {Index: 1, From: epoch + 20*second, Percent: 5000}},
	}
}

// inTrial gives the events of a history flags, variants and units.
func inTrial(t *rapid.T, events []metrics.Event) []metrics.Event {
	units, variants := map[string]string{}, map[string]string{}
	for i := range events {
		ev := &events[i]
		id := ev.WriteID + ev.SessionID
		if ev.WriteID != "" {
			id = ev.WriteID
		}
		if _, ok := units[id]; !ok {
			units[id] = rapid.SampledFrom([]string{"", "u1", "u2", "u3", "u4", "u5"}).Draw(t, "unit")
			variants[id] = rapid.SampledFrom([]string{"new", "old"}).Draw(t, "variant")
		}
		if ev.Kind == metrics.KindInitiated || rapid.Bool().Draw(t, "flagged") {
			ev.Flag, ev.Unit, ev.Variant = "cart-model", units[id], variants[id]
		}
	}
	return events
}

// evidenceAt is the evidence as text, long after everything.
func evidenceAt(t testing.TB, e *Engine) string {
	t.Helper()
	e.opts.Now = func() time.Time { return time.Unix(0, epoch+3600*second) }
	got, ok, err := e.Evidence(context.Background(), "r1")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	got.LastEvent, got.Silent = 0, nil
	for i := range got.Steps { // Sums of floats depend on the order of the units.
		for _, a := range []*metrics.ArmEvidence{&got.Steps[i].Candidate, &got.Steps[i].Control} {
			for _, m := range []*metrics.Moments{&a.Lag, &a.Late, &a.Converged} {
				m.Sum, m.SumSq = math.Round(m.Sum*1e6)/1e6, math.Round(m.SumSq*1e6)/1e6
			}
		}
	}
	b, err := json.MarshalIndent(got, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEvidenceIsTheSameInAnyOrderAndOverRestarts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		events := inTrial(rt, genHistory(rt))
		trials := []metrics.Trial{testTrial()}
		_, want := run{batch: len(events), resident: 1000, ops: true, trials: trials}.fold(t, events)
		r := run{
			ops: true, batch: rapid.IntRange(1, 7).Draw(rt, "batch"), trials: trials,
			resident: rapid.SampledFrom([]int{3, 1000}).Draw(rt, "resident"), restart: rapid.Bool().Draw(rt, "restart"),
		}
		_, got := r.fold(t, shuffled(rt, events))
		if w, g := withoutChecks(evidenceAt(t, want)), withoutChecks(evidenceAt(t, got)); w != g {
			rt.Fatalf("want %s\ngot %s", w, g)
		}
	})
}

// TestAWriteThatLeavesAStepIsNoSampleOfIt: an initiated that comes after its committed
// moves the write's beginning into the step before. Its unit's other write stands in,
// also after a restart.
func TestAWriteThatLeavesAStepIsNoSampleOfIt(t *testing.T) {
	t.Parallel()
	unit := unitsIn(true, 1)[0]
	for _, restart := range []bool{false, true} {
		for _, moved := range []string{"a", "b"} { // One of them has the lesser hash.
			var events []metrics.Event
			for _, id := range []string{"a", "b"} {
				w := metrics.Event{
					WriteID: id, Feature: "cart", Service: "web", Flag: "cart-model", Unit: unit, Variant: "new",
					Expect: []string{"us"},
				}
				const began = epoch + 21*second
				events = append(events, with(w, metrics.KindCommitted, "", began))
				if id == moved {
					events = append(events, with(w, metrics.KindInitiated, "", began-2*second))
				} else {
					events = append(events, with(w, metrics.KindVisible, "us", began+second/10))
				}
			}
			r := run{ops: true, batch: 1, resident: 1000, restart: restart, trials: []metrics.Trial{testTrial()}}
			_, e := r.fold(t, events)
			e.opts.Now = func() time.Time { return time.Unix(0, epoch+3600*second) }
			got, _, err := e.Evidence(t.Context(), "r1")
			if err != nil || len(got.Steps) != 2 {
				t.Fatal(got, err)
			}
			early, late := got.Steps[0].Candidate.LagSample, got.Steps[1].Candidate.LagSample
			if len(early) != 1 || early[0].Upper != math.MaxInt64 || len(late) != 1 || late[0].Upper > second/5 {
				t.Errorf("moved %s, restart %v: samples %v before the boundary, %v after it", moved, restart, early, late)
			}
		}
	}
}

// withoutChecks leaves out what withoutWFR does.
func withoutChecks(evidence string) string {
	var e metrics.TrialEvidence
	if err := json.Unmarshal([]byte(evidence), &e); err != nil {
		return err.Error()
	}
	for i := range e.Steps {
		e.Steps[i].Candidate.Violations, e.Steps[i].Control.Violations = metrics.Rare{}, metrics.Rare{}
	}
	return fmt.Sprintf("%+v", e)
}

// unitsIn returns n units of an arm of testTrial's first step.
func unitsIn(candidate bool, n int) (units []string) {
	for i := 0; len(units) < n; i++ {
		name := fmt.Sprintf("user-%d", i)
		bucket := int(uint64(murmur3.StringSum32("s."+name)) * 10_000 >> 32)
		if (candidate && bucket < 4000) || (!candidate && bucket >= 6000) {
			units = append(units, name)
		}
	}
	return units
}

// history of a trial: each candidate makes two writes, one of them late at us; each
// control one that is in time. All are operation-based at us alone.
func trialHistory() (events []metrics.Event) {
	write := func(id, unit, variant string, from, lag int64) {
		w := metrics.Event{
			WriteID: id, Feature: "cart", Service: "web", Flag: "cart-model", Unit: unit, Variant: variant,
			Expect: []string{"us"}, OccurredAt: from,
		}
		events = append(events, with(w, metrics.KindInitiated, "", from))
		if lag > 0 {
			events = append(events, with(w, metrics.KindVisible, "us", from+lag))
		}
	}
	for i, u := range unitsIn(true, 3) {
		write(fmt.Sprintf("c%d-fast", i), u, "new", epoch+second, second)
		write(fmt.Sprintf("c%d-slow", i), u, "new", epoch+second, 3*second)
	}
	for i, u := range unitsIn(false, 4) {
		write(fmt.Sprintf("d%d", i), u, "old", epoch+second, second/2)
	}
	write("never", unitsIn(false, 5)[4], "old", epoch+second, 0)
	write("pinned", unitsIn(true, 4)[3], "old", epoch+second, second)
	write("nobody", "", "new", epoch+second, second)
	for i := range events {
		events[i].EventID, events[i].ObservedAt = fmt.Sprintf("t%02d", i), events[i].OccurredAt
	}
	return events
}

func TestEvidenceOfBothArms(t *testing.T) {
	t.Parallel()
	events := trialHistory()
	_, e := run{batch: 3, resident: 1000, ops: true, trials: []metrics.Trial{testTrial()}}.fold(t, events)
	e.opts.Now = func() time.Time { return time.Unix(0, epoch+60*second) }
	got, ok, err := e.Evidence(t.Context(), "r1")
	if err != nil || !ok || len(got.Steps) != 1 {
		t.Fatal(got, ok, err)
	}
	if got.Writes != 13 || got.NoUnit != 1 || got.OtherVariant != 1 || !slices.Equal(got.Silent, []string{"eu"}) {
		t.Errorf("%d writes, %d without a unit, %d of another variant, silent %v", got.Writes, got.NoUnit, got.OtherVariant, got.Silent)
	}
	c, d := got.Steps[0].Candidate, got.Steps[0].Control
	if c.Units != 3 || c.Writes != 6 || c.Late != (metrics.Moments{Units: 3, Sum: 1.5, SumSq: 0.75}) || c.Lag.Sum != 6 {
		t.Errorf("candidate %+v", c)
	}
	if d.Units != 5 || d.Writes != 5 || d.Late.Sum != 1 || d.Converged.Sum != 4 || d.Lag.Units != 4 {
		t.Errorf("control %+v", d)
	}
	last := d.LagSample[len(d.LagSample)-1]
	if last.Upper != math.MaxInt64 || last.Count != 1 {
		t.Errorf("the write that never came is not among the samples: %+v", d.LagSample)
	}
}

func TestWritesWithinTheDeadlineAreNotJudgedYet(t *testing.T) {
	t.Parallel()
	events := trialHistory()
	_, e := run{batch: 3, resident: 1000, ops: true, trials: []metrics.Trial{testTrial()}}.fold(t, events)
	e.opts.Now = func() time.Time { return time.Unix(0, epoch+second*5/2) }
	got, _, err := e.Evidence(t.Context(), "r1")
	if err != nil || len(got.Steps) != 1 {
		t.Fatal(got, err)
	}
	for _, a := range []metrics.ArmEvidence{got.Steps[0].Candidate, got.Steps[0].Control} {
		if a.Late.Units != 0 || a.Converged.Units != 0 || a.Lag.Units == 0 {
			t.Errorf("%+v", a)
		}
	}
}

func TestAStepThatChangesCountsAnew(t *testing.T) {
	t.Parallel()
	events := trialHistory()
	_, e := run{batch: 3, resident: 1000, ops: true, trials: []metrics.Trial{testTrial()}}.fold(t, events)
	changed := testTrial()
	changed.Steps[0].Percent = 0
	if err := e.SetTrials(t.Context(), []metrics.Trial{changed}); err != nil {
		t.Fatal(err)
	}
	got, _, err := e.Evidence(t.Context(), "r1")
	if err != nil || len(got.Steps) != 0 || got.Writes != 0 {
		t.Fatal(got, err)
	}
	if err := e.SetTrials(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := e.Evidence(t.Context(), "r1"); ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := e.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = e.store.TrialUnits(t.Context(), "r1", func(u metrics.TrialUnit) error { return fmt.Errorf("left behind: %+v", u) })
	if err != nil {
		t.Error(err)
	}
}

func TestARebuildGathersTheEvidenceAgain(t *testing.T) {
	t.Parallel()
	st, e := run{batch: 3, resident: 1000, ops: true, trials: []metrics.Trial{testTrial()}}.fold(t, trialHistory())
	want := evidenceAt(t, e)
	cs := testConfigs()
	r, err := Rebuild(t.Context(), st.(*storetest.Memory), cs, Options{Now: func() time.Time { return time.Unix(0, epoch) }}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := evidenceAt(t, r); got != want {
		t.Errorf("want %s\ngot %s", want, got)
	}
}
