package app_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/cmd/internal/app"
	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/flagset"
	"tidemark/flags/rollout"
	control "tidemark/flags/sqlite"
	"tidemark/tests/plainsql"
)

// detail is what the API says of one rollout.
type detail struct {
	flags.Rollout
	Pinned     []flagset.Pinned
	Controller rollout.Health
}

func (d *door) detail(key, id string) (r detail) {
	d.t.Helper()
	d.do(key, http.MethodGet, "/api/v1/rollouts/"+id, "", http.StatusOK, &r)
	return r
}

// act asks for an action at the revision that is current.
func (d *door) act(key, id, verb string, status int) string {
	d.t.Helper()
	body := fmt.Sprintf(`{"reason":"because","revision":%d}`, d.detail(key, id).Revision)
	return d.do(key, http.MethodPost, "/api/v1/rollouts/"+id+"/"+verb, body, status, nil)
}

// turn lets the controller look once, now.
func (d *door) turn() {
	d.t.Helper()
	if err := d.app.Rollouts().Tick(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

func with(plan, more string) string { return strings.Replace(plan, `"plan":{`, `"plan":{`+more+`,`, 1) }

// TestApprovalsOverHTTP: an author's own yes is refused, however they came to be one; a
// change takes the yes of others away; each person counts once, and a key as nobody.
func TestApprovalsOverHTTP(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	ann, bo, cy, di := d.invite(root, "ann", "operator"), d.invite(root, "bo", "operator"), d.invite(root, "cy", "operator"), d.invite(root, "di", "operator")
	key := d.namedKey("deploy", "control", "read")
	d.do(key, http.MethodPut, "/api/v1/flags/cart-model", cartFlag, http.StatusCreated, nil)
	plan := with(cartPlan, `"approvals":2`)
	r := read[flags.Rollout](t, ann.say("/api/v1/rollouts", plan), http.StatusCreated)
	path := "/api/v1/rollouts/" + r.ID
	act := func(b *browser, verb string, want int) string {
		t.Helper()
		w := b.say(path+"/"+verb, fmt.Sprintf(`{"reason":"because","revision":%d}`, d.detail(key, r.ID).Revision))
		if w.Code != want {
			t.Errorf("%s: %d, want %d: %s", verb, w.Code, want, w.Body)
		}
		return w.Body.String()
	}
	edit := func(b *browser, plan string, want int) {
		t.Helper()
		body := strings.Replace(plan, `"reason"`, fmt.Sprintf(`"revision":%d,"reason"`, d.detail(key, r.ID).Revision), 1)
		if w := b.send(http.MethodPut, path, body); w.Code != want {
			t.Errorf("edit: %d, want %d: %s", w.Code, want, w.Body)
		}
	}
	if told := act(ann, "approve", http.StatusUnprocessableEntity); !strings.Contains(told, "somebody else approves it") {
		t.Errorf("an author's own approval: %s", told)
	}
	if told := d.act(key, r.ID, "approve", http.StatusUnprocessableEntity); !strings.Contains(told, "only people approve") {
		t.Errorf("the approval of a key, which the author may hold: %s", told)
	}
	edit(ann, with(cartPlan, `"approvals":0`), http.StatusUnprocessableEntity)
	act(cy, "approve", http.StatusOK)
	edit(bo, plan, http.StatusOK)
	if got := d.detail(key, r.ID); len(got.Approvals) != 0 {
		t.Errorf("approvals of another plan are kept: %+v", got.Approvals)
	}
	act(bo, "approve", http.StatusUnprocessableEntity) // Who changed it wrote it too.
	act(cy, "start", http.StatusOK)
	act(cy, "approve", http.StatusOK)
	act(cy, "approve", http.StatusUnprocessableEntity)
	d.turn()
	if got := d.detail(key, r.ID); got.State != flags.RolloutWaiting || got.Decision.Why != "Waits for 1 more approval." {
		t.Errorf("with one of two approvals %s: %s", got.State, got.Decision.Why)
	}
	act(di, "approve", http.StatusOK)
	d.turn()
	if got := d.detail(key, r.ID); got.State != flags.RolloutRunning || len(got.Approvals) != 2 {
		t.Errorf("with both %s: %s", got.State, got.Decision.Why)
	}
}

// TestSchedulesAndFreezesOverHTTP: it waits for its time, begins by itself, does not widen
// in a freeze, by nobody's hand, and goes back in it when somebody says so.
func TestSchedulesAndFreezesOverHTTP(t *testing.T) {
	t.Parallel()
	var c clock
	d := openWith(t, app.Options{Now: c.now})
	operator, services := d.namedKey("operator", "control", "read"), d.namedKey("services", "evaluate")
	d.do(operator, http.MethodPut, "/api/v1/flags/cart-model", cartFlag, http.StatusCreated, nil)
	begins := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	window := fmt.Sprintf(`"start_at":%q,"freeze":[{"from":%q,"until":%q,"reason":"the sale"}]`,
		begins.Format(time.RFC3339), begins.Add(time.Minute).Format(time.RFC3339), begins.Add(time.Hour).Format(time.RFC3339))
	r := d.begin(operator, with(cartPlan, window))
	if r.State != flags.RolloutWaiting || d.newVariants(services, 20) != 0 {
		t.Fatalf("before its time %s", r.State)
	}
	cookie := d.signIn(access.Operator)
	if w := d.page(cookie, "/rollouts/"+r.ID, nil); !strings.Contains(w.Body.String(), "Starts at "+begins.Format("2006-01-02 15:04")) && !strings.Contains(w.Body.String(), "starts in") {
		t.Errorf("the page does not say when it starts: %.3000s", w.Body)
	}
	c.ahead.Store(int64(time.Hour + time.Second))
	d.turn()
	if got := d.detail(operator, r.ID); got.State != flags.RolloutRunning || d.newVariants(services, 40) == 0 {
		t.Fatalf("at its time %s: %s", got.State, got.Decision.Why)
	}
	c.ahead.Store(int64(time.Hour + 2*time.Minute))
	if told := d.act(operator, r.ID, "advance", http.StatusUnprocessableEntity); !strings.Contains(told, "the sale") || !strings.Contains(told, "Reverting is possible") {
		t.Errorf("widening in a freeze: %s", told)
	}
	d.act(operator, r.ID, "revert", http.StatusOK)
	if n := d.newVariants(services, 40); n != 0 {
		t.Errorf("%d of 40 have the candidate after a revert in a freeze", n)
	}
}

// TestARolloutWithoutDataOverHTTP: no event ever comes. It holds and says so, its bake
// clock stands still, and it goes back after no_data_after.
func TestARolloutWithoutDataOverHTTP(t *testing.T) {
	t.Parallel()
	var c clock
	d := openWith(t, app.Options{Now: c.now})
	operator, services := d.namedKey("operator", "control", "read"), d.namedKey("services", "evaluate")
	d.do(operator, http.MethodPut, "/api/v1/flags/cart-model", cartFlag, http.StatusCreated, nil)
	r := d.begin(operator, with(cartPlan, `"no_data_after":"3m"`))
	pass := func(seconds int) {
		for range seconds / 5 { // A tick that comes late counts for five seconds.
			c.ahead.Add(int64(5 * time.Second))
			d.turn()
		}
	}
	pass(150)
	got := d.detail(operator, r.ID)
	if got.State != flags.RolloutRunning || got.Step != 0 || got.Baked != 0 || !strings.Contains(got.Decision.Why, "No event of either arm has come yet") || !strings.Contains(got.Decision.Why, "reverts after 3 min") {
		t.Errorf("after 150 s %s at step %d, baked %s: %s", got.State, got.Step, got.Baked, got.Decision.Why)
	}
	pass(45)
	got = d.detail(operator, r.ID)
	if got.State != flags.RolloutReverting || !strings.Contains(got.Decision.Why, "no data is not good news") || d.newVariants(services, 40) != 0 {
		t.Errorf("after 195 s %s: %s", got.State, got.Decision.Why)
	}
	if w := d.page(d.signIn(access.Viewer), "/rollouts/"+r.ID, nil); !strings.Contains(w.Body.String(), "no data is not good news") {
		t.Error("the page does not say why it went back")
	}
}

// TestPinnedSessionsAreShown: how many still drain, by API and on the page.
func TestPinnedSessionsAreShown(t *testing.T) {
	t.Parallel()
	d := open(t)
	operator, services := d.namedKey("operator", "control", "read"), d.namedKey("services", "evaluate")
	d.do(operator, http.MethodPut, "/api/v1/flags/cart-model", cartFlag, http.StatusCreated, nil)
	r := d.begin(operator, cartPlan)
	pins := map[string]string{}
	for i := range 12 {
		unit := fmt.Sprint("u-", i)
		if a := d.ask(services, "cart-model", fmt.Sprintf(`{"targetingKey":%q}`, unit), http.StatusOK); a.Variant == "new" {
			pins[unit], _ = a.Metadata["pin"].(string)
		}
	}
	d.act(operator, r.ID, "revert", http.StatusOK)
	cookie := d.signIn(access.Viewer)
	if w := text(t, d.page(cookie, "/rollouts/"+r.ID, nil)); !strings.Contains(w, "no session came back with its pin so far") {
		t.Errorf("before anybody came back the page says %s", w)
	}
	back := 0
	for unit, pin := range pins {
		if back++; back > 2 {
			break
		}
		d.ask(services, "cart-model", fmt.Sprintf(`{"targetingKey":%q,"tidemark.pin":%q}`, unit, pin), http.StatusOK)
	}
	got := d.detail(operator, r.ID)
	var candidate flagset.Pinned
	for _, p := range got.Pinned {
		if p.Variant == "new" {
			candidate = p
		}
	}
	if candidate.Sessions != 2 || candidate.Units < int64(len(pins))-1 || candidate.Units > int64(len(pins)) || candidate.Until.Before(time.Now().Add(23*time.Hour)) {
		t.Errorf("%+v; want 2 sessions and %d units", got.Pinned, len(pins))
	}
	if w := text(t, d.page(cookie, "/rollouts/"+r.ID, nil)); !strings.Contains(w, "2 sessions still pinned") || !strings.Contains(w, "Pinned to new") {
		t.Errorf("the page says %s", w)
	}
	d.act(operator, r.ID, "break-pins", http.StatusOK)
	if got := d.detail(operator, r.ID); len(got.Pinned) != 0 {
		t.Errorf("broken pins are still counted: %+v", got.Pinned)
	}
}

// TestAControllerThatFailsIsShown: from the first tick on, on each page that shows
// rollouts and in the API; and units get what they got before the restart.
func TestAControllerThatFailsIsShown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := openIn(t, dir, app.Options{})
	operator, services := first.namedKey("operator", "control", "read"), first.namedKey("services", "evaluate")
	first.do(operator, http.MethodPut, "/api/v1/flags/cart-model", cartFlag, http.StatusCreated, nil)
	r := first.begin(operator, cartPlan)
	before := first.newVariants(services, 40)
	if got := first.detail(operator, r.ID); got.Controller.Error != "" || !got.Controller.Leads || got.Controller.TickedAt.IsZero() {
		t.Errorf("while all is well %+v", got.Controller)
	}
	if err := first.app.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec := func(statement string) {
		t.Helper()
		if err := plainsql.Exec(t.Context(), filepath.Join(dir, control.FileName), statement); err != nil {
			t.Fatal(err)
		}
	}
	exec("ALTER TABLE leases RENAME TO away")
	var c clock
	d := openIn(t, dir, app.Options{Now: c.now})
	if n := d.newVariants(services, 40); n != before {
		t.Errorf("%d of 40 have the candidate before the first good tick; %d had it", n, before)
	}
	cookie := d.signIn(access.Operator)
	const say = "Rollouts are not being decided"
	for _, path := range []string{"/", "/rollouts", "/rollouts/" + r.ID} {
		if w := text(t, d.page(cookie, path, nil)); !strings.Contains(w, say) || !strings.Contains(w, "leases") {
			t.Errorf("%s does not say that the controller fails: %s", path, w)
		}
	}
	var list struct{ Controller rollout.Health }
	d.do(operator, http.MethodGet, "/api/v1/rollouts", "", http.StatusOK, &list)
	if h := list.Controller; !strings.Contains(h.Error, "leases") || h.FailingSince.IsZero() || !h.TickedAt.IsZero() {
		t.Errorf("the API says %+v", h)
	}
	d.act(operator, r.ID, "revert", http.StatusOK) // By hand all the same.
	if n := d.newVariants(services, 40); n != 0 {
		t.Errorf("%d of 40 have the candidate after a revert by hand", n)
	}
	exec("ALTER TABLE away RENAME TO leases")
	c.ahead.Store(int64(time.Minute))
	d.turn()
	if w := text(t, d.page(cookie, "/rollouts", nil)); strings.Contains(w, say) {
		t.Errorf("after it was mended the page says %s", w)
	}
}
