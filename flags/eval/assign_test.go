package eval

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"tidemark/flags"
)

func at(t testing.TB, p flags.Percent, change func(*Definition, *flags.Assignment)) *Set {
	t.Helper()
	return pinned(t, models, 3, func(d *Definition, a *flags.Assignment) {
		a.Percent, a.Step, a.PinFor = p, 2, 0
		if change != nil {
			change(d, a)
		}
	})
}

// TestRaisingMovesNobodyBack: whoever has the candidate keeps it as the share rises, and
// up to a half no control unit becomes a candidate.
func TestRaisingMovesNobodyBack(t *testing.T) {
	t.Parallel()
	steps := []flags.Percent{0, 1, 100, 500, 1000, 2500, 5000, 7500, 9999, 10000}
	sets := make([]*Set, len(steps))
	for i, p := range steps {
		sets[i] = at(t, p, nil)
	}
	counts := make([]map[flags.Arm]int, len(steps))
	const units = 20_000
	for i := range steps {
		counts[i] = map[flags.Arm]int{}
	}
	for u := range units {
		unit := fmt.Sprint("unit-", u)
		was := flags.ArmNone
		for i, p := range steps {
			arm, variant, ok := sets[i].Assign("f", unit)
			counts[i][arm]++
			if !ok || (variant == "ryw") != (arm == flags.ArmCandidate) {
				t.Fatalf("%s at %d: %s %s %v", unit, p, arm, variant, ok)
			}
			if was == flags.ArmCandidate && arm != was || was == flags.ArmControl && arm == flags.ArmCandidate && p <= 5000 {
				t.Fatalf("%s goes from %s to %s at %d", unit, was, arm, p)
			}
			was = arm
		}
	}
	for i, p := range steps {
		want := float64(p) / 10_000
		expectShare(t, fmt.Sprint("candidates at ", p), counts[i][flags.ArmCandidate], units, want)
		expectShare(t, fmt.Sprint("controls at ", p), counts[i][flags.ArmControl], units, min(want, 1-want))
	}
}

// expectShare allows five standard deviations, which a fixed sequence of units meets or not.
func expectShare(t *testing.T, what string, n, of int, want float64) {
	t.Helper()
	sd := math.Sqrt(want * (1 - want) * float64(of))
	if d := math.Abs(float64(n) - want*float64(of)); d > 5*sd {
		t.Errorf("%s: %d of %d, want %.0f ± %.0f", what, n, of, want*float64(of), 5*sd)
	}
}

func TestAssignIsEvaluate(t *testing.T) {
	t.Parallel()
	s := at(t, 3000, nil)
	for u := range 3000 {
		unit := fmt.Sprint("unit-", u)
		arm, variant, _ := s.Assign("f", unit)
		r := s.Evaluate("f", Context{TargetingKey: unit}, now())
		if r.Variant != variant || r.Metadata.Arm != arm || r.Reason != ReasonSplit || r.Arm() != arm {
			t.Fatalf("%s is assigned %s %s and evaluated %s %s %s", unit, arm, variant, r.Metadata.Arm, r.Variant, r.Reason)
		}
	}
	if _, _, ok := s.Assign("g", "u"); ok {
		t.Error("a flag that is not there is assigned")
	}
}

