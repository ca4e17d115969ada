package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

func TestWebhooksAreAddedTestedChangedAndRemovedOnPages(t *testing.T) {
	t.Parallel()
	root := openQuick(t).root()
	const add, address = "/alerts/webhooks/new", "https://hooks.example.com/a/secret/path"
	w := root.post(http.StatusBadRequest, add, "name", "on-call", "url", "gopher://x", "severities", "all")
	if !strings.Contains(text(t, w), "Nothing was changed") || !strings.Contains(w.Body.String(), `value="gopher://x"`) {
		t.Errorf("what was typed is gone, or it is not said what was wrong: %s", text(t, w))
	}
	root.post(http.StatusBadRequest, add, "name", "on-call", "url", address, "severities", "some")

	made, err := goquery.NewDocumentFromReader(root.post(http.StatusOK, add, "name", "on-call", "url", address, "severities", "page").Body)
	if err != nil {
		t.Fatal(err)
	}
	secret, hook := made.Find("#new-secret").Text(), made.Find("a.btn.primary").AttrOr("href", "")
	if !strings.HasPrefix(secret, "whsec_") || !strings.HasPrefix(hook, "/alerts/webhooks/") {
		t.Fatalf("secret %q, page %q", secret, hook)
	}
	shows := func(wants ...string) {
		t.Helper()
		w := root.get(hook)
		if strings.Contains(w.Body.String(), secret) {
			t.Error("the secret is shown again")
		}
		for _, want := range wants {
			if got := text(t, w); !strings.Contains(got, want) {
				t.Errorf("the page does not say %q: %s", want, got)
			}
		}
	}
	shows("Nothing was sent to on-call yet", "pages only", address)
	if list := root.get("/alerts"); !strings.Contains(list.Body.String(), hook) || strings.Contains(list.Body.String(), "secret/path") {
		t.Error("the list does not lead to the webhook, or shows its whole address")
	}

	root.post(http.StatusBadRequest, hook+"/edit", "name", "on-call", "url", address, "severities", "all", "enabled", "off")
	root.post(http.StatusSeeOther, hook+"/edit", "name", "on-call", "url", address, "severities", "all", "checkpoints", "yes", "enabled", "off", "reason", "holiday")
	shows("It is switched off", "pages and tickets, and signed heads of the audit log")
	root.post(http.StatusSeeOther, hook+"/edit", "name", "on-call", "url", address, "severities", "all", "checkpoints", "no", "enabled", "on", "reason", "back")
	if got := text(t, root.get(hook)); strings.Contains(got, "signed heads") {
		t.Errorf("signed heads are still sent: %s", got)
	}

	root.post(http.StatusSeeOther, hook+"/test")
	sent, err := goquery.NewDocumentFromReader(root.get(hook).Body)
	if err != nil {
		t.Fatal(err)
	}
	if rows := sent.Find("#deliveries tbody tr"); rows.Length() != 1 || !strings.Contains(rows.Text(), "test") {
		t.Errorf("after a test: %d deliveries: %s", rows.Length(), rows.Text())
	}

	root.post(http.StatusBadRequest, hook+"/remove")
	root.post(http.StatusSeeOther, hook+"/remove", "reason", "nobody reads it")
	if w := root.get(hook); w.Code != http.StatusNotFound {
		t.Errorf("the removed webhook's page: %d", w.Code)
	}
}
