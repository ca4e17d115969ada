package eval

import (
	"encoding/json"
	"fmt"
	"testing"
)

// TestTheDirectFormsGiveWhatTheGeneralOnesGive: an explanation is worked out in the
// general form, an answer in the direct one.
func TestTheDirectFormsGiveWhatTheGeneralOnesGive(t *testing.T) {
	t.Parallel()
	long := `["a", "b", "c", "d", "e", "f", "g", "h", "i", "Ä", 7, true, null]`
	rules := []string{
		`{"in": [{"var": "x"}, ["a", "Ä", 7, true, null, ""]]}`,
		`{"in": [{"var": "x"}, ` + long + `]}`,
		`{"in": [{"var": "x.y"}, ["a"]]}`,
		`{"in": [{"var": ["x", "a"]}, ["a"]]}`,
		`{"in": [{"var": "x"}, []]}`,
		`{"in": [{"var": "x"}, "abc"]}`,
		`{"in": ["a", {"var": "x"}]}`,
		`{"in": [{"var": "$flagd.flagKey"}, ["f0", "f7"]]}`,
		`{"some": [{"var": "l"}, {"in": [{"var": ""}, ["a", "z"]]}]}`,
	}
	d := Definition{Flags: map[string]Source{}}
	for i, r := range rules {
		for form, targeting := range []string{
			`{"if": [` + r + `, "yes", "no"]}`,
			`{"?:": [` + r + `, "yes"]}`,
			`{"if": [{"==": [{"var": "x"}, "b"]}, "no", ` + r + `, "yes", {"var": "x"}, null, "no"]}`,
			`{"if": [{"!": [` + r + `]}, {"if": [{"var": "x"}, "yes"]}, {"if": ["yes"]}]}`,
		} {
			d.Flags[fmt.Sprint("f", i+form*len(rules))] = Source{Content: json.RawMessage(
				`{"state": "ENABLED", "variants": {"yes": 1, "no": 2}, "defaultVariant": "no", "targeting": ` + targeting + `}`)}
		}
	}
	s, err := Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]int{}
	for _, x := range []any{nil, "", "a", "b", "i", "Ä", "7", "true", 7.0, 8.0, true, false, []any{"a"}, []any{}, map[string]any{"y": "a"}} {
		for _, ctx := range []Context{{"x": x, "l": []any{x, 1.0}}, {"x": x, "l": "none"}} {
			for _, key := range s.Keys() {
				got, want := s.Evaluate(key, ctx, now()), s.Explain(key, ctx, now()).Result
				if string(got.AppendJSON(nil)) != string(want.AppendJSON(nil)) {
					t.Errorf("%s of %v: %s; explained %s", key, ctx, got.AppendJSON(nil), want.AppendJSON(nil))
				}
				answers[got.Variant+string(got.Reason)]++
			}
		}
	}
	for _, kind := range []string{"yesTARGETING_MATCH", "noTARGETING_MATCH", "noDEFAULT", "ERROR"} {
		if answers[kind] < 5 {
			t.Errorf("only %d answers are %s: %v", answers[kind], kind, answers)
		}
	}
}
