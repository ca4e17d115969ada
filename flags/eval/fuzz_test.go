package eval

import (
	"encoding/json"
	"errors"
	"testing"
	"time"
	"unicode/utf8"

	"tidemark/flags"
)

// FuzzDefinition: whatever a file holds, it is refused with a place and a reason, or it
// answers, explains and exports, and its export means the same.
func FuzzDefinition(f *testing.F) {
	f.Add([]byte(`{"flags": {"a": `+targeted+`}, "$evaluators": {"c": {"var": "x"}}, "metadata": {"m": 1}}`), "u")
	f.Add([]byte("flags:\n  a:\n    state: ENABLED\n    variants: {on: true}\n    defaultVariant: on\n"), "u")
	f.Add([]byte(`{"flags": {"a": {"state": "ENABLED", "variants": {"1": 1}, "targeting": {"reduce": [{"var": "l"}, {"cat": [{"var": "accumulator"}, {"var": "accumulator"}]}, "x"]}}}}`), "")
	f.Add([]byte(`{"flags": {"a": {"state": "ENABLED", "variants": {"on": {"model": "causal"}}, "targeting": {"if": [{"sem_ver": [{"var": "v"}, "~", "1.0.0"]}, "on"]}}}}`), "\x00")
	f.Fuzz(func(t *testing.T, data []byte, unit string) {
		d, err := ParseFlagd(data)
		if err == nil {
			var s *Set
			if s, err = Compile(d); err == nil {
				exercise(t, s, Context{TargetingKey: unit, "l": []any{1.0, "a", nil}, "v": "1.0.2", "x": true, "country": "de"})
				return
			}
		}
		invalid, ok := errors.AsType[*Invalid](err)
		if !ok || len(invalid.Problems) == 0 {
			t.Fatalf("refused without a reason: %v", err)
		}
		for _, p := range invalid.Problems {
			if p.Path == "" || p.Message == "" {
				t.Errorf("problem %+v says too little", p)
			}
		}
	})
}

func exercise(t *testing.T, s *Set, ctx Context) {
	t.Helper()
	out, err := s.Flagd()
	if err != nil {
		t.Fatalf("export: %v", err)
	}
	d, err := ParseFlagd(out)
	if err != nil {
		t.Fatalf("read the export: %v", err)
	}
	again, err := Compile(d)
	if err != nil {
		t.Fatalf("compile the export: %v", err)
	}
	for _, key := range s.Keys() {
		r := s.Evaluate(key, ctx, now())
		if !json.Valid(r.Metadata.AppendJSON(nil)) && utf8.ValidString(key) {
			t.Errorf("metadata of %q are no JSON: %s", key, r.Metadata.AppendJSON(nil))
		}
		if e := s.Explain(key, ctx, now()); e.Result.Variant != r.Variant || e.Result.Code != r.Code {
			t.Errorf("%q answers %q %s, explained as %q %s", key, r.Variant, r.Code, e.Result.Variant, e.Result.Code)
		}
		if a := again.Evaluate(key, ctx, now()); a.Variant != r.Variant || a.Reason != r.Reason {
			t.Errorf("%q answers %q %s, exported %q %s", key, r.Variant, r.Reason, a.Variant, a.Reason)
		}
	}
}

// FuzzContext: no context stops an evaluation or makes it answer what is no variant.
func FuzzContext(f *testing.F) {
	s := define(f, `{"flags": {"a": `+targeted+`, "b": {"state": "ENABLED", "defaultVariant": "no", "variants": {"yes": 1, "no": 2}, "targeting":
		{"if": [{"and": [{"<": [1, {"var": "age"}, 9]}, {"some": [{"var": "l"}, {"in": ["x", {"var": "n"}]}]},
			{"==": [{"substr": [{"var": "s"}, -2]}, {"cat": [{"var": "s"}, {"var": "age"}]}]},
			{"sem_ver": [{"var": "v"}, "^", "1.2.3"]}, {"missing_some": [1, ["a.b", "c"]]}, {"%": [{"var": "age"}, 2]}]}, "yes", null]}}}}`)
	f.Add([]byte(`{"targetingKey": "u", "country": "de"}`))
	f.Add([]byte(`{"targetingKey": 1, "age": "5", "l": [{"n": "xy"}, null], "s": "€𝄞", "v": "v1.9", "a": {"b": null}}`))
	f.Add([]byte(`{"tidemark": {"pin": "AQ"}, "$flagd": {"flagKey": "x"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var ctx Context
		if json.Unmarshal(data, &ctx) != nil {
			return
		}
		for _, key := range s.Keys() {
			r := s.Evaluate(key, ctx, now())
			if r.Code == CodeNone && r.HasValue() && !s.flags[key].has(r.Variant) {
				t.Errorf("%s answers %q", key, r.Variant)
			}
			s.Explain(key, ctx, now())
		}
	})
}

// FuzzPin: only what was given out is a pin.
func FuzzPin(f *testing.F) {
	give := pinned(f, models, 7, nil)
	good := ask(give, "u", "", now()).Metadata.Pin
	reverted := pinned(f, models, 7, func(_ *Definition, a *flags.Assignment) { a.Percent = 0 })
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(good[:5] + "\r" + good[5:])
	f.Add(good + "\n")
	f.Add("AQEHAA")
	f.Add(good + "," + good)
	f.Fuzz(func(t *testing.T, pin string) {
		r := ask(reverted, "u", pin, now().Add(time.Second))
		if r.Metadata.Pinned && r.Metadata.Pin != good {
			t.Errorf("%q is taken for a pin", pin)
		}
		if r.Variant != "weak" && !r.Metadata.Pinned {
			t.Errorf("%q gives %q", pin, r.Variant)
		}
	})
}
