package app_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestRedactionNeverLeaks asks all that tells of a labelled write, as a key that may
// only read and as one that publishes the feature.
func TestRedactionNeverLeaks(t *testing.T) {
	t.Parallel()
	d := open(t)
	owner, reader := d.namedKey("shop", "publish:cart", "read"), d.key("read")
	d.do(d.key("control"), "PUT", "/api/v1/labels/pii", `{"definition":{"services":[]},"reason":"declared"}`, 201, nil)
	const secret = `,"actor":"secret-actor","delta":{"iban":"secret-delta"},"before_hash":"secret-before","after_hash":"secret-after"`
	const said = `,"conflict_id":"c1","with":["w2"],"rule":"lww","outcome":"last writer won"`
	body := "[" + strings.Join([]string{
		event("initiated", "w1", "cart", secret+`,"labels":["pii"],"expect":["eu"]`),
		event("initiated", "w2", "cart", secret+`,"labels":["pii"],"expect":["eu"]`),
		event("initiated", "w3", "cart", `,"actor":"plain-actor"`),
		event("initiated", "w4", "cart", `,"labels":["pii"]`),
		event("visible", "w1", "cart", `,"replica":"eu"`),
		event("conflict_detected", "w1", "cart", said),
		event("conflict_resolved", "w1", "cart", said+`,"winner":"w1","auto":true`),
	}, ",") + "]"
	if got := read[receipt](t, d.post(owner, "/v1/events", body, "Content-Type: application/json"), http.StatusOK); got.Accepted != 7 {
		t.Fatalf("%+v", got)
	}
	d.until("the conflict is folded", func() bool { return d.get(owner, "/v1/conflicts/c1").Code == http.StatusOK })
	tells := map[string]bool{ // whether the owner finds the actor there
		"/api/v1/writes/w1": true, "/api/v1/writes?feature=cart&key=k": true,
		"/v1/conflicts/c1": true, "/v1/conflicts/c1?format=csv": true,
		"/writes/w1": true, "/conflicts/c1": true,
		"/v1/writes/w1/status": false, "/api/v1/conflicts?feature=cart": false,
		"/writes?feature=cart&key=k": false, "/features/cart": false, "/conflicts?feature=cart": false,
	}
	for path, actor := range tells {
		w := d.get(owner, path)
		if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "secret-actor") != actor {
			t.Errorf("the owner asks %s: %d, actor wanted %v: %s", path, w.Code, actor, w.Body)
		}
		w = d.get(reader, path)
		if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "secret-") {
			t.Errorf("the reader asks %s: %d, or it leaks: %s", path, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/writes/w1", "/conflicts/c1"} {
		if page := d.get(reader, path).Body.String(); !strings.Contains(page, "redacted: needs clearance pii") || !strings.Contains(page, "deny-by-default") {
			t.Errorf("%s does not say what was taken out and why: %s", path, page)
		}
	}
	// That a write names an actor is told no more than whom.
	if list := d.get(reader, "/api/v1/writes?feature=cart&key=k").Body.String(); strings.Count(list, `"labels":["pii"],"redacted":{"labels":["pii"],`) != 3 {
		t.Errorf("the list does not tell of each labelled write that it is hidden: %s", list)
	}
	if !strings.Contains(d.get(reader, "/api/v1/writes/w3").Body.String(), "plain-actor") {
		t.Error("a write without labels has nothing to hide")
	}
}
