package app_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

// seen is what the form on a page says that it was made of.
func seen(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(w.Body.String()))
	check(t, err)
	v, ok := doc.Find("main input[name=seen]").Attr("value")
	if !ok {
		t.Fatal("the form does not say what it was made of")
	}
	return v
}

// TestFormsGoOverNothingUnseen: a form that was opened before somebody else changed the same
// thing says so and changes nothing; sent again it goes over what was shown.
func TestFormsGoOverNothingUnseen(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	d.invite(root, "ana", "viewer")
	d.invite(root, "eve", "viewer")
	root.post(http.StatusSeeOther, "/access/teams/new", "name", "shop", "members", "ana eve", "features", "cart")
	hook := root.post(http.StatusOK, "/alerts/webhooks/new", "name", "on-call", "url", "https://hooks.example.com/a", "severities", "all", "reason", "try")
	doc, err := goquery.NewDocumentFromReader(hook.Body)
	check(t, err)
	path, _ := doc.Find("a.btn.primary").Attr("href")
	for _, c := range []struct {
		path          string
		mine, theirs  []string
		page, is, not string
	}{
		{
			"/access/teams/shop/edit",
			[]string{"about", "Carts", "members", "ana eve", "features", "cart", "reason", "a description"},
			[]string{"members", "ana", "features", "cart", "reason", "eve left"},
			"/access/teams/shop", "ana", "eve",
		},
		{
			path + "/edit",
			[]string{"name", "on call", "url", "https://hooks.example.com/a", "severities", "all", "checkpoints", "no", "enabled", "on", "reason", "a name"},
			[]string{"name", "on-call", "url", "https://hooks.example.com/b", "severities", "all", "checkpoints", "no", "enabled", "off", "reason", "it leaks"},
			path, "https://hooks.example.com/b", "https://hooks.example.com/a",
		},
	} {
		form := append(c.mine, "seen", seen(t, root.get(c.path)))
		root.post(http.StatusSeeOther, c.path, append(c.theirs, "seen", form[len(form)-1])...)
		again := root.post(http.StatusConflict, c.path, form...)
		if got := text(t, again); !strings.Contains(got, "changed by someone else") {
			t.Errorf("%s: it is not said why: %s", c.path, got)
		}
		if got := text(t, root.get(c.page)); !strings.Contains(got, c.is) || strings.Contains(got, c.not) {
			t.Errorf("%s: what somebody else changed is undone: %s", c.path, got)
		}
		form[len(form)-1] = seen(t, again)
		root.post(http.StatusSeeOther, c.path, form...)
	}
}
