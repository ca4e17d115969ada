package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tidemark/flags"
)

// TestADocumentKeepsWhatWasEditedSince: the draft that a document made is a rollout like
// others, which people edit. The document then neither goes over what they wrote nor lets
// its owner have back what was given to another feature.
func TestADocumentKeepsWhatWasEditedSince(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	ana := d.invite(root, "ana", "viewer")
	root.giveCartToAna()
	operator := d.namedKey("operator", "control", "read")
	for _, feature := range []string{"cart", "feed"} {
		d.putFlagWith(operator, feature+"-model", `{"feature":"`+feature+`"}`)
	}
	apply := func(want int, spec string) string {
		t.Helper()
		w := ana.say("/api/v1/documents/apply", "apiVersion: tidemark/v1alpha1\nkind: RolloutPlan\nmetadata: {name: carts, title: Carts}\nspec: "+spec+"\n")
		if w.Code != want {
			t.Errorf("%s: %d, want %d: %s", spec, w.Code, want, w.Body)
		}
		return w.Body.String()
	}
	draft := func() flags.Rollout {
		t.Helper()
		var made struct{ Items []flags.Rollout }
		d.do(operator, http.MethodGet, "/api/v1/rollouts", "", http.StatusOK, &made)
		if len(made.Items) != 1 {
			t.Fatalf("%d rollouts", len(made.Items))
		}
		return made.Items[0]
	}
	edit := func(change func(p *flags.Plan)) (r flags.Rollout) {
		t.Helper()
		r = draft()
		change(&r.Plan)
		plan, err := json.Marshal(r.Plan)
		if err != nil {
			t.Fatal(err)
		}
		body := fmt.Sprintf(`{"title":%q,"plan":%s,"revision":%d,"reason":"by hand"}`, r.Title, plan, r.Revision)
		d.do(operator, http.MethodPut, "/api/v1/rollouts/"+r.ID, body, http.StatusOK, &r)
		return r
	}
	const first, later = "{flag: cart-model, feature: cart, candidate: new, control: old}", "{flag: cart-model, feature: cart, candidate: new, control: old, pin_for: 2h}"
	apply(http.StatusOK, first)
	if r := edit(func(*flags.Plan) {}); r.EditedByHand {
		t.Error("an edit that changed nothing counts")
	}
	apply(http.StatusOK, later)
	byHand := edit(func(p *flags.Plan) { p.Deadline = flags.Duration(12 * time.Hour) })
	if said := apply(http.StatusUnprocessableEntity, first); !strings.Contains(said, "rollout "+byHand.ID+", which was made of it, was edited since") {
		t.Errorf("it is refused with %s", said)
	}
	apply(http.StatusOK, later)
	if r := draft(); r.Revision != byHand.Revision || r.Plan.Deadline != byHand.Plan.Deadline {
		t.Errorf("the document went over it: revision %d, a deadline of %d", r.Revision, r.Plan.Deadline)
	}
	same, err := json.Marshal(byHand.Plan)
	if err != nil {
		t.Fatal(err)
	}
	apply(http.StatusOK, string(same))
	if r := draft(); r.EditedByHand || r.Plan.Deadline != byHand.Plan.Deadline {
		t.Errorf("the document has what the draft has, and it is %+v", r)
	}
	apply(http.StatusOK, strings.Replace(later, "2h", "3h, approvals: 2", 1))
	if r := draft(); r.Plan.Approvals != 2 {
		t.Error("a document that caught up changes nothing any more")
	}

	edit(func(p *flags.Plan) { p.Flag, p.Feature = "feed-model", "feed" })
	apply(http.StatusForbidden, later)
	given := draft()
	if given.Plan.Flag != "feed-model" {
		t.Errorf("the owner of cart took the draft back from feed: %s", given.Plan.Flag)
	}
	d.do(operator, http.MethodPost, "/api/v1/rollouts/"+given.ID+"/revert", `{"reason":"not now"}`, http.StatusOK, nil)
	apply(http.StatusOK, later)
}
