package eval

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tidemark/flags"
)

const models = `{"state": "ENABLED", "defaultVariant": "weak", "variants": {
	"weak": {"model": "eventual"}, "ryw": {"model": "read-your-writes"},
	"mono": {"model": "monotonic-reads"}, "strong": {"model": "strong"}}}`

const colours = `{"state": "ENABLED", "defaultVariant": "red", "variants": {"red": "r", "blue": "b"}}`

// pinned is a set with one flag and its rollout.
func pinned(t testing.TB, content string, revision int64, change func(*Definition, *flags.Assignment)) *Set {
	t.Helper()
	a := flags.Assignment{
		Rollout: "r1", Flag: "f", Salt: "r1:", Percent: flags.Whole,
		Candidate: "ryw", Control: "weak", PinFor: time.Hour,
	}
	d := Definition{Flags: map[string]Source{"f": {Content: json.RawMessage(content), Revision: revision}}}
	if content == colours {
		a.Candidate, a.Control = "blue", "red"
	}
	if change != nil {
		change(&d, &a)
	}
	if a.Rollout != "" {
		d.Assignments = []flags.Assignment{a}
	}
	s, err := Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	return s.WithPins(NewPins([]byte("0123456789abcdef0123456789abcdef")))
}

func ask(s *Set, unit, pin string, at time.Time) Result {
	ctx := Context{TargetingKey: unit}
	if pin != "" {
		ctx[PinKey] = pin
	}
	return s.Evaluate("f", ctx, at)
}

func TestPinKeepsOrLifts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, content  string
		began, offered string // variants: when the session began, and now
		want           string
		pinned         bool
	}{
		{"weaker is not taken", models, "ryw", "weak", "ryw", true},
		{"stronger is", models, "weak", "ryw", "ryw", false},
		{"strongest is", models, "mono", "strong", "strong", false},
		{"neither includes the other", models, "ryw", "mono", "ryw", true},
		{"the same", models, "ryw", "ryw", "ryw", false},
		{"no models", colours, "blue", "red", "blue", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			give := func(variant string) *Set {
				return pinned(t, c.content, 7, func(_ *Definition, a *flags.Assignment) { a.Candidate = variant })
			}
			first := ask(give(c.began), "u", "", now())
			if first.Variant != c.began || first.Metadata.Pin == "" || first.Metadata.Pinned {
				t.Fatalf("began with %q, pin %q", first.Variant, first.Metadata.Pin)
			}
			got := ask(give(c.offered), "u", first.Metadata.Pin, now().Add(time.Minute))
			if got.Variant != c.want || got.Metadata.Pinned != c.pinned || got.Metadata.PinError != PinOK || got.Reason != ReasonSplit {
				t.Errorf("got %q, pinned %v, pin error %q, reason %s", got.Variant, got.Metadata.Pinned, got.Metadata.PinError, got.Reason)
			}
			if kept := got.Metadata.Pin == first.Metadata.Pin; kept != (c.began == c.want) {
				t.Errorf("kept its pin: %v", kept)
			}
		})
	}
}

// TestPinOfAPhase: a phase without steps is step −1, and a session keeps what it got there.
func TestPinOfAPhase(t *testing.T) {
	t.Parallel()
	first := ask(pinned(t, models, 7, func(_ *Definition, a *flags.Assignment) { a.Step = -1 }), "u", "", now())
	got := ask(pinned(t, models, 7, func(_ *Definition, a *flags.Assignment) { a.Percent = 0 }), "u", first.Metadata.Pin, now().Add(time.Minute))
	if got.Variant != "ryw" || !got.Metadata.Pinned || got.Metadata.Step != -1 || got.Metadata.PinError != PinOK {
		t.Errorf("pinned in a phase: %q, %+v", got.Variant, got.Metadata)
	}
}

