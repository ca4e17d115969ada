package flagdcore

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"tidemark/flags"
	"tidemark/flags/eval"
)

// TestRolloutsSameInFlagd exports rollouts at every kind of step and asks flagd-core for
// what each unit gets: it is what the assignment gives.
func TestRolloutsSameInFlagd(t *testing.T) {
	t.Parallel()
	cohorts := map[string]json.RawMessage{
		"":       nil,
		"europe": json.RawMessage(`{"$ref": "europe"}`),
		"staff":  json.RawMessage(`{"ends_with": [{"var": "email"}, "@example.com"]}`),
	}
	targetings := []string{`{}`, `{"if": [{"var": "beta"}, "b", null]}`}
	var jobs []job
	var sets []*eval.Set
	for _, p := range []flags.Percent{0, 1, 100, 2500, 4999, 5000, 5001, 9999, 10000} {
		for name, cohort := range cohorts {
			for i, targeting := range targetings {
				set := rollingOut(t, p, cohort, targeting)
				file, err := set.Flagd()
				if err != nil {
					t.Fatal(err)
				}
				g := newGenerator(uint64(p) + uint64(len(name)) + uint64(i))
				j := job{Now: nowSeconds, File: file}
				for range 60 {
					ctx := g.context()
					ctx["targetingKey"] = fmt.Sprint("unit-", g.IntN(1_000_000))
					j.Questions = append(j.Questions, question{"f", ctx})
				}
				jobs, sets = append(jobs, j), append(sets, set)
			}
		}
	}
	arms := map[flags.Arm]int{}
	for i, v := range ask(t, jobs) {
		if !v.Valid {
			t.Errorf("flagd's schema refuses the export: %s\n%s", v.Why, jobs[i].File)
		}
		for k, q := range jobs[i].Questions {
			r := sets[i].Evaluate("f", q.Context, time.Unix(nowSeconds, 0))
			arms[r.Metadata.Arm]++
			if want := v.Answers[k]; r.Variant != want.Variant || r.Value != want.Value {
				t.Errorf("%s: flagd says %q, we %q in arm %q\n%s", encode(t, q.Context), want.Variant, r.Variant, r.Metadata.Arm, jobs[i].File)
			}
		}
	}
	t.Logf("arms: %v", arms)
	for _, a := range []flags.Arm{flags.ArmNone, flags.ArmCandidate, flags.ArmControl, flags.ArmRest} {
		if arms[a] < 50 {
			t.Errorf("arm %q came up %d times: the test compares too little", a, arms[a])
		}
	}
}

func rollingOut(t *testing.T, p flags.Percent, cohort json.RawMessage, targeting string) *eval.Set {
	t.Helper()
	content := fmt.Sprintf(`{"state": "ENABLED", "variants": {"a": "A", "b": "B", "c": "C"}, "defaultVariant": "c", "targeting": %s}`, targeting)
	s, err := eval.Compile(eval.Definition{
		Flags: map[string]eval.Source{"f": {Content: json.RawMessage(content)}},
		Cohorts: map[string]json.RawMessage{
			"europe": json.RawMessage(`{"or": [{"in": [{"var": "country"}, ["de", "fr"]]}, {"$ref": "north"}]}`),
			"north":  json.RawMessage(`{"==": [{"var": "country"}, "us"]}`),
		},
		Assignments: []flags.Assignment{{Rollout: "r", Flag: "f", Salt: "r:7:", Percent: p, Candidate: "b", Control: "a", Cohort: cohort}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
