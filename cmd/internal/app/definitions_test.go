package app_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"tidemark/flags/access"
)

// page asks for a page as a browser that is signed in does; form is posted when it is
// not nil.
func (d *door) page(cookie *http.Cookie, path string, form url.Values) *httptest.ResponseRecorder {
	d.t.Helper()
	q := httptest.NewRequestWithContext(d.t.Context(), http.MethodGet, path, http.NoBody)
	if form != nil {
		q = httptest.NewRequestWithContext(d.t.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		q.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	q.Header.Set("Accept", "text/html")
	q.AddCookie(cookie)
	return d.serve(q)
}

// TestAFlagByItsPages: a person makes a flag, gets something wrong, mends it, tries a
// context, turns the flag off, goes back to an earlier revision, and deletes it.
func TestAFlagByItsPages(t *testing.T) {
	t.Parallel()
	d := open(t)
	operator, viewer := d.signIn(access.Operator), d.signIn(access.Viewer)
	const good = `{"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"off"}`
	const targeted = `{"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"off","targeting":{"if":[{"==":[{"var":"plan"},"gold"]},"on","off"]}}`
	step := func(name string, cookie *http.Cookie, path string, form url.Values, status int, say ...string) {
		t.Helper()
		w := d.page(cookie, path, form)
		if w.Code != status {
			t.Fatalf("%s: %d, want %d: %.2000s", name, w.Code, status, w.Body)
		}
		for _, s := range say {
			if !strings.Contains(w.Body.String(), s) {
				t.Errorf("%s: the page does not say %q", name, s)
			}
		}
	}
	step("nothing yet", operator, "/flags", nil, 200, "No flag is defined.", "Create the flag")
	step("a viewer looks", viewer, "/flags", nil, 200, "No flag is defined.")
	step("a viewer may not", viewer, "/flags", url.Values{"key": {"x"}, "definition": {good}, "reason": {"r"}}, 403)
	step("a mistake", operator, "/flags", url.Values{"key": {"express"}, "definition": {`{"state":"ENABLED","variants":{"on":true},"defaultVariant":"of"}`}, "reason": {"try"}}, 422,
		"defaultVariant", "This cannot be stored", "express")
	step("no reason", operator, "/flags", url.Values{"key": {"express"}, "definition": {good}, "reason": {""}}, 400, "reason")
	step("made", operator, "/flags", url.Values{"key": {"express"}, "definition": {good}, "reason": {"try"}}, 303)
	step("its page", operator, "/flags/express", nil, 200, "Everyone gets off of express.", "Disable the flag", "Store as revision 2")
	step("as a viewer sees it", viewer, "/flags/express", nil, 200, "Everyone gets off of express.")
	if w := d.page(viewer, "/flags/express", nil); strings.Contains(w.Body.String(), "Disable the flag") {
		t.Error("a viewer is offered a change")
	}
	step("targeted", operator, "/flags/express", url.Values{"definition": {targeted}, "reason": {"gold first"}, "base": {"1"}}, 303)
	step("tried", operator, "/flags/express?context="+url.QueryEscape(`{"plan":"gold"}`), nil, 200, "TARGETING_MATCH", "variant on")
	step("tried with no JSON", operator, "/flags/express?context=gold", nil, 200, "Want a JSON object")
	step("somebody was faster", operator, "/flags/express", url.Values{"definition": {good}, "reason": {"late"}, "base": {"1"}}, 409,
		"Somebody else changed it meanwhile", "gold first", "late")
	step("off", operator, "/flags/express/switch", url.Values{"state": {"DISABLED"}, "switch-reason": {"trouble"}, "base": {"2"}}, 303)
	step("it is off", operator, "/flags/express", nil, 200, "express is disabled: everyone gets the default in the code.", "Enable the flag")
	step("an earlier revision", operator, "/flags/express?revision=1", nil, 200, "From revision 3 back to 1", "Restore revision 1", `name="base" value="3"`)
	step("restored by who saw it on", operator, "/flags/express/restore", url.Values{"revision": {"2"}, "base": {"2"}, "reason": {"over"}}, 409)
	step("restored", operator, "/flags/express/restore", url.Values{"revision": {"2"}, "base": {"3"}, "reason": {"over"}}, 303)
	step("back", operator, "/flags/express", nil, 200, "express goes by its targeting", "restores 2")
	step("found", operator, "/search?q=expre", nil, 200, "/flags/express")
	step("a cohort", operator, "/cohorts", url.Values{"key": {"nordic"}, "definition": {`{"in":[{"var":"country"},["se","no"]]}`}, "reason": {"for a rollout"}}, 303)
	step("whom it holds", operator, "/cohorts/nordic?context="+url.QueryEscape(`{"country":"se"}`), nil, 200, "is not known yet", "This context is in nordic.")
	step("whom not", operator, "/cohorts/nordic?context="+url.QueryEscape(`{"country":"de"}`), nil, 200, "This context is outside.")
	step("cohorts", viewer, "/cohorts", nil, 200, "1 cohort is defined.", "nordic")
	step("deleted", operator, "/flags/express/delete", url.Values{"delete-reason": {"done"}, "base": {"4"}}, 303)
	step("what is left", operator, "/flags/express", nil, 200, "express was deleted")
	step("unknown", operator, "/flags/nothing", nil, 404)
}
