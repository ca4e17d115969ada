package app_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/flags/access"
	"tidemark/metrics"
)

// conflict reports a conflict c1 of writes w1 and w2 of the feature cart, and waits
// until it is known. more is added to the writes, and said to the conflict's events.
func (d *door) conflict(key, more, said string) {
	d.t.Helper()
	of := `,"conflict_id":"c1","with":["w2"]` + said
	w1 := strings.NewReplacer("$V", `{"seq":1}`, "$D", `{"qty":2,"note":"secret-one"}`).Replace(more)
	w2 := strings.NewReplacer("$V", `{"seq":2}`, "$D", `{"qty":3,"gift":true}`).Replace(more)
	body := "[" + strings.Join([]string{
		event("initiated", "w1", "cart", w1), event("initiated", "w2", "cart", w2), event("conflict_detected", "w1", "cart", of),
	}, ",") + "]"
	if w := d.post(key, "/v1/events", body, "Content-Type: application/json"); w.Code != http.StatusOK {
		d.t.Fatalf("%d %s", w.Code, w.Body)
	}
	// Lists lag by a checkpoint behind the conflict itself.
	d.until("the conflict is listed", func() bool {
		return strings.Contains(d.get(key, "/api/v1/conflicts?feature=cart").Body.String(), `"c1"`)
	})
}

// until asks again and again: events are acknowledged before they are folded. It leaves the
// server its time, and the key its requests.
func (d *door) until(what string, so func() bool) {
	d.t.Helper()
	for !so() {
		select {
		case <-d.t.Context().Done():
			d.t.Fatalf("%s: %v", what, d.t.Context().Err())
		case <-time.After(time.Millisecond):
		}
	}
}

const merges = `,"version":$V,"delta":$D`

// fileAnswer is what the tests read of a conflict.
type fileAnswer struct {
	State, Winner, Outcome, Reason, Rule string
	ResolvedBy                           string `json:"resolved_by"`
	Proposal                             struct {
		Kind, Cause, Winner, Why, Seen, Rule, Version string
		Promised, Redacted                            bool
		Merged                                        json.RawMessage
		Lost                                          []struct{ Path string }
	}
	Decision  *decisionAnswer
	Decisions []decisionAnswer
	Overruled bool
}

type decisionAnswer struct {
	Revision                      int64
	Action, Winner, Actor, Reason string
	Merged                        json.RawMessage
	Redacted                      bool
}

