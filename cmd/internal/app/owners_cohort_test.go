package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"tidemark/flags"
)

// TestOwnersStageToStoredCohorts: a rollout counts the units of its cohort, so that who may
// not measure rules of their own does not stage to them either. An owner takes a stored
// cohort, or leaves alone what an operator wrote.
func TestOwnersStageToStoredCohorts(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	ana := d.invite(root, "ana", "viewer")
	root.giveCartToAna()
	operator := d.namedKey("operator", "control", "read")
	d.putFlagWith(operator, "cart-model", `{"feature":"cart"}`)
	const beta = "apiVersion: tidemark/v1alpha1\nkind: Cohort\nmetadata: {name: beta}\nspec: {\"var\": beta}\n"
	if w := d.post(operator, "/api/v1/documents/apply?reason=first", beta); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	const (
		theirs  = `{"==":[{"var":"email"},"x"]}`
		another = `{"==":[{"var":"email"},"y"]}`
		stored  = `{"$ref":"beta"}`
	)
	to := func(cohort string) string {
		return strings.Replace(cartPlan, `"steps"`, `"cohort":`+cohort+`,"steps"`, 1)
	}
	var written flags.Rollout
	d.do(operator, http.MethodPost, "/api/v1/rollouts", to(theirs), http.StatusCreated, &written)
	draft := "/rollouts/" + written.ID
	edit := func(cohort string) string {
		return strings.Replace(to(cohort), `"reason"`, fmt.Sprintf(`"revision":%d,"reason"`, written.Revision), 1)
	}
	const apply = "/api/v1/documents/apply"
	plan := func(cohort string) string {
		return "apiVersion: tidemark/v1alpha1\nkind: RolloutPlan\nmetadata: {name: carts}\nspec: {flag: cart-model, feature: cart, candidate: new, control: old, cohort: " + cohort + "}\n"
	}
	for _, c := range []struct {
		name, method, path, body string
		want                     int
	}{
		{"a rule of their own", http.MethodPost, "/api/v1/rollouts", to(theirs), http.StatusForbidden},
		{"a rule around a stored cohort", http.MethodPost, "/api/v1/rollouts", to(`{"and":[` + stored + `,` + theirs + `]}`), http.StatusForbidden},
		{"a stored cohort", http.MethodPost, "/api/v1/rollouts", to(stored), http.StatusCreated},
		{"another rule in a draft", http.MethodPut, "/api/v1" + draft, edit(another), http.StatusForbidden},
		{"the rule that the draft has", http.MethodPut, "/api/v1" + draft, edit(`{"==" : [{"var":"email"}, "x"]}`), http.StatusOK},
		{"a start of a draft with a rule", http.MethodPost, "/api/v1" + draft + "/start", `{"reason":"go","revision":2}`, http.StatusForbidden},
		{"a document with a rule", http.MethodPost, apply, plan(theirs), http.StatusForbidden},
		{"a document with a stored cohort", http.MethodPost, apply, plan(stored), http.StatusOK},
	} {
		w := ana.send(c.method, c.path, c.body)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d: %s", c.name, w.Code, c.want, w.Body)
		}
		if c.want == http.StatusForbidden && !strings.Contains(w.Body.String(), "name a stored cohort") {
			t.Errorf("%s: they are not told what may be: %s", c.name, w.Body)
		}
	}
	if w := d.post(operator, apply, plan(another)); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := ana.say(apply, strings.Replace(plan(another), "candidate", "approvals: 1, candidate", 1)); w.Code != http.StatusOK {
		t.Errorf("the rule that the document has: %d %s", w.Code, w.Body)
	}
	if strings.Contains(text(t, ana.get(draft)), "Start…") || ana.get(draft+"/start").Code != http.StatusForbidden {
		t.Error("they are offered to start a rule of an operator's")
	}
	ana.post(http.StatusForbidden, draft+"/start", "reason", "go", "revision", "2")
	fields := []string{
		"cohort", theirs, "flag", "cart-model", "feature", "cart", "candidate", "new", "control", "old", "reason", "by page", "do", "create",
	}
	form := ana.post(http.StatusBadRequest, "/rollouts/new", fields...)
	if got := text(t, form); !strings.Contains(got, "name a stored cohort") || !strings.Contains(got, theirs) {
		t.Errorf("the form loses the rule, or does not say what may be: %s", got)
	}
	fields[1] = "beta"
	ana.post(http.StatusSeeOther, "/rollouts/new", fields...)
}