func TestPinIsForOneSession(t *testing.T) {
	t.Parallel()
	if x := pinned(t, models, 7, nil).Explain("f", Context{"targetingKey": "u"}, now()); x.Result.Metadata.Pin != "" || x.Result.Reason != ReasonSplit {
		t.Errorf("an explanation gives a pin, or there was none to give: %+v", x.Result)
	}
	pin := ask(pinned(t, models, 7, nil), "u", "", now()).Metadata.Pin
	reverted := func(change func(*Definition, *flags.Assignment)) *Set {
		return pinned(t, models, 7, func(d *Definition, a *flags.Assignment) {
			a.Percent = 0
			if change != nil {
				change(d, a)
			}
		})
	}
	flipped := func(i int) string {
		b := []byte(pin)
		if b[i]++; b[i] == '{' || b[i] == '[' || b[i] == ':' || b[i] == '`' || b[i] == '.' {
			b[i] = 'A'
		}
		return string(b)
	}
	later := now().Add(time.Minute)
	for _, c := range []struct {
		name, unit, pin string
		set             *Set
		at              time.Time
		want            PinError
		variant         string
	}{
		{"good", "u", pin, reverted(nil), later, PinOK, "ryw"},
		{"of a clock that is a little ahead", "u", pin, reverted(nil), now().Add(-9 * time.Minute), PinOK, "ryw"},
		{"from times to come", "u", pin, reverted(nil), now().Add(-11 * time.Minute), PinBroken, "weak"},
		{"among others", "u", "x, " + pin, reverted(nil), later, PinOK, "ryw"},
		{"someone else's", "v", pin, reverted(nil), later, PinOtherUnit, "weak"},
		{"nobody's", "", pin, reverted(nil), later, PinOtherUnit, "weak"},
		{"expired", "u", pin, reverted(nil), now().Add(time.Hour), PinExpired, "weak"},
		{"last moment", "u", pin, reverted(nil), now().Add(time.Hour - 1), PinOK, "ryw"},
		{"cut short", "u", pin[:20], reverted(nil), later, PinMalformed, "weak"},
		{"nonsense", "u", "££", reverted(nil), later, PinMalformed, "weak"},
		{"changed signature", "u", flipped(len(pin) - 5), reverted(nil), later, PinForged, "weak"},
		{"changed claim", "u", flipped(6), reverted(nil), later, PinForged, "weak"},
		{"other secret", "u", pin, reverted(nil).WithPins(NewPins([]byte("other"))), later, PinForged, "weak"},
		{"no secret", "u", pin, reverted(nil).WithPins(nil), later, PinUnexpected, "weak"},
		{"broken", "u", pin, reverted(func(_ *Definition, a *flags.Assignment) { a.PinsBrokenAt = now().UnixNano() + 1 }), later, PinBroken, "weak"},
		{"broken before", "u", pin, reverted(func(_ *Definition, a *flags.Assignment) { a.PinsBrokenAt = now().UnixNano() }), later, PinOK, "ryw"},
		{"revision gone", "u", pin, reverted(func(d *Definition, _ *flags.Assignment) {
			d.Flags["f"] = Source{Content: d.Flags["f"].Content, Revision: 8}
		}), later, PinUnknown, "weak"},
		{"older revision", "u", pin, reverted(func(d *Definition, a *flags.Assignment) {
			d.Past = map[string][]Source{"f": {d.Flags["f"]}}
			d.Flags["f"] = Source{Content: json.RawMessage(strings.Replace(models, `"ryw": {"model": "read-your-writes"},`, "", 1)), Revision: 8}
			a.Candidate = "strong"
		}), later, PinOK, "ryw"},
		{"rollout over, no account of breaks", "u", pin, reverted(func(_ *Definition, a *flags.Assignment) { a.Rollout = "" }), later, PinUnknown, "weak"},
		{"rollout over", "u", pin, reverted(func(d *Definition, a *flags.Assignment) {
			a.Rollout, d.PinsBroken = "", map[string]int64{}
		}), later, PinOK, "ryw"},
		{"rollout over and broken", "u", pin, reverted(func(d *Definition, a *flags.Assignment) {
			a.Rollout, d.PinsBroken = "", map[string]int64{"f": later.UnixNano()}
		}), later, PinBroken, "weak"},
		{"another rollout, no account of breaks", "u", pin, reverted(func(_ *Definition, a *flags.Assignment) { a.Rollout = "r2" }), later, PinUnknown, "weak"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.name == "older revision" && c.set.flags["f"].has("ryw") {
				t.Fatal("the current revision still has the variant")
			}
			r := ask(c.set, c.unit, c.pin, c.at)
			if r.Metadata.PinError != c.want || r.Variant != c.variant {
				t.Errorf("got %q with pin error %q, want %q with %q", r.Variant, r.Metadata.PinError, c.variant, c.want)
			}
			if (r.Kind() < 1) != (c.name == "older revision") {
				t.Errorf("its kind is number %d; only those of the current revision have one", r.Kind())
			}
			if c.want == PinOK && r.Metadata.Pin != pin {
				t.Errorf("the pin was made anew")
			}
		})
	}
}

