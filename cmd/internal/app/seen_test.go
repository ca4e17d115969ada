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

// TestAProgramGoesOverNoWebhookUnseen: as with teams.
func TestAProgramGoesOverNoWebhookUnseen(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	admin := d.namedKey("terraform", "control")
	var hook struct{ ID, Name, Seen string }
	d.do(admin, http.MethodPost, "/api/v1/webhooks", `{"name":"on-call","url":"https://hooks.example.com/a"}`, http.StatusCreated, &hook)
	path, first := "/api/v1/webhooks/"+hook.ID, hook.Seen
	d.do(admin, http.MethodPut, path, `{"name":"on-call","url":"https://hooks.example.com/b","enabled":false,"seen":"`+first+`"}`, http.StatusOK, &hook)
	d.do(admin, http.MethodPut, path, `{"name":"at night","url":"https://hooks.example.com/a","seen":"`+first+`"}`, http.StatusConflict, nil)
	d.do(admin, http.MethodPut, path, `{"name":"by day","url":"https://hooks.example.com/b","seen":"`+hook.Seen+`"}`, http.StatusOK, &hook)
	d.do(admin, http.MethodPut, path, `{"name":"whatever","url":"https://hooks.example.com/b"}`, http.StatusOK, &hook)
	if hook.Name != "whatever" || hook.Seen == first {
		t.Errorf("the webhook is %+v", hook)
	}
}

// TestAProgramGoesOverNoTeamUnseen: who says what a team was that it replaces, does not give
// back whom somebody else took out; who does not, replaces whatever is there.
func TestAProgramGoesOverNoTeamUnseen(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	d.invite(root, "ana", "viewer")
	d.invite(root, "eve", "viewer")
	admin := d.namedKey("terraform", "admin", "read")
	var teams struct {
		Items []struct {
			Seen    string
			Members []struct{ Name string }
		}
	}
	put := func(body string, want int) string {
		return d.do(admin, http.MethodPut, "/api/v1/teams/shop", body, want, nil)
	}
	put(`{"members":["ana"],"seen":"0011223344556677"}`, http.StatusConflict) // There is none.
	put(`{"members":["ana","eve"],"features":["cart"]}`, http.StatusNoContent)
	d.do(admin, http.MethodGet, "/api/v1/teams", "", http.StatusOK, &teams)
	seen := teams.Items[0].Seen
	put(`{"members":["ana"],"features":["cart"],"seen":"`+seen+`"}`, http.StatusNoContent)
	if said := put(`{"about":"Carts","members":["ana","eve"],"features":["cart"],"seen":"`+seen+`"}`, http.StatusConflict); !strings.Contains(said, "ana") || strings.Contains(said, "eve") {
		t.Errorf("it is not said what the team is now: %s", said)
	}
	d.do(admin, http.MethodGet, "/api/v1/teams", "", http.StatusOK, &teams)
	if m := teams.Items[0].Members; len(m) != 1 || m[0].Name != "ana" {
		t.Errorf("the members are %+v", m)
	}
	put(`{"about":"Carts","members":["ana"],"features":["cart"],"seen":"`+teams.Items[0].Seen+`"}`, http.StatusNoContent)
	put(`{"members":["eve"]}`, http.StatusNoContent)
}
