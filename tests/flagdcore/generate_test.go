package flagdcore

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// generator makes flags and contexts from a seed. Rules are mostly what people write,
// with a share of the odd: wrong types, missing attributes, deep nesting.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) generator { return generator{rand.New(rand.NewPCG(seed, 42))} }

func (g generator) chance(percent int) bool { return g.IntN(100) < percent }

func one[T any](g generator, of ...T) T { return of[g.IntN(len(of))] }

// ref is a rule or list in JSON.
type (
	object = map[string]any
	array  = []any
)

// texts, numbers and so on name the attributes of contexts by what they mostly hold.
func texts() []string   { return []string{"email", "country", "tier", "user.name", "targetingKey", "os"} }
func numbers() []string { return []string{"age", "score", "user.visits", "$flagd.timestamp"} }
func flagsOf() []string { return []string{"beta", "user.staff"} }
func lists() []string   { return []string{"groups", "sizes"} }

func (g generator) words() []string {
	return []string{"a", "b", "de", "us", "gold", "free", "x@example.com", "linux", "", "10", "2.5", "user-7"}
}

func (g generator) context() map[string]any {
	ctx := map[string]any{}
	set := func(name string, v any) {
		if g.chance(80) {
			ctx[name] = v
		}
	}
	if g.chance(92) {
		ctx["targetingKey"] = "user-" + strconv.Itoa(g.IntN(100_000))
	}
	for _, n := range []string{"email", "country", "tier", "os"} {
		set(n, g.textValue())
	}
	set("version", one(g, "1.2.3", "v2.0.0", "2.0.0-rc.1", "0.9", "3", "1.2.3+build", "x", ""))
	set("age", g.numberValue())
	set("score", g.numberValue())
	set("beta", g.chance(50))
	set("groups", array{one(g, g.words()...), one(g, g.words()...)})
	set("sizes", array{float64(g.IntN(5)), float64(g.IntN(5)), float64(g.IntN(5))})
	set("user", object{"name": g.textValue(), "visits": g.numberValue(), "staff": g.chance(50), "tags": array{"x", "y"}})
	if g.chance(8) {
		ctx[one(g, "email", "age", "groups", "user", "beta")] = one[any](g, nil, 7.0, "seven", true, array{}, object{})
	}
	return ctx
}

func (g generator) textValue() any {
	if g.chance(5) {
		return nil
	}
	return one(g, g.words()...)
}

func (g generator) numberValue() any {
	if g.chance(5) {
		return one[any](g, nil, "12", "abc", true, "")
	}
	return g.number()
}

func (g generator) number() float64 {
	return one(g, float64(g.IntN(100)), float64(g.IntN(100))/4, -float64(g.IntN(10)), 0, 1e21, 1.5e-7)
}

func (g generator) variable(names []string) any {
	name := one(g, names...)
	switch {
	case g.chance(20):
		return object{"var": array{name}}
	case g.chance(15):
		return object{"var": array{name, one[any](g, nil, "none", 3.0, false)}}
	}
	return object{"var": name}
}

// text is a rule that mostly gives a string.
func (g generator) text(depth int) any {
	if depth <= 0 || g.chance(50) {
		if g.chance(70) {
			return g.variable(texts())
		}
		return one(g, g.words()...)
	}
	switch g.IntN(3) {
	case 0:
		return object{"cat": array{g.solid(), one(g, g.words()...), g.solid()}}
	case 1:
		return object{"substr": array{object{"var": array{"email", "nobody"}}, float64(g.IntN(9) - 4)}}
	}
	return object{"if": array{g.condition(depth - 1), g.text(depth - 1), g.text(depth - 1)}}
}

// other is the right operand of a comparison. flagd-core loses track of the left one
// when the right one is computed by more than a variable, and fails.
func (g generator) other(names []string) any {
	if g.chance(35) {
		return g.variable(names)
	}
	if names[0] == "age" {
		return g.number()
	}
	return one(g, g.words()...)
}

