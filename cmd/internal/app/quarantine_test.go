package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"tidemark/cmd/internal/app"
	"tidemark/flags/access"
	"tidemark/metrics"
	"tidemark/metrics/ingest"
)

type quarantineReceipt struct {
	Accepted, Quarantined int
	Quarantine            struct {
		Labels  []string
		Message string
	}
	Rejected []struct{ Code, Message string }
}

// untilSays asks until an answer says something, or no longer does.
func (d *door) untilSays(key, path, says string, want bool) (body string) {
	d.t.Helper()
	d.until(fmt.Sprintf("%s: says %q: %v", path, says, want), func() bool {
		body = d.get(key, path).Body.String()
		return strings.Contains(body, says) == want
	})
	return body
}

// TestUnknownLabelsAreQuarantined sends writes with a label that nobody declared, across a
// restart, and lets them go by declaring it, by order, and not at all.
func TestUnknownLabelsAreQuarantined(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openIn(t, dir, app.Options{Limits: often()})
	control, owner, reader := d.key("control", "read", "admin"), d.namedKey("shop", "publish:cart", "read"), d.key("read")
	const secret = `,"actor":"secret-actor","delta":{"iban":"secret-delta"},"before_hash":"secret-before","after_hash":"secret-after","more":"secret-more"`
	send := func(write, labels string) quarantineReceipt {
		t.Helper()
		return read[quarantineReceipt](t, d.post(owner, "/v1/events", event("initiated", write, "cart", secret+`,"labels":`+labels), "Content-Type: application/json"), http.StatusOK)
	}
	got := send("w1", `["card data","pii"]`)
	if got.Accepted != 0 || got.Quarantined != 1 || len(got.Quarantine.Labels) != 2 || !strings.Contains(got.Quarantine.Message, "PUT /api/v1/labels/card%20data") {
		t.Fatalf("%+v", got)
	}
	send("w2", `["pii"]`)
	if s := d.get(owner, "/api/v1/writes/w1"); s.Code != http.StatusNotFound {
		t.Errorf("a write in quarantine is shown: %d %s", s.Code, s.Body)
	}
	if s := d.get(reader, "/api/v1/features").Body.String(); strings.Contains(s, `"cart"`) {
		t.Errorf("the features count what is in quarantine: %s", s)
	}
	for _, path := range []string{
		"/api/v1/quarantine", "/api/v1/quarantine?format=csv", "/api/v1/quarantine?feature=cart&label=pii&limit=1",
		"/api/v1/quarantine/counts", "/api/v1/quarantine/counts?format=csv", "/quarantine", "/pipeline", "/features/cart", "/labels", "/labels/pii", "/violations",
	} {
		if w := d.get(reader, path); strings.Contains(w.Body.String(), "secret-") {
			t.Errorf("the reader asks %s, and it leaks: %s", path, w.Body)
		}
	}
	if s := d.get(owner, "/api/v1/quarantine").Body.String(); !strings.Contains(s, "secret-delta") || !strings.Contains(s, `"unknown":["card data","pii"]`) {
		t.Errorf("its owner does not see it: %s", s)
	}
	d.do(owner, "POST", "/api/v1/quarantine/release", `{"reason":"mine"}`, 403, nil)
	d.do(control, "POST", "/api/v1/quarantine/release", `{"reason":""}`, 400, nil)
	d.do(control, "POST", "/api/v1/quarantine/release", `{"label":"none","reason":"why"}`, 404, nil)

	if err := d.app.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	d = openIn(t, dir, app.Options{Limits: often()})
	d.untilSays(reader, "/api/v1/quarantine/counts", `"events":2,`, true)
	d.do(control, "PUT", "/api/v1/labels/pii", `{"definition":{"services":[]},"reason":"declared"}`, 201, nil)
	d.untilSays(owner, "/api/v1/writes/w2", `"write_id":"w2"`, true)
	d.untilSays(reader, "/api/v1/quarantine/counts", `"events":1,`, true)
	d.do(control, "POST", "/api/v1/quarantine/release", `{"feature":"cart","label":"card data","reason":"we know it"}`, 202, nil)
	d.untilSays(owner, "/api/v1/writes/w1", `"write_id":"w1"`, true)

	if got = send("w3", `["card data"]`); got.Quarantined != 1 {
		t.Fatalf("an order is about what was held: %+v", got)
	}
	d.do(control, "POST", "/api/v1/quarantine/discard", `{"feature":"cart","reason":"a test"}`, 202, nil)
	d.untilSays(reader, "/api/v1/quarantine/orders", `"done_at":null`, false)
	d.untilSays(reader, "/api/v1/quarantine", `{"items":[]}`, true)
	if s := d.get(owner, "/api/v1/writes/w3"); s.Code != http.StatusNotFound {
		t.Errorf("a discarded write is shown: %d %s", s.Code, s.Body)
	}
	audit := d.get(control, "/api/v1/audit?action=quarantine.*").Body.String()
	for _, want := range []string{"quarantine.release", "we know it", "quarantine/cart/card data", "quarantine.discard"} {
		if !strings.Contains(audit, want) {
			t.Errorf("the audit log does not say %q: %s", want, audit)
		}
	}
}

