package eval

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"tidemark/flags"
)

// invalid returns what is wrong with a definition.
func invalid(t *testing.T, d Definition, err error) []Problem {
	t.Helper()
	if err == nil {
		_, err = Compile(d)
	}
	e, ok := errors.AsType[*Invalid](err)
	if !ok {
		t.Fatalf("the error is %v", err)
	}
	if !errors.Is(err, flags.ErrInvalid) {
		t.Error("the error is not flags.ErrInvalid")
	}
	return e.Problems
}

func TestTargetingIsChecked(t *testing.T) {
	t.Parallel()
	nest := func(n int) string {
		return strings.Repeat(`{"!": [`, n) + "true" + strings.Repeat(`]}`, n)
	}
	many := `{"or": [` + strings.TrimSuffix(strings.Repeat(`{"var": "x"},`, MaxRuleNodes+1), ",") + `]}`
	for _, c := range []struct{ rule, path, message string }{
		{`{"whatever": [1]}`, ".whatever", "is not an operator; allowed are !, !!, !=, !==, %, *, +, -, /, <"},
		{`{"if": [true, "on"], "or": []}`, "", "has 2 members (if, or); a rule is an object with one member"},
		{`{"if": [{"==": [{"var": "x"}]}, "on", null]}`, ".if[0][\"==\"]", "has 1 operands; == takes 2"},
		{`{"if": [{"<": [1, 2, 3, 4]}, "on"]}`, `.if[0]["<"]`, "has 4 operands; < takes 2 to 3"},
		{`{"if": "on"}`, ".if", "is a string; if takes a list of operands"},
		{`{"if": [{"var": "x"}, "maybe", null]}`, ".if[1]", `names "maybe", which is not a variant; there are: off, on`},
		{`{"if": [{"var": "x"}, 1, null]}`, ".if[1]", `names "1", which is not a variant`},
		{`{"==": [{"var": "x"}, 1]}`, `["=="]`, "gives true or false, and neither is a variant"},
		{`{"fractional": [["on", 1], ["maybe", 1]]}`, ".fractional[1][0]", `names "maybe"`},
		{`{"fractional": [["on", 0], ["off", 0]]}`, ".fractional", "has weights that sum to 0"},
		{`{"fractional": [["on", 2147483647], ["off", 1]]}`, ".fractional", "has weights that sum to 2147483648; the sum may be at most 2147483647"},
		{`{"fractional": [["on", 1.5]]}`, ".fractional[0][1]", "is 1.5; a weight is a whole number from 0"},
		{`{"fractional": [["on", -1]]}`, ".fractional[0][1]", "is -1; a weight is a whole number from 0"},
		{`{"fractional": [["on", "1"]]}`, ".fractional[0][1]", "is a string; a weight is a whole number"},
		{`{"fractional": [["on", 1, 2]]}`, ".fractional[0]", "has 3 items; an entry is [VARIANT] or [VARIANT, WEIGHT]"},
		{`{"fractional": [{"var": "email"}]}`, ".fractional", "has no [VARIANT, WEIGHT]"},
		{`{"fractional": ["all", ["on", 1]]}`, ".fractional[0]", "is a string; what is hashed is a rule"},
		{`{"if": [{"sem_ver": [{"var": "v"}, "=>", "1.0.0"]}, "on"]}`, ".if[0].sem_ver[1]", `is =>; allowed are "=", "!="`},
		{`{"if": [{"sem_ver": [{"var": "v"}, ">", "one"]}, "on"]}`, ".if[0].sem_ver[2]", "is one; a semantic version is needed"},
		{`{"if": [{"starts_with": [{"var": "v"}, 7]}, "on"]}`, ".if[0].starts_with[1]", "is a number; a string or a rule is needed"},
		{`{"if": [{"==": [{"+": [{"var": "n"}, "x"]}, 1]}, "on"]}`, `.if[0]["=="][0]["+"][1]`, "is a string; a number is needed"},
		{`{"if": [{"==": [{"/": [1, 0]}, 1]}, "on"]}`, `.if[0]["=="][0]`, "can never be worked out: an operand is not a number"},
		{`{"if": [{"var": "$flagd.time"}, "on"]}`, ".if[0].var", "there are only $flagd.flagKey and $flagd.timestamp"},
		{`{"if": [{"var": "../x"}, "on"]}`, ".if[0].var", "a path cannot leave the element"},
		{`{"if": [{"var": [["x"]]}, "on"]}`, ".if[0].var", "begins with a list; the list form of var is [PATH, DEFAULT]"},
		{`{"if": [{"missing": [1]}, "on"]}`, ".if[0].missing[0]", "is a number; a path is a string"},
		{`{"if": [{"missing_some": [["a"], 1]}, "on"]}`, ".if[0].missing_some", "must be [NUMBER, [PATH, …]]"},
		{`{"$ref": "nobody"}`, `.$ref`, `is "nobody", which $evaluators does not have; it has: a, b, loop, staff`},
		{`{"$ref": 3}`, `.$ref`, "is a number; $ref takes the name"},
		{`{"if": [` + nest(1000) + `, "on"]}`, "", "is nested more than 100 deep; at most so much is allowed, and 64 within targeting"},
		{`{"if": [` + strings.Repeat(`{"!": `, 70) + "true" + strings.Repeat("}", 70) + `, "on"]}`, "", "is nested more than 64 deep"},
		{`{"if": [` + many + `, "on"]}`, ".if[0]", "has more than 10000 parts"},
		{`[1]`, "", "is a list; targeting is a rule"},
		{`"on"`, "", "is a string; targeting is a rule"},
	} {
		flag := fmt.Sprintf(`{"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "on", "targeting": %s}`, c.rule)
		d := Definition{Flags: map[string]Source{"f": {Content: json.RawMessage(flag)}}, Cohorts: map[string]json.RawMessage{
			"staff": json.RawMessage(`{"var": "staff"}`), "loop": json.RawMessage(`{"var": "l"}`),
			"a": json.RawMessage(`{"var": "a"}`), "b": json.RawMessage(`{"var": "b"}`),
		}}
		found := false
		ps := invalid(t, d, nil)
		for _, p := range ps {
			found = found || strings.HasPrefix(p.Path, "$.flags.f") && (c.path == "" || strings.HasSuffix(p.Path, c.path)) && strings.Contains(p.Message, c.message)
		}
		if !found {
			t.Errorf("%.100s: %q is not said at %q; said was %.400v", c.rule, c.message, c.path, ps)
		}
	}
}

func TestFlagsAreChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ flag, path, message string }{
		{`[]`, "$.flags.f", "is a list; a flag is an object"},
		{`{`, "$.flags.f", "is not JSON"},
		{`{"variants": {"on": true}}`, "$.flags.f.state", `is missing; it must be "ENABLED" or "DISABLED"`},
		{`{"state": "on", "variants": {"on": true}}`, "$.flags.f.state", `is "on"; it must be`},
		{`{"state": "ENABLED"}`, "$.flags.f.variants", "is empty; a flag has at least one variant"},
		{`{"state": "ENABLED", "variants": []}`, "$.flags.f.variants", "is a list; it must be an object"},
		{`{"state": "ENABLED", "variants": {"a": true, "b": "x"}}`, "$.flags.f.variants.b", "is a string where another variant is a boolean"},
		{`{"state": "ENABLED", "variants": {"a": null}}`, "$.flags.f.variants.a", "is null; a value is"},
		{`{"state": "ENABLED", "variants": {"a": [1]}}`, "$.flags.f.variants.a", "is a list; a value is"},
		{`{"state": "ENABLED", "variants": {"a": 9007199254740993}}`, "$.flags.f.variants.a", "numbers are from"},
		{`{"state": "ENABLED", "variants": {"": true}}`, "$.flags.f.variants", "has an entry without a name"},
		{`{"state": "ENABLED", "variants": {"a": true}, "defaultVariant": "b"}`, "$.flags.f.defaultVariant", `is "b", which is not a variant; there are: a`},
		{`{"state": "ENABLED", "variants": {"a": true}, "defaultVariant": 1}`, "$.flags.f.defaultVariant", "is a number; it is the name of a variant"},
		{`{"state": "ENABLED", "variants": {"a": true}, "metadata": {"x": {}}}`, "$.flags.f.metadata.x", "is an object; metadata are strings"},
		{`{"state": "ENABLED", "variants": {"a": true}, "metadata": {"pin": "x"}}`, "$.flags.f.metadata.pin", "is a name that rollouts give"},
		{`{"state": "ENABLED", "variants": {"a": true}, "targetingg": {}}`, "$.flags.f.targetingg", "is not known; did you mean targeting?"},
		{`{"state": "ENABLED", "variants": {"a": {"b": ` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}}}`, "$.flags.f", "is nested more than 100 deep"},
		{`{"state": "ENABLED", "variants": {"a": "` + strings.Repeat("x", MaxFlagBytes) + `"}}`, "$.flags.f", "at most 262144 are allowed"},
	} {
		ps := invalid(t, Definition{Flags: map[string]Source{"f": {Content: json.RawMessage(c.flag)}}}, nil)
		found := false
		for _, p := range ps {
			found = found || p.Path == c.path && strings.Contains(p.Message, c.message)
		}
		if !found {
			t.Errorf("%.100s: %q is not said at %q; said was %v", c.flag, c.message, c.path, ps)
		}
	}
}

func TestCohortsDoNotGoRound(t *testing.T) {
	t.Parallel()
	ps := invalid(t, Definition{Cohorts: map[string]json.RawMessage{
		"a": json.RawMessage(`{"or": [{"var": "x"}, {"$ref": "b"}]}`),
		"b": json.RawMessage(`{"!": {"$ref": "c"}}`),
		"c": json.RawMessage(`{"$ref": "a"}`),
	}}, nil)
	want := Problem{"$.$evaluators.c.$ref", "goes round in a circle: a → b → c → a; a cohort cannot depend on itself"}
	if len(ps) != 1 || ps[0] != want {
		t.Errorf("said was %v", ps)
	}
}

// TestCohortsDoNotExplode: each uses the one before twice, and so doubles its size.
func TestCohortsDoNotExplode(t *testing.T) {
	t.Parallel()
	cohorts := map[string]json.RawMessage{"c00": json.RawMessage(`{"var": "x"}`)}
	for i := range 40 {
		cohorts[fmt.Sprintf("c%02d", i+1)] = json.RawMessage(fmt.Sprintf(`{"or": [{"$ref": "c%02d"}, {"$ref": "c%02d"}]}`, i, i))
	}
	ps := invalid(t, Definition{Cohorts: cohorts}, nil)
	if !strings.Contains(ps[0].Message, "has more than 10000 parts, $ref followed") {
		t.Errorf("said was %v", ps[0])
	}
}

func TestAssignmentsAreChecked(t *testing.T) {
	t.Parallel()
	good := flags.Assignment{Rollout: "r", Flag: "f", Salt: "s", Percent: 100, Candidate: "ryw", Control: "weak"}
	for name, c := range map[string]struct {
		change  func(*flags.Assignment)
		message string
	}{
		"flag":      {func(a *flags.Assignment) { a.Flag = "g" }, `is "g", which is not a flag`},
		"rollout":   {func(a *flags.Assignment) { a.Rollout = "" }, "is missing"},
		"salt":      {func(a *flags.Assignment) { a.Salt = " s" }, "no blanks at its ends"},
		"percent":   {func(a *flags.Assignment) { a.Percent = 10001 }, "from 0 to 10000"},
		"candidate": {func(a *flags.Assignment) { a.Candidate = "x" }, `is "x", which is not a variant of f`},
		"control":   {func(a *flags.Assignment) { a.Control = "" }, `is "", which is not a variant of f`},
		"pin_for":   {func(a *flags.Assignment) { a.PinFor = -1 }, "must not be negative"},
		"cohort":    {func(a *flags.Assignment) { a.Cohort = json.RawMessage(`{"$ref": "x"}`) }, "which $evaluators does not have"},
	} {
		a := good
		c.change(&a)
		ps := invalid(t, Definition{Flags: map[string]Source{"f": {Content: json.RawMessage(models)}}, Assignments: []flags.Assignment{a}}, nil)
		if !strings.HasPrefix(ps[0].Path, "$.assignments[0]."+name) || !strings.Contains(ps[0].Message, c.message) {
			t.Errorf("%s: said was %v", name, ps)
		}
	}
	ps := invalid(t, Definition{Flags: map[string]Source{"f": {Content: json.RawMessage(models)}}, Assignments: []flags.Assignment{good, good}}, nil)
	if !strings.Contains(ps[0].Message, "which rollout r holds already") {
		t.Errorf("said was %v", ps)
	}
}

func TestFilesAreChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ file, path, message string }{
		{``, "$", "flagd file"},
		{`[]`, "$", `is a list; a flagd file is an object with "flags"`},
		{`{}`, "$.flags", "is missing; it must be an object"},
		{`{"flags": []}`, "$.flags", "is a list of 0; here flags are an object by key"},
		{`{"flags": {}, "$evaluators": []}`, "$.$evaluators", "is a list; it must be an object"},
		{`{"flags": {}, "evaluators": {}}`, "$.evaluators", "is not known; did you mean $evaluators?"},
		{`{"flags": {}`, "$", "is not JSON"},
		{strings.Repeat("[", 1000), "$", "is nested 1000 deep"},
		{"flags: &a {}\nmetadata: *a", "$", "has an anchor, alias or tag"},
		{"flags: {}\n---\nflags: {}", "$", "holds 2 YAML documents"},
		{"flags: [", "$", "cannot be read as YAML"},
		{"x: " + strings.Repeat("[", 1000), "$", "is nested more than 100 deep"},
		{"\xff\xfe", "$", "is not UTF-8"},
	} {
		_, err := ParseFlagd([]byte(c.file))
		if err == nil {
			t.Errorf("%.40q was read", c.file)
			continue
		}
		ps := invalid(t, Definition{}, err)
		if ps[0].Path != c.path || !strings.Contains(ps[0].Message, c.message) {
			t.Errorf("%.40q: said was %v", c.file, ps)
		}
	}
}
