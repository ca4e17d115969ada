package document

import (
	"bytes"
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"tidemark/flags"
	"tidemark/flags/eval"
	"tidemark/flags/flagset"
)

const many = `# A flag for every reader.
apiVersion: tidemark/v1alpha1
kind: Flag
metadata: {name: cart-model}
spec:
  state: ENABLED
  variants: {old: 1.0, new: 2}
  defaultVariant: old
  targeting: {if: [{$ref: staff}, new]}
---
{"apiVersion": "tidemark/v1alpha1", "kind": "Cohort", "metadata": {"name": "staff"}, "spec": {"ends_with": [{"var": "email"}, "@example.com"]}}
---
apiVersion: tidemark/v1alpha1
kind: ReconciliationRule
metadata: {name: cart-merge}
spec: {version: 2, strategy: merge}
---
apiVersion: tidemark/v1alpha1
kind: RolloutPlan
metadata: {name: causal, title: Causal carts}
spec: {flag: cart-model, feature: cart, candidate: new, control: old}
---
apiVersion: tidemark/v1alpha1
kind: Route
metadata: {name: cart}
spec: {version: 1.0.0, feature: cart, replicas: [{name: eu, kind: state}]}
---
# nothing
`

func TestEveryKindIsReadAndComesBack(t *testing.T) {
	t.Parallel()
	b, err := Parse("many.yaml", []byte(many))
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Edits) != 4 || len(b.Promises) != 1 || b.Edits[0].Source != "many.yaml:1" || b.Edits[1].Source != "many.yaml:11" {
		t.Fatalf("got %d edits, %d promises, %+v", len(b.Edits), len(b.Promises), b.Edits)
	}
	if got := string(b.Edits[0].Content); !strings.Contains(got, `"old":1.0`) {
		t.Errorf("a number lost its text: %s", got)
	}
	text, sources, err := Encode("body", b)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse("body", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(again.Promises) != 1 || len(again.Edits) != len(b.Edits) {
		t.Fatalf("%d and %d came back", len(again.Promises), len(again.Edits))
	}
	for i := range b.Edits {
		was, is := b.Edits[i], again.Edits[i]
		if was.ID != is.ID || !sameJSON(t, was.Content, is.Content) || sources[is.Source] != was.Source {
			t.Errorf("%s became %s of %s: %s", was.ID, is.ID, sources[is.Source], is.Content)
		}
	}
}

func TestAFlagdFileIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	for _, file := range []string{
		`{"flags": {"b": {"state": "ENABLED"}, "a": {"state": "DISABLED"}}, "$evaluators": {"staff": true}, "metadata": {"v": 1.50}}`,
		"flags:\n  a: {state: DISABLED}\n  b: {state: ENABLED}\n$evaluators: {staff: true}\nmetadata: {v: 1.50}\n",
	} {
		b, err := Load(fstest.MapFS{"dir/flags.yaml": {Data: []byte(file)}, "README.md": {Data: []byte("no")}})
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, e := range b.Edits {
			got = append(got, e.ID.String())
		}
		if strings.Join(got, " ") != "Cohort/staff Flag/a Flag/b FlagSet/default" || !strings.Contains(string(b.Edits[3].Content), "1.50") {
			t.Errorf("got %v, %s", got, b.Edits[3].Content)
		}
	}
}

func TestWhatIsWrongIsSaidWithItsPlace(t *testing.T) {
	t.Parallel()
	head := "apiVersion: tidemark/v1alpha1\n"
	for _, c := range []struct{ in, want string }{
		{"a: [", "x:1:4: cannot be read as YAML"},
		{"- 1\n", "x:1: is not an object"},
		{"kind: Wobble\n", `x:1: kind: "Wobble" is not a kind of document; allowed: ConsistencyGuarantee, Route, Flag`},
		{"kind: 3\n", "x:1: kind: must be text"},
		{"spec: {}\n", "x:1: kind: is missing"},
		{"kind: Flag\nspec: {}\nmetadata: {name: a}\n", "x:1: apiVersion: is missing"},
		{head + "kind: Flag\nspec: {}\n", "x:1: metadata: is missing"},
		{"---\n\n---\n" + head + "kind: Flag\nspec: {}\nmetadata: {title: a}\n", "x:4: metadata.title: is not a known field; allowed here: name"},
		{head + "kind: Flag\nmetadata: {name: a}\nspec: [1]\n", "x:1: spec: must be an object"},
		{head + "kind: Flag\nmetadata: {name: a}\n", "x:1: spec: is missing"},
		{head + "kind: Cohort\nmetadata: {name: a}\nspecs: {}\n", "x:1: specs: is not a known field"},
		{head + "kind: RolloutPlan\nmetadata: {name: a}\nspec: {title: b}\n", "x:1: spec.title: is not a field of a plan"},
		{`{"flags": []}`, "x:1: $.flags: is a list"},
		{head + "kind: Route\nmetadata: {name: a}\nspec: {version: 1.0.0}\n", "spec.feature: is missing"},
		{"flags: {a: &x 1, b: *x}\n", "anchor"},
		{string([]byte{0xff}), "x: is not UTF-8 text"},
		{strings.Repeat("#", MaxBytes+1), "at most 1048576 are allowed"},
	} {
		_, err := Parse("x", []byte(c.in))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: got %v, want %q", c.in, err, c.want)
		}
	}
}

