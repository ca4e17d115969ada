package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidemark/cmd/internal/app"
	"tidemark/flags/access"
	control "tidemark/flags/sqlite"
	"tidemark/tests/plainsql"
)

// auditStep is one change over HTTP, and the record that it must leave.
type auditStep struct {
	route  string // method and path as in the route table
	path   string // the path that is asked, when it differs; may name what was kept
	body   string // JSON, a document, or a form of a page
	action string // of the record; "" = nothing is changed, so there is none
	about  string // the record's subject begins so
	keep   string // "name=regexp": keeps a part of the answer
	why    string // when action is ""
}

// auditSteps change everything that can be changed, in an order that works.
func auditSteps() []auditStep {
	plan := cartPlan
	return []auditStep{
		{route: "PUT /api/v1/flags/:key", path: "/api/v1/flags/cart-model", body: cartFlag, action: "flag.*", about: "Flag/cart-model"},
		{route: "PUT /api/v1/flags/:key", path: "/api/v1/flags/cart-model", body: strings.Replace(cartFlag, `{"reason"`, `{"base":1,"reason"`, 1), action: "", why: "the content is the same"},
		{route: "POST /api/v1/flags/:key/evaluate", path: "/api/v1/flags/cart-model/evaluate", body: `{"context":{"targetingKey":"u"}}`, why: "it asks"},
		{route: "PUT /api/v1/cohorts/:name", path: "/api/v1/cohorts/beta", body: `{"reason":"x","definition":{"==":[{"var":"plan"},"beta"]}}`, action: "cohort.*", about: "Cohort/beta"},
		{route: "POST /api/v1/cohorts/:name/estimate", path: "/api/v1/cohorts/beta/estimate", body: `{"contexts":[{"plan":"beta"}]}`, why: "it asks"},
		{route: "DELETE /api/v1/cohorts/:name", path: "/api/v1/cohorts/beta?reason=x&base=1", action: "cohort.*", about: "Cohort/beta"},
		{route: "POST /api/v1/cohorts/:name/restore", path: "/api/v1/cohorts/beta/restore", body: `{"revision":1,"base":2,"reason":"x"}`, action: "cohort.*", about: "Cohort/beta"},
		{route: "PUT /api/v1/rules/:name", path: "/api/v1/rules/cart-merge", body: `{"reason":"x","definition":{"version":1,"strategy":"merge"}}`, action: "reconciliationrule.*", about: "ReconciliationRule/cart-merge"},
		{route: "DELETE /api/v1/rules/:name", path: "/api/v1/rules/cart-merge?reason=x&base=1", action: "reconciliationrule.*", about: "ReconciliationRule/cart-merge"},
		{route: "POST /api/v1/rules/:name/restore", path: "/api/v1/rules/cart-merge/restore", body: `{"revision":1,"base":2,"reason":"x"}`, action: "reconciliationrule.*", about: "ReconciliationRule/cart-merge"},
		{route: "POST /rules", body: definitionForm("key=paged", 0, `{"version":1,"strategy":"manual"}`), action: "reconciliationrule.*", about: "ReconciliationRule/paged"},
		{route: "POST /rules/:key", path: "/rules/paged", body: definitionForm("", 1, `{"version":2,"strategy":"crdt"}`), action: "reconciliationrule.*", about: "ReconciliationRule/paged"},
		{route: "POST /rules/:key/restore", path: "/rules/paged/restore", body: "revision=1&reason=x", action: "reconciliationrule.*", about: "ReconciliationRule/paged"},
		{route: "POST /api/v1/rules/:name/replays", path: "/api/v1/rules/paged/replays", body: `{}`, why: "it asks", keep: `replay="id":"([^"]+)"`},
		{route: "DELETE /api/v1/replays/:id", path: "/api/v1/replays/{replay}", why: "it ends a question"},
		{route: "POST /rules/:key/replays", path: "/rules/paged/replays", body: "version=1&limit=10&range=1h", why: "it asks"},
		{route: "POST /rules/:key/replays/:id/stop", path: "/rules/paged/replays/{replay}/stop", why: "it ends a question"},
		{route: "POST /rules/:key/delete", path: "/rules/paged/delete", body: "base=3&delete-reason=x", action: "reconciliationrule.*", about: "ReconciliationRule/paged"},
		{route: "POST /api/v1/conflicts/:id/decisions", path: "/api/v1/conflicts/c1/decisions", body: `{"action":"override","winner":"w1","base":0,"reason":"x"}`, action: "conflict.decide", about: "conflict/c1"},
		{route: "POST /conflicts/:id/decisions", path: "/conflicts/c1/decisions", body: "choice=keep:w2&base=1&reason=x", action: "conflict.decide", about: "conflict/c1"},
		{route: "PUT /api/v1/labels/:name", path: "/api/v1/labels/pii", body: `{"reason":"x","definition":{"services":["shop"]}}`, action: "label.*", about: "Label/pii"},
		{route: "DELETE /api/v1/labels/:name", path: "/api/v1/labels/pii?reason=x&base=1", action: "label.*", about: "Label/pii"},
		{route: "POST /api/v1/labels/:name/restore", path: "/api/v1/labels/pii/restore", body: `{"revision":1,"base":2,"reason":"x"}`, action: "label.*", about: "Label/pii"},
		{route: "POST /api/v1/quarantine/release", body: `{"label":"held-1","reason":"x"}`, action: "quarantine.release", about: "quarantine/held-1"},
		{route: "POST /api/v1/quarantine/discard", body: `{"label":"held-2","reason":"x"}`, action: "quarantine.discard", about: "quarantine/held-2"},
		{route: "POST /quarantine/release", body: "release-label=held-3&release-reason=x", action: "quarantine.release", about: "quarantine/held-3"},
		{route: "POST /quarantine/discard", body: "discard-label=held-4&discard-reason=x", action: "quarantine.discard", about: "quarantine/held-4"},
		{route: "POST /labels", body: "key=paged&reason=x&services=shop", action: "label.*", about: "Label/paged"},
		{route: "POST /labels/:key", path: "/labels/paged", body: "base=1&reason=x&services=cart", action: "label.*", about: "Label/paged"},
		{route: "POST /labels/:key/restore", path: "/labels/paged/restore", body: "revision=1&reason=x", action: "label.*", about: "Label/paged"},
		{route: "POST /labels/:key/delete", path: "/labels/paged/delete", body: "base=3&delete-reason=x", action: "label.*", about: "Label/paged"},
		{route: "PUT /api/v1/policies/:name", path: "/api/v1/policies/all", body: `{"reason":"x","definition":{"cedar":"permit (principal, action, resource);"}}`, action: "policy.*", about: "Policy/all"},
		{route: "DELETE /api/v1/policies/:name", path: "/api/v1/policies/all?reason=x&base=1", action: "policy.*", about: "Policy/all"},
		{route: "POST /api/v1/policies/:name/restore", path: "/api/v1/policies/all/restore", body: `{"revision":1,"base":2,"reason":"x"}`, action: "policy.*", about: "Policy/all"},
		{route: "PUT /api/v1/ownership/:feature", path: "/api/v1/ownership/cart", body: `{"reason":"x","definition":{"publishers":["shop"]}}`, action: "ownership.*", about: "Ownership/cart"},
		{route: "DELETE /api/v1/ownership/:feature", path: "/api/v1/ownership/cart?reason=x&base=1", action: "ownership.*", about: "Ownership/cart"},
		{route: "POST /api/v1/ownership/:feature/restore", path: "/api/v1/ownership/cart/restore", body: `{"revision":1,"base":2,"reason":"x"}`, action: "ownership.*", about: "Ownership/cart"},
		{route: "POST /ownership", body: "key=paged&reason=x&publish=list&publishers=shop&consume=keys", action: "ownership.*", about: "Ownership/paged"},
		{route: "POST /ownership/:key", path: "/ownership/paged", body: "base=1&reason=x&publish=keys&consume=nobody", action: "ownership.*", about: "Ownership/paged"},
		{route: "POST /ownership/:key/restore", path: "/ownership/paged/restore", body: "revision=1&reason=x", action: "ownership.*", about: "Ownership/paged"},
		{route: "POST /ownership/:key/delete", path: "/ownership/paged/delete", body: "base=3&delete-reason=x", action: "ownership.*", about: "Ownership/paged"},
		{route: "POST /policies", body: "key=paged&reason=x&cedar=" + url.QueryEscape("permit (principal, action, resource);"), action: "policy.*", about: "Policy/paged"},
		{route: "POST /policies/:key", path: "/policies/paged", body: "base=1&reason=x&cedar=" + url.QueryEscape("forbid (principal, action == Action::\"publish\", resource);"), action: "policy.*", about: "Policy/paged"},
		{route: "POST /policies/:key/switch", path: "/policies/paged/switch", body: "base=2&enabled=no&switch-reason=x", action: "policy.*", about: "Policy/paged"},
		{route: "POST /policies/:key/restore", path: "/policies/paged/restore", body: "revision=1&reason=x", action: "policy.*", about: "Policy/paged"},
		{route: "POST /policies/:key/delete", path: "/policies/paged/delete", body: "base=4&delete-reason=x", action: "policy.*", about: "Policy/paged"},
		{route: "PUT /api/v1/flagset/metadata", body: `{"reason":"x","definition":{"version":"1"}}`, action: "flagset.*", about: "FlagSet/"},
		{route: "DELETE /api/v1/flagset/metadata", path: "/api/v1/flagset/metadata?reason=x&base=1", action: "flagset.*", about: "FlagSet/"},
		{route: "POST /api/v1/flagset/metadata/restore", body: `{"revision":1,"base":2,"reason":"x"}`, action: "flagset.*", about: "FlagSet/"},

		{route: "POST /api/v1/documents/plan", body: promise("cart", "1.0.0", "cart"), why: "it plans"},
		{route: "POST /api/v1/documents/apply", path: "/api/v1/documents/apply?reason=x", body: promise("cart", "1.0.0", "cart"), action: "document.apply", about: "ConsistencyGuarantee/cart"},
		{route: "POST /api/v1/documents/apply", path: "/api/v1/documents/apply?reason=x", body: strings.Replace(promise("cart", "1.1.0", "cart"), "0.999", "0.9999", 1), action: "document.apply", about: "ConsistencyGuarantee/cart"},
		{route: "POST /api/v1/documents/:kind/:name/restore", path: "/api/v1/documents/ConsistencyGuarantee/cart/restore", body: `{"revision":1,"reason":"x"}`, action: "document.*", about: "ConsistencyGuarantee/cart"},
		{route: "POST /api/v1/documents/:kind/:name/review", path: "/api/v1/documents/ConsistencyGuarantee/cart/review", body: `{"decision":"keep"}`, action: ".*review.*", about: "ConsistencyGuarantee/cart"},
		{route: "POST /guarantees/:name/restore", path: "/guarantees/cart/restore", body: "revision=2&reason=x", action: "document.*", about: "ConsistencyGuarantee/cart"},
		{route: "POST /guarantees/:name/reviews", path: "/guarantees/cart/reviews", body: "decision=keep&note=fine", action: ".*review.*", about: "ConsistencyGuarantee/cart"},

		{route: "POST /api/v1/rollouts/preview", body: plan, why: "it asks"},
		{route: "POST /api/v1/rollouts", body: plan, action: "rollout.*", about: "rollout/", keep: `rollout="id":"([^"]+)"`},
		{route: "PUT /api/v1/rollouts/:id", path: "/api/v1/rollouts/{rollout}", body: strings.Replace(plan, `{"title":"Causal carts"`, `{"revision":1,"title":"Carts"`, 1), action: "rollout.*", about: "rollout/{rollout}"},
		{route: "POST /api/v1/rollouts/:id/:verb", path: "/api/v1/rollouts/{rollout}/start", body: `{"reason":"go","revision":2}`, action: "rollout.*", about: "rollout/{rollout}"},
		{route: "POST /rollouts/:id/:verb", path: "/rollouts/{rollout}/revert", body: "reason=slow&revision=3", action: "rollout.*", about: "rollout/{rollout}"},
		{route: "POST /rollouts/new", body: "title=Again&reason=x&do=create&flag=cart-model&feature=cart&candidate=new&control=old" +
			"&step0_percent=50&step0_bake=1m&step0_units=10&step1_percent=100&step1_bake=1m&step1_units=10&on_deadline=hold&no_data_after=15m&pin_for=1h", action: "rollout.*", about: "rollout/"},
		{route: "DELETE /api/v1/flags/:key", path: "/api/v1/flags/spare?reason=x&base=1", action: "flag.*", about: "Flag/spare"},
		{route: "POST /api/v1/flags/:key/restore", path: "/api/v1/flags/spare/restore", body: `{"revision":1,"base":2,"reason":"x"}`, action: "flag.*", about: "Flag/spare"},
		{route: "POST /flags", body: definitionForm("key=paged", 0, `{"state":"ENABLED","variants":{"on":true},"defaultVariant":"on"}`), action: "flag.*", about: "Flag/paged"},
		{route: "POST /flags/:key", path: "/flags/paged", body: definitionForm("", 1, `{"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"off"}`), action: "flag.*", about: "Flag/paged"},
		{route: "POST /flags/:key/switch", path: "/flags/paged/switch", body: "base=2&state=DISABLED&switch-reason=x", action: "flag.*", about: "Flag/paged"},
		{route: "POST /flags/:key/restore", path: "/flags/paged/restore", body: "revision=1&reason=x", action: "flag.*", about: "Flag/paged"},
		{route: "POST /flags/:key/delete", path: "/flags/paged/delete", body: "base=4&delete-reason=x", action: "flag.*", about: "Flag/paged"},
		{route: "POST /cohorts", body: definitionForm("key=paged", 0, `{"==":[{"var":"plan"},"beta"]}`), action: "cohort.*", about: "Cohort/paged"},
		{route: "POST /cohorts/:key", path: "/cohorts/paged", body: definitionForm("", 1, `{"==":[{"var":"plan"},"gold"]}`), action: "cohort.*", about: "Cohort/paged"},
		{route: "POST /cohorts/:key/restore", path: "/cohorts/paged/restore", body: "revision=1&reason=x", action: "cohort.*", about: "Cohort/paged"},
		{route: "POST /cohorts/:key/delete", path: "/cohorts/paged/delete", body: "base=3&delete-reason=x", action: "cohort.*", about: "Cohort/paged"},
		{route: "POST /ofrep/v1/evaluate/flags", body: `{"context":{"targetingKey":"u"}}`, why: "it asks"},
		{route: "POST /ofrep/v1/evaluate/flags/:key", path: "/ofrep/v1/evaluate/flags/cart-model", body: `{"context":{"targetingKey":"u"}}`, why: "it asks"},

		{route: "POST /api/v1/webhooks", body: `{"name":"ops","url":"http://127.0.0.1:9/"}`, action: "webhook.*", about: "webhook/", keep: `hook="id":"([^"]+)"`},
		{route: "PUT /api/v1/webhooks/:id", path: "/api/v1/webhooks/{hook}", body: `{"name":"ops","url":"http://127.0.0.1:9/","enabled":false}`, action: "webhook.*", about: "webhook/"},
		{route: "POST /api/v1/webhooks/:id/test", path: "/api/v1/webhooks/{hook}/test", why: "a message is sent, nothing is changed"},
		{route: "DELETE /api/v1/webhooks/:id", path: "/api/v1/webhooks/{hook}?reason=x", action: "webhook.*", about: "webhook/"},
		{route: "POST /alerts/webhooks/new", body: "name=page&url=http%3A%2F%2F127.0.0.1%3A9%2F&severities=all&reason=x", action: "webhook.put", about: "webhook/", keep: `pagehook=href="/alerts/webhooks/([^"]+)"`},
		{route: "POST /alerts/webhooks/:id/edit", path: "/alerts/webhooks/{pagehook}/edit", body: "name=page&url=http%3A%2F%2F127.0.0.1%3A9%2F&severities=page&enabled=off&reason=x", action: "webhook.put", about: "webhook/{pagehook}"},
		{route: "POST /alerts/webhooks/:id/test", path: "/alerts/webhooks/{pagehook}/test", why: "a message is sent, nothing is changed"},
		{route: "POST /alerts/webhooks/:id/remove", path: "/alerts/webhooks/{pagehook}/remove", body: "reason=x", action: "webhook.delete", about: "webhook/{pagehook}"},

		{route: "POST /api/v1/keys", body: `{"name":"svc","env":"live","scopes":["read"],"reason":"x"}`, action: "key.create", about: "key/", keep: `key="id":"([^"]+)"`},
		{route: "POST /api/v1/keys/:id/rotate", path: "/api/v1/keys/{key}/rotate", body: `{"overlap":"1h","reason":"x"}`, action: "key.rotate", about: "key/"},
		{route: "DELETE /api/v1/keys/:id", path: "/api/v1/keys/{key}?reason=x", action: "key.revoke", about: "key/"},
		{route: "POST /access/keys/new", body: "name=page&scopes=read&env=live&expires=1d&reason=x", action: "key.create", about: "key/", keep: `pagekey=tmk_live_([a-z0-9]+)_`},
		{route: "POST /access/keys/:id/rotate", path: "/access/keys/{pagekey}/rotate", body: "overlap=1h&reason=x", action: "key.rotate", about: "key/"},
		{route: "POST /access/keys/:id/revoke", path: "/access/keys/{pagekey}/revoke", body: "reason=x", action: "key.revoke", about: "key/"},

		{route: "POST /api/v1/users", body: `{"name":"bo","role":"viewer","reason":"x"}`, action: "user.create", about: "user/bo"},
		{route: "PATCH /api/v1/users/:name", path: "/api/v1/users/bo", body: `{"role":"operator","reason":"x"}`, action: "user.role", about: "user/bo"},
		{route: "POST /api/v1/users/:name/invite", path: "/api/v1/users/bo/invite", body: `{"reason":"x"}`, action: "invite.create", about: "user/bo"},
		{route: "POST /api/v1/users/:name/signout", path: "/api/v1/users/bo/signout", body: `{"reason":"x"}`, action: "session.end_all", about: "user/bo"},
		{route: "POST /access/people/new", body: "name=cy&role=viewer&reason=x", action: "user.create", about: "user/cy"},
		{route: "POST /access/people/:name/invite", path: "/access/people/cy/invite", body: "reason=x", action: "invite.create", about: "user/cy"},
		{route: "POST /access/people/:name/role", path: "/access/people/cy/role", body: "role=operator&reason=x", action: "user.role", about: "user/cy"},
		{route: "POST /access/people/:name/disable", path: "/access/people/cy/disable", body: "reason=x", action: "user.disable", about: "user/cy"},
		{route: "POST /access/people/:name/enable", path: "/access/people/cy/enable", body: "reason=x", action: "user.enable", about: "user/cy"},
		{route: "POST /access/people/:name/signout", path: "/access/people/cy/signout", body: "reason=x", action: "session.end_all", about: "user/cy"},
		{route: "PUT /api/v1/teams/:name", path: "/api/v1/teams/shop", body: `{"members":["bo"],"features":["cart"],"reason":"x"}`, action: "team.*", about: "team/shop"},
		{route: "DELETE /api/v1/teams/:name", path: "/api/v1/teams/shop?reason=x", action: "team.*", about: "team/shop"},
		{route: "POST /access/teams/new", body: "name=feed&members=bo&features=feed&reason=x", action: "team.*", about: "team/feed"},
		{route: "POST /access/teams/:name/edit", path: "/access/teams/feed/edit", body: "name=feed&about=us&members=bo&features=feed&reason=x", action: "team.*", about: "team/feed"},
		{route: "POST /access/teams/:name/delete", path: "/access/teams/feed/delete", body: "reason=x", action: "team.*", about: "team/feed"},

		{route: "POST /v1/events", body: `{"kind":"heartbeat"}`, why: "telemetry is no control data"},
		{route: "POST /v1/logs", body: `{}`, why: "telemetry is no control data"},
		{route: "POST /v1/traces", body: `{}`, why: "telemetry is no control data"},
		{route: "POST /api/v1/audit/checkpoint", why: "the log's head is signed, which is kept beside it"},
		{route: "POST /api/v1/backup", path: "/api/v1/backup?reason=x", action: "backup.make", about: "store/backup"},

		{route: "POST /access/password", body: "current=" + url.QueryEscape(good) + "&password=another+horse+battery+9&again=another+horse+battery+9", action: "user.password", about: "user/root"},
		{route: "POST /access/sessions/end", body: "reason=x", action: "session.end_all", about: "user/root"},
		{route: "POST /signout", action: "session.end", about: "user/root"},
		{route: "POST /signin", body: "name=root&password=another+horse+battery+9", action: "session.begin", about: "user/root"},
		{route: "POST /access/sessions/:id/end", path: "/access/sessions/{session}/end", body: "reason=x", action: "session.end", about: "user/root"},
	}
}

