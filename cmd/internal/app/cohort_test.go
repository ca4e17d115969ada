package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tidemark/cmd/internal/app"
	"tidemark/flags/access"
)

// TestReadersTryNoRules: whoever may choose a rule freely could ask by it what is in the
// contexts of others, one letter after the other. Readers see what stored cohorts hold,
// and of that nothing that tells of few.
func TestReadersTryNoRules(t *testing.T) {
	t.Parallel()
	d := open(t)
	operator, services, reader := d.namedKey("operator", "control", "read"), d.namedKey("services", "evaluate"), d.namedKey("reader", "read")
	d.do(operator, http.MethodPut, "/api/v1/flags/cart-model", cartFlag, http.StatusCreated, nil)
	for i := range 100 {
		email := fmt.Sprintf("user-%d@shop.example", i)
		if i == 0 {
			email = "ana@secret.example"
		}
		d.ask(services, "cart-model", fmt.Sprintf(`{"targetingKey":"user-%d","email":%q,"half":%d}`, i, email, i%2), http.StatusOK)
	}
	one, half := `{"starts_with":[{"var":"email"},"ana"]}`, `{"==":[{"var":"half"},1]}`
	put := func(name, rule string) {
		t.Helper()
		d.do(operator, http.MethodPut, "/api/v1/cohorts/"+name, `{"reason":"who","definition":`+rule+`}`, http.StatusCreated, nil)
	}
	put("one", one)
	put("half", half)

	type estimate struct {
		Share   *float64
		UnitsIn *int `json:"units_in"`
		Few     string
	}
	says := func(who string, e estimate, few string) {
		t.Helper()
		told := e.Share != nil && *e.Share == 0.5 && e.UnitsIn != nil && *e.UnitsIn == 50
		if e.Few != few || told != (few == "") || (few != "" && (e.Share != nil || e.UnitsIn != nil)) {
			t.Errorf("%s: %+v, want %q", who, e, few)
		}
	}
	var e estimate
	d.do(reader, http.MethodPost, "/api/v1/cohorts/x/estimate", `{"definition":`+half+`}`, http.StatusForbidden, nil)
	d.do(operator, http.MethodPost, "/api/v1/cohorts/x/estimate", `{"definition":`+half+`}`, http.StatusOK, &e)
	says("a rule that is tried", e, "")
	e = estimate{}
	d.do(operator, http.MethodPost, "/api/v1/cohorts/x/estimate", `{"definition":`+one+`}`, http.StatusOK, &e)
	says("one for a single unit", e, "fewer than 20 units match")
	var list struct {
		Items []struct {
			Name     string
			Estimate estimate
		}
	}
	d.do(reader, http.MethodGet, "/api/v1/cohorts", "", http.StatusOK, &list)
	for _, c := range list.Items {
		says("the stored cohort "+c.Name, c.Estimate, map[string]string{"one": "fewer than 20 units match"}[c.Name])
	}
	if page := d.page(d.signIn("viewer"), "/cohorts/one", nil).Body.String(); !strings.Contains(page, "fewer than 20 units match") {
		t.Error("the page does not say why it has no numbers")
	}

	for _, who := range []struct {
		key, rule string
		share     bool
		note      string
	}{
		{reader, half, false, "told to who may control"},
		{operator, half, true, ""},
		{operator, one, false, "fewer than 20 units match"},
	} {
		var p struct {
			Share *float64 `json:"cohort_share"`
			Notes []string
		}
		plan := strings.Replace(cartPlan, `"plan":{`, `"plan":{"cohort":`+who.rule+`,`, 1)
		d.do(who.key, http.MethodPost, "/api/v1/rollouts/preview", plan, http.StatusOK, &p)
		notes := strings.Join(p.Notes, " ")
		if (p.Share != nil) != who.share || !strings.Contains(notes, who.note) || strings.Contains(notes, "is not told") == who.share {
			t.Errorf("preview with %s: %v %q", who.rule, p.Share, p.Notes)
		}
	}
}

// TestWhatPeopleAskCountsNowhere: a viewer asks about contexts of their own, by which they
// could find out whether a unit was there already, and whether it is in a cohort.
func TestWhatPeopleAskCountsNowhere(t *testing.T) {
	t.Parallel()
	var later atomic.Int64 // estimates are kept for some seconds
	d := openWith(t, app.Options{
		PasswordCost: access.PasswordCost{Memory: 64, Passes: 1, Lanes: 1}, Limits: often(),
		Now: func() time.Time { return time.Now().Add(time.Duration(later.Load())) },
	})
	viewer := d.invite(d.root(), "ana", "viewer")
	operator, services := d.namedKey("operator", "control", "read"), d.namedKey("services", "evaluate")
	d.do(operator, http.MethodPut, "/api/v1/flags/cart-model", cartFlag, http.StatusCreated, nil)
	d.do(operator, http.MethodPut, "/api/v1/cohorts/half", `{"reason":"who","definition":{"==":[{"var":"half"},1]}}`, http.StatusCreated, nil)
	for i := range 99 {
		d.ask(services, "cart-model", fmt.Sprintf(`{"targetingKey":"user-%d","half":%d}`, i, i%2), http.StatusOK)
	}
	counts := func() string {
		t.Helper()
		later.Add(int64(10 * time.Second))
		list := viewer.get("/api/v1/cohorts?format=json").Body.String()
		usage := viewer.get("/api/v1/flags/cart-model/usage?format=json").Body.String()
		_, list, _ = strings.Cut(list, `"estimate"`)
		_, usage, _ = strings.Cut(usage, `"days"`)
		return list + usage
	}
	before := counts()
	if !strings.Contains(before, `"sampled":99`) || !strings.Contains(before, `"units":100,"units_in":50`) {
		t.Fatalf("the counts are %s", before)
	}
	for i := range 12 {
		for _, path := range []string{"/ofrep/v1/evaluate/flags/cart-model", "/ofrep/v1/evaluate/flags"} {
			if w := viewer.say(path, fmt.Sprintf(`{"context":{"targetingKey":"mine-%d","half":1}}`, i)); w.Code != http.StatusOK {
				t.Fatalf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	}
	if after := counts(); after != before {
		t.Errorf("before %s\nafter %s", before, after)
	}
}
