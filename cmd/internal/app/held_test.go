package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"tidemark/cmd/internal/app"
)

// hold sends one event, which must be quarantined.
func (d *door) hold(key, kind, write, feature, rest string) {
	d.t.Helper()
	if got := read[quarantineReceipt](d.t, d.post(key, "/v1/events", event(kind, write, feature, rest), "Content-Type: application/json"), http.StatusOK); got.Quarantined != 1 {
		d.t.Fatalf("%s of %s: %+v", kind, write, got)
	}
}

// TestAWriteIsHiddenWhileSomethingOfItIsHeld: the label that nobody declared may be the
// one by which its contents are nobody's business. It holds across a restart, for the write
// of that feature alone, and ends with the quarantine.
func TestAWriteIsHiddenWhileSomethingOfItIsHeld(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openIn(t, dir, app.Options{Limits: often()})
	control, owner, reader := d.namedKey("control", "control", "read", "admin"), d.namedKey("shop", "publish:cart", "read"), d.namedKey("reader", "read")
	other := d.namedKey("feed", "publish:feed")
	const secret = `,"actor":"secret-actor","before_hash":"secret-before"`
	d.conflict(owner, secret+merges, "")
	paths := []string{
		"/api/v1/writes/w1", "/api/v1/writes?feature=cart&key=k", "/api/v1/conflicts/c1", "/v1/conflicts/c1", "/api/v1/conflicts/c1?format=csv",
	}
	shown := func(when string, want bool) {
		t.Helper()
		for who, key := range map[string]string{"the reader": reader, "the owner": owner, "control": control} {
			for _, path := range paths {
				body := d.get(key, path).Body.String()
				// Of w2 nothing is held; what is told of both is its actor.
				told := strings.Contains(body, "secret-one") || strings.Contains(body, "secret-before") || strings.Count(body, "secret-actor") > 1
				if told != want {
					t.Errorf("%s, %s asks %s: shown %v, want %v: %s", when, who, path, told, want, body)
				}
			}
		}
		for _, path := range []string{"/writes/w1", "/conflicts/c1"} {
			body := d.page(d.signIn("viewer"), path, nil).Body.String()
			if strings.Contains(body, "secret-one") != want || strings.Contains(body, "an event of it is in quarantine") == want {
				t.Errorf("%s, the page %s: shown %v, or it does not say why", when, path, !want)
			}
		}
	}
	shown("before", true)
	d.hold(other, "published", "w1", "feed", `,"labels":["odd"]`)
	shown("while another feature's write of that id is held", true)
	d.hold(owner, "committed", "w1", "cart", `,"labels":["odd"]`)
	shown("while an event is held", false)
	if body := d.get(reader, "/api/v1/writes/w1").Body.String(); !strings.Contains(body, `"held":true`) {
		t.Errorf("the API does not say why: %s", body)
	}
	if err := d.app.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	d = openIn(t, dir, app.Options{Limits: often()})
	shown("after a restart", false)
	d.do(control, "POST", "/api/v1/quarantine/discard", `{"feature":"cart","reason":"a misspelt label"}`, http.StatusAccepted, nil)
	d.untilSays(reader, "/api/v1/quarantine/orders", `"done_at":null`, false)
	shown("after it was discarded", true)
}