// definitionForm is what a page sends to store a flag or a cohort.
func definitionForm(more string, base int, definition string) string {
	return more + "&reason=x&base=" + strconv.Itoa(base) + "&definition=" + url.QueryEscape(definition)
}

// auditedElsewhere are routes that another test drives to their record.
func auditedElsewhere() map[string]string {
	return map[string]string{"POST /setup": "TestTheAuditLogNamesEveryChangeOfAccess"}
}

// TestEveryChangeIsInTheAuditLog makes each change that a route can make and looks for
// its record, with who made it; what changes nothing must leave none. A new route that
// is not a GET fails here until it has its place.
func TestEveryChangeIsInTheAuditLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openIn(t, dir, app.Options{
		PasswordCost: access.PasswordCost{Memory: 64, Passes: 1, Lanes: 1},
		WebhookAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	root := d.root()
	all := d.namedKey("all", "control", "admin", "read", "evaluate", "publish:*")
	d.do(all, http.MethodPut, "/api/v1/flags/spare", cartFlag, http.StatusCreated, nil)
	d.conflict(all, "", "")
	for _, label := range []string{"held-1", "held-2", "held-3", "held-4"} {
		d.post(all, "/v1/events", event("initiated", "w-"+label, "cart", `,"labels":["`+label+`"]`), "Content-Type: application/json")
	}
	tried := map[string]bool{}
	kept := map[string]string{}
	for _, s := range auditSteps() {
		tried[s.route] = true
		if strings.Contains(s.path, "{session}") {
			kept["session"] = d.someSession(root)
		}
		if s.action != "" {
			d.mustNotChangeUnrecorded(s, filepath.Join(dir, control.FileName), func() int { return d.change(s, root, all, kept).Code })
		}
		before := d.auditSize(all)
		w := d.change(s, root, all, kept)
		if w.Code >= http.StatusBadRequest && s.action != "" || w.Code >= http.StatusInternalServerError {
			t.Errorf("%s: %d %.500s", s.route, w.Code, w.Body)
			continue
		}
		d.checkRecords(s, before, all, kept)
		if name, pattern, ok := strings.Cut(s.keep, "="); ok {
			m := regexp.MustCompile(pattern).FindStringSubmatch(w.Body.String())
			if m == nil {
				t.Fatalf("%s: no %s in %.500s", s.route, pattern, w.Body)
			}
			kept[name] = m[1]
		}
	}
	for _, r := range d.app.Server().Routes() {
		name := r.Method + " " + r.Path
		if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions || r.Path == "" {
			continue // TestNoGetChangesAnything looks at those.
		}
		if !tried[name] && auditedElsewhere()[name] == "" {
			t.Errorf("%s: nobody knows whether it leaves a record: give it a step here", name)
		}
	}
}

// mustNotChangeUnrecorded makes a change while the log takes no record: then nothing of
// the change may be stored either, for both are one transaction.
func (d *door) mustNotChangeUnrecorded(s auditStep, file string, change func() int) {
	d.t.Helper()
	const refuse = "CREATE TRIGGER refuse BEFORE INSERT ON audit_entries BEGIN SELECT RAISE(ABORT, 'no record'); END"
	dump := func() string {
		// What is written without being a change: use, and what the server notes by itself.
		text, err := plainsql.Dump(d.t.Context(), file, "sessions.*", "flag_usage.*", "leases.*", "deliveries.*", "alerts.*", "rollout_pins.*",
			"last_used", "seen_at", "done_at", "body", "token", "data")
		check(d.t, err)
		return text
	}
	before := dump()
	check(d.t, plainsql.Exec(d.t.Context(), file, refuse))
	status := change()
	check(d.t, plainsql.Exec(d.t.Context(), file, "DROP TRIGGER refuse"))
	if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(dump(), "\n")); diff != "" || status < http.StatusBadRequest {
		d.t.Errorf("%s: the change was stored, or answered %d, without its record (-before +after):\n%s", s.route, status, diff)
	}
}

