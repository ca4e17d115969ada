package reconcile

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tidemark/metrics"
)

// genVersion draws versions that tie, that order, and that say nothing of each other.
func genVersion(t *rapid.T) metrics.Version {
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 1:
		return metrics.SeqVersion(rapid.Uint64Range(1, 3).Draw(t, "seq"))
	case 2:
		v, err := metrics.HLCVersion(fmt.Sprintf("%d.%d.%s", rapid.IntRange(1, 2).Draw(t, "wall"), rapid.IntRange(0, 1).Draw(t, "logical"), rapid.SampledFrom([]string{"a", "b"}).Draw(t, "node")))
		if err != nil {
			t.Fatal(err)
		}
		return v
	case 3:
		v, err := metrics.VVVersion(map[string]uint64{"a": rapid.Uint64Range(0, 2).Draw(t, "va"), "b": rapid.Uint64Range(0, 2).Draw(t, "vb")})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	return metrics.Version{}
}

// genDelta draws deltas of both forms, with values that do not always fit their type.
func genDelta(t *rapid.T) string {
	value := rapid.SampledFrom([]string{"1", "2", "1.0", "-0.25", "7e2", `"x"`, "true", "false", "[1,2]", `["b",{"z":1,"a":2}]`, "null"})
	var parts []string
	patch := rapid.Bool().Draw(t, "patch")
	for _, f := range []string{"n", "set", "on", "any", "deep"} {
		if !rapid.Bool().Draw(t, f) {
			continue
		}
		v := value.Draw(t, f)
		switch {
		case !patch:
			parts = append(parts, strconv.Quote(f)+":"+v)
		case rapid.IntRange(0, 4).Draw(t, "remove") == 0:
			parts = append(parts, `{"op":"remove","path":"/`+f+`"}`)
		case f == "set" && rapid.Bool().Draw(t, "append"):
			parts = append(parts, `{"op":"add","path":"/set/-","value":`+v+`}`)
		default:
			parts = append(parts, `{"op":"replace","path":"/`+f+`","value":`+v+`}`)
		}
	}
	if patch && len(parts) > 0 {
		return "[" + strings.Join(parts, ",") + "]"
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func genSiblings(t *rapid.T) []Sibling {
	n := rapid.IntRange(1, 6).Draw(t, "writes")
	out := make([]Sibling, n)
	for i := range out {
		out[i] = Sibling{
			WriteID: "w" + strconv.Itoa(i), Known: rapid.IntRange(0, 19).Draw(t, "known") > 0, Version: genVersion(t),
			At: rapid.Int64Range(0, 3).Draw(t, "at"), Reported: rapid.Int64Range(0, 3).Draw(t, "reported"),
			Error: rapid.Int64Range(0, 2).Draw(t, "error"), Measured: rapid.Bool().Draw(t, "measured"),
			ClockID: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "clock"), Owner: rapid.SampledFrom([]string{"", "eu", "us"}).Draw(t, "owner"),
			Service: rapid.SampledFrom([]string{"eu", "us"}).Draw(t, "service"), Delta: genDelta(t),
		}
	}
	return out
}

func genRule(t *rapid.T) *Rule {
	r := &Rule{Version: 1, Strategy: rapid.SampledFrom(Strategies()).Draw(t, "strategy")}
	types := rapid.SampledFrom(Types())
	r.set = parameters{Order: rapid.SampledFrom(Orders()).Draw(t, "order"), Default: types.Draw(t, "default"), Fields: map[string]Type{
		"/n": rapid.SampledFrom([]Type{TypeMax, TypeMin, TypeCounter}).Draw(t, "n"), "/set": TypeSet, "/on": TypeEnable, "/deep": types.Draw(t, "deep"),
	}}
	return r
}

// TestDecideIsAFunctionOfTheSet: neither the order of the siblings nor how often each is
// named changes anything of an outcome.
func TestDecideIsAFunctionOfTheSet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, all := genRule(t), genSiblings(t)
		want := r.Decide(all)
		mixed := append(slices.Clone(all), rapid.SliceOfN(rapid.SampledFrom(all), 0, 4).Draw(t, "again")...)
		rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)).Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		if diff := cmp.Diff(want, r.Decide(mixed), cmp.AllowUnexported(Outcome{}, Field{})); diff != "" {
			t.Fatalf("%s by %s: the order of %v matters:\n%s", r.Strategy, r.set.Order, all, diff)
		}
	})
}

// TestTheOrderOfWritesIsTotal: antisymmetric, transitive, and never equal for two ids.
func TestTheOrderOfWritesIsTotal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, all := genRule(t), genSiblings(t)
		for i := range all {
			for j := range all {
				ij := r.compare(&all[i], &all[j])
				if (ij > 0) != (r.compare(&all[j], &all[i]) < 0) || (ij == 0) != (i == j) {
					t.Fatalf("%v and %v: %d", all[i], all[j], ij)
				}
				for k := range all {
					if ij > 0 && r.compare(&all[j], &all[k]) > 0 && r.compare(&all[i], &all[k]) <= 0 {
						t.Fatalf("not transitive: %v, %v, %v", all[i], all[j], all[k])
					}
				}
			}
		}
	})
}