// TestPinHoldsWhatItWas: the value, version, arm and step are those of then.
func TestPinHoldsWhatItWas(t *testing.T) {
	t.Parallel()
	old := Source{Content: json.RawMessage(strings.Replace(models, `"read-your-writes"}`, `"read-your-writes", "n": 1}`, 1)), Revision: 3}
	began := pinned(t, string(old.Content), 3, func(_ *Definition, a *flags.Assignment) { a.Step = 2 })
	pin := ask(began, "u", "", now()).Metadata.Pin
	after := pinned(t, models, 4, func(d *Definition, a *flags.Assignment) {
		a.Percent, a.Step = 0, 5
		d.Past = map[string][]Source{"f": {old}}
	})
	r := ask(after, "u", pin, now())
	if string(r.JSON) != `{"model":"read-your-writes","n":1}` {
		t.Errorf("value is %s", r.JSON)
	}
	got := string(r.Metadata.AppendJSON(nil))
	want := fmt.Sprintf(`{"version":3,"rollout":"r1","step":2,"arm":"candidate","pin":%q,"pinned":true}`, pin)
	if got != want {
		t.Errorf("metadata\n%s, want\n%s", got, want)
	}
}

func TestPinIsGivenOnlyByRollouts(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Definition, *flags.Assignment){
		"no rollout": func(_ *Definition, a *flags.Assignment) { a.Rollout = "" },
		"no pins":    func(_ *Definition, a *flags.Assignment) { a.PinFor = 0 },
		"outside":    func(_ *Definition, a *flags.Assignment) { a.Cohort = json.RawMessage(`{"var": "staff"}`) },
	} {
		if r := ask(pinned(t, models, 1, change), "u", "", now()); r.Metadata.Pin != "" || r.Variant == "" {
			t.Errorf("%s: pin %q", name, r.Metadata.Pin)
		}
	}
	nested := Context{TargetingKey: "u", "tidemark": map[string]any{"pin": ask(pinned(t, models, 1, nil), "u", "", now()).Metadata.Pin}}
	reverted := pinned(t, models, 1, func(_ *Definition, a *flags.Assignment) { a.Percent = 0 })
	if r := reverted.Evaluate("f", nested, now()); !r.Metadata.Pinned {
		t.Error("a pin within tidemark is not seen")
	}
	listed := Context{TargetingKey: "u", PinKey: []any{"x", nested["tidemark"].(map[string]any)["pin"]}}
	if r := reverted.Evaluate("f", listed, now()); !r.Metadata.Pinned {
		t.Error("a pin in a list is not seen")
	}
}

// TestConcurrentUse is for the race detector: one set, many who ask.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	s := pinned(t, models, 1, nil)
	pin := ask(s, "u", "", now()).Metadata.Pin
	var group sync.WaitGroup
	for i := range 8 {
		unit := fmt.Sprint("unit-", i)
		group.Go(func() {
			for range 200 {
				if r := ask(s, unit, "", now()); r.Variant != "ryw" || r.Key != "f" {
					t.Errorf("%s gets %q", unit, r.Variant)
				}
				if r := ask(s, "u", pin, now()); r.Metadata.Pin != pin {
					t.Errorf("the pin became %q", r.Metadata.Pin)
				}
			}
		})
	}
	group.Wait()
}
