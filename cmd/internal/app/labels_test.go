package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tidemark/cmd/internal/app"
	"tidemark/web"
)

// TestHopsAgainstPolicy declares who may carry a label, and sends a labelled write to a
// service with clearance and to one without.
func TestHopsAgainstPolicy(t *testing.T) {
	t.Parallel()
	d := openWith(t, app.Options{Limits: often()})
	key, owner, reader := d.key("control", "read"), d.namedKey("shop", "publish:cart", "read"), d.key("read")
	for body, want := range map[string]int{
		`{"definition":{}}`:                                     400, // no services
		`{"definition":{"services":["a","a"]}}`:                 400,
		`{"definition":{"services":["shop"],"clearance":"no"}}`: 400,
	} {
		d.do(key, "PUT", "/api/v1/labels/pii", body, want, nil)
	}
	d.do(key, "PUT", "/api/v1/labels/p*i", `{"definition":{"services":[]}}`, 400, nil)
	d.do(key, "PUT", "/api/v1/labels/pii", `{"definition":{"services":["cleared"]},"reason":"first"}`, 201, nil)
	d.do(reader, "PUT", "/api/v1/labels/pii", `{"definition":{"services":["*"]},"base":1}`, 403, nil)

	body := "[" + strings.Join([]string{ // The hops arrive before the label.
		strings.Replace(event("visible", "w1", "cart", `,"replica":"eu"`), `"service":"s"`, `"service":"mirror"`, 1),
		strings.Replace(event("applied", "w1", "cart", `,"replica":"us"`), `"service":"s"`, `"service":"cleared"`, 1),
		event("initiated", "w1", "cart", `,"labels":["pii"]`),
	}, ",") + "]"
	if got := read[receipt](t, d.post(owner, "/v1/events", body, "Content-Type: application/json"), http.StatusOK); got.Accepted != 3 {
		t.Fatalf("%+v", got)
	}
	const path = "/api/v1/violations?guarantee=policy&feature=cart"
	d.until("the violation is listed", func() bool { return !strings.Contains(d.get(reader, path).Body.String(), `"items":[]`) })
	got := d.get(reader, path).Body.String()
	if !strings.Contains(got, `"service":"mirror"`) || strings.Contains(got, `"service":"cleared"`) || !strings.Contains(got, `"labels":["pii"],"decided_by":[{"label":"pii","rule":"pii","revision":1}]`) {
		t.Errorf("violations: %s", got)
	}
	shown := d.get(reader, "/features/cart").Body.String()
	for _, say := range []string{"cart breaks policy: 1 hop of labelled writes", "at replica eu.", "Against policy", "service mirror", "clearance for pii"} {
		if !strings.Contains(shown, say) {
			t.Errorf("the feature's page does not say %q", say)
		}
	}
	if all := d.get(reader, "/").Body.String(); !strings.Contains(all, "1 of 2 hops against policy") || strings.Count(all, "cart breaks policy") != 1 {
		t.Errorf("the overview does not say once how many hops are against policy: %s", all)
	}
	d.checkPolicyAlert(key, reader)
}

// checkPolicyAlert judges what is there: cart, which promises nothing, has a ticket for
// its hop against policy, which is listed and on its way to a webhook, and ends when no
// hop was against policy for an hour.
func (d *door) checkPolicyAlert(operator, reader string) {
	d.t.Helper()
	var hook struct{ ID string }
	d.do(operator, "POST", "/api/v1/webhooks", `{"name":"ops","url":"https://hooks.example.com/","severities":["ticket"]}`, http.StatusCreated, &hook)
	judge := func(at time.Time, state string) {
		d.t.Helper()
		if err := d.app.Judge().Tick(d.t.Context(), at); err != nil {
			d.t.Fatal(err)
		}
		var list struct {
			Items []struct{ Guarantee, Objective, Feature, Rule, Severity, State, Summary string }
		}
		d.do(reader, "GET", "/api/v1/alerts?feature=cart", "", http.StatusOK, &list)
		if len(list.Items) != 1 {
			d.t.Fatalf("%d alerts of cart; want its ticket: %+v", len(list.Items), list.Items)
		}
		a := list.Items[0]
		if a.Rule != "policy" || a.Severity != "ticket" || a.State != state || a.Guarantee+a.Objective != "" ||
			a.Summary != "cart breaks policy: 1 of 2 hops of labelled writes in the last 1 h reached a service without clearance, at replica eu." {
			d.t.Errorf("%+v; want state %s", a, state)
		}
		if sent := d.get(operator, "/api/v1/webhooks/"+hook.ID+"/deliveries").Body.String(); !strings.Contains(sent, `"alert.`+state+`"`) {
			d.t.Errorf("the webhook is not told that it is %s: %s", state, sent)
		}
	}
	now := time.Now()
	judge(now, "firing")
	judge(now, "firing")
	page := d.get(reader, "/alerts").Body.String()
	if !strings.Contains(page, `href="/violations?feature=cart&amp;guarantee=policy"`) || !strings.Contains(page, ">1 hop</span>") {
		d.t.Error("the page of alerts does not lead to the violation")
	}
	judge(now.Add(2*time.Hour), "resolved")
}

// declare lets every service carry labels: events with others are kept in quarantine.
func (d *door) declare(labels ...string) {
	d.t.Helper()
	key := d.namedKey("declares", "control")
	for _, l := range labels {
		d.do(key, "PUT", "/api/v1/labels/"+l, `{"definition":{"services":["*"]},"reason":"a test"}`, http.StatusCreated, nil)
	}
}

// often are limits for tests that ask until they are answered.
func often() web.Limits {
	const n = 1 << 30
	return web.Limits{KeyRate: n, KeyBurst: n, AddressRate: n, AddressBurst: n}
}