// change makes a request: by the API with a key, or as a person's browser.
func (d *door) change(s auditStep, root *browser, key string, kept map[string]string) *httptest.ResponseRecorder {
	d.t.Helper()
	method, path, _ := strings.Cut(s.route, " ")
	if s.path != "" {
		path = fill(s.path, kept)
	}
	if !isAPI(path) {
		form, err := url.ParseQuery(s.body)
		if err != nil {
			d.t.Fatal(err)
		}
		return root.do(method, path, form)
	}
	r := httptest.NewRequestWithContext(d.t.Context(), method, path, strings.NewReader(fill(s.body, kept)))
	r.Header.Set("Authorization", "Bearer "+key)
	if strings.HasPrefix(s.body, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	return d.serve(r)
}

func isAPI(path string) bool {
	return slices.ContainsFunc([]string{"/api/", "/v1/", "/ofrep/"}, func(p string) bool { return strings.HasPrefix(path, p) })
}

func fill(text string, kept map[string]string) string {
	for name, value := range kept {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}

type auditItem struct {
	N                              int64
	Actor, Action, Subject, Reason string
}

func (d *door) auditItems(key string) []auditItem {
	d.t.Helper()
	var list struct{ Items []auditItem }
	d.do(key, http.MethodGet, "/api/v1/audit?limit=500", "", http.StatusOK, &list)
	return list.Items
}

func (d *door) auditSize(key string) int64 {
	d.t.Helper()
	return d.auditItems(key)[0].N + 1
}

// checkRecords looks at the records since a change began. Those of the server itself,
// such as of a rollout that goes on, are no one's change.
func (d *door) checkRecords(s auditStep, before int64, key string, kept map[string]string) {
	d.t.Helper()
	var found []string
	for _, e := range d.auditItems(key) {
		if e.N < before || e.Actor == "server" || e.Actor == "tidemark" || e.Actor == "controller" {
			continue
		}
		found = append(found, fmt.Sprintf("%s: %s %s", e.Actor, e.Action, e.Subject))
		named := strings.HasPrefix(e.Actor, "key:") || strings.HasPrefix(e.Actor, "user:")
		if s.action != "" && named && regexp.MustCompile("^("+s.action+")$").MatchString(e.Action) && strings.HasPrefix(e.Subject, fill(s.about, kept)) {
			return
		}
	}
	switch {
	case s.action == "" && len(found) > 0:
		d.t.Errorf("%s: nothing should be changed (%s), but the log has %q", s.route, s.why, found)
	case s.action != "":
		d.t.Errorf("%s: no record %s %s; the log has %q", s.route, s.action, fill(s.about, kept), found)
	}
}

// someSession signs root in once more, elsewhere, and returns the id of that session.
func (d *door) someSession(root *browser) string {
	d.t.Helper()
	other := d.browser()
	form := url.Values{"name": {"root"}, "password": {"another horse battery 9"}}
	if w := other.do(http.MethodPost, "/signin", form); w.Code != http.StatusSeeOther {
		d.t.Fatalf("sign in elsewhere: %d", w.Code)
	}
	m := regexp.MustCompile(`/access/sessions/([^/"]+)/end`).FindStringSubmatch(root.get("/access").Body.String())
	if m == nil {
		d.t.Fatal("the page lists no session")
	}
	return m[1]
}
