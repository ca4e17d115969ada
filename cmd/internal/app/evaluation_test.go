package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tidemark/cmd/internal/app"
)

// clock is a server's, which a test puts forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// answered is what OFREP says of one flag.
type answered struct {
	Key       string
	Value     any
	Variant   string
	Reason    string
	ErrorCode string
	Metadata  map[string]any
}

func (d *door) ask(key, flag, context string, status int) (a answered) {
	d.t.Helper()
	d.do(key, http.MethodPost, "/ofrep/v1/evaluate/flags/"+flag, `{"context":`+context+`}`, status, &a)
	return a
}

// TestDefinitionsThatAreRefused: what is wrong is named with its place, and the flag
// goes on as it was.
func TestDefinitionsThatAreRefused(t *testing.T) {
	t.Parallel()
	d := open(t)
	operator, services := d.namedKey("operator", "control", "read"), d.namedKey("services", "evaluate")
	d.do(operator, http.MethodPut, "/api/v1/flags/cart-model", cartFlag, http.StatusCreated, nil)
	before := d.do(operator, http.MethodGet, "/api/v1/audit", "", http.StatusOK, nil)
	nested := strings.Repeat(`{"!":[`, 1000) + "true" + strings.Repeat("]}", 1000)
	for name, c := range map[string]struct{ targeting, say string }{
		"an unknown cohort":             {`{"$ref":"nobody"}`, "$ref"},
		"weights that sum to nothing":   {`{"fractional":[["old",0],["new",0]]}`, "weights that sum to 0"},
		"weights that sum to too much":  {`{"fractional":[["old",2147483647],["new",1]]}`, "weights that sum to 2147483648"},
		"a weight below zero":           {`{"fractional":[["old",-1],["new",1]]}`, "fractional[0][1]"},
		"nesting 1,000 deep":            {`{"if":[` + nested + `,"old"]}`, "nested more than"},
		"an operator that there is not": {`{"explode":[1]}`, "is not an operator"},
		"a variant that there is not":   {`{"if":[true,"newest"]}`, "newest"},
	} {
		body := `{"base":1,"reason":"try","definition":{"state":"ENABLED","defaultVariant":"old","variants":{"old":{"model":"eventual"},"new":{"model":"causal"}},"targeting":` + c.targeting + `}}`
		told := d.do(operator, http.MethodPut, "/api/v1/flags/cart-model", body, http.StatusBadRequest, nil)
		if !strings.Contains(told, c.say) || !strings.Contains(told, `"code":"invalid"`) || !strings.Contains(told, "targeting") {
			t.Errorf("%s: %.600s", name, told)
		}
	}
	const a, b = `{"reason":"try","definition":{"var":"x"}}`, `{"reason":"try","definition":{"$ref":"a"}}`
	d.do(operator, http.MethodPut, "/api/v1/cohorts/a", a, http.StatusCreated, nil)
	d.do(operator, http.MethodPut, "/api/v1/cohorts/b", b, http.StatusCreated, nil)
	told := d.do(operator, http.MethodPut, "/api/v1/cohorts/a", `{"base":1,"reason":"try","definition":{"!":[{"$ref":"b"}]}}`, http.StatusBadRequest, nil)
	if !strings.Contains(told, "goes round in a circle") {
		t.Errorf("a cohort that depends on itself: %s", told)
	}
	if got := d.ask(services, "cart-model", `{"targetingKey":"u"}`, http.StatusOK); got.Variant != "old" || got.Reason != "STATIC" || got.Metadata["version"] != 1.0 {
		t.Errorf("afterwards the flag answers %+v", got)
	}
	after := d.do(operator, http.MethodGet, "/api/v1/audit", "", http.StatusOK, nil)
	if n := strings.Count(after, `"action"`) - strings.Count(before, `"action"`); n != 2 {
		t.Errorf("the audit log grew by %d entries; want the two cohorts'", n)
	}
}

