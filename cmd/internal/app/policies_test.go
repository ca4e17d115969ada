package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"tidemark/cmd/internal/app"
	"tidemark/flags"
	control "tidemark/flags/sqlite"
)

// policyBody is a request to store a policy.
func policyBody(t *testing.T, cedar string, base int64) string {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"definition": map[string]any{"cedar": cedar}, "base": base, "reason": "test"})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

type attempts struct{ Items []flags.Attempt }

// TestPoliciesDecide changes a policy and what a feature declares, and asks at once what
// is read and what is taken in.
func TestPoliciesDecide(t *testing.T) {
	t.Parallel()
	d := open(t)
	admin, operator, reader := d.key("admin", "read"), d.namedKey("operator", "control", "read"), d.namedKey("reader", "read")
	shop, thief := d.namedKey("shop", "publish:cart"), d.namedKey("thief", "publish:*")
	d.declare("pii")
	send := func(key, write string) receipt {
		return read[receipt](t, d.post(key, "/v1/events", event("initiated", write, "cart", `,"actor":"ann","labels":["pii"]`)), http.StatusOK)
	}
	if got := send(thief, "w1"); got.Accepted != 1 {
		t.Fatalf("nothing is declared: %+v", got)
	}
	tells := func(key string) bool {
		return strings.Contains(d.get(key, "/api/v1/writes/w1").Body.String(), `"actor":"ann"`)
	}
	if tells(reader) {
		t.Error("a reader without clearance sees the actor")
	}
	const clearance = `permit (principal == Key::"reader", action == Action::"read_contents", resource) when { resource.labels == ["pii"] };`
	d.do(operator, "PUT", "/api/v1/policies/support", policyBody(t, clearance, 0), http.StatusForbidden, nil)
	var refused struct{ Problems []flags.Problem }
	d.do(admin, "PUT", "/api/v1/policies/support", policyBody(t, "permit (principal,\n actions, resource);", 0), http.StatusBadRequest, &refused)
	if len(refused.Problems) != 1 || refused.Problems[0].Field != "spec.cedar" || !strings.HasPrefix(refused.Problems[0].Message, "line 2, column 2: ") {
		t.Errorf("%+v", refused)
	}
	d.do(admin, "PUT", "/api/v1/policies/support", policyBody(t, clearance, 0), http.StatusCreated, nil)
	if !tells(reader) {
		t.Error("a new policy is not in force at once")
	}
	d.do(admin, "DELETE", "/api/v1/policies/support?base=1&reason=over", "", http.StatusOK, nil)
	if tells(reader) {
		t.Error("a policy that is gone is still in force")
	}
	d.do(admin, "POST", "/api/v1/policies/support/restore", `{"revision":1,"base":2,"reason":"again"}`, http.StatusOK, nil)
	if !tells(reader) {
		t.Error("a policy that came back is not in force")
	}

	d.do(operator, "PUT", "/api/v1/ownership/cart", `{"definition":{"publishers":["shop"]},"reason":"ours"}`, http.StatusCreated, nil)
	if got := send(shop, "w2"); got.Accepted != 1 {
		t.Errorf("the declared publisher: %+v", got)
	}
	for range 3 {
		got := send(thief, "w3")
		if got.Accepted != 0 || len(got.Rejected) != 1 || got.Rejected[0].Code != "not_authorized" || !strings.Contains(got.Rejected[0].Message, "declared-publishers forbids it (version v") {
			t.Fatalf("another service: %+v", got)
		}
	}
	var seen attempts
	d.do(reader, "GET", "/api/v1/policy/attempts?feature=cart", "", http.StatusOK, &seen)
	if len(seen.Items) != 1 {
		t.Fatalf("attempts: %+v", seen)
	}
	if a := seen.Items[0]; a.KeyName != "thief" || a.Action != "publish" || a.Service != "s" || a.Count != 3 || a.EventID != "w3-initiated" ||
		a.Policy != "declared-publishers" || a.PolicyRevision != 0 || !strings.HasPrefix(a.PolicyVersion, "v4@") || a.Last.Before(a.First) {
		t.Errorf("%+v", a)
	}
	table := d.get(reader, "/api/v1/policy/attempts?format=csv").Body.String()
	if !strings.HasPrefix(table, "key,key_id,feature,") || strings.Count(table, "\n") != 2 {
		t.Errorf("as CSV: %s", table)
	}
	if m := d.get(admin, "/metrics").Body.String(); !strings.Contains(m, `tidemark_policy_refused_events_total{action="publish",policy="declared-publishers"} 3`) {
		t.Error("the metric does not count the three")
	}
	// Nobody can lock themselves out: policies have no say in who changes policies.
	d.do(admin, "PUT", "/api/v1/policies/nothing", policyBody(t, `forbid (principal, action, resource);`, 0), http.StatusCreated, nil)
	if tells(reader) || send(shop, "w4").Accepted != 0 {
		t.Error("what forbids everything does not")
	}
	d.do(admin, "DELETE", "/api/v1/policies/nothing?base=1&reason=too+much", "", http.StatusOK, nil)
	if !tells(reader) || send(shop, "w5").Accepted != 1 {
		t.Error("the way back is shut")
	}
}

