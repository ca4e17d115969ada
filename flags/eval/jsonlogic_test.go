package eval

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/diegoholiveira/jsonlogic/v3"
	"github.com/google/go-cmp/cmp"
)

// logic makes rules whose operands have the types that their operators want. On
// others the library that flagd uses panics or coerces in its own way, and flagd-core,
// which tests/flagdcore compares with, differs from it.
type logic struct{ *rand.Rand }

type (
	obj = map[string]any
	arr = []any
)

func oneOf[T any](g logic, of ...T) T { return of[g.IntN(len(of))] }

func (g logic) text(d int) any {
	switch {
	case d <= 0 || g.IntN(2) == 0:
		return oneOf[any](g, "a", "gold", "x y", obj{"var": "country"}, obj{"var": "user.name"}, obj{"var": arr{"none", "b"}})
	case g.IntN(2) == 0:
		return obj{"cat": arr{"a", g.text(d - 1), "z"}}
	case g.IntN(2) == 0:
		return obj{"substr": arr{g.text(d - 1), float64(g.IntN(2)), 1.0}}
	}
	return obj{"if": arr{g.truth(d - 1), g.text(d - 1), g.text(d - 1)}}
}

func (g logic) number(d int) any {
	if d <= 0 || g.IntN(2) == 0 {
		return oneOf[any](g, float64(g.IntN(20)), -1.5, obj{"var": "age"}, obj{"var": "user.visits"}, obj{"var": "sizes.1"})
	}
	switch g.IntN(4) {
	case 0:
		return obj{oneOf(g, "+", "*"): arr{g.number(d - 1), g.number(d - 1), 2.0}}
	case 1:
		return obj{"-": arr{g.number(d - 1), g.number(d - 1)}}
	case 2:
		return obj{oneOf(g, "max", "min"): arr{g.number(d - 1), g.number(d - 1)}}
	}
	return obj{"reduce": arr{obj{"var": "sizes"}, obj{"+": arr{obj{"var": "current"}, obj{"var": "accumulator"}}}, 0.0}}
}

func (g logic) sizes(d int) any {
	if d <= 0 || g.IntN(2) == 0 {
		return obj{"var": "sizes"}
	}
	return oneOf[any](g,
		obj{"map": arr{g.sizes(d - 1), obj{"*": arr{obj{"var": ""}, 2.0}}}},
		obj{"filter": arr{g.sizes(d - 1), obj{">": arr{obj{"var": ""}, 2.0}}}},
		obj{"merge": arr{g.sizes(d - 1), g.sizes(d - 1)}})
}

func (g logic) truth(d int) any {
	if d <= 0 {
		return oneOf[any](g, obj{"var": "beta"}, true, false)
	}
	switch g.IntN(8) {
	case 0:
		return obj{oneOf(g, "==", "!=", "===", "!=="): arr{g.text(d - 1), g.text(d - 1)}}
	case 1:
		return obj{oneOf(g, "==", "!=", "<", "<=", ">", ">="): arr{g.number(d - 1), g.number(d - 1)}}
	case 2:
		return obj{oneOf(g, "<", "<="): arr{g.number(d - 1), g.number(d - 1), g.number(d - 1)}}
	case 3:
		return obj{oneOf(g, "and", "or"): arr{g.truth(d - 1), g.truth(d - 1)}}
	case 4:
		return obj{oneOf(g, "!", "!!"): arr{g.truth(d - 1)}}
	case 5:
		return obj{"in": arr{g.text(d - 1), oneOf[any](g, obj{"var": "groups"}, "gold and a", arr{"a", "b"})}}
	case 6:
		return obj{oneOf(g, "all", "some", "none"): arr{obj{"var": "sizes"}, obj{"<": arr{obj{"var": ""}, 3.0}}}}
	}
	return obj{"!": arr{obj{"missing": arr{"country", oneOf(g, "nothing", "user.name")}}}}
}

func TestSameAsJSONLogic(t *testing.T) {
	t.Parallel()
	answers := map[bool]int{}
	for seed := range uint64(5_000) {
		g := logic{rand.New(rand.NewPCG(seed, 7))}
		rule := obj{"if": arr{g.truth(4), g.text(3), g.number(3), g.text(2), oneOf(g, g.text(3), g.number(3), g.sizes(3))}}
		ctx := obj{
			"country": oneOf(g, "de", "gold", "a"), "age": float64(g.IntN(20)), "beta": g.IntN(2) == 0,
			"user": obj{"name": oneOf(g, "b", "x y"), "visits": 3.5}, "sizes": arr{1.0, float64(g.IntN(5)), 4.0}, "groups": arr{"a", "gold"},
		}
		want, err := jsonlogic.ApplyInterface(rule, ctx)
		if err != nil {
			t.Fatalf("%s: the library says %v", text(t, rule), err)
		}
		c := newCompiler(nil)
		r := c.rule(rule, "$", 1, false)
		if len(c.list) > 0 {
			t.Fatalf("%s: %v", text(t, rule), c.list)
		}
		got, err := r.node.eval(&env{ctx: ctx, buf: make([]byte, 0, 64)}, nil)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Fatalf("%s of %s: %v\n-library +ours\n%s", text(t, rule), text(t, ctx), err, d)
		}
		answers[truthy(got)]++
	}
	if answers[true] < 1000 || answers[false] < 20 {
		t.Errorf("the rules give too much of the same: %v", answers)
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// libraryRule is the targeting of the other benchmarks without fractional, which the
// library does not have.
const libraryRule = `{"if": [{"in": [{"var": "country"}, ["de", "fr", "it", "nl"]]}, {"cat": ["f1", {"var": "targetingKey"}]}, "off"]}`

// BenchmarkLibrary and BenchmarkCompiled work the same rule out.
func BenchmarkLibrary(b *testing.B) {
	var rule any
	if err := json.Unmarshal([]byte(libraryRule), &rule); err != nil {
		b.Fatal(err)
	}
	ctx := obj{TargetingKey: "user-1234567", "country": "fr"}
	b.ReportAllocs()
	for b.Loop() {
		if v, err := jsonlogic.ApplyInterface(rule, ctx); err != nil || v != "f1user-1234567" {
			b.Fatal(v, err)
		}
	}
}

func BenchmarkCompiled(b *testing.B) {
	var rule any
	if err := json.Unmarshal([]byte(libraryRule), &rule); err != nil {
		b.Fatal(err)
	}
	r := newCompiler(nil).rule(rule, "$", 1, false)
	e := &env{ctx: Context{TargetingKey: "user-1234567", "country": "fr"}}
	b.ReportAllocs()
	for b.Loop() {
		if v, err := r.node.eval(e, nil); err != nil || v != "f1user-1234567" {
			b.Fatal(v, err)
		}
	}
}