// TestKeepingInAnyGrouping: who keeps the winner of some writes and then meets others
// ends with the winner of all.
func TestKeepingInAnyGrouping(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, all := genRule(t), genSiblings(t)
		r.Strategy = rapid.SampledFrom([]Strategy{LastWriterWins, OwnerWins}).Draw(t, "keeps")
		for i := range all {
			all[i].Known = true
		}
		cut := rapid.IntRange(1, len(all)).Draw(t, "cut")
		first := r.Decide(all[:cut])
		rest := append(slices.Clone(all[cut:]), find(t, all, first.Winner))
		if got, want := r.Decide(rest).Winner, r.Decide(all).Winner; got != want {
			t.Fatalf("in two steps %s wins, at once %s", got, want)
		}
	})
}

func find(t *rapid.T, all []Sibling, id string) Sibling {
	i := slices.IndexFunc(all, func(s Sibling) bool { return s.WriteID == id })
	if i < 0 {
		t.Fatalf("%s is none of the writes", id)
	}
	return all[i]
}

// TestStatesAreASemilattice: the join that merges are made of is commutative,
// associative and idempotent, and has the empty state as its identity.
func TestStatesAreASemilattice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		states := make([]state, 3)
		for i := range states {
			all := genSiblings(t)
			for j := range all {
				// Other writes, and some that are known to several.
				all[j].WriteID = "w" + strconv.Itoa(j+i)
				all[j].Delta = `{"n":` + strconv.Itoa(j+i) + `,"f` + strconv.Itoa(j) + `":1}`
				d, err := readDelta(all[j].Delta)
				if err != nil {
					t.Fatal(err)
				}
				states[i] = states[i].join(stateOf(&Sibling{WriteID: all[j].WriteID}, d))
			}
		}
		a, b, c := states[0], states[1], states[2]
		same := func(law string, x, y state) {
			if diff := cmp.Diff(x, y, cmp.AllowUnexported(touch{}, Sibling{})); diff != "" {
				t.Fatalf("%s:\n%s", law, diff)
			}
		}
		same("a ∨ b = b ∨ a", a.join(b), b.join(a))
		same("(a ∨ b) ∨ c = a ∨ (b ∨ c)", a.join(b).join(c), a.join(b.join(c)))
		same("a ∨ a = a", a.join(a), a)
		same("a ∨ ⊥ = a", a.join(nil), a)
	})
}

// TestCombiningInAnyGrouping: the types that are CRDTs of values alone give the same
// when what some replicas made is combined with what others did. A counter is one of
// the writes, not of values: it needs to know which it has counted.
func TestCombiningInAnyGrouping(t *testing.T) {
	t.Parallel()
	fits := map[Type][]string{
		TypeMax: {"1", "1.0", "-3", "2e2", "0.5"}, TypeMin: {"1", "1.0", "-3", "2e2", "0.5"},
		TypeSet: {"[]", "[1]", `["a","b"]`, `[{"x":1}]`}, TypeEnable: {"true", "false"},
	}
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom([]Type{TypeMax, TypeMin, TypeSet, TypeEnable}).Draw(t, "type")
		values := rapid.SliceOfN(rapid.SampledFrom(fits[typ]), 2, 6).Draw(t, "values")
		combine := func(vs []string) string {
			f, list := Field{Type: typ}, []touch{}
			for i, v := range vs {
				list = append(list, touch{by: &Sibling{WriteID: strconv.Itoa(i)}, value: v})
			}
			if ok, _ := f.combine(list); !ok {
				t.Fatalf("%s does not take %v", typ, vs)
			}
			return f.Value
		}
		cut := rapid.IntRange(1, len(values)-1).Draw(t, "cut")
		whole := combine(values)
		if got := combine([]string{combine(values[:cut]), combine(values[cut:])}); got != whole {
			t.Fatalf("%s of %v: at once %s, in two steps %s", typ, values, whole, got)
		}
		slices.Reverse(values)
		if got := combine(values); got != whole {
			t.Fatalf("%s of %v: %s, reversed %s", typ, values, whole, got)
		}
	})
}

// TestNothingIsLostUnsaid: each field of each write is in the outcome, or is named as
// lost; and what is merged reads back as the fields that it was made of.
func TestNothingIsLostUnsaid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, all := genRule(t), genSiblings(t)
		o := r.Decide(all)
		if o.Kind != Keep && o.Kind != Merged {
			return
		}
		for i := range all {
			d, err := readDelta(all[i].Delta)
			if err != nil || slices.Contains(o.LostWrites, all[i].WriteID) || all[i].WriteID == o.Winner {
				continue
			}
			for path, v := range d.fields {
				lost := slices.ContainsFunc(o.Lost, func(l Loss) bool { return l.WriteID == all[i].WriteID && l.Path == path && l.Value == v })
				kept := slices.ContainsFunc(o.Fields, func(f Field) bool { return f.Path == path && slices.Contains(f.From, all[i].WriteID) })
				if o.Kind == Keep {
					w, _ := readDelta(find(t, all, o.Winner).Delta)
					kept = w != nil
					if kept {
						var has bool
						_, has = w.fields[path]
						kept = has && w.fields[path] == v
					}
				}
				if lost == kept {
					t.Fatalf("%s of %s: lost %v, kept %v in %+v", path, all[i].WriteID, lost, kept, o)
				}
			}
		}
		if o.Kind == Merged && sameFields(&o, string(o.Merged)) != Agree {
			t.Fatalf("%s does not hold %+v", o.Merged, o.Fields)
		}
	})
}