// TestQuestionsThatCannotBeAnswered: each has its OpenFeature error code and status.
func TestQuestionsThatCannotBeAnswered(t *testing.T) {
	t.Parallel()
	d := open(t)
	operator, services := d.namedKey("operator", "control", "read"), d.namedKey("services", "evaluate")
	d.do(operator, http.MethodPut, "/api/v1/flags/cart-model", cartFlag, http.StatusCreated, nil)
	r := d.begin(operator, cartPlan)
	for name, c := range map[string]struct {
		flag, context string
		status        int
		code          string
	}{
		"an unknown flag":      {"nothing", `{"targetingKey":"u"}`, 404, "FLAG_NOT_FOUND"},
		"no targeting key":     {"cart-model", `{"country":"se"}`, 400, "TARGETING_KEY_MISSING"},
		"an empty one":         {"cart-model", `{"targetingKey":""}`, 400, "TARGETING_KEY_MISSING"},
		"one of another type":  {"cart-model", `{"targetingKey":{"id":7}}`, 400, "INVALID_CONTEXT"},
		"no object":            {"cart-model", `["u"]`, 400, "INVALID_CONTEXT"},
		"no JSON":              {"cart-model", `{"targetingKey":`, 400, "PARSE_ERROR"},
		"a context of 10 MB":   {"cart-model", `{"targetingKey":"u","a":"` + strings.Repeat("x", 10<<20) + `"}`, 400, "INVALID_CONTEXT"},
		"nesting 1,000 deep":   {"cart-model", `{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, 400, "INVALID_CONTEXT"},
		"a number too large":   {"cart-model", `{"a":1e999}`, 400, "INVALID_CONTEXT"},
		"more than one answer": {"cart-model", `{}} {}`, 400, "PARSE_ERROR"},
	} {
		if got := d.ask(services, c.flag, c.context, c.status); got.ErrorCode != c.code || got.Value != nil {
			t.Errorf("%s: %+v; want %s", name, got, c.code)
		}
	}
	if n := d.newVariants(services, 100); n < 30 || n > 70 {
		t.Errorf("afterwards %d of 100 have the candidate at 50%%", n)
	}
	// At 0 % no key decides: a revert reaches those without one, and bulk answers too.
	d.do(operator, http.MethodPost, "/api/v1/rollouts/"+r.ID+"/revert", `{"reason":"enough"}`, http.StatusOK, nil)
	got := d.ask(services, "cart-model", `{"country":"se"}`, http.StatusOK)
	if got.Variant != "old" || got.Reason != "SPLIT" || got.Metadata["arm"] != nil || got.Metadata["pin"] != nil || got.Metadata["rollout"] != r.ID {
		t.Errorf("no targeting key at 0%%: %+v; want the control in no arm", got)
	}
	var bulk struct{ Flags []answered }
	d.do(services, http.MethodPost, "/ofrep/v1/evaluate/flags", `{"context":{}}`, http.StatusOK, &bulk)
	if len(bulk.Flags) != 1 || bulk.Flags[0].Variant != "old" || bulk.Flags[0].ErrorCode != "" {
		t.Errorf("no targeting key at 0%%, all flags: %+v", bulk.Flags)
	}
}

// TestPinsThatAreNotTaken: such a session is a new one, is told why, and gets a pin
// that is good.
func TestPinsThatAreNotTaken(t *testing.T) {
	t.Parallel()
	var c clock
	d := openWith(t, app.Options{Now: c.now})
	operator, services := d.namedKey("operator", "control", "read"), d.namedKey("services", "evaluate")
	d.do(operator, http.MethodPut, "/api/v1/flags/cart-model", cartFlag, http.StatusCreated, nil)
	r := d.begin(operator, cartPlan)
	unit := func(i int) string { return fmt.Sprintf("user-%d", i) }
	i := 0
	for ; i < 100 && d.ask(services, "cart-model", fmt.Sprintf(`{"targetingKey":%q}`, unit(i)), http.StatusOK).Variant != "new"; i++ {
	}
	first := d.ask(services, "cart-model", fmt.Sprintf(`{"targetingKey":%q}`, unit(i)), http.StatusOK)
	pin, _ := first.Metadata["pin"].(string)
	if first.Variant != "new" || pin == "" {
		t.Fatalf("no candidate among 100 units: %+v", first)
	}
	d.do(operator, http.MethodPost, "/api/v1/rollouts/"+r.ID+"/revert", `{"reason":"enough"}`, http.StatusOK, nil)
	with := func(unit, pin string) answered {
		return d.ask(services, "cart-model", fmt.Sprintf(`{"targetingKey":%q,"tidemark.pin":%q}`, unit, pin), http.StatusOK)
	}
	if got := with(unit(i), pin); got.Variant != "new" || got.Metadata["pinned"] != true {
		t.Errorf("a good pin: %+v", got)
	}
	forged := pin[:len(pin)-6] + map[bool]string{true: "B", false: "A"}[pin[len(pin)-6] == 'A'] + pin[len(pin)-5:]
	for name, c := range map[string]struct{ unit, pin, why string }{
		"forged":          {unit(i), forged, "forged"},
		"truncated":       {unit(i), pin[:len(pin)/2], "malformed"},
		"noise":           {unit(i), "no pin at all", "malformed"},
		"of another unit": {"somebody", pin, "other_unit"},
	} {
		if got := with(c.unit, c.pin); got.Variant != "old" || got.Metadata["pin_error"] != c.why {
			t.Errorf("%s: %+v; want %s", name, got, c.why)
		}
	}
	c.ahead.Store(int64(25 * time.Hour))
	if got := with(unit(i), pin); got.Variant != "old" || got.Metadata["pin_error"] != "expired" {
		t.Errorf("expired: %+v", got)
	}
}

// TestParametersAreStaged: the values of a staged flag need not be models. Numbers and
// objects reach the units of each arm whole, and a revert takes them back.
func TestParametersAreStaged(t *testing.T) {
	t.Parallel()
	d := open(t)
	operator, services := d.namedKey("operator", "control", "read"), d.namedKey("services", "evaluate")
	for name, c := range map[string]struct {
		old, candidate string
		was, becomes   any
	}{
		"cart-staleness-ms": {"2000", "500", 2000.0, 500.0},
		"cart-cache": {
			`{"ttl_ms":60000,"retry":{"attempts":3,"wait_ms":100}}`, `{"ttl_ms":5000,"retry":{"attempts":5,"wait_ms":50}}`,
			map[string]any{"ttl_ms": 60000.0, "retry": map[string]any{"attempts": 3.0, "wait_ms": 100.0}},
			map[string]any{"ttl_ms": 5000.0, "retry": map[string]any{"attempts": 5.0, "wait_ms": 50.0}},
		},
		"cart-quorum": {`{"n":3,"r":1,"w":1}`, `{"n":3,"r":2,"w":2}`, map[string]any{"n": 3.0, "r": 1.0, "w": 1.0}, map[string]any{"n": 3.0, "r": 2.0, "w": 2.0}},
	} {
		d.do(operator, http.MethodPut, "/api/v1/flags/"+name, `{"reason":"a parameter","definition":{"state":"ENABLED","defaultVariant":"old","variants":{"old":`+c.old+`,"new":`+c.candidate+`}}}`, http.StatusCreated, nil)
		r := d.begin(operator, strings.Replace(cartPlan, "cart-model", name, 1))
		got := map[string]int{}
		for i := range 60 {
			a := d.ask(services, name, fmt.Sprintf(`{"targetingKey":"user-%d"}`, i), http.StatusOK)
			want := map[string]any{"candidate": c.becomes, "control": c.was}[fmt.Sprint(a.Metadata["arm"])]
			if a.Reason != "SPLIT" || fmt.Sprint(a.Value) != fmt.Sprint(want) {
				t.Errorf("%s: %+v; want %v", name, a, want)
			}
			got[fmt.Sprint(a.Metadata["arm"])]++
		}
		if got["candidate"] < 10 || got["control"] < 10 {
			t.Errorf("%s: the arms are %v at 50%%", name, got)
		}
		d.do(operator, http.MethodPost, "/api/v1/rollouts/"+r.ID+"/revert", `{"reason":"enough"}`, http.StatusOK, nil)
		if a := d.ask(services, name, `{"targetingKey":"new"}`, http.StatusOK); fmt.Sprint(a.Value) != fmt.Sprint(c.was) {
			t.Errorf("%s: after the revert %+v", name, a)
		}
	}
}