// TestYAMLOfAnyContentReadsBack: whatever a definition holds, the exported YAML says
// the same.
func TestYAMLOfAnyContentReadsBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		content, err := json.Marshal(map[string]any{"x": values(3).Draw(t, "value"), "n": json.Number("1.50")})
		if err != nil {
			t.Fatal(err)
		}
		text, err := YAML(flags.DocumentID{Kind: flags.KindFlag, Name: "a: b"}, content)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Parse("x", text)
		if err != nil || len(b.Edits) != 1 {
			t.Fatalf("%v\n%s", err, text)
		}
		if got := b.Edits[0]; got.ID.Name != "a: b" || !sameJSON(t, content, got.Content) {
			t.Fatalf("%s became %s by\n%s", content, got.Content, text)
		}
	})
}

func values(depth int) *rapid.Generator[any] {
	scalars := rapid.OneOf(
		rapid.Map(rapid.SampledFrom([]string{"", "yes", "null", "1e3", "0x1", "-", "a: b", "#", "{", "é 😀", "two\nlines", "\"", "'", " x ", "@x", "1_0", "2026-01-01", "<", "!t", "&a", "\u2028", "\t"}), func(s string) any { return s }),
		rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.Map(rapid.SampledFrom([]string{"0", "-1", "1.0", "1e3", "1E-7", "12345678901234567890", "0.1"}), func(s string) any { return json.Number(s) }),
		rapid.Just[any](nil), rapid.Just[any](true),
	)
	if depth == 0 {
		return scalars
	}
	inner := values(depth - 1)
	return rapid.OneOf(scalars,
		rapid.Map(rapid.SliceOfN(inner, 0, 4), func(v []any) any { return v }),
		rapid.Map(rapid.MapOfN(rapid.OneOf(rapid.SampledFrom([]string{"==", "$ref", "var", "", "1", "true", "a.b", "?", "-"}), rapid.String()), inner, 0, 4), func(m map[string]any) any { return m }))
}

type fataler interface{ Fatal(args ...any) }

func sameJSON(t fataler, a, b []byte) bool {
	norm := func(raw []byte) []byte {
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			t.Fatal(err)
		}
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	return bytes.Equal(norm(a), norm(b))
}

func FuzzParse(f *testing.F) {
	f.Add(many)
	f.Add(`{"flags":{}}`)
	f.Add("kind: Flag\nspec: &a {}\n")
	f.Fuzz(func(t *testing.T, in string) {
		b, err := Parse("x", []byte(in))
		if err != nil {
			return
		}
		for _, e := range b.Edits {
			if !flagset.Keeps(e.ID.Kind) || !json.Valid(e.Content) || len(e.Content) > eval.MaxFileBytes {
				t.Errorf("%q: read as %s: %q", in, e.ID, e.Content)
			}
		}
	})
}

// TestHostileYAMLIsRefusedCheaply: the YAML library takes memory and time by the square of
// depth, and to print its errors of a line's length. It counts what is allocated, so that
// it has to be alone.
func TestHostileYAMLIsRefusedCheaply(t *testing.T) {
	for _, part := range []string{`["]",`, `{"}":`, "[ #]\n", "? - ", "a: ", "'a': ", "&a ", "*a ", "!!seq ", "]", "<<: "} {
		text := []byte(strings.Repeat(part, 60_000/len(part)))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Parse("f", text)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; err == nil || took > 100<<20 {
			t.Errorf("%q: %d MiB taken, %v", part, took>>20, err)
		}
	}
}
