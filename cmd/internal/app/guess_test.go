package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tidemark/cmd/internal/app"
)

// nameless is an event without an id, whose id is then made of what it says.
func nameless(kind, write, rest string) string {
	return fmt.Sprintf(`{"kind":"%s","write_id":"%s","feature":"cart","key":"k","service":"s","occurred_at":%d%s}`, kind, write, time.Now().UnixNano(), rest)
}

// TestNothingLetsContentsBeGuessed: who may not see what a write changed gets nothing that
// is made of it either, by which guesses could be tried, nor finds an order of events in
// which a label does not hold.
func TestNothingLetsContentsBeGuessed(t *testing.T) {
	t.Parallel()
	d := openWith(t, app.Options{Limits: often()})
	owner, reader := d.namedKey("cart", "publish:cart", "read", "control", "admin"), d.key("read")
	d.declare("pii")
	d.do(owner, "PUT", "/api/v1/rules/most", `{"definition":{"version":1,"strategy":"merge","parameters":{"default":"last-writer-wins","fields":{"/bid":"max"}}},"base":0,"reason":"first"}`, 201, nil)
	tail := d.tail(reader)
	send := func(events ...string) {
		t.Helper()
		got := read[receipt](t, d.post(owner, "/v1/events", "["+strings.Join(events, ",")+"]", "Content-Type: application/json"), http.StatusOK)
		if got.Accepted != len(events) {
			t.Fatalf("%d of %d events were accepted: %+v", got.Accepted, len(events), got.Rejected)
		}
	}
	const secret = `,"actor":"alice","labels":["pii"],"version":{"seq":%d},"delta":{"bid":%d}`
	const said = `,"conflict_id":"c1","with":["w2"],"rule":"most","rule_version":"1"`
	send(nameless("initiated", "w1", fmt.Sprintf(secret, 1, 7)), nameless("initiated", "w2", fmt.Sprintf(secret, 2, 5)),
		nameless("conflict_detected", "w1", said), nameless("conflict_resolved", "w1", said+`,"auto":true,"winner":"w2"`))
	for _, line := range tail(`"kind":"conflict_resolved"`) {
		for field := range strings.SplitSeq(line, `"`) {
			if len(field) == 64 {
				t.Errorf("the stream of events tells an id made of contents: %s", line)
			}
		}
	}
	send(event("conflict_detected", "w3", "cart", `,"conflict_id":"c-busy","with":["w4"]`))
	send(event("initiated", "w4", "cart", `,"actor":"alice","delta":{"bid":8}`), strings.Replace(event("failed", "w4", "cart", `,"labels":["pii"]`), `"key":"k"`, `"key":"other"`, 1))
	busy := []string{event("initiated", "w3", "cart", `,"actor":"alice","delta":{"bid":9}`)}
	for i := range 1000 {
		busy = append(busy, strings.Replace(event("failed", "w3", "cart", ""), "w3-failed", fmt.Sprintf("again-%d", i), 1))
	}
	send(busy...)
	send(event("committed", "w3", "cart", `,"labels":["pii"]`))
	d.until("the conflicts are listed", func() bool {
		list := d.get(reader, "/api/v1/conflicts?feature=cart").Body.String()
		return strings.Contains(list, `"c1"`) && strings.Contains(list, `"c-busy"`) && strings.Contains(list, `"winner":"w2"`)
	})

	var a fileAnswer
	d.do(owner, "GET", "/v1/conflicts/c1", "", 200, &a)
	if a.Proposal.Kind != "merge" || !strings.Contains(string(a.Proposal.Merged), "7") {
		t.Fatalf("who may see it does not: %+v", a.Proposal)
	}
	for _, path := range []string{
		"/v1/conflicts/c1", "/api/v1/conflicts/c1", "/conflicts/c1", "/api/v1/conflicts?feature=cart", "/api/v1/conflicts/waiting",
		"/v1/conflicts/c-busy", "/conflicts/c-busy", "/api/v1/writes/w1", "/api/v1/writes/w3", "/api/v1/writes/w4", "/api/v1/writes?feature=cart&key=k", "/api/v1/rules/most/agreement",
	} {
		body := d.get(reader, path).Body.String()
		for _, tells := range []string{"alice", `"bid"`, `detected_event"`, `resolved_event"`, `"lost_writes"`, `"kind":"merge"`, `"differ":1`, `"agree":1`} {
			if strings.Contains(body, tells) {
				t.Errorf("%s tells %s: %s", path, tells, body)
			}
		}
	}
	for key, want := range map[string]string{owner: `"differ":1`, reader: `"causes":{"hidden":1}`, d.namedKey("another", "read"): `"causes":{"hidden":1}`} {
		if body := d.get(key, "/api/v1/rules/most/agreement").Body.String(); !strings.Contains(body, want) {
			t.Errorf("agreement: want %s in %s", want, body)
		}
	}
	if w := d.get(reader, "/conflicts/c-busy"); !strings.Contains(w.Body.String(), "one of them may bear a label") {
		t.Errorf("the page of a conflict whose writes were not read whole does not say so: %s", w.Body)
	}
	// What cannot be seen is not accepted either, and one's own choice is.
	operator := d.namedKey("operator", "control")
	d.do(owner, "PUT", "/api/v1/policies/control", `{"definition":{"enabled":false},"base":0,"reason":"operators see no contents"}`, 201, nil)
	if w := d.post(operator, "/api/v1/conflicts/c1/decisions", `{"action":"accept","base":0,"reason":"blindly"}`, "Content-Type: application/json"); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("accepted unseen: %d %s", w.Code, w.Body)
	}
	d.do(operator, "POST", "/api/v1/conflicts/c1/decisions", `{"action":"override","winner":"w1","base":0,"reason":"the greater bid"}`, 201, nil)
}
