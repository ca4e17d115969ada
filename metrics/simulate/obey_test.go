package simulate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidemark/metrics"
	"tidemark/metrics/simulate"
)

// desk answers as a flag service with pins does: a new session gets what is in force,
// one that shows its pin what it has.
type desk struct {
	variants  []string // in force, one after the other
	asked     int
	sessions  map[string]string // variant of each session's first answer
	violation string
}

func (d *desk) answer(q simulate.Question) simulate.Answer {
	d.asked++
	variant, pinned := strings.CutPrefix(q.Pin, "pin:")
	if !pinned {
		variant = d.variants[d.asked%len(d.variants)]
	}
	first, known := d.sessions[q.Session]
	switch {
	case known != pinned:
		d.violation = fmt.Sprintf("session %s: known %v, but pinned %v", q.Session, known, pinned)
	case known && variant != first:
		d.violation = fmt.Sprintf("session %s began with %q and shows a pin of %q", q.Session, first, variant)
	}
	d.sessions[q.Session] = variant
	return simulate.Answer{Variant: variant, Arm: "arm-" + variant, Rollout: "r-1", Pin: "pin:" + variant}
}

// Whatever a flag answers is what units do and say, and a session stays with what it
// began with.
func TestUnitsObeyTheFlag(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := &desk{sessions: map[string]string{}}
		d.variants = rapid.SliceOfN(rapid.SampledFrom([]string{"candidate", "control", "unheard-of"}), 1, 6).Draw(t, "variants")
		sc, err := simulate.Named("good-candidate")
		if err != nil {
			t.Fatal(err)
		}
		sc.Duration, sc.Ask = 20*time.Second, d.answer
		run, err := simulate.New(sc, rapid.Uint64().Draw(t, "seed"), epoch)
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for _, e := range run.All() {
			if e.Kind != metrics.KindInitiated && e.Kind != metrics.KindRead || e.SessionID == "" {
				continue
			}
			seen++
			want := d.sessions[e.SessionID]
			if e.Variant != want || e.Flag != "profile-consistency" || e.Unit == "" || e.Unit != e.Actor {
				t.Fatalf("%s of session %s: flag %q, unit %q, variant %q; it was told %q", e.Kind, e.SessionID, e.Flag, e.Unit, e.Variant, want)
			}
			if stamp := `{"arm":"arm-` + want + `","rollout":"r-1"}`; e.Attributes != stamp {
				t.Fatalf("attributes %s; want %s", e.Attributes, stamp)
			}
		}
		if seen == 0 || d.violation != "" {
			t.Fatalf("%d events of sessions; %s", seen, d.violation)
		}
	})
}

// Each variant does what its arm does, and one without an arm what its model says.
func TestVariantsBehaveAsTheirArms(t *testing.T) {
	t.Parallel()
	lag := func(variant, model string) time.Duration {
		sc := named(t, "bad-candidate", time.Minute)
		sc.Ask = func(simulate.Question) simulate.Answer { return simulate.Answer{Variant: variant, Model: model} }
		l := run(t, sc, 3)
		for _, e := range l.events {
			if e.Kind == metrics.KindInitiated && model != "" && e.Model != model {
				t.Fatalf("variant %q runs the model %q; want %q", variant, e.Model, model)
			}
		}
		lags := l.lags("profile-edit", "cache-us", 0, time.Minute)
		var sum time.Duration
		for _, x := range lags {
			sum += x
		}
		return sum / time.Duration(max(len(lags), 1))
	}
	control, candidate, other := lag("control", ""), lag("candidate", ""), lag("another", simulate.Strong)
	if control == 0 || candidate < 3*control {
		t.Errorf("the candidate takes %v, the control %v; it is meant to be much slower", candidate, control)
	}
	if other > 2*control {
		t.Errorf("a variant without an arm takes %v, the control %v; its transport is the control's", other, control)
	}
}