func TestAConflictIsDecidedAndCorrected(t *testing.T) {
	t.Parallel()
	d := open(t)
	key, reader := d.namedKey("all", "control", "read", "publish:*"), d.key("read")
	const path = "/api/v1/conflicts/c1"
	var a fileAnswer
	d.do(key, "PUT", "/api/v1/rules/cart-merge", `{"definition":{"version":3,"strategy":"merge","parameters":{"fields":{"/qty":"max"}}},"base":0,"reason":"first"}`, 201, nil)
	d.do(key, "POST", "/api/v1/documents/apply?reason=first", strings.Replace(cart, "model:", "reconciliation: {rule: cart-merge, version: 3}\n  model:", 1), 200, nil)
	d.conflict(key, merges, "")

	d.do(reader, "GET", path, "", 200, &a)
	p := a.Proposal
	if a.State != "open" || p.Kind != "merge" || !p.Promised || p.Rule != "cart-merge" || p.Version != "3" || string(p.Merged) != `{"gift":true,"note":"secret-one","qty":3}` || len(p.Lost) != 1 || p.Lost[0].Path != "/qty" {
		t.Fatalf("%+v", a)
	}
	d.do(reader, "POST", path+"/decisions", `{"action":"accept","base":0,"reason":"x"}`, 403, nil)
	for body, want := range map[string]int{
		`{"action":"accept","base":0}`:                                        400,
		`{"action":"dice","base":0,"reason":"x"}`:                             400,
		`{"action":"override","winner":"w9","base":0,"reason":"x"}`:           400,
		`{"action":"merge","base":0,"reason":"x"}`:                            400,
		`{"action":"accept","seen":"0011223344556677","base":0,"reason":"x"}`: 409,
		`{"action":"accept","base":4,"reason":"x"}`:                           400,
	} {
		d.do(key, "POST", path+"/decisions", body, want, nil)
	}
	d.do(key, "GET", path, "", 200, &a)
	if len(a.Decisions) != 0 {
		t.Fatalf("something refused was recorded: %+v", a.Decisions)
	}

	d.do(key, "POST", path+"/decisions", `{"action":"accept","seen":"`+p.Seen+`","base":0,"reason":"the rule is right"}`, 201, &a)
	if a.Decision == nil || a.Decision.Action != "accept" || string(a.Decision.Merged) != string(p.Merged) || !strings.HasPrefix(a.Decision.Actor, "key:all") {
		t.Fatalf("%+v", a.Decision)
	}
	d.until("the decision is counted", func() bool {
		a = fileAnswer{} // What is not said is not so.
		d.do(reader, "GET", path, "", 200, &a)
		return a.State == "manual"
	})
	if a.ResolvedBy != "tidemark" || a.Outcome != "merged" || a.Reason != "the rule is right" || a.Overruled {
		t.Errorf("the numbers say %+v", a)
	}
	d.do(key, "POST", path+"/decisions", `{"action":"override","winner":"w2","base":0,"reason":"late"}`, 409, nil)
	d.do(key, "POST", path+"/decisions", `{"action":"override","winner":"w1","base":1,"reason":"the note matters"}`, 201, &a)
	d.until("the correction is counted", func() bool {
		a = fileAnswer{} // What is not said is not so.
		d.do(reader, "GET", path, "", 200, &a)
		return a.Winner == "w1"
	})
	if len(a.Decisions) != 2 || a.Decisions[0].Action != "accept" || a.Decision.Revision != 2 {
		t.Errorf("a correction keeps what was before: %+v", a.Decisions)
	}
	rows, err := csv.NewReader(d.get(reader, path+"?format=csv&table=decisions").Body).ReadAll()
	if err != nil || len(rows) != 3 || rows[0][0] != "revision" || rows[1][2] != "accept" || rows[1][4] != string(p.Merged) || rows[2][3] != "w1" || rows[2][7] != "the note matters" {
		t.Errorf("decisions as CSV: %q, %v", rows, err)
	}
	if got := d.do(reader, "GET", path+"?table=votes", "", 400, nil); !strings.Contains(got, "writes, decisions") {
		t.Errorf("a table that there is not: %s", got)
	}
	if page := d.page(d.signIn(access.Viewer), "/conflicts/c1", nil).Body.String(); !strings.Contains(page, `href="`+path+`?format=csv&amp;table=decisions"`) {
		t.Error("the page does not offer its decisions as CSV")
	}
	d.post(key, "/v1/events", `{"kind":"conflict_resolved","write_id":"w1","feature":"cart","key":"k","service":"s","conflict_id":"c1","with":["w2"],"winner":"w2","auto":true,"occurred_at":`+ahead(time.Minute)+`}`, "Content-Type: application/json")
	d.until("a later report is seen to differ", func() bool {
		a = fileAnswer{} // What is not said is not so.
		d.do(reader, "GET", path, "", 200, &a)
		return a.Overruled
	})
	d.do(key, "POST", path+"/decisions", `{"action":"merge","merged":{"qty":9},"base":2,"reason":"both were wrong"}`, 201, &a)
	d.until("who decides after a clock that is ahead is still the last", func() bool {
		a = fileAnswer{} // What is not said is not so.
		d.do(reader, "GET", path, "", 200, &a)
		return a.State == "manual" && !a.Overruled
	})
}

