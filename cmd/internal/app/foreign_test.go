package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tidemark/cmd/internal/app"
)

// TestWhoReportsAboutOneFeatureGetsNoOther: a key that may publish about shop neither
// reads, takes over, decides, hides nor suppresses anything of cart by naming its ids.
func TestWhoReportsAboutOneFeatureGetsNoOther(t *testing.T) {
	t.Parallel()
	d := openWith(t, app.Options{Limits: often()})
	cart, shop := d.namedKey("cart", "publish:cart", "read"), d.namedKey("shop", "publish:shop", "read")
	d.declare("pii")
	send := func(key string, accepted int, events ...string) {
		t.Helper()
		got := read[receipt](t, d.post(key, "/v1/events", "["+strings.Join(events, ",")+"]", "Content-Type: application/json"), http.StatusOK)
		if got.Accepted != accepted {
			t.Errorf("%d of %s were accepted; want %d", got.Accepted, events, accepted)
		}
	}
	const secret = `,"actor":"alice","delta":{"pin":"secret-pin"},"labels":["pii"],"expect":["eu"]`
	send(cart, 4,
		event("initiated", "w1", "cart", secret), event("initiated", "w2", "cart", secret),
		event("conflict_detected", "w1", "cart", `,"conflict_id":"c-cart","with":["w2"]`),
		event("initiated", "w3", "cart", `,"actor":"alice","delta":{"pin":"secret-pin"}`))
	send(cart, 2, event("failed", "w3", "cart", `,"labels":["pii"]`), event("conflict_detected", "w3", "cart", `,"conflict_id":"c-late","with":["w1"]`))

	send(shop, 5,
		event("conflict_detected", "w1", "shop", `,"conflict_id":"c-shop","with":["w2"]`),
		fmt.Sprintf(`{"kind":"initiated","write_id":"w2","feature":"shop","key":"k","service":"s","occurred_at":%d}`, time.Now().Add(-2*time.Hour).UnixNano()),
		event("visible", "w1", "shop", `,"replica":"eu"`),
		event("conflict_resolved", "w1", "shop", `,"conflict_id":"c-cart","winner":"w2","outcome":"mine"`),
		strings.Replace(event("initiated", "w9", "shop", ""), "w9-initiated", "w4-initiated", 1))
	send(shop, 2, event("conflict_detected", "w5", "shop", `,"conflict_id":"c-taken","with":["w6"]`), event("initiated", "w7", "shop", ""))
	// Both names of a conflict are not to be had: the second is reserved.
	send(shop, 0, event("conflict_detected", "w5", "shop", `,"conflict_id":"cart~~c-taken","with":["w6"]`))
	send(cart, 1, event("initiated", "w7", "cart", `,"actor":"alice","labels":["pii"],"expect":["eu","us"]`))
	send(cart, 1, event("conflict_detected", "w5", "cart", `,"conflict_id":"c-taken","with":["w6"]`))
	send(cart, 2, event("initiated", "w4", "cart", ""), event("conflict_detected", "w4", "cart", `,"conflict_id":"c-last","with":["w1"]`))
	d.until("the last conflict is counted", func() bool { return d.get(cart, "/v1/conflicts/c-last").Code == http.StatusOK })

	for _, path := range []string{"/api/v1/conflicts/c-shop", "/v1/conflicts/c-shop", "/api/v1/conflicts/c-cart", "/api/v1/conflicts/c-late", "/api/v1/writes/w1", "/api/v1/writes/w2", "/api/v1/writes/w3", "/api/v1/writes?feature=cart&key=k"} {
		w := d.get(shop, path)
		if body := w.Body.String(); w.Code != http.StatusOK || strings.Contains(body, "alice") || strings.Contains(body, "secret-pin") {
			t.Errorf("%s: %d, and shop's key reads %s", path, w.Code, body)
		}
	}
	// What was proposed is told apart by a hash of it: that is for those who may see it.
	if w := d.get(shop, "/api/v1/conflicts/c-cart"); !strings.Contains(w.Body.String(), `"seen":""`) {
		t.Errorf("shop's key gets a hash of what the rule proposes: %s", w.Body)
	}
	// Nor can a rule of their own be tried on what they may not see.
	const draft = `{"against":"*","feature":"cart","definition":{"version":9,"strategy":"merge","parameters":{"default":"last-writer-wins","order":"time","fields":{"/pin":"manual"}}}}`
	for key, hidden := range map[string]bool{cart: false, shop: true} {
		w := d.post(key, "/api/v1/rules/draft/replays", draft, "Content-Type: application/json")
		for w.Code < http.StatusBadRequest && !strings.Contains(w.Body.String(), `"conflicts":4`) && t.Context().Err() == nil { // until they are stored
			w = d.post(key, "/api/v1/rules/draft/replays", draft, "Content-Type: application/json")
		}
		if w.Code >= http.StatusBadRequest || strings.Contains(w.Body.String(), `"hidden":3`) != hidden {
			t.Errorf("hidden %v: %d %s", hidden, w.Code, w.Body)
		}
	}
	for path, want := range map[string]string{
		"/api/v1/writes/w2":               `"feature":"cart"`,
		"/v1/writes/w1/status":            `"progress":"0 of 1"`,
		"/api/v1/conflicts/c-cart":        `"state":"open"`,
		"/api/v1/writes/w4":               `"feature":"cart"`,
		"/api/v1/conflicts/cart~~c-taken": `"feature":"cart"`,
		"/api/v1/conflicts/c-late":        `secret-pin`, // its own people see it
		// An id that another feature used first is no way to be without one's own.
		"/api/v1/conflicts/c-taken":              `"feature":"shop"`,
		"/api/v1/conflicts/c-taken?feature=cart": `"feature":"cart"`,
		"/v1/conflicts/c-taken?feature=cart":     `"id":"cart~~c-taken"`,
		"/api/v1/writes/w7":                      `"other_features":["cart"]`,
		"/api/v1/writes/w7?feature=cart":         `"actor":"alice"`,
		"/v1/writes/w7/status?feature=cart":      `"progress":"0 of 2"`,
		"/writes/w7":                             `href="/writes/w7?feature=cart"`,
		"/writes/w7?feature=cart":                "alice",
		"/writes?feature=cart&key=k":             `href="/writes/w7?feature=cart"`,
	} {
		if w := d.get(cart, path); !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: want %s in %s", path, want, w.Body)
		}
	}
}

