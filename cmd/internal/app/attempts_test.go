package app_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestAttemptsTellNoContents: the id of a refused event whose sender gave none is made of
// all that the event says. By it, readers could try guesses.
func TestAttemptsTellNoContents(t *testing.T) {
	t.Parallel()
	d := open(t)
	shop, reader := d.namedKey("shop", "publish:cart"), d.namedKey("reader", "read")
	send := func(id, feature string) {
		t.Helper()
		body := fmt.Sprintf(`{%s"kind":"initiated","write_id":"w","feature":%q,"actor":"ana","delta":{"iban":"1"},"occurred_at":%d}`, id, feature, time.Now().UnixNano())
		if got := read[receipt](t, d.post(shop, "/v1/events", body, "Content-Type: application/json"), http.StatusOK); len(got.Rejected) != 1 {
			t.Fatalf("%+v", got)
		}
	}
	send("", "feed")
	send(`"event_id":"given-by-its-sender",`, "mail")
	content := regexp.MustCompile("[0-9a-f]{64}")
	cookie := d.signIn("viewer")
	for _, path := range []string{"/api/v1/policy/attempts", "/api/v1/policy/attempts?format=csv", "/api/v1/policy/attempts?feature=feed", "/policies", "/pipeline"} {
		body := d.get(reader, path).Body.String()
		if !strings.HasPrefix(path, "/api") {
			body = d.page(cookie, path, nil).Body.String()
			body = regexp.MustCompile(`(?s)<head>.*?</head>`).ReplaceAllString(body, "") // Names of static files.
		}
		if id := content.FindString(body); id != "" || !strings.Contains(body, "feed") {
			t.Errorf("%s tells %q, or nothing of the attempt: %s", path, id, body)
		}
		if !strings.Contains(path, "feature") && !strings.Contains(body, "given-by-its-sender") {
			t.Errorf("%s does not tell an id that its sender gave", path)
		}
	}
}