// solid is never null: flagd's two engines join null to a text in two ways.
func (g generator) solid() any {
	switch g.IntN(3) {
	case 0:
		return one(g, g.words()...)
	case 1:
		return object{"if": array{object{"var": "tier"}, object{"var": "tier"}, "none"}}
	}
	return object{"if": array{object{"var": "score"}, object{"var": "score"}, 0}}
}

// amount is a rule that mostly gives a number.
func (g generator) amount(depth int) any {
	if depth <= 0 || g.chance(55) {
		if g.chance(65) {
			return g.variable(numbers())
		}
		return g.number()
	}
	a, b := g.amount(depth-1), g.amount(depth-1)
	switch g.IntN(9) {
	case 0:
		return object{"+": array{a, b, g.amount(depth - 1)}}
	case 1:
		return object{"-": array{a, b}}
	case 2:
		return object{"*": array{a, b}}
	case 3:
		return object{"/": array{a, b}}
	case 4:
		return object{"%": array{a, b}}
	case 5:
		return object{"max": array{a, b}}
	case 6:
		return object{"min": array{a, b, g.number()}}
	case 7:
		return object{"-": array{a}}
	}
	return object{"reduce": array{object{"var": "sizes"}, object{"+": array{object{"var": "current"}, object{"var": "accumulator"}}}, g.number()}}
}

func (g generator) list(depth int) any {
	switch {
	case depth <= 0 || g.chance(50):
		return g.variable(lists())
	case g.chance(30):
		return array{g.text(depth - 1), g.amount(depth - 1), "gold", 3.0}
	}
	switch g.IntN(4) {
	case 0:
		return object{"map": array{g.list(depth - 1), g.element()}}
	case 1:
		return object{"filter": array{g.list(depth - 1), object{one(g, "==", "!="): array{object{"var": ""}, one[any](g, "gold", "a", "b")}}}}
	case 2:
		return object{"merge": array{g.list(depth - 1), g.text(depth - 1), g.list(depth - 1)}}
	}
	return object{"missing": array{"email", "groups", "user.visits", "nothing"}}
}

func (g generator) element() any {
	return one[any](g, object{"var": ""}, object{"+": array{object{"var": ""}, 1.0}},
		object{"if": array{object{"===": array{object{"var": ""}, "a"}}, "yes", object{"var": ""}}})
}

// condition is a rule that gives a truth.
func (g generator) condition(depth int) any {
	if depth <= 0 {
		return g.variable(flagsOf())
	}
	switch g.IntN(15) {
	case 0:
		return object{one(g, "==", "!=", "===", "!=="): array{g.text(depth - 1), g.other(texts())}}
	case 1:
		return object{one(g, "==", "!=", "===", "!==", "<", ">", ">=", "<="): array{g.amount(depth - 1), g.other(numbers())}}
	case 2:
		return object{one(g, "<", "<="): array{g.amount(depth - 1), g.other(numbers()), g.number()}}
	case 3:
		return object{"and": array{g.condition(depth - 1), g.condition(depth - 1)}}
	case 4:
		return object{"or": array{g.condition(depth - 1), g.condition(depth - 1), g.condition(depth - 1)}}
	case 5:
		return object{one(g, "!", "!!"): one[any](g, array{g.condition(depth - 1)}, array{g.variable(lists())}, g.condition(depth-1))}
	case 6:
		return object{"in": array{g.text(depth - 1), one[any](g, g.list(depth-1), array{"a", "de", "gold"}, "gold and free")}}
	case 7:
		return object{one(g, "starts_with", "ends_with"): array{g.variable(texts()), one(g, g.words()...)}}
	case 8:
		return object{"sem_ver": array{g.variable([]string{"version", "os"}), one(g, "=", "!=", "<", "<=", ">", ">=", "^", "~"), one(g, "1.2.3", "2.0.0", "2.0.0-rc.1", "0.9.0")}}
	case 9:
		return object{one(g, "all", "some", "none"): array{object{"merge": array{g.list(depth - 1), array{}, g.list(depth - 1)}}, object{one(g, "==", "==="): array{object{"var": ""}, one[any](g, "a", "gold")}}}}
	case 10:
		return object{"missing_some": array{float64(g.IntN(3)), array{"email", "age", "nothing"}}}
	case 11:
		return object{"==": array{object{"var": "$flagd.flagKey"}, one(g, "f0", "f1")}}
	case 12:
		return object{"<": array{object{"var": "$flagd.timestamp"}, 1.8e9 + float64(g.IntN(3)) - 1}}
	case 13:
		return object{"$ref": one(g, "staff", "europe", "young")}
	}
	return g.variable(flagsOf())
}