// TestNobodyUsesUpTheIDsOfWhatTheyMayNotReport: who may only consume a feature keeps
// neither a publisher's event nor a person's decision out by sending its id first.
func TestNobodyUsesUpTheIDsOfWhatTheyMayNotReport(t *testing.T) {
	t.Parallel()
	d := openWith(t, app.Options{Limits: often()})
	owner, consumer := d.namedKey("cart", "publish:cart", "read", "control"), d.namedKey("eu", "consume:cart")
	send := func(key, e string) {
		t.Helper()
		got := read[receipt](t, d.post(key, "/v1/events", e, "Content-Type: application/json"), http.StatusOK)
		if got.Accepted != 1 {
			t.Errorf("%s was not accepted: %+v", e, got)
		}
	}
	send(consumer, strings.Replace(event("applied", "other", "cart", `,"replica":"eu"`), "other-applied", "w1-initiated", 1))
	send(owner, event("initiated", "w1", "cart", ""))
	send(owner, event("conflict_detected", "w1", "cart", `,"conflict_id":"c1","with":["w2"]`))
	d.until("the write is known", func() bool { return d.get(owner, "/api/v1/writes/w1").Code == http.StatusOK })
	d.until("the conflict is known", func() bool { return d.get(owner, "/v1/conflicts/c1").Code == http.StatusOK })

	ids := map[string]bool{}
	for base := range 2 { // What follows from the conflict alone could be sent beforehand.
		var a struct {
			Decision struct {
				EventID string `json:"event_id"`
			}
		}
		d.do(owner, "POST", "/api/v1/conflicts/c1/decisions", fmt.Sprintf(`{"action":"override","winner":"w1","base":%d,"reason":"so"}`, base), 201, &a)
		ids[a.Decision.EventID] = true
	}
	fresh := openWith(t, app.Options{Limits: often()})
	key := fresh.namedKey("cart", "publish:cart", "read", "control")
	fresh.conflict(key, merges, "")
	var b struct {
		Decision struct {
			EventID string `json:"event_id"`
		}
	}
	fresh.do(key, "POST", "/api/v1/conflicts/c1/decisions", `{"action":"override","winner":"w1","base":0,"reason":"so"}`, 201, &b)
	if ids[b.Decision.EventID] || len(ids) != 2 {
		t.Errorf("the ids of decisions can be known beforehand: %v and %s", ids, b.Decision.EventID)
	}
}