func TestRolloutAndItsFlag(t *testing.T) {
	t.Parallel()
	cohort := func(d *Definition, a *flags.Assignment) {
		a.Cohort = json.RawMessage(`{"$ref": "staff"}`)
		d.Cohorts = map[string]json.RawMessage{"staff": json.RawMessage(`{"ends_with": [{"var": "email"}, "@example.com"]}`)}
	}
	targetedModels := func(d *Definition, a *flags.Assignment) {
		cohort(d, a)
		d.Flags["f"] = Source{Content: json.RawMessage(models[:len(models)-1] + `, "targeting": {"if": [{"var": "vip"}, "strong", null]}, "metadata": {"team": "t"}}`), Revision: 3}
		d.Metadata = map[string]any{"set": "s", "team": "other"}
	}
	off := func(d *Definition, _ *flags.Assignment) {
		d.Flags["f"] = Source{Content: json.RawMessage(`{"state": "DISABLED", "variants": {"ryw": "a", "weak": "b"}}`)}
	}
	share := func(p flags.Percent) func(*Definition, *flags.Assignment) {
		return func(_ *Definition, a *flags.Assignment) { a.Percent = p }
	}
	for _, c := range []struct {
		name    string
		change  func(*Definition, *flags.Assignment)
		ctx     Context
		variant string
		reason  Reason
		code    ErrorCode
		meta    string
	}{
		{"everyone", nil, Context{TargetingKey: "u"}, "ryw", ReasonSplit, "", `{"version":3,"rollout":"r1","step":2,"arm":"candidate"}`},
		{"a number names the unit", nil, Context{TargetingKey: 7}, "ryw", ReasonSplit, "", `{"version":3,"rollout":"r1","step":2,"arm":"candidate"}`},
		{"nobody", share(5000), Context{}, "", ReasonError, CodeTargetingKeyMissing, `{"version":3}`},
		{"an empty name", share(1), Context{TargetingKey: ""}, "", ReasonError, CodeTargetingKeyMissing, `{"version":3}`},
		{"nobody where all but one in 10,000 have it", share(flags.Whole - 1), Context{}, "", ReasonError, CodeTargetingKeyMissing, `{"version":3}`},
		{"nobody where everyone has the control", share(0), Context{}, "weak", ReasonSplit, "", `{"version":3,"rollout":"r1","step":2}`},
		{"nobody where everyone has the candidate", nil, Context{}, "ryw", ReasonSplit, "", `{"version":3,"rollout":"r1","step":2}`},
		{"in the cohort", cohort, Context{TargetingKey: "u", "email": "u@example.com"}, "ryw", ReasonSplit, "", `{"version":3,"rollout":"r1","step":2,"arm":"candidate"}`},
		{"outside", cohort, Context{TargetingKey: "u"}, "weak", ReasonStatic, "", `{"version":3}`},
		{"outside without a name", cohort, Context{}, "weak", ReasonStatic, "", `{"version":3}`},
		{"outside, targeted", targetedModels, Context{"vip": true}, "strong", ReasonTargetingMatch, "", `{"set":"s","team":"t","version":3}`},
		{"disabled", off, Context{TargetingKey: "u"}, "", ReasonDisabled, "", `{}`},
	} {
		r := at(t, flags.Whole, c.change).Evaluate("f", c.ctx, now())
		if r.Variant != c.variant || r.Reason != c.reason || r.Code != c.code {
			t.Errorf("%s: %q %s %s %s", c.name, r.Variant, r.Reason, r.Code, r.Details)
		}
		if got := string(r.Metadata.AppendJSON(nil)); got != c.meta {
			t.Errorf("%s: metadata are %s, want %s", c.name, got, c.meta)
		}
		if b, err := json.Marshal(r.Metadata.Map()); err != nil || !sameJSON(t, b, []byte(c.meta)) {
			t.Errorf("%s: the map of metadata is %s (%v)", c.name, b, err)
		}
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y map[string]any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		t.Fatalf("%s or %s is no JSON", a, b)
	}
	return text(t, x) == text(t, y)
}

func TestHashNamesTheAnswers(t *testing.T) {
	t.Parallel()
	base := at(t, 100, nil)
	if h := at(t, 100, nil).Hash(); h != base.Hash() {
		t.Error("the same definition has two hashes")
	}
	for name, change := range map[string]func(*Definition, *flags.Assignment){
		"percent":  func(_ *Definition, a *flags.Assignment) { a.Percent++ },
		"step":     func(_ *Definition, a *flags.Assignment) { a.Step++ },
		"broken":   func(_ *Definition, a *flags.Assignment) { a.PinsBrokenAt = 1 },
		"account":  func(d *Definition, _ *flags.Assignment) { d.PinsBroken = map[string]int64{"f": 1} },
		"past":     func(d *Definition, _ *flags.Assignment) { d.Past = map[string][]Source{"f": {{Revision: 1}}} },
		"metadata": func(d *Definition, _ *flags.Assignment) { d.Metadata = map[string]any{"a": 1} },
		"flag":     func(d *Definition, _ *flags.Assignment) { d.Flags["g"] = d.Flags["f"] },
		"cohort": func(d *Definition, _ *flags.Assignment) {
			d.Cohorts = map[string]json.RawMessage{"c": json.RawMessage(`{"var":"x"}`)}
		},
	} {
		if at(t, 100, change).Hash() == base.Hash() {
			t.Errorf("a change of the %s leaves the hash as it was", name)
		}
	}
}

// TestAssignDoesNotAllocate is a goal, and a count does not depend on the machine.
func TestAssignDoesNotAllocate(t *testing.T) {
	s := at(t, 3000, nil)
	if n := testing.AllocsPerRun(100, func() { s.Assign("f", "user-1234567") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