// outcome is a rule that gives one of the variants, or null, and rarely something odd.
func (g generator) outcome(variants []string, depth int) any {
	switch {
	case depth <= 0 || g.chance(25):
		if g.chance(15) {
			return nil
		}
		return one(g, variants...)
	case g.chance(35):
		return g.fractional(variants, depth)
	case g.chance(6):
		return g.variable([]string{"tier", "beta", "age"})
	}
	if g.chance(10) {
		return object{"if": array{g.variable(flagsOf()), one(g, variants...)}}
	}
	args := array{g.condition(depth - 1), g.outcome(variants, depth-1)}
	if g.chance(30) {
		args = append(args, g.condition(depth-1), g.outcome(variants, depth-1))
	}
	return object{"if": append(args, g.outcome(variants, depth-1))}
}

func (g generator) fractional(variants []string, depth int) any {
	var args array
	if g.chance(60) {
		args = append(args, one[any](g, object{"var": "email"}, object{"var": "targetingKey"},
			object{"cat": array{object{"var": "$flagd.flagKey"}, object{"var": array{"targetingKey", "nobody"}}}},
			object{"cat": array{"salt", object{"var": array{"email", "nobody"}}}}))
	}
	for _, v := range variants {
		switch {
		case g.chance(20):
			args = append(args, array{v})
		case g.chance(10):
			args = append(args, array{v, object{"if": array{g.condition(depth - 1), 30.0, 70.0}}})
		case g.chance(5):
			args = append(args, array{object{"if": array{g.condition(depth - 1), v, nil}}, 5.0})
		default:
			args = append(args, array{v, float64(1 + g.IntN(1000))})
		}
	}
	return object{"fractional": args}
}

// flag is one generated flag.
func (g generator) flag(i int) object {
	f := object{"state": "ENABLED"}
	if g.chance(4) {
		f["state"] = "DISABLED"
	}
	values := []any{true, false, true}
	switch g.IntN(4) {
	case 0:
		values = []any{"red", "green", "blue"}
	case 1:
		values = []any{1.0, 2.5, -7.0}
	case 2:
		values = []any{object{"model": "causal"}, object{"model": "strong", "n": 1.0}, object{}}
	}
	variants := []string{"on", "off", "v" + strconv.Itoa(i)}
	named := object{}
	for i, v := range variants {
		named[v] = values[i]
	}
	f["variants"] = named
	if g.chance(85) {
		f["defaultVariant"] = one(g, variants...)
	} else if g.chance(50) {
		f["defaultVariant"] = nil
	}
	if g.chance(92) {
		if rule, isRule := g.outcome(variants, 4).(object); isRule {
			f["targeting"] = rule
		}
	}
	if g.chance(30) {
		f["metadata"] = object{"team": fmt.Sprint("team-", i), "level": float64(i)}
	}
	return f
}

func (g generator) file(n int) object {
	flags := object{}
	for i := range n {
		flags["f"+strconv.Itoa(i)] = g.flag(i)
	}
	return object{
		"flags": flags,
		"$evaluators": object{
			"staff":  object{"ends_with": array{object{"var": "email"}, "@example.com"}},
			"europe": object{"in": array{object{"var": "country"}, array{"de", "fr", "it"}}},
			"young":  object{"<": array{0.0, object{"var": "age"}, 30.0}},
		},
		"metadata": object{"set": "generated", "level": -1.0},
	}
}
