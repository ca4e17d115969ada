package eval

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidemark/flags"
)

// everyAnswer is a set whose flags answer in each way that there is.
func everyAnswer(t *testing.T) *Set {
	t.Helper()
	d, err := ParseFlagd([]byte(`{"metadata": {"team": "web"}, "flags": {
		"object \"7\"": {"state": "ENABLED", "variants": {"a<b": {"ttl_ms": 250, "read": "“near”"}}, "defaultVariant": "a<b"},
		"number": {"state": "ENABLED", "variants": {"few": 1.50, "many": 1e3}, "defaultVariant": "few", "targeting": {"if": [{"==": [{"var": "plan"}, "gold"]}, "many"]}},
		"off": {"state": "DISABLED", "variants": {"x": true}, "defaultVariant": "x"},
		"own": {"state": "ENABLED", "variants": {"x": true}, "defaultVariant": null},
		"wrong": {"state": "ENABLED", "variants": {"x": true}, "defaultVariant": "x", "targeting": {"var": "plan"}},
		"five": {"state": "ENABLED", "variants": {"a": 1, "b": 2, "c": 3, "d": 4, "gold": 5}, "defaultVariant": "a", "targeting": {"var": "plan"}},
		"staged": {"state": "ENABLED", "variants": {"old": 1, "new": 2}, "defaultVariant": "old", "metadata": {"version": "mine"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	d.Assignments = []flags.Assignment{{Rollout: "r1", Flag: "staged", Salt: "s", Percent: 5000, Candidate: "new", Control: "old", PinFor: 3600e9}}
	s, err := Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	return s.WithPins(NewPins([]byte("0123456789abcdef0123456789abcdef")))
}

func contexts(s *Set) []Context {
	pin := s.Evaluate("staged", Context{TargetingKey: "u1"}, now()).Metadata.Pin
	return []Context{
		{},
		{TargetingKey: "u1"},
		{TargetingKey: "u2"},
		{TargetingKey: "u3", "plan": "gold"},
		{TargetingKey: "u4", "plan": "none"},
		{TargetingKey: "u1", PinKey: pin},
		{TargetingKey: "u2", PinKey: pin},
		{TargetingKey: "u1", "tidemark": map[string]any{"pin": "?"}},
	}
}

// TestAnswersAsJSON: the pieces that are written when a flag is compiled, and those
// that are written for an answer, together say what the answer says.
func TestAnswersAsJSON(t *testing.T) {
	t.Parallel()
	s := everyAnswer(t)
	for _, ctx := range contexts(s) {
		for _, key := range append(s.Keys(), "none") {
			r := s.Evaluate(key, ctx, now())
			var got map[string]any
			if err := json.Unmarshal(r.AppendJSON(nil), &got); err != nil {
				t.Fatalf("%s %v: %v in %s", key, ctx, err, r.AppendJSON(nil))
			}
			want := map[string]any{"key": r.Key}
			if r.Code != CodeNone {
				want["errorCode"], want["errorDetails"] = string(r.Code), r.Details
			} else {
				want["reason"], want["metadata"] = string(r.Reason), r.Metadata.Map()
				if r.HasValue() {
					want["value"], want["variant"] = r.Value, r.Variant
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s %v: -want +got\n%s", key, ctx, d)
			}
		}
	}
}

// TestAllAnswersAreThoseOfEach: evaluating all flags at once looks attributes up once
// and writes over the answers of another context. What it answers is the same.
func TestAllAnswersAreThoseOfEach(t *testing.T) {
	t.Parallel()
	s := everyAnswer(t)
	for _, ctx := range contexts(s) {
		keys := s.Keys()
		s.EvaluateAll(ctx, now(), func(r *Result) {
			key := keys[0]
			keys = keys[1:]
			want := s.Evaluate(key, ctx, now())
			if got, want := string(r.AppendJSON(nil)), string(want.AppendJSON(nil)); got != want {
				t.Errorf("%s %v: %s among all; %s alone", key, ctx, got, want)
			}
			if r.Fingerprint() != want.Fingerprint() || r.Kind() != want.Kind() {
				t.Errorf("%s %v: one answer, two fingerprints or kinds", key, ctx)
			}
		})
		if len(keys) > 0 {
			t.Errorf("%v: no answer for %v", ctx, keys)
		}
	}
}

// TestFingerprintsTellAnswersApart: answers that differ in anything but their pin have
// different fingerprints.
func TestFingerprintsTellAnswersApart(t *testing.T) {
	t.Parallel()
	s := everyAnswer(t)
	type kind struct {
		key string
		sum uint64
	}
	said := map[kind]string{}
	for _, ctx := range contexts(s) {
		for _, key := range s.Keys() {
			r := s.Evaluate(key, ctx, now())
			at := kind{key, r.Fingerprint()}
			r.Metadata.Pin, r.Details = "", ""
			if at.sum != r.Fingerprint() {
				t.Errorf("%s %v: the pin is in the fingerprint", key, ctx)
			}
			answer := string(r.AppendJSON(nil))
			if other, taken := said[at]; taken && other != answer {
				t.Errorf("%s and %s have one fingerprint", other, answer)
			}
			said[at] = answer
		}
	}
	answers := map[string]bool{}
	for at, answer := range said {
		if answers[at.key+answer] {
			t.Errorf("%s has two fingerprints", answer)
		}
		answers[at.key+answer] = true
	}
}

// TestManyAttributes: rules look up more attributes than an environment has slots for.
func TestManyAttributes(t *testing.T) {
	t.Parallel()
	d := Definition{Flags: map[string]Source{}}
	ctx := Context{}
	for i := range 2 * maxSlots {
		name := string(rune('a'+i%26)) + string(rune('a'+i/26))
		d.Flags[name] = Source{Content: json.RawMessage(`{"state": "ENABLED", "variants": {"yes": true, "no": false}, "targeting": {"if": [{"==": [{"var": "` + name + `.n"}, ` + string(appendNumber(nil, float64(i+1))) + `]}, "yes", "no"]}}`)}
		ctx[name] = map[string]any{"n": float64(i + 1)}
	}
	s, err := Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s.EvaluateAll(ctx, now(), func(r *Result) {
			if r.Variant != "yes" {
				t.Errorf("%s answers %q %s", r.Key, r.Variant, r.Details)
			}
		})
		s.EvaluateAll(Context{}, now(), func(r *Result) {
			if r.Variant == "yes" {
				t.Errorf("%s remembers the context before", r.Key)
			}
		})
	}
}