// ahead is a time of a clock that is ahead.
func ahead(by time.Duration) string {
	return `"` + time.Now().Add(by).UTC().Format(time.RFC3339Nano) + `"`
}

// TestDecisionsDoNotLeak: what a rule makes of labelled writes, and what a person made
// of them, is for those who may see the writes.
func TestDecisionsDoNotLeak(t *testing.T) {
	t.Parallel()
	d := open(t)
	key, reader, viewer := d.namedKey("all", "control", "read", "publish:*"), d.key("read"), d.signIn(access.Viewer)
	d.do(key, "PUT", "/api/v1/rules/cart-merge", `{"definition":{"version":3,"strategy":"merge"},"base":0,"reason":"first"}`, 201, nil)
	d.declare("pii")
	d.conflict(key, merges+`,"labels":["pii"]`, `,"rule":"cart-merge","rule_version":"3"`)
	d.do(key, "POST", "/api/v1/conflicts/c1/decisions", `{"action":"merge","merged":{"note":"secret-merge"},"base":0,"reason":"agreed on the phone"}`, 201, nil)
	var a fileAnswer
	d.do(key, "GET", "/v1/conflicts/c1", "", 200, &a)
	if !strings.Contains(string(a.Decision.Merged), "secret-merge") || !strings.Contains(string(a.Proposal.Merged), "secret-one") {
		t.Fatalf("who may see it does not: %+v", a)
	}
	for _, path := range []string{"/v1/conflicts/c1", "/api/v1/conflicts/c1", "/api/v1/conflicts/waiting", "/api/v1/rules/cart-merge/agreement"} {
		if got := d.do(reader, "GET", path, "", 200, &a); strings.Contains(got, "secret-") || strings.Contains(got, "/note") {
			t.Errorf("%s leaks: %s", path, got)
		}
	}
	if got := d.do(reader, "GET", "/api/v1/conflicts/c1?format=csv&table=decisions", "", 200, nil); strings.Contains(got, "secret-") || !strings.Contains(got, "agreed on the phone") {
		t.Errorf("its decisions as CSV leak, or tell nothing: %s", got)
	}
	d.do(reader, "GET", "/v1/conflicts/c1", "", 200, &a)
	if !a.Proposal.Redacted || !a.Decision.Redacted || a.Proposal.Kind != "unknown" || a.Proposal.Cause != "hidden" {
		t.Errorf("it does not say that something was taken out: %+v", a)
	}
	replay := d.do(reader, "POST", "/api/v1/rules/cart-merge/replays", `{"definition":{"version":4,"strategy":"last-writer-wins"},"against":"cart-merge"}`, 200, nil)
	if strings.Contains(replay, "secret-") || strings.Contains(replay, "/note") || !strings.Contains(replay, `"conflicts":1`) {
		t.Errorf("the replay leaks, or looked at nothing: %s", replay)
	}
	var job struct{ ID string }
	if err := json.Unmarshal([]byte(replay), &job); err != nil {
		t.Fatal(err)
	}
	// What a replay tells is what who began it may see: nobody else is told of it.
	theirs := d.namedKey("another", "read")
	for _, ask := range []struct{ method, path string }{{"GET", "/api/v1/replays/" + job.ID}, {"DELETE", "/api/v1/replays/" + job.ID}} {
		d.do(theirs, ask.method, ask.path, "", 404, nil)
	}
	for _, path := range []string{"/rules/cart-merge/replays/" + job.ID, "/rules/cart-merge"} {
		if page := d.page(viewer, path, nil).Body.String(); strings.Contains(page, "/replays/"+job.ID) {
			t.Errorf("%s tells a viewer of somebody's replay", path)
		}
	}
	csv := d.do(reader, "GET", "/api/v1/replays/"+job.ID+"?format=csv", "", 200, nil)
	if !strings.HasPrefix(csv, "feature,same,") || !strings.Contains(csv, "\n,0,") {
		t.Errorf("the replay as CSV: %q", csv)
	}
	page := d.page(viewer, "/conflicts/c1", nil).Body.String()
	if strings.Contains(page, "secret-") || !strings.Contains(page, "It is not shown to you.") || !strings.Contains(page, "Merged by hand") || strings.Contains(page, "Record the") {
		t.Errorf("the page for a viewer: %s", page)
	}
	audit := d.do(d.key("control"), "GET", "/api/v1/audit?subject=conflict/*", "", 200, nil)
	if strings.Contains(audit, "secret-") || !strings.Contains(audit, "salted_merged_sha256") {
		t.Errorf("the audit log: %s", audit)
	}
}

