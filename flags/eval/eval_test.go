package eval

import (
	"encoding/json"
	"testing"
	"time"
)

func now() time.Time { return time.Unix(1_800_000_000, 0) }

func define(t testing.TB, text string) *Set {
	t.Helper()
	d, err := ParseFlagd([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEvaluate(t *testing.T) {
	t.Parallel()
	s := define(t, `{"flags": {
		"plain": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "on"},
		"off": {"state": "DISABLED", "variants": {"on": true, "off": false}, "defaultVariant": "on"},
		"code": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": null},
		"staff": {"state": "ENABLED", "variants": {"a": "A", "b": "B"}, "defaultVariant": "a",
			"targeting": {"if": [{"$ref": "staff"}, "b", null]}},
		"named": {"state": "ENABLED", "variants": {"a": "A"}, "defaultVariant": "a",
			"targeting": {"var": "variant"}},
		"sum": {"state": "ENABLED", "variants": {"2": "two"}, "defaultVariant": null,
			"targeting": {"+": [{"var": "n"}, 1]}}},
		"$evaluators": {"staff": {"ends_with": [{"var": "email"}, "@example.com"]}}}`)
	for _, c := range []struct {
		key, ctx      string
		variant, json string
		reason        Reason
		code          ErrorCode
	}{
		{"plain", `{}`, "on", "true", ReasonStatic, ""},
		{"off", `{}`, "", "", ReasonDisabled, ""},
		{"code", `{}`, "", "", ReasonDefault, ""},
		{"nothing", `{}`, "", "", ReasonError, CodeFlagNotFound},
		{"staff", `{"email": "x@example.com"}`, "b", `"B"`, ReasonTargetingMatch, ""},
		{"staff", `{"email": "x@example.org"}`, "a", `"A"`, ReasonDefault, ""},
		{"staff", `{}`, "a", `"A"`, ReasonDefault, ""},
		{"named", `{"variant": "zz"}`, "", "", ReasonError, CodeGeneral},
		{"sum", `{"n": 1}`, "2", `"two"`, ReasonTargetingMatch, ""},
		{"sum", `{"n": "x"}`, "", "", ReasonError, CodeGeneral},
	} {
		var ctx Context
		if err := json.Unmarshal([]byte(c.ctx), &ctx); err != nil {
			t.Fatal(err)
		}
		r := s.Evaluate(c.key, ctx, now())
		if r.Variant != c.variant || string(r.JSON) != c.json || r.Reason != c.reason || r.Code != c.code {
			t.Errorf("%s %s: got %q %s %s %s (%s), want %q %s %s %s", c.key, c.ctx,
				r.Variant, r.JSON, r.Reason, r.Code, r.Details, c.variant, c.json, c.reason, c.code)
		}
	}
}