// TestAHeldEventBearsTheLabelsOfItsWrite: a clearance for its own label alone opens
// neither what the log says of the write nor what else of it is held.
func TestAHeldEventBearsTheLabelsOfItsWrite(t *testing.T) {
	t.Parallel()
	d := openWith(t, app.Options{Limits: often()})
	admin, owner, reader := d.namedKey("admin", "admin", "control", "read"), d.namedKey("shop", "publish:cart", "read"), d.namedKey("reader", "read")
	d.declare("pii")
	d.do(admin, "PUT", "/api/v1/policies/odd", policyBody(t, `permit (principal == Key::"reader", action == Action::"read_contents", resource) when { resource.labels == ["odd"] };`, 0), http.StatusCreated, nil)
	d.hold(owner, "initiated", "alone", "cart", `,"labels":["odd"],"delta":{"n":"secret-alone"}`)
	d.hold(owner, "initiated", "logged", "cart", `,"labels":["odd"],"delta":{"n":"secret-logged"}`)
	d.post(owner, "/v1/events", event("committed", "logged", "cart", `,"labels":["pii"]`), "Content-Type: application/json")
	d.hold(owner, "initiated", "twice", "cart", `,"labels":["odd"],"delta":{"n":"secret-twice"}`)
	d.hold(owner, "committed", "twice", "cart", `,"labels":["odder"]`)
	d.hold(owner, "initiated", "many", "cart", `,"labels":["odd"],"delta":{"n":"secret-many"}`)
	for n := range 9 {
		labels := `"odd"`
		for l := range 31 {
			labels += fmt.Sprintf(`,"l-%d-%d"`, n, l)
		}
		d.hold(owner, "committed", "many", "cart", fmt.Sprintf(`,"event_id":"many-%d","labels":[%s]`, n, labels))
	}
	if body := d.get(owner, "/api/v1/quarantine").Body.String(); strings.Contains(body, "secret-many") {
		t.Errorf("of a write with more labels than are told, contents are: %s", body)
	}
	// Of which write the contents of a conflict's event are, it does not say: nobody is told.
	d.post(owner, "/v1/events", event("initiated", "known", "cart", `,"labels":["pii"]`), "Content-Type: application/json")
	conflict := strings.Replace(event("conflict_detected", "known", "cart", `,"conflict_id":"c1","with":["known","other"],"labels":["odd"],"actor":"secret-conflict","delta":{"n":"secret-conflict"}`), `"write_id":"known",`, "", 1)
	if got := read[quarantineReceipt](t, d.post(owner, "/v1/events", conflict, "Content-Type: application/json"), http.StatusOK); got.Quarantined != 1 {
		t.Fatalf("the conflict: %+v", got)
	}
	for _, path := range []string{"/api/v1/quarantine", "/api/v1/quarantine?format=csv"} {
		for who, key := range map[string]string{"a reader": reader, "the owner": owner, "an administrator": admin} {
			if body := d.get(key, path).Body.String(); !strings.Contains(body, "conflict_detected") || strings.Contains(body, "secret-conflict") {
				t.Errorf("%s tells %s what a conflict's event holds: %s", path, who, body)
			}
		}
		body := d.get(reader, path).Body.String()
		for name, want := range map[string]bool{"secret-alone": true, "secret-logged": false, "secret-twice": false} {
			if strings.Contains(body, name) != want {
				t.Errorf("%s tells %s: %v, want %v: %s", path, name, !want, want, body)
			}
		}
		if body := d.get(owner, path).Body.String(); !strings.Contains(body, "secret-logged") || !strings.Contains(body, "secret-twice") {
			t.Errorf("%s hides from the owner what is theirs: %s", path, body)
		}
	}
}

// TestAConflictsEventIsOfTheWriteThatItNames as its own, held or not: that one bears its
// labels, and is hidden while it is held; those that it met tell of themselves.
func TestAConflictsEventIsOfTheWriteThatItNames(t *testing.T) {
	t.Parallel()
	d := openWith(t, app.Options{Limits: often()})
	owner, reader := d.namedKey("shop", "publish:cart", "read", "admin"), d.namedKey("reader", "read")
	d.post(owner, "/v1/events", "["+event("initiated", "w1", "cart", `,"delta":{"n":"secret-one"}`)+","+event("initiated", "w2", "cart", `,"delta":{"n":"secret-two"}`)+"]", "Content-Type: application/json")
	d.untilSays(reader, "/api/v1/writes/w1", "secret-one", true)
	d.untilSays(reader, "/api/v1/writes/w2", "secret-two", true)
	told := func(when string, want map[string]string) {
		t.Helper()
		for path, want := range want {
			body, got := d.get(reader, path).Body.String(), ""
			for _, says := range []string{"one", "two"} {
				if strings.Contains(body, "secret-"+says) {
					got += says
				}
			}
			if got != want {
				t.Errorf("%s, %s tells %q, want %q: %s", when, path, got, want, body)
			}
		}
	}
	d.post(owner, "/v1/events", event("conflict_detected", "w1", "cart", `,"conflict_id":"c1","with":["w2"]`), "Content-Type: application/json")
	d.untilSays(reader, "/v1/conflicts/c1", "secret-two", true)
	d.hold(owner, "conflict_resolved", "w1", "cart", `,"conflict_id":"c1","with":["w2"],"labels":["odd"]`)
	told("while it is held", map[string]string{"/api/v1/writes/w1": "", "/api/v1/writes/w2": "two", "/v1/conflicts/c1": "", "/api/v1/conflicts/c1": ""})
	d.declare("odd")
	d.untilSays(reader, "/api/v1/conflicts/c1", `"state":"auto"`, true)
	told("when it is counted", map[string]string{"/api/v1/writes/w1": "", "/api/v1/writes/w2": "two", "/v1/conflicts/c1": "", "/api/v1/conflicts/c1": ""})
}

