package eval

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestWorkIsBounded: a rule and a context that together would run or grow without end
// end with an error.
func TestWorkIsBounded(t *testing.T) {
	t.Parallel()
	long := make([]any, 5000)
	for i := range long {
		long[i] = float64(i)
	}
	for name, c := range map[string]struct{ rule, want string }{
		"loops in loops":  {`{"if": [{"all": [{"map": [{"var": "l"}, {"map": [[1, 2, 3, 4, 5, 6, 7, 8], {"map": [[1, 2, 3, 4, 5, 6, 7, 8], {"missing": ["x"]}]}]}]}, true]}, "on"]}`, errTooLong.Error()},
		"text of doubles": {`{"reduce": [{"var": "l"}, {"cat": [{"var": "accumulator"}, {"var": "accumulator"}]}, "x"]}`, errTooBig.Error()},
		"list of doubles": {`{"if": [{"reduce": [{"var": "l"}, {"merge": [{"var": "accumulator"}, {"var": "accumulator"}]}, [1]]}, "on"]}`, errTooBig.Error()},
	} {
		s := define(t, fmt.Sprintf(`{"flags": {"f": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on", "targeting": %s}}}`, c.rule))
		r := s.Evaluate("f", Context{"l": long}, now())
		if !strings.Contains(r.Details, c.want) {
			t.Errorf("%s: %s %q, want %q", name, r.Code, r.Details, c.want)
		}
	}
}

// TestLargeContext: what the rules do not look at costs nothing.
func TestLargeContext(t *testing.T) {
	t.Parallel()
	s := define(t, `{"flags": {"f": `+targeted+`}}`)
	ctx := Context{TargetingKey: strings.Repeat("u", 10<<20), "country": "de", "other": strings.Repeat("x", 10<<20)}
	if r := s.Evaluate("f", ctx, now()); r.Code != CodeGeneral || !strings.Contains(r.Details, errTooBig.Error()) {
		t.Errorf("a targeting key of 10 MB gives %s %q", r.Code, r.Details)
	}
	ctx[TargetingKey] = "u"
	if r := s.Evaluate("f", ctx, now()); r.Code != CodeNone {
		t.Errorf("a context of 10 MB gives %s %q", r.Code, r.Details)
	}
}

// TestContextOfGoValues: a program may put its own types into a context.
func TestContextOfGoValues(t *testing.T) {
	t.Parallel()
	type plan string
	s := define(t, `{"flags": {"f": {"state": "ENABLED", "variants": {"yes": 1, "no": 2}, "targeting": {"if": [{"and": [
		{"==": [{"var": "n"}, 3]}, {"in": ["b", {"var": "list"}]}, {"==": [{"var": "plan"}, "gold"]},
		{"starts_with": [{"var": "at"}, "2027-"]}, {"<": [{"var": "user.age"}, 40]}, {"!": [{"var": "none"}]}]}, "yes", "no"]}}}}`)
	ctx := Context{
		"n": int32(3), "list": []string{"a", "b"}, "plan": plan("gold"), "at": time.Unix(1_800_000_000, 0).UTC(),
		"user": struct {
			Age uint8 `json:"age"`
		}{39}, "none": (*int)(nil),
	}
	if r := s.Evaluate("f", ctx, now()); r.Variant != "yes" {
		t.Errorf("got %q: %s", r.Variant, r.Details)
	}
}
