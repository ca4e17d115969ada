package app_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tidemark/flags"
)

// say posts JSON with a person's session.
func (b *browser) say(path, body string) *httptest.ResponseRecorder {
	b.d.t.Helper()
	return b.send(http.MethodPost, path, body)
}

// send sends JSON with a person's session.
func (b *browser) send(method, path, body string) *httptest.ResponseRecorder {
	b.d.t.Helper()
	r := httptest.NewRequestWithContext(b.d.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.AddCookie(&http.Cookie{Name: "tidemark_session", Value: b.cookies["tidemark_session"]})
	return b.d.serve(r)
}

// TestARolloutIsOfAllWhoseFeaturesItIsAbout: a flag of checkout, by the evidence of cart.
// Neither team widens it for the other's users; either takes it back, which must not wait.
func TestARolloutIsOfAllWhoseFeaturesItIsAbout(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	people := map[string]*browser{}
	for _, name := range []string{"cart", "checkout", "feed", "both"} {
		people[name] = d.invite(root, name, "viewer")
	}
	for feature, members := range map[string]string{"cart": "cart both", "checkout": "checkout both", "feed": "feed"} {
		root.post(http.StatusSeeOther, "/access/teams/new", "name", feature, "members", members, "features", feature)
	}
	operator := d.namedKey("operator", "control", "read")
	d.putFlagWith(operator, "cart-model", `{"feature":"checkout"}`)
	all := []string{"approve", "start", "pause", "resume", "advance", "complete", "sign-off", "break-pins", "revert"}
	r := d.begin(operator, cartPlan)
	page, api := "/rollouts/"+r.ID, "/api/v1/rollouts/"+r.ID
	for name, may := range map[string]string{"cart": "pause revert", "checkout": "pause revert", "feed": "", "both": strings.Join(all, " ")} {
		who := people[name]
		shown := text(t, who.get(page))
		for _, verb := range all {
			allowed := strings.Contains(may, verb)
			if got := who.get(page + "/" + verb).Code; (got == http.StatusOK) != allowed {
				t.Errorf("%s, the form of %s: %d", name, verb, got)
			}
			// Without a reason or at an old revision nothing is done, by whom it may be asked.
			if got := who.do(http.MethodPost, page+"/"+verb, values([]string{"revision", "1"})).Code; (got == http.StatusForbidden) == allowed {
				t.Errorf("%s, %s by page: %d", name, verb, got)
			}
			if got := who.say(api+"/"+verb, `{"revision":1,"reason":"look"}`).Code; (got == http.StatusForbidden) == allowed {
				t.Errorf("%s, %s by API: %d", name, verb, got)
			}
			offer := strings.ToUpper(verb[:1]) + verb[1:] + "…"
			if !allowed && strings.Contains(shown, offer) {
				t.Errorf("%s is offered %s and may not do it", name, verb)
			}
		}
		for _, offer := range []string{"Pause…", "Revert…"} {
			if strings.Contains(shown, offer) != (may != "") {
				t.Errorf("%s: %q is offered to the wrong people", name, offer)
			}
		}
		if strings.Contains(text(t, who.get("/rollouts")), "Revert…") != (may != "") {
			t.Errorf("%s: the list offers the way back to the wrong people", name)
		}
	}
	if w := people["checkout"].say(api+"/revert", `{"reason":"our users complain"}`); w.Code != http.StatusOK {
		t.Errorf("the flag's own team cannot take it back: %d %s", w.Code, w.Body)
	}
	var after flags.Rollout
	d.do(operator, http.MethodGet, api, "", http.StatusOK, &after)
	if after.State != flags.RolloutReverting && after.State != flags.RolloutReverted {
		t.Errorf("it is %s", after.State)
	}
}