// TestAConflictIsHiddenWhileSomethingOfItIsHeld, also by an event that names none of its
// writes: with what a person made of them, in lists too, across a restart, and for that
// feature alone.
func TestAConflictIsHiddenWhileSomethingOfItIsHeld(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openIn(t, dir, app.Options{Limits: often()})
	control, owner, reader := d.namedKey("control", "control", "read", "admin"), d.namedKey("shop", "publish:cart", "read"), d.namedKey("reader", "read")
	other := d.namedKey("feed", "publish:feed")
	d.do(control, "PUT", "/api/v1/rules/cart-merge", `{"definition":{"version":3,"strategy":"merge"},"base":0,"reason":"first"}`, http.StatusCreated, nil)
	d.conflict(owner, merges, "")
	d.do(control, "POST", "/api/v1/conflicts/c1/decisions", `{"action":"merge","merged":{"note":"secret-merge"},"base":0,"reason":"by phone"}`, http.StatusCreated, nil)
	shown := func(when string, want bool) {
		t.Helper()
		for _, path := range []string{"/api/v1/conflicts/c1", "/v1/conflicts/c1"} {
			body := d.get(reader, path).Body.String()
			if strings.Contains(body, "secret-one") != want || strings.Contains(body, "secret-merge") != want {
				t.Errorf("%s, %s: shown %v, want %v: %s", when, path, !want, want, body)
			}
		}
		body := d.page(d.signIn("viewer"), "/conflicts/c1", nil).Body.String()
		if strings.Contains(body, "secret-one") != want || strings.Contains(body, "secret-merge") != want || strings.Contains(body, "an event of it is in quarantine") == want {
			t.Errorf("%s, the page: shown %v, or it does not say why", when, !want)
		}
		if body := d.get(reader, "/api/v1/conflicts?feature=cart").Body.String(); strings.Contains(body, `"held":true`) == want {
			t.Errorf("%s, the list says held: %v: %s", when, want, body)
		}
	}
	held := func(key, feature, rest string) {
		t.Helper()
		e := strings.Replace(event("conflict_resolved", "none", feature, `,"conflict_id":"c1","labels":["odd"]`+rest), `"write_id":"none",`, "", 1)
		if got := read[quarantineReceipt](t, d.post(key, "/v1/events", e, "Content-Type: application/json"), http.StatusOK); got.Quarantined != 1 {
			t.Fatalf("of %s: %+v", feature, got)
		}
	}
	shown("before", true)
	held(other, "feed", `,"with":["w8","w9"]`)
	shown("while another feature's conflict of that id is held", true)
	held(owner, "cart", `,"with":["w8","w9"]`)
	shown("while an event is held", false)
	if err := d.app.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	d = openIn(t, dir, app.Options{Limits: often()})
	shown("after a restart", false)
	d.do(control, "POST", "/api/v1/quarantine/discard", `{"feature":"cart","reason":"a misspelt label"}`, http.StatusAccepted, nil)
	d.untilSays(reader, "/api/v1/quarantine/orders", `"done_at":null`, false)
	shown("after it was discarded", true)
}
