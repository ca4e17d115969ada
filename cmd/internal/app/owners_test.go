package app_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"tidemark/flags"
)

// giveCartToAna makes a team of ana that owns the feature cart.
func (b *browser) giveCartToAna() {
	b.d.t.Helper()
	b.post(http.StatusSeeOther, "/access/teams/new", "name", "shop", "members", "ana", "features", "cart")
}

// putFlagWith makes the flag of cartFlag under a name and with metadata: by that it belongs
// to a feature.
func (d *door) putFlagWith(key, name, metadata string) {
	d.t.Helper()
	body := strings.Replace(cartFlag, `"variants"`, `"metadata":`+metadata+`,"variants"`, 1)
	d.do(key, http.MethodPut, "/api/v1/flags/"+name, body, http.StatusCreated, nil)
}

// TestOwnersStageTheirOwnFlags is a viewer whose team owns cart: a flag that belongs to
// cart is theirs to stage, by page and by API, and to take back from the overview's
// list; one that belongs to nobody, or to others, is not.
func TestOwnersStageTheirOwnFlags(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	ana, eve := d.invite(root, "ana", "viewer"), d.invite(root, "eve", "viewer")
	root.giveCartToAna()
	operator := d.namedKey("operator", "control", "read")
	if w := d.post(operator, "/api/v1/documents/apply?reason=first", promise("feed-fresh", "1.0.0", "feed")); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	d.putFlagWith(operator, "cart-model", `{"feature":"cart"}`)
	d.putFlagWith(operator, "nobody-model", `{}`)
	d.putFlagWith(operator, "feed-model", `{"feature":"feed"}`)
	create := func(b *browser, body string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/rollouts", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.AddCookie(&http.Cookie{Name: "tidemark_session", Value: b.cookies["tidemark_session"]})
		return d.serve(r).Code
	}
	for _, c := range []struct {
		name, body string
		who        *browser
		want       int
	}{
		{"another's flag", strings.Replace(cartPlan, "cart-model", "feed-model", 1), ana, http.StatusForbidden},
		{"nobody's flag", strings.Replace(cartPlan, "cart-model", "nobody-model", 1), ana, http.StatusForbidden},
		{"no such flag", strings.Replace(cartPlan, "cart-model", "no-model", 1), ana, http.StatusForbidden},
		{"another's evidence", strings.Replace(cartPlan, `"feature":"cart"`, `"feature":"feed"`, 1), ana, http.StatusForbidden},
		{"another's promise", strings.Replace(cartPlan, `"feature":"cart"`, `"feature":"cart","guarantee":"feed-fresh"`, 1), ana, http.StatusForbidden},
		{"no plan", "{", ana, http.StatusForbidden},
		{"somebody else", cartPlan, eve, http.StatusForbidden},
		{"their own", cartPlan, ana, http.StatusCreated},
	} {
		if got := create(c.who, c.body); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	// A promise that was moved to cart is theirs; what it was before is not theirs to bring back.
	for _, version := range []string{"1.0.0", "2.0.0"} {
		feature := map[string]string{"1.0.0": "feed", "2.0.0": "cart"}[version]
		if w := d.post(operator, "/api/v1/documents/apply?reason=moved", promise("moved", version, feature)); w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	for completes, want := range map[string]int{"1.0.0": http.StatusForbidden, "2.0.0": http.StatusCreated, "3.0.0": http.StatusBadRequest} {
		for _, named := range []string{`"guarantee":"moved",`, ""} {
			body := strings.Replace(cartPlan, `"feature":"cart"`, named+`"feature":"cart","completes":"`+completes+`"`, 1)
			if got := create(ana, body); got != want {
				t.Errorf("completing %s, with %q: %d, want %d", completes, named, got, want)
			}
		}
	}
	if w := ana.get("/rollouts/new"); w.Code != http.StatusOK || eve.get("/rollouts/new").Code != http.StatusForbidden {
		t.Errorf("the form: %d for the owner", w.Code)
	}
	apply := func(b *browser, verb, plan string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/documents/"+verb, strings.NewReader(plan))
		r.AddCookie(&http.Cookie{Name: "tidemark_session", Value: b.cookies["tidemark_session"]})
		return d.serve(r).Code
	}
	const mine = "apiVersion: tidemark/v1alpha1\nkind: RolloutPlan\nmetadata: {name: carts}\nspec: {flag: cart-model, feature: cart, candidate: new, control: old}\n"
	for _, c := range []struct {
		name, plan string
		who        *browser
		want       int
	}{
		{"a plan for another's flag", strings.Replace(mine, "cart-model", "feed-model", 1), ana, http.StatusForbidden},
		{"a plan for nobody's flag", strings.Replace(mine, "cart-model", "nobody-model", 1), ana, http.StatusForbidden},
		{"a plan with another's evidence", strings.Replace(mine, "feature: cart", "feature: feed", 1), ana, http.StatusForbidden},
		{"a plan beside another's promise", mine + "---\n" + promise("feed-fresh", "1.1.0", "feed"), ana, http.StatusForbidden},
		{"a plan beside a cohort", mine + "---\napiVersion: tidemark/v1alpha1\nkind: Cohort\nmetadata: {name: beta}\nspec: {\"var\": beta}\n", ana, http.StatusForbidden},
		{"a flag of their own", "flags: {cart-model: {state: ENABLED, variants: {old: 1, new: 2}, defaultVariant: new, metadata: {feature: cart}}}\n", ana, http.StatusForbidden},
		{"somebody else's plan", mine, eve, http.StatusForbidden},
		{"their own plan", mine, ana, http.StatusOK},
	} {
		for _, verb := range []string{"plan", "apply"} {
			if got := apply(c.who, verb, c.plan); got != c.want {
				t.Errorf("%s, %s: %d, want %d", c.name, verb, got, c.want)
			}
		}
	}
	fields := []string{
		"flag", "cart-model", "feature", "cart", "candidate", "new", "control", "old", "reason", "by page", "do", "create",
	}
	ana.post(http.StatusSeeOther, "/rollouts/new", fields...)
	ana.post(http.StatusForbidden, "/rollouts/new", append(slices.Clone(fields), "guarantee", "moved", "completes", "1.0.0")...)
	fields[1] = "feed-model"
	ana.post(http.StatusForbidden, "/rollouts/new", fields...)
	var made struct{ Items []flags.Rollout }
	d.do(operator, http.MethodGet, "/api/v1/rollouts", "", http.StatusOK, &made)
	if len(made.Items) != 5 {
		t.Fatalf("%d rollouts; want three by API, one by document and one by page", len(made.Items))
	}
	path := "/rollouts/" + made.Items[4].ID
	ana.post(http.StatusSeeOther, path+"/start", "reason", "go", "revision", "1")
	for _, c := range []struct {
		who   *browser
		offer bool
	}{{ana, true}, {eve, false}} {
		shown := text(t, c.who.get("/rollouts"))
		if strings.Contains(shown, "New rollout") != c.offer || strings.Contains(shown, "Revert…") != c.offer {
			t.Errorf("owner %v: the list says %s", c.offer, shown)
		}
	}
	eve.post(http.StatusForbidden, path+"/revert", "reason", "not mine", "revision", "2")
	ana.post(http.StatusSeeOther, path+"/revert", "reason", "mine", "revision", "2")
}
