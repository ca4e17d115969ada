package eval

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"tidemark/flags"
)

const targeted = `{"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off", "targeting":
	{"if": [{"in": [{"var": "country"}, ["de", "fr", "it", "nl"]]},
		{"fractional": [{"cat": [{"var": "$flagd.flagKey"}, {"var": "targetingKey"}]}, ["on", 50], ["off", 50]]}, "off"]}}`

// many is a set with n targeted flags, the first of which is being rolled out.
func many(tb testing.TB, n int) *Set {
	tb.Helper()
	d := Definition{Flags: map[string]Source{}, Assignments: []flags.Assignment{{
		Rollout: "r1", Flag: "f0", Salt: "r1:", Percent: 1000, Candidate: "on", Control: "off", PinFor: time.Hour,
	}}}
	for i := range n {
		d.Flags[fmt.Sprint("f", i)] = Source{Content: json.RawMessage(targeted), Revision: 1}
	}
	s, err := Compile(d)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// BenchmarkAssign: the goal is 200 ns and no allocation.
func BenchmarkAssign(b *testing.B) {
	s := many(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := s.Assign("f0", "user-1234567"); !ok {
			b.Fatal("not assigned")
		}
	}
}

// BenchmarkFractional: the goal is 2 µs.
func BenchmarkFractional(b *testing.B) {
	s := many(b, 2)
	ctx := Context{TargetingKey: "user-1234567", "country": "fr"}
	b.ReportAllocs()
	for b.Loop() {
		if r := s.Evaluate("f1", ctx, now()); r.Reason != ReasonTargetingMatch {
			b.Fatal(r.Reason, r.Details)
		}
	}
}

// BenchmarkMillionUnits assigns 1 M units; the goal is 1 s.
func BenchmarkMillionUnits(b *testing.B) {
	s := many(b, 1)
	units := make([]string, 1_000_000)
	for i := range units {
		units[i] = fmt.Sprint("user-", i)
	}
	b.ReportAllocs()
	for b.Loop() {
		candidates := 0
		for _, u := range units {
			if arm, _, _ := s.Assign("f0", u); arm == flags.ArmCandidate {
				candidates++
			}
		}
		if candidates < 99_000 || candidates > 101_000 {
			b.Fatalf("%d of 1,000,000 got the candidate at 10%%", candidates)
		}
	}
}

// BenchmarkFlags50 evaluates 50 targeted flags for one unit.
func BenchmarkFlags50(b *testing.B) {
	s := many(b, 50)
	ctx := Context{TargetingKey: "user-1234567", "country": "fr"}
	b.ReportAllocs()
	for b.Loop() {
		for _, k := range s.Keys() {
			if r := s.Evaluate(k, ctx, now()); r.Code != CodeNone {
				b.Fatal(r.Details)
			}
		}
	}
}

// BenchmarkPinGiven is an evaluation that gives a pin.
func BenchmarkPinGiven(b *testing.B) {
	s := many(b, 1).WithPins(NewPins([]byte("secret")))
	ctx := Context{TargetingKey: "user-1234567"}
	b.ReportAllocs()
	for b.Loop() {
		if r := s.Evaluate("f0", ctx, now()); r.Metadata.Pin == "" {
			b.Fatal("no pin")
		}
	}
}

// BenchmarkPinTaken is an evaluation that checks and obeys a pin.
func BenchmarkPinTaken(b *testing.B) {
	s := many(b, 1).WithPins(NewPins([]byte("secret")))
	ctx := Context{TargetingKey: "user-1234567"}
	ctx[PinKey] = s.Evaluate("f0", ctx, now()).Metadata.Pin
	b.ReportAllocs()
	for b.Loop() {
		if r := s.Evaluate("f0", ctx, now()); !r.Metadata.Pinned {
			b.Fatal("not pinned")
		}
	}
}

// BenchmarkCompile1000 compiles 1,000 targeted flags, which a save or a step of a
// rollout does once.
func BenchmarkCompile1000(b *testing.B) {
	d := many(b, 1000).Definition()
	for b.Loop() {
		if _, err := Compile(d); err != nil {
			b.Fatal(err)
		}
	}
}