// TestAReplayIsForWhoMaySeeWhatItLookedAt, also after it began: by a smaller role, or by
// another policy, it is told no more.
func TestAReplayIsForWhoMaySeeWhatItLookedAt(t *testing.T) {
	t.Parallel()
	d := open(t)
	key, settler, opa := d.namedKey("all", "control", "read", "publish:*", "admin"), d.namedKey("settler", "control", "read"), d.signInAs("opa", access.Operator)
	d.do(key, "PUT", "/api/v1/rules/cart-merge", `{"definition":{"version":3,"strategy":"merge"},"base":0,"reason":"first"}`, 201, nil)
	d.declare("pii")
	d.conflict(key, merges+`,"labels":["pii"]`, `,"rule":"cart-merge","rule_version":"3"`)
	var job struct {
		ID     string
		Result struct{ Unjudged int }
	}
	got := d.do(settler, "POST", "/api/v1/rules/cart-merge/replays", `{"definition":{"version":4,"strategy":"last-writer-wins"}}`, 200, nil)
	if err := json.Unmarshal([]byte(got), &job); err != nil || job.Result.Unjudged != 0 {
		t.Fatalf("it looked at nothing: %s, %v", got, err)
	}
	to := d.page(opa, "/rules/cart-merge/replays", url.Values{"definition": {`{"version":4,"strategy":"last-writer-wins"}`}, "range": {"1h"}}).Header().Get("Location")
	mine := func(want bool) {
		t.Helper()
		status, page := 404, d.page(opa, "/rules/cart-merge", nil).Body.String()
		if want {
			status = 200
		}
		if w := d.page(opa, to, nil); w.Code != status || strings.Contains(page, to) != want {
			t.Errorf("%s: %d, want %d; in the rule's page: %v", to, w.Code, status, strings.Contains(page, to))
		}
	}
	mine(true)
	for _, x := range []struct {
		role access.Role
		want bool
	}{{access.Viewer, false}, {access.Operator, true}} {
		if err := d.app.People().SetRole(t.Context(), "opa", x.role, access.Change{Actor: "user:root", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		mine(x.want)
	}
	d.do(settler, "GET", "/api/v1/replays/"+job.ID, "", 200, nil)
	d.do(key, "PUT", "/api/v1/policies/no-pii", `{"definition":{"cedar":"forbid (principal == Key::\"settler\", action == Action::\"read_contents\", resource) when { resource.labels.contains(\"pii\") };"},"reason":"enough"}`, 201, nil)
	d.do(settler, "GET", "/api/v1/replays/"+job.ID, "", 404, nil)
	d.do(settler, "GET", "/api/v1/replays/"+job.ID+"?format=csv", "", 404, nil)
}

// TestADecisionWaitsForNoLabel: what a person decides about writes with a label that is
// declared no more is counted, and still hides what they hold.
func TestADecisionWaitsForNoLabel(t *testing.T) {
	t.Parallel()
	d := open(t)
	key, reader := d.namedKey("all", "control", "read", "publish:*"), d.key("read")
	d.declare("pii")
	d.conflict(key, merges+`,"labels":["pii"]`, "")
	d.do(key, "DELETE", "/api/v1/labels/pii?base=1&reason=over", "", 200, nil)
	d.do(key, "POST", "/api/v1/conflicts/c1/decisions", `{"action":"override","winner":"w1","base":0,"reason":"the first"}`, 201, nil)
	var a fileAnswer
	d.until("the decision is counted", func() bool {
		if held := d.do(reader, "GET", "/api/v1/quarantine", "", 200, nil); !strings.Contains(held, `"items":[]`) {
			t.Fatalf("it is in quarantine: %s", held)
		}
		if got := d.do(reader, "GET", "/api/v1/conflicts/c1", "", 200, &a); strings.Contains(got, "secret-") {
			t.Fatalf("the contents are told: %s", got)
		}
		return a.State == "manual" && a.Winner == "w1"
	})
}

// TestAMergeOfManyWritesIsHidden by the label of any of them, also of one that no rule
// looks at; of more writes than are kept nobody merges.
func TestAMergeOfManyWritesIsHidden(t *testing.T) {
	t.Parallel()
	d := open(t)
	key, reader := d.namedKey("all", "control", "read", "publish:*"), d.key("read")
	d.declare("pii")
	merge := func(conflict string, writes, want int) {
		t.Helper()
		ids := make([]string, writes)
		for i := range ids {
			ids[i] = fmt.Sprintf("%s-%03d", conflict, i)
		}
		events := []string{event("initiated", ids[writes-1], "cart", `,"labels":["pii"]`)}
		for chunk := range slices.Chunk(ids, metrics.MaxParents) {
			with, _ := json.Marshal(chunk) // Text always marshals.
			events = append(events, event("conflict_detected", "", "cart", fmt.Sprintf(`,"event_id":%q,"conflict_id":%q,"with":%s`, chunk[0], conflict, with)))
		}
		d.post(key, "/v1/events", "["+strings.Join(events, ",")+"]", "Content-Type: application/json")
		d.do(key, "POST", "/api/v1/conflicts/"+conflict+"/decisions", `{"action":"merge","merged":{"note":"secret-merge"},"base":0,"reason":"by phone"}`, want, nil)
	}
	merge("many", 40, 201)
	if got := d.do(key, "GET", "/v1/conflicts/many", "", 200, nil); !strings.Contains(got, "secret-merge") {
		t.Errorf("who may see it does not: %s", got)
	}
	if got := d.do(reader, "GET", "/v1/conflicts/many", "", 200, nil); strings.Contains(got, "secret-merge") || !strings.Contains(got, `"redacted":true`) || !strings.Contains(got, `"labels":["pii"],"action"`) {
		t.Errorf("the label of the fortieth write does not hide it: %s", got)
	}
	if page := d.page(d.signIn(access.Viewer), "/conflicts/many", nil).Body.String(); strings.Contains(page, "secret-merge") {
		t.Error("the page tells it")
	}
	merge("more", metrics.MaxConflictWrites+2, 422)
}

// TestRulesByTheirPages: an operator writes a rule, tries another on a conflict, decides
// it on its page, and sees what was wrong; a viewer sees and may not.
func TestRulesByTheirPages(t *testing.T) {
	t.Parallel()
	d := open(t)
	operator, viewer := d.signIn(access.Operator), d.signIn(access.Viewer)
	key := d.namedKey("shop", "publish:*", "read")
	step := func(name string, path string, form url.Values, status int, say ...string) string {
		t.Helper()
		w := d.page(operator, path, form)
		if w.Code != status {
			t.Fatalf("%s: %d, want %d: %.2000s", name, w.Code, status, w.Body)
		}
		for _, s := range say {
			if !strings.Contains(w.Body.String(), s) {
				t.Errorf("%s: the page does not say %q", name, s)
			}
		}
		return w.Header().Get("Location")
	}
	const good = `{"version":1,"strategy":"last-writer-wins","examples":[{"name":"later","writes":[{"write":"a","version":"seq:1"},{"write":"b","version":"seq:2"}],"expect":{"winner":"b"}}]}`
	step("nothing yet", "/rules", nil, 200, "No rule says how conflicts are decided.", "Create the rule")
	step("an example that does not hold", "/rules", url.Values{"key": {"lww"}, "definition": {strings.Replace(good, `"winner":"b"`, `"winner":"a"`, 1)}, "reason": {"r"}}, 422, "spec.examples[0]", "a is expected to win, and the rule gives b")
	step("made", "/rules", url.Values{"key": {"lww"}, "definition": {good}, "reason": {"r"}}, 303)
	step("its page", "/rules/lww", nil, 200, "The later write wins", "No conflict of the last day names lww.", "Try it on past conflicts", "Store as revision 2")
	d.conflict(key, merges, `,"rule":"lww","rule_version":"1"`)
	step("the queue", "/conflicts", nil, 200, "One conflict waits for a decision.", "lww v1")
	step("the conflict", "/conflicts/c1", nil, 200, "Keep w2.", "It has the later version.", "Record the decision", "Merge them yourself")
	step("no reason", "/conflicts/c1/decisions", url.Values{"choice": {"keep:w1"}, "base": {"0"}, "reason": {""}}, 400, "Nothing was decided", "reason")
	step("no JSON", "/conflicts/c1/decisions", url.Values{"choice": {"merge"}, "merged": {"{qty"}, "base": {"0"}, "reason": {"r"}}, 400, "{qty", "is not JSON")
	to := step("decided", "/conflicts/c1/decisions", url.Values{"choice": {"merge"}, "merged": {`{"qty":5}`}, "base": {"0"}, "reason": {"five it is"}}, 303)
	step("as decided", to, nil, 200, "Decided, and recorded in the audit log.", "five it is", "Merged by hand", "Correct the decision")
	step("too late", "/conflicts/c1/decisions", url.Values{"choice": {"keep:w1"}, "base": {"0"}, "reason": {"r"}}, 409, "five it is")
	if w := d.page(viewer, "/conflicts/c1/decisions", url.Values{"choice": {"keep:w1"}, "base": {"1"}, "reason": {"r"}}); w.Code != http.StatusForbidden {
		t.Errorf("a viewer decides: %d", w.Code)
	}
	to = step("a replay", "/rules/lww/replays", url.Values{"definition": {`{"version":2,"strategy":"merge"}`}, "range": {"1h"}, "limit": {"100"}}, 303)
	step("its result", to, nil, 200, "Replay", "Nothing was changed by it", "What would become of them")
	step("a bad draft", "/rules/lww/replays", url.Values{"definition": {`{"version":2,"strategy":"dice"}`}, "range": {"1h"}}, 400, "strategy")
	if w := d.page(viewer, "/rules/lww", nil); strings.Contains(w.Body.String(), "Store as revision") || !strings.Contains(w.Body.String(), "Try it on past conflicts") {
		t.Error("a viewer is offered a change, or may not ask")
	}
}

// TestARuleIsLinkedWhereThereIsOne: events may name any rule.
func TestARuleIsLinkedWhereThereIsOne(t *testing.T) {
	t.Parallel()
	d := open(t)
	key := d.namedKey("all", "publish:*", "consume:*", "read", "control")
	d.conflict(key, "", `,"rule":"nowhere","rule_version":"3"`)
	linked := func() bool {
		doc := d.document(key, "/conflicts")
		if !strings.Contains(doc.Find("main").Text(), "nowhere v3") {
			t.Fatalf("the rule is not named: %s", doc.Find("main").Text())
		}
		return doc.Find(`main a[href="/rules/nowhere"]`).Length() > 0
	}
	if linked() {
		t.Error("a rule that is not stored is linked")
	}
	d.do(key, http.MethodPut, "/api/v1/rules/nowhere", `{"definition":{"version":3,"strategy":"manual"},"base":0,"reason":"first"}`, http.StatusCreated, nil)
	if !linked() {
		t.Error("a rule that is stored is not linked")
	}
}