// TestOwnersDeclareTheirServices is a viewer whose team owns cart.
func TestOwnersDeclareTheirServices(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	ana := d.invite(root, "ana", "viewer")
	root.giveCartToAna()
	put := func(feature string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/api/v1/ownership/"+feature, strings.NewReader(`{"definition":{"consumers":["search"]},"reason":"ours"}`))
		r.Header.Set("Content-Type", "application/json")
		r.AddCookie(&http.Cookie{Name: "tidemark_session", Value: ana.cookies["tidemark_session"]})
		return d.serve(r).Code
	}
	if got := put("feed"); got != http.StatusForbidden {
		t.Errorf("another's feature: %d", got)
	}
	if got := put("cart"); got != http.StatusCreated {
		t.Errorf("their own: %d", got)
	}
}

// TestApplyingPolicies takes the permission admin for documents of kind Policy alone.
func TestApplyingPolicies(t *testing.T) {
	t.Parallel()
	d := open(t)
	admin, operator := d.namedKey("root", "admin", "control", "read"), d.namedKey("operator", "control", "read")
	const doc = "apiVersion: tidemark/v1alpha1\nkind: Policy\nmetadata: {name: support}\nspec:\n  description: \"Support: sees it all\"\n  cedar: |\n    // why: CART-1\n    permit (principal in Team::\"support\", action == Action::\"read_contents\", resource)\n    when { resource.labels.contains(\"pii\") };\n"
	if w := d.post(operator, "/api/v1/documents/apply?reason=x", doc); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "admin") {
		t.Errorf("an operator: %d %s", w.Code, w.Body)
	}
	if w := d.post(admin, "/api/v1/documents/apply?reason=x", doc); w.Code != http.StatusOK {
		t.Fatalf("an administrator: %d %s", w.Code, w.Body)
	}
	if w := d.post(admin, "/api/v1/documents/apply?reason=x", strings.Replace(doc, "labels.contains", "lables.contains", 1)); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "line 3, column 17: attribute `lables`") {
		t.Errorf("a mistake: %d %s", w.Code, w.Body)
	}
	out := d.get(operator, "/api/v1/documents?format=yaml").Body.String()
	if !strings.Contains(out, "  cedar: |\n    // why: CART-1\n    permit (principal in") {
		t.Errorf("exported:\n%s", out)
	}
	w := d.post(admin, "/api/v1/documents/apply?reason=x", out)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"action":"unchanged"`) {
		t.Errorf("what is exported says something else: %d %s", w.Code, w.Body)
	}
}

// TestTryingPolicies asks what somebody may do.
func TestTryingPolicies(t *testing.T) {
	t.Parallel()
	d := open(t)
	admin, reader := d.namedKey("root", "admin", "read"), d.namedKey("reader", "read")
	d.namedKey("shop", "publish:cart")
	d.do(admin, "PUT", "/api/v1/teams/carts", `{"features":["cart"]}`, http.StatusNoContent, nil)
	try := func(key, principal, action string, status int) (out struct {
		Allowed  bool
		Policy   string
		Why      string
		Version  string `json:"policy_version"`
		Policies []struct{ Policy, Says string }
	},
	) {
		t.Helper()
		q := url.Values{"principal": {principal}, "action": {action}, "feature": {"cart"}, "label": {"pii", "tenant:acme"}}
		d.do(key, "GET", "/api/v1/policy/try?"+q.Encode(), "", status, &out)
		return out
	}
	for _, c := range []struct {
		principal, action, policy string // + permits
	}{
		{"me", "read_contents", "deny-by-default"},
		{"role:viewer", "read_contents", "deny-by-default"},
		{"role:operator", "read_contents", "+control"},
		{"team:carts", "read_contents", "+owner"},
		{"scopes:publish:cart,read", "read_contents", "+owner"},
		{"scopes:consume:cart", "publish", "deny-by-default"},
		{"scopes:consume:cart", "consume", "+consume-scope"},
	} {
		name, allowed := strings.CutPrefix(c.policy, "+")
		got := try(reader, c.principal, c.action, http.StatusOK)
		if got.Allowed != allowed || got.Policy != name || got.Why == "" || len(got.Policies) == 0 || !strings.HasPrefix(got.Version, "default@") {
			t.Errorf("%s %s: %+v, want %s", c.principal, c.action, got, c.policy)
		}
	}
	try(reader, "key:shop", "publish", http.StatusForbidden)
	if got := try(admin, "key:shop", "publish", http.StatusOK); got.Policy != "publish-scope" {
		t.Errorf("%+v", got)
	}
	for principal, status := range map[string]int{"key:none": 404, "person:none": 404, "team:none": 404, "role:king": 400, "scopes:": 400, "x": 400} {
		try(admin, principal, "publish", status)
	}
	try(admin, "me", "shred", http.StatusBadRequest)
}

// TestPoliciesChangedElsewhere is another process that works on the same folder.
func TestPoliciesChangedElsewhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openIn(t, dir, app.Options{})
	thief := d.namedKey("thief", "publish:cart")
	send := func() int {
		return read[receipt](t, d.post(thief, "/v1/events", event("initiated", "w1", "cart", "")), http.StatusOK).Accepted
	}
	if send() != 1 {
		t.Fatal("nothing is declared")
	}
	other, err := control.Open(t.Context(), dir+"/"+control.FileName)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	v := flags.DocumentVersion{ID: flags.DocumentID{Kind: flags.KindOwnership, Name: "cart"}, Revision: 1, Status: flags.StatusActive, Content: []byte(`{"publishers":["shop"]}`), At: time.Now()}
	if err := other.ApplyDocuments(t.Context(), flags.Change{Documents: []flags.DocumentChange{{Version: v}}, Actor: "cli:test", At: time.Now(), Action: "document.apply"}); err != nil {
		t.Fatal(err)
	}
	for len(read[receipt](t, d.post(thief, "/v1/events", event("initiated", "w1", "cart", "")), http.StatusOK).Rejected) == 0 {
		if err := t.Context().Err(); err != nil {
			t.Fatalf("never in force: %v", err)
		}
	}
}

// TestAttemptsOutliveTheServer floods with names, and opens the folder again.
func TestAttemptsOutliveTheServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	flood := func(d *door, key string) {
		var all []string
		for i := range 300 {
			all = append(all, event("initiated", fmt.Sprint("w", i), fmt.Sprint("feature-", i), ""))
		}
		read[receipt](t, d.post(key, "/v1/events", "["+strings.Join(all, ",")+"]", "Content-Type: application/json"), http.StatusOK)
	}
	count := func(d *door, key string) (rows int, events int64, rest int64) {
		var got attempts
		d.do(key, "GET", "/api/v1/policy/attempts", "", http.StatusOK, &got)
		for _, a := range got.Items {
			events += a.Count
			if a.Feature == "" {
				rest = a.Count
			}
		}
		return len(got.Items), events, rest
	}
	a, err := app.New(app.Options{Data: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	d := &door{t: t, app: a}
	key, reader := d.namedKey("thief", "publish:cart"), d.namedKey("reader", "read")
	flood(d, key)
	if rows, events, rest := count(d, reader); rows != 201 || events != 300 || rest != 100 {
		t.Errorf("%d rows of %d events, %d beyond", rows, events, rest)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	d = openIn(t, dir, app.Options{})
	flood(d, key)
	if rows, events, rest := count(d, reader); rows != 201 || events != 600 || rest != 200 {
		t.Errorf("after a restart: %d rows of %d events, %d beyond", rows, events, rest)
	}
}

// TestPoliciesOnPages writes, tries, switches and restores policies as an administrator
// does, and looks as a viewer does.
func TestPoliciesOnPages(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	eve := d.invite(root, "eve", "viewer")
	thief := d.namedKey("thief", "consume:cart")
	read[receipt](t, d.post(thief, "/v1/events", event("visible", "w1", "cart", `,"replica":"eu"`)), http.StatusOK)
	read[receipt](t, d.post(thief, "/v1/events", event("initiated", "w1", "cart", "")), http.StatusOK)
	says := func(b *browser, path string, want ...string) {
		t.Helper()
		shown := text(t, b.get(path))
		for _, w := range want {
			if !strings.Contains(shown, w) {
				t.Errorf("%s does not say %q: %.3000s", path, w, shown)
			}
		}
	}
	refused := []string{"Refused by policy", "thief", "service s", "no policy permits", "version default@", "w1-initiated"}
	says(eve, "/policies", append(refused, "The policies are those that come with the program.", "came from thief", "unlabelled", "declared-consumers")...)
	says(eve, "/pipeline", refused...)
	says(eve, "/features/cart", refused...)
	says(eve, "/policies/unlabelled", "unlabelled permits to see contents", "comes with the program", "resource.labels.isEmpty()")
	says(eve, "/policies?principal=role:operator&action=read_contents&feature=cart&labels=pii,+x", "Permitted", "Policy control permits it", "version default@")
	says(eve, "/policies?principal=key:thief&action=publish&feature=cart", "takes the permission admin")
	says(root, "/policies?principal=key:thief&action=publish&feature=cart", "Denied", "No policy permits it")
	for _, path := range []string{"/policies", "/policies/unlabelled"} {
		if strings.Contains(text(t, eve.get(path)), "Reason") {
			t.Errorf("%s offers a viewer to change it", path)
		}
	}
	eve.post(http.StatusForbidden, "/policies", "key", "x", "reason", "x", "cedar", "permit (principal, action, resource);")

	bad := text(t, root.post(http.StatusUnprocessableEntity, "/policies", "key", "support", "reason", "x", "cedar", "permit (principal, action, resource)\r\nwhen { resource.colour };"))
	if !strings.Contains(bad, "spec.cedar line 2, column 17: attribute `colour`") || !strings.Contains(bad, "resource.colour }") {
		t.Errorf("what is wrong, and the text: %.3000s", bad)
	}
	root.post(http.StatusSeeOther, "/policies", "key", "support", "reason", "x", "cedar", "permit (principal in Team::\"support\", action == Action::\"read_contents\", resource)\nwhen {\n  resource.labels == [\"pii\"]\n};")
	root.post(http.StatusSeeOther, "/policies/support", "base", "1", "reason", "y", "cedar", "permit (principal in Team::\"support\", action == Action::\"read_contents\", resource)\nwhen {\n  resource.labels.contains(\"pii\")\n};")
	says(eve, "/policies/support", "revision 2", "cedar, from line 3", "− resource.labels == [\"pii\"]", "+ resource.labels.contains(\"pii\")")
	root.post(http.StatusConflict, "/policies/support", "base", "1", "reason", "late", "cedar", "permit (principal, action, resource);")
	root.post(http.StatusSeeOther, "/policies/support/restore", "revision", "1", "reason", "back")
	says(eve, "/policies/support?revision=1", "restores 1")
	root.post(http.StatusSeeOther, "/policies/unlabelled/switch", "base", "0", "enabled", "no", "switch-reason", "strict")
	says(eve, "/policies", "1 policy was written here, and 1 is switched off.", "Switched off")
	says(eve, "/policies/unlabelled", "unlabelled is switched off", "revision 1, in place of the program’s")
	root.post(http.StatusSeeOther, "/policies/unlabelled/delete", "base", "1", "delete-reason", "lenient")
	says(eve, "/policies/unlabelled", "unlabelled permits to see contents", "comes with the program", "deletes it")
	root.post(http.StatusSeeOther, "/policies/support/delete", "base", "3", "delete-reason", "over")
	says(eve, "/policies/support", "support was deleted: it decides nothing.")
	if w := eve.get("/policies/none"); w.Code != http.StatusNotFound {
		t.Errorf("no such policy: %d", w.Code)
	}
}
