package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"tidemark/flags"
	"tidemark/flags/access"
)

const cartFlag = `{"reason":"a model to try","definition":{"state":"ENABLED","defaultVariant":"old",
	"variants":{"old":{"model":"eventual"},"new":{"model":"causal"}}}}`

const cartPlan = `{"title":"Causal carts","reason":"try it","plan":{"flag":"cart-model","feature":"cart","candidate":"new","control":"old",
	"steps":[{"percent":5000,"bake":"1m","min_units":10},{"percent":10000,"bake":"1m","min_units":10}],
	"guardrails":[{"metric":"time_to_visibility","margin":1,"alpha":0.05}]}}`

type evaluation struct {
	Variant  string
	Reason   string
	Metadata map[string]any
}

// newVariants counts the units that get the candidate over OFREP.
func (d *door) newVariants(key string, units int) (n int) {
	d.t.Helper()
	for i := range units {
		var e evaluation
		body := fmt.Sprintf(`{"context":{"targetingKey":"user-%d"}}`, i)
		d.do(key, http.MethodPost, "/ofrep/v1/evaluate/flags/cart-model", body, http.StatusOK, &e)
		if e.Variant == "new" {
			n++
		}
	}
	return n
}

func TestRolloutFromDraftToRevert(t *testing.T) {
	t.Parallel()
	d := open(t)
	operator, services, reader := d.namedKey("operator", "control", "read"), d.namedKey("services", "evaluate"), d.namedKey("reader", "read")
	d.do(operator, http.MethodPut, "/api/v1/flags/cart-model", cartFlag, http.StatusCreated, nil)

	var preview struct {
		Steps []struct{ Candidate, Control float64 }
	}
	d.do(reader, http.MethodPost, "/api/v1/rollouts/preview", cartPlan, http.StatusOK, &preview)
	if len(preview.Steps) != 2 || preview.Steps[0].Candidate != 0.5 || preview.Steps[0].Control != 0.5 {
		t.Errorf("preview %+v", preview)
	}
	d.do(reader, http.MethodPost, "/api/v1/rollouts", cartPlan, http.StatusForbidden, nil)
	var r flags.Rollout
	d.do(operator, http.MethodPost, "/api/v1/rollouts", cartPlan, http.StatusCreated, &r)
	if r.State != flags.RolloutDraft || d.newVariants(services, 20) != 0 {
		t.Fatalf("a draft decided: %+v", r)
	}
	path := "/api/v1/rollouts/" + r.ID
	start := fmt.Sprintf(`{"reason":"go","revision":%d}`, r.Revision)
	d.do(operator, http.MethodPost, path+"/start", start, http.StatusOK, &r)
	if n := d.newVariants(services, 100); r.State != flags.RolloutRunning || n < 30 || n > 70 {
		t.Errorf("%s: %d of 100 have the candidate at 50%%", r.State, n)
	}
	told := d.do(operator, http.MethodPost, path+"/advance", start, http.StatusConflict, nil)
	if !strings.Contains(told, "start") {
		t.Errorf("the second operator is not told what changed: %s", told)
	}
	d.do(operator, http.MethodPost, path+"/revert", `{"reason":"it is slow"}`, http.StatusOK, &r)
	if n := d.newVariants(services, 100); n != 0 || (r.State != flags.RolloutReverting && r.State != flags.RolloutReverted) {
		t.Errorf("%s: %d of 100 still have the candidate", r.State, n)
	}
	var history struct{ Items []flags.Transition }
	d.do(reader, http.MethodGet, path+"/history", "", http.StatusOK, &history)
	if len(history.Items) < 3 || history.Items[0].Reason != "it is slow" {
		t.Errorf("history %+v", history.Items)
	}
	for name, want := range map[string]string{"/api/v1/rollouts": "Causal carts", path: "time_to_visibility", path + "/history": "it is slow"} {
		if w := d.get(reader, name+"?format=csv"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) && name != path {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// begin starts a rollout of a plan.
func (d *door) begin(operator, plan string) (r flags.Rollout) {
	d.t.Helper()
	d.do(operator, http.MethodPost, "/api/v1/rollouts", plan, http.StatusCreated, &r)
	d.do(operator, http.MethodPost, "/api/v1/rollouts/"+r.ID+"/start", fmt.Sprintf(`{"reason":"go","revision":%d}`, r.Revision), http.StatusOK, &r)
	return r
}

func TestRolloutsThatAreRefused(t *testing.T) {
	t.Parallel()
	d := open(t)
	operator := d.namedKey("operator", "control", "read")
	d.do(operator, http.MethodPut, "/api/v1/flags/cart-model", cartFlag, http.StatusCreated, nil)
	for name, c := range map[string]struct{ from, to, say string }{
		"steps that go down": {`"percent":10000`, `"percent":100`, "steps[1].percent"},
		"no such variant":    {`"candidate":"new"`, `"candidate":"newer"`, "candidate"},
		"no such webhook": {
			`"steps":`, `"phases":[{"phase":"off","webhook":"nothing"},{"phase":"live"},{"phase":"complete"}],"steps":`, "phases[0].webhook",
		},
		"no such flag": {`"flag":"cart-model"`, `"flag":"nothing"`, "flag"},
	} {
		told := d.do(operator, http.MethodPost, "/api/v1/rollouts", strings.Replace(cartPlan, c.from, c.to, 1), http.StatusBadRequest, nil)
		if !strings.Contains(told, c.say) {
			t.Errorf("%s: %s", name, told)
		}
	}
	a := d.begin(operator, cartPlan)
	var b flags.Rollout
	d.do(operator, http.MethodPost, "/api/v1/rollouts", cartPlan, http.StatusCreated, &b)
	told := d.do(operator, http.MethodPost, "/api/v1/rollouts/"+b.ID+"/start", fmt.Sprintf(`{"reason":"go","revision":%d}`, b.Revision), http.StatusUnprocessableEntity, nil)
	if !strings.Contains(told, a.ID) {
		t.Errorf("who holds the flag is not said: %s", told)
	}
	d.do(operator, http.MethodPost, "/api/v1/rollouts/"+b.ID+"/explode", `{"reason":"go","revision":1}`, http.StatusBadRequest, nil)
	d.do(operator, http.MethodGet, "/api/v1/rollouts/nothing", "", http.StatusNotFound, nil)
}

func TestRolloutPagesAnswer(t *testing.T) {
	t.Parallel()
	d := open(t)
	operator := d.namedKey("operator", "control", "read")
	d.do(operator, http.MethodPut, "/api/v1/flags/cart-model", cartFlag, http.StatusCreated, nil)
	var r flags.Rollout
	d.do(operator, http.MethodPost, "/api/v1/rollouts", cartPlan, http.StatusCreated, &r)
	cookie := d.signIn(access.Operator)
	for path, want := range map[string]string{
		"/rollouts": "Causal carts", "/rollouts/new": "Preview", "/rollouts/" + r.ID: "Causal carts", "/rollouts/" + r.ID + "/start": "reason",
	} {
		q := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
		q.Header.Set("Accept", "text/html")
		q.AddCookie(cookie)
		if w := d.serve(q); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d, want %q in %.3000s", path, w.Code, want, w.Body)
		}
	}
}

// TestAReasonToRevertIsAtHand: the page that asks holds what the evidence says, in a
// field that shows all of it; sent as it is, it is kept as one line.
func TestAReasonToRevertIsAtHand(t *testing.T) {
	t.Parallel()
	d := open(t)
	operator, cookie := d.namedKey("operator", "control", "read"), d.signIn(access.Operator)
	d.do(operator, http.MethodPut, "/api/v1/flags/cart-model", cartFlag, http.StatusCreated, nil)
	r := d.begin(operator, cartPlan)
	d.turn() // judges it for the first time
	doc, err := goquery.NewDocumentFromReader(d.page(cookie, "/rollouts/"+r.ID+"/revert", nil).Body)
	check(t, err)
	reason := strings.TrimSpace(doc.Find("main form textarea[name=reason]").Text())
	if reason != "At 50%, by hand. No event of either arm has come yet." {
		t.Fatalf("the reason at hand is %q", reason)
	}
	revision := doc.Find("main form input[name=revision]").AttrOr("value", "")
	form := url.Values{"revision": {revision}, "reason": {reason + "\r\n\r\nCarts jump back."}}
	if w := d.page(cookie, "/rollouts/"+r.ID+"/revert", form); w.Code != http.StatusSeeOther {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	var history struct{ Items []flags.Transition }
	d.do(operator, http.MethodGet, "/api/v1/rollouts/"+r.ID+"/history", "", http.StatusOK, &history)
	if got := history.Items[0].Reason; got != reason+" Carts jump back." {
		t.Errorf("the reason that is kept is %q", got)
	}
}

// TestWhatIsMissingIsForTheNextThing: what the evidence lacks stands before the next
// step, and in the last step before the end.
func TestWhatIsMissingIsForTheNextThing(t *testing.T) {
	t.Parallel()
	d := open(t)
	operator, cookie := d.namedKey("operator", "control", "read"), d.signIn(access.Operator)
	d.do(operator, http.MethodPut, "/api/v1/flags/cart-model", cartFlag, http.StatusCreated, nil)
	r := d.begin(operator, cartPlan)
	for _, want := range []string{"Before it widens", "Before it completes"} {
		d.turn()
		doc, err := goquery.NewDocumentFromReader(d.page(cookie, "/rollouts/"+r.ID, nil).Body)
		check(t, err)
		if got := doc.Find("#decision h3").Text(); got != want || !strings.Contains(doc.Find("#decision li").First().Text(), "10 more units in candidate") {
			t.Errorf("step %d: %q, %q; want %q", d.detail(operator, r.ID).Step, got, doc.Find("#decision ul").Text(), want)
		}
		if r.Step = d.detail(operator, r.ID).Step; r.Step == 0 {
			d.act(operator, r.ID, "advance", http.StatusOK)
		}
	}
}

// TestWhatIsNotPossibleIsNotOffered: a page that asks before an action that the rollout
// no longer takes has no button for it, and says what leads back instead.
func TestWhatIsNotPossibleIsNotOffered(t *testing.T) {
	t.Parallel()
	d := open(t)
	operator, cookie := d.namedKey("operator", "control", "read"), d.signIn(access.Operator)
	d.do(operator, http.MethodPut, "/api/v1/flags/cart-model", cartFlag, http.StatusCreated, nil)
	r := d.begin(operator, strings.Replace(cartPlan, `{"percent":5000,"bake":"1m","min_units":10},`, "", 1))
	for _, c := range []struct {
		then, verb string
		button     bool
		say, link  string
	}{
		{"", "revert", true, "New evaluations get old at once.", ""},
		{"", "resume", false, "the rollout is running", "/rollouts/" + r.ID},
		{"complete", "revert", false, "cart-model answers new by itself", "/flags/cart-model"},
		{"", "pause", false, "the rollout is completed", "/rollouts/" + r.ID},
	} {
		if c.then != "" {
			d.act(operator, r.ID, c.then, http.StatusOK)
		}
		w := d.page(cookie, "/rollouts/"+r.ID+"/"+c.verb, nil)
		doc, err := goquery.NewDocumentFromReader(w.Body)
		check(t, err)
		if n := doc.Find("main form button").Length(); (n > 0) != c.button || !strings.Contains(doc.Find("main").Text(), c.say) {
			t.Errorf("%s after %q: %d buttons; it says %s", c.verb, c.then, n, doc.Find("main").Text())
		}
		if c.link != "" && doc.Find("main nav.actions a[href='"+c.link+"']").Length() != 1 {
			t.Errorf("%s after %q: no way to %s", c.verb, c.then, c.link)
		}
	}
	d.turn() // makes the candidate the default, which was left to do
	doc, err := goquery.NewDocumentFromReader(d.page(cookie, "/rollouts/"+r.ID, nil).Body)
	check(t, err)
	if why := doc.Find("#decision").Text(); !strings.Contains(why, "Why it ended") || !strings.Contains(why, "because") {
		t.Errorf("the reason of its end is not said: %s", why)
	}
}

// TestRolloutsThatNobodyBeginsHaveABound by feature, and the page lists no more than people
// read.
func TestRolloutsThatNobodyBeginsHaveABound(t *testing.T) {
	t.Parallel()
	d := open(t)
	operator := d.namedKey("operator", "control", "read")
	d.do(operator, http.MethodPut, "/api/v1/flags/cart-model", cartFlag, http.StatusCreated, nil)
	for role, want := range map[access.Role]string{access.Viewer: "Operators begin rollouts", access.Operator: "Begin the first rollout"} {
		if text := d.page(d.signIn(role), "/rollouts", nil).Body.String(); !strings.Contains(text, want) {
			t.Errorf("before the first, a %s is not told: %q", role, want)
		}
	}
	var drafts [100]flags.Rollout
	for i := range drafts {
		d.do(operator, http.MethodPost, "/api/v1/rollouts", cartPlan, http.StatusCreated, &drafts[i])
	}
	told := d.do(operator, http.MethodPost, "/api/v1/rollouts", cartPlan, http.StatusUnprocessableEntity, nil)
	if !strings.Contains(told, "discard one") {
		t.Errorf("one too many: %s", told)
	}
	var feed flags.Rollout
	other := strings.Replace(cartPlan, `"feature":"cart"`, `"feature":"feed"`, 1)
	d.do(operator, http.MethodPost, "/api/v1/rollouts", other, http.StatusCreated, &feed)
	moved := strings.TrimSuffix(cartPlan, "}") + fmt.Sprintf(`,"revision":%d}`, feed.Revision)
	if told := d.do(operator, http.MethodPut, "/api/v1/rollouts/"+feed.ID, moved, http.StatusUnprocessableEntity, nil); !strings.Contains(told, "discard one") {
		t.Errorf("one too many, moved: %s", told)
	}
	document := "apiVersion: tidemark/v1alpha1\nkind: RolloutPlan\nmetadata: {name: carts}\nspec: {flag: cart-model, feature: cart, candidate: new, control: old}\n"
	if told := d.do(operator, http.MethodPost, "/api/v1/documents/apply?reason=first", document, http.StatusUnprocessableEntity, nil); !strings.Contains(told, "discard one") {
		t.Errorf("one too many, of a document: %s", told)
	}
	cookie := d.signIn(access.Viewer)
	rows := func(want string) {
		t.Helper()
		page, err := goquery.NewDocumentFromReader(d.page(cookie, "/rollouts", nil).Body)
		check(t, err)
		if got := fmt.Sprint(page.Find("#running tbody tr").Length(), page.Find("#ended tbody tr").Length(), strings.Contains(page.Find("#ended").Text(), "The latest 50 of 60; CSV and JSON have all.")); got != want {
			t.Errorf("under way, over, and whether it says of what: %s, want %s", got, want)
		}
	}
	rows("101 0 false")
	for _, r := range drafts[:60] {
		d.do(operator, http.MethodPost, "/api/v1/rollouts/"+r.ID+"/revert", `{"reason":"not now"}`, http.StatusOK, nil)
	}
	rows("41 50 true")
	d.do(operator, http.MethodPost, "/api/v1/rollouts", cartPlan, http.StatusCreated, nil)
}

// TestTheOverviewListsWhatPeopleRead: of many features the first, those that are rolled out,
// and by a link the others.
func TestTheOverviewListsWhatPeopleRead(t *testing.T) {
	t.Parallel()
	d := open(t)
	operator, shop := d.namedKey("operator", "control", "read"), d.namedKey("shop", "publish:*")
	cookie := d.signIn(access.Operator)
	var events strings.Builder
	for i := range 240 {
		fmt.Fprintln(&events, event("initiated", fmt.Sprintf("w%d", i), fmt.Sprintf("a-%03d", i), ""))
	}
	events.WriteString(event("initiated", "w", "cart", ""))
	d.post(shop, "/v1/events", events.String(), "Content-Type: application/x-ndjson")
	d.until("all are counted", func() bool { return strings.Contains(d.get(operator, "/api/v1/features").Body.String(), `"cart"`) })
	d.do(operator, http.MethodPut, "/api/v1/flags/cart-model", cartFlag, http.StatusCreated, nil)
	listed := func(path string) (rows []string, says, next string) {
		t.Helper()
		page, err := goquery.NewDocumentFromReader(d.page(cookie, path, nil).Body)
		check(t, err)
		next, _ = page.Find(".pager a").Attr("href")
		return page.Find("table[data-rows] tbody th > a").Map(func(_ int, a *goquery.Selection) string { return a.Text() }), strings.Join(strings.Fields(page.Find("main footer").Text()), " "), next
	}
	for _, x := range []struct {
		path, first, last, says, next string
		rows                          int
	}{
		{"/?range=15m", "a-000", "a-199", "The first 200 of 241; CSV and JSON have all.", "/?range=15m&skip=200", 200},
		{"/?range=15m&skip=200", "a-200", "cart", "201 to 241 of 241; CSV and JSON have all.", "", 41},
		{"/?skip=9223372036854775807", "cart", "cart", "241 to 241 of 241; CSV and JSON have all.", "", 1},
	} {
		rows, says, next := listed(x.path)
		if len(rows) != x.rows || rows[0] != x.first || rows[x.rows-1] != x.last || !strings.Contains(says, x.says) || next != x.next {
			t.Errorf("%s: %d rows, %q, then %q: %v", x.path, len(rows), says, next, rows)
		}
	}
	d.begin(operator, cartPlan)
	rows, says, _ := listed("/")
	if len(rows) != 201 || rows[200] != "cart" || !strings.Contains(says, "The first 200, and 1 with a rollout, of 241;") {
		t.Errorf("with a rollout of a later one: %d rows, %q: %v", len(rows), says, rows)
	}
	for _, wrong := range []string{"-1", "many"} {
		if w := d.page(cookie, "/?skip="+wrong, nil); w.Code != http.StatusBadRequest {
			t.Errorf("skip=%s: %d", wrong, w.Code)
		}
	}
}