func TestAFullQuarantineAndOpenTelemetry(t *testing.T) {
	t.Parallel()
	d := openWith(t, app.Options{Ingest: ingest.Options{Quarantine: ingest.Quarantine{Most: metrics.HeldTotal{Events: 1, Bytes: 1 << 20}}}})
	owner := d.namedKey("shop", "publish:cart")
	const logs = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"tidemark.initiated","timeUnixNano":"%d","attributes":[
		{"key":"tidemark.write.id","value":{"stringValue":"o1"}},{"key":"tidemark.feature","value":{"stringValue":"cart"}},{"key":"tidemark.labels","value":{"stringValue":"odd"}}]}]}]}]}`
	at := event("initiated", "x", "cart", "")
	at = at[strings.Index(at, `"occurred_at":`)+len(`"occurred_at":`) : len(at)-1]
	w := d.post(owner, "/v1/logs", strings.Replace(logs, "%d", at, 1), "Content-Type: application/json")
	if s := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(s, `"rejectedLogRecords":"0"`) || !strings.Contains(s, "nobody declared label") {
		t.Errorf("%d %s", w.Code, s)
	}
	got := read[quarantineReceipt](t, d.post(owner, "/v1/events", event("initiated", "w1", "cart", `,"labels":["odd"]`), "Content-Type: application/json"), http.StatusOK)
	if got.Quarantined != 0 || len(got.Rejected) != 1 || got.Rejected[0].Code != "quarantine_full" {
		t.Errorf("%+v", got)
	}
}

// TestAWrongOrderIsToldBesideItsForm keeps what was typed, and says what was wrong.
func TestAWrongOrderIsToldBesideItsForm(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	d.post(d.namedKey("shop", "publish:cart"), "/v1/events", event("initiated", "w1", "cart", `,"labels":["odd"]`), "Content-Type: application/json")
	for _, c := range []struct {
		label, reason, want string
		status              int
	}{
		{"odd", " ", "stored:reason: is empty; say why", http.StatusBadRequest},
		{"odd", strings.Repeat("x", 501), "must be UTF-8 text of at most 500 characters", http.StatusBadRequest},
		{"other", "sure", "No event in quarantine is like that", http.StatusNotFound},
	} {
		doc, err := goquery.NewDocumentFromReader(root.post(c.status, "/quarantine/discard", "discard-label", c.label, "discard-reason", c.reason).Body)
		if err != nil {
			t.Fatal(err)
		}
		form := doc.Find(`form[action="/quarantine/discard"]`)
		if got := strings.Join(strings.Fields(form.Find(".problems").Text()), " "); !strings.Contains(got, c.want) {
			t.Errorf("beside the form: %q; want %q", got, c.want)
		}
		if form.Find(`[name="discard-label"]`).AttrOr("value", "") != c.label || form.Find(`[name="discard-reason"]`).AttrOr("value", "") != c.reason {
			t.Error("what was typed is gone")
		}
		if n := doc.Find(`form[action="/quarantine/release"] .problems`).Length(); n != 0 {
			t.Error("the other form has problems too")
		}
	}
	root.post(http.StatusSeeOther, "/quarantine/discard", "discard-label", "odd", "discard-reason", "a test")
}

// TestManyUndeclaredLabels: who reports sends as many labels as they like, and no page or
// answer grows with them.
func TestManyUndeclaredLabels(t *testing.T) {
	t.Parallel()
	d := openWith(t, app.Options{Limits: often()})
	key := d.namedKey("all", "publish:*", "read")
	var body []string
	for i := range 50 {
		labels := `"often"`
		for n := range 30 {
			labels += fmt.Sprintf(`,"label-%02d-%02d"`, i, n)
		}
		body = append(body, event("initiated", fmt.Sprint("w", i), "cart", `,"labels":[`+labels+`]`))
	}
	receipt := d.post(key, "/v1/events", "["+strings.Join(body, ",")+"]", "Content-Type: application/json").Body.String()
	counts := d.get(key, "/api/v1/quarantine/counts?feature=cart").Body.String()
	for what, got := range map[string]string{"the receipt": receipt, "the counts": counts} {
		if n := strings.Count(got, `"label-`); n < 900 || n > 1000+5 {
			t.Errorf("%s names %d labels", what, n)
		}
	}
	if !strings.Contains(counts, `{"feature":"cart","label":"often","events":50,`) || !strings.Contains(counts, `"more":true`) || strings.Contains(d.get(key, "/api/v1/quarantine/counts?feature=feed").Body.String(), "often") {
		t.Errorf("the counts: %s", counts)
	}
	for path, want := range map[string]string{
		"/quarantine":    "Those with most events are shown; there are others.",
		"/quarantine?":   " and at least 197 more.", // its answer, of the 200 that it looks at
		"/labels":        "At least 200 labels that nobody declared keep events in quarantine.",
		"/access":        "Not declared",
		"/features/cart": "",
	} {
		page := d.page(d.signIn(access.Viewer), path, nil).Body.String()
		if n := strings.Count(page, "?label=label-"); n > 200 || !strings.Contains(page, want) {
			t.Errorf("%s names %d labels: %.3000s", path, n, page)
		}
	}
}
