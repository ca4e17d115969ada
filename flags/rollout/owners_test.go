package rollout_test

import (
	"encoding/json"
	"testing"

	"tidemark/flags"
	"tidemark/flags/rollout"
)

func TestOwnersNameStoredCohorts(t *testing.T) {
	t.Parallel()
	const kept = `{"==":[{"var":"plan"},"pro"]}`
	for cohort, want := range map[string]bool{
		``:                                   true,
		`{"$ref":"beta"}`:                    true,
		` { "$ref" : "beta" } `:              true,
		`{ "==": [ {"var": "plan"}, "pro"]}`: true,
		`{"$ref":""}`:                        false,
		`{"$ref":null}`:                      false,
		`{"$ref":{"var":"email"}}`:           false,
		`{"$ref":"beta","var":"email"}`:      false,
		`{"$REF":"beta"}`:                    false,
		`{"!":{"$ref":"beta"}}`:              false,
		`{"==":[{"var":"plan"},"free"]}`:     false,
		`true`:                               false,
		`null`:                               false,
		`{`:                                  false,
	} {
		if err := rollout.CheckOwnersCohort(json.RawMessage(cohort), nil, json.RawMessage(kept)); (err == nil) != want {
			t.Errorf("%s: %v", cohort, err)
		}
	}
	free := &flags.Plan{Cohort: json.RawMessage(kept)}
	for _, v := range rollout.CommandVerbs() {
		if err := rollout.CheckOwners(v, free); (err != nil) != (v == rollout.CommandStart) {
			t.Errorf("%s with a rule: %v", v, err)
		}
		if err := rollout.CheckOwners(v, &flags.Plan{}); err != nil {
			t.Errorf("%s to everybody: %v", v, err)
		}
	}
}
