package upgrade

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/flags"
	control "tidemark/flags/sqlite"
	"tidemark/metrics"
	"tidemark/metrics/sqlite/segment"
	"tidemark/tests/tidemark"
)

// newest is a store at the newest schema, with rows in every table.
type newest struct {
	dir    string
	key    string
	events int
}

const promise = `apiVersion: tidemark/v1alpha1
kind: ConsistencyGuarantee
metadata: {name: cart-everywhere}
spec:
  version: 1.0.0
  feature: cart
  story: "My cart is the same on every device within 2 s."
  owner: team-checkout
  model: eventual
  mechanism: crdt
  replicas: [{name: cart-eu, kind: op}, {name: cart-us, kind: op}]
  reconciliation: {rule: cart-merge, version: 3}
  objectives:
    - {sli: time_to_visibility, scope: all, op: lte, value: 2s, target: 0.95, window: 28d}
  review: {every: 90d, decision: docs/adr/0009-cart.md}
`

const policies = `apiVersion: tidemark/v1alpha1
kind: Policy
metadata: {name: support-sees-pii}
spec:
  cedar: |
    permit (principal in Team::"support", action == Action::"read_contents", resource)
    when { resource.labels == ["pii"] };
---
apiVersion: tidemark/v1alpha1
kind: Ownership
metadata: {name: cart}
spec: {publishers: [shop]}
`

// makeStore uses the program for what its verbs can do, and plain SQL for the rest.
func makeStore(t *testing.T) *newest {
	t.Helper()
	n := &newest{dir: filepath.Join(t.TempDir(), "newest")}
	away := t.TempDir()
	if err := os.Mkdir(n.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	n.key = strings.TrimSpace(tidemark.Verb(t, "keys", "create", "shop", "--data", n.dir, "--scope", "publish:*", "--scope", "read"))
	file := func(name, content string) string {
		path := filepath.Join(away, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tidemark.Verb(t, "apply", "-f", file("cart.yaml", promise), "--data", n.dir, "--reason", "first")
	tidemark.Verb(t, "apply", "-f", file("policy.yaml", policies), "--data", n.dir, "--reason", "whose cart is it")
	tidemark.Verb(t, "import", file("events.ndjson", n.telemetry()), "--data", n.dir)
	tidemark.Verb(t, "signin", "--data", n.dir, "--url", "http://127.0.0.1:1", "--name", "bo", "--role", "viewer")
	tidemark.Verb(t, "audit", "checkpoint", "--data", n.dir)
	n.fillControl(t)
	n.fillTelemetry(t)
	return n
}

// telemetry is what two devices did: writes that arrive, that do not, that meet, and
// sessions that read too old a cart.
func (n *newest) telemetry() string {
	var b strings.Builder
	at := time.Now().Add(-2 * time.Minute).UnixNano()
	add := func(kind, write, more string) {
		n.events++
		fmt.Fprintf(&b, `{"event_id":"e%d","kind":%q,"write_id":%q,"feature":"cart","key":"k%s","service":"shop","occurred_at":%d%s}`+"\n",
			n.events, kind, write, write, at+int64(n.events)*int64(10*time.Millisecond), more)
	}
	for i := 1; i <= 20; i++ {
		w := fmt.Sprintf("w%d", i)
		add("initiated", w, fmt.Sprintf(`,"version":{"seq":%d},"session_id":"s%d","session_seq":1`, i+1, i))
		add("visible", w, `,"replica":"cart-eu"`)
		if i%2 == 0 {
			add("visible", w, `,"replica":"cart-us"`)
		}
		add("read", w, fmt.Sprintf(`,"replica":"cart-us","version":{"seq":1},"session_id":"s%d","session_seq":2`, i))
	}
	add("conflict_detected", "w1", `,"conflict_id":"c1","with":["w2"],"rule":"cart-merge"`)
	return b.String()
}

// fillControl adds what only a server or a person does. Times are in the future where
// a start would otherwise clear the row away.
func (n *newest) fillControl(t *testing.T) {
	t.Helper()
	db := openPlain(t, filepath.Join(n.dir, control.FileName))
	now := time.Now()
	past, later := now.Add(-time.Hour).UnixNano(), now.Add(24*time.Hour).UnixNano()
	text := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	rollout := flags.Rollout{ID: "r1", Title: "cart", State: flags.RolloutCompleted, Revision: 1, CreatedAt: now, Plan: flags.Plan{Flag: "cart-model"}}
	alert := flags.Alert{
		ID: "a1", AlertKey: flags.AlertKey{Guarantee: "cart-everywhere", Objective: "o", Rule: "page-1h"}, Feature: "cart",
		State: flags.AlertResolved, FiredAt: now, ResolvedAt: now,
	}
	exec(t, db, "PRAGMA foreign_keys = ON")
	exec(t, db, "INSERT INTO sessions VALUES ('t1', x'00', ?)", later)
	exec(t, db, "INSERT INTO document_reviews (kind, name, revision, decision, note, actor, at) SELECT kind, name, revision, 'keep', 'fine', 'user:bo', ? FROM documents LIMIT 1", past)
	exec(t, db, "INSERT INTO attainment VALUES ('cart-everywhere', 'o', ?, '1.0.0', 9, 10, 0.95, 'broken')", now.UTC().Format(time.DateOnly))
	exec(t, db, "INSERT INTO alerts VALUES ('a1', 'cart-everywhere', 'o', 'page-1h', 'cart', 'page', 'resolved', ?, ?, CAST(? AS BLOB))", past, past, text(alert))
	exec(t, db, "INSERT INTO webhooks VALUES ('h1', 'pager', 'https://pager.example/', 'whsec_dGlkZW1hcms=', '', 1, ?, 'user:bo', 1)", past)
	exec(t, db, "INSERT INTO deliveries VALUES ('d1', 'h1', 'a1', 'alert.fired', x'7b7d', 'delivered', 1, ?, ?, ?, 200, '')", past, past, past)
	exec(t, db, "INSERT INTO rollouts VALUES ('r1', 'cart-model', 'completed', 1, ?, CAST(? AS BLOB))", past, text(rollout))
	exec(t, db, "INSERT INTO rollout_transitions VALUES ('r1', 1, ?, CAST(? AS BLOB))", past, text(flags.Transition{Rollout: "r1", Revision: 1, At: now, Actor: "user:bo"}))
	exec(t, db, "INSERT INTO leases VALUES ('old', 'host-1', ?)", past)
	exec(t, db, "INSERT OR IGNORE INTO secrets VALUES ('pins', zeroblob(32), ?)", past)
	exec(t, db, "INSERT INTO rollout_pins VALUES ('r-1', 'on', 1, ?, 0, zeroblob(2048))", now.Add(time.Hour).UnixNano())
	exec(t, db, "INSERT INTO flag_usage VALUES ('cart-model', ?, 'on', 'SPLIT', 7, ?)", now.UTC().Format(time.DateOnly), past)
	decision := flags.ConflictDecision{Conflict: "c1", Revision: 1, Feature: "cart", Key: "kw1", Writes: []string{"w1", "w2"}, Action: flags.DecisionOverride, Winner: "w2", Reason: "fine", Actor: "user:bo", At: now, EventID: "decision-1", EventAt: now}
	exec(t, db, "INSERT INTO conflict_decisions VALUES ('c1', 1, 'cart', ?, ?, CAST(? AS BLOB))", past, past, text(decision))
	exec(t, db, "INSERT INTO users VALUES ('bo', 'operator', '', '', '', ?, 0, ?)", past, past)
	exec(t, db, "INSERT INTO quarantine_orders VALUES ('q1', 'discard', 'cart', 'pii', 1, 1, 'user:bo', 'a test', ?, ?)", past, past)
	exec(t, db, "INSERT INTO teams VALUES ('checkout', 'carts', ?)", past)
	exec(t, db, "INSERT INTO team_members VALUES ('checkout', 'bo', 'local')")
	exec(t, db, "INSERT INTO team_features VALUES ('cart', 'checkout')")
	exec(t, db, "INSERT INTO invites VALUES (zeroblob(32), 'cy', ?, ?)", past, later)
	exec(t, db, "INSERT INTO user_sessions VALUES ('s1', 't1', 'bo', 'link', '127.0.0.1', 'test', ?, ?, ?)", past, past, later)
	exec(t, db, "INSERT INTO policy_attempts VALUES ('k1', 'cart', 'publish', 'shop', 'thief', 3, ?, ?, 'e1', 'declared-publishers', 0, 'v1@0123456789ab')", past, past)
	fillOthers(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// fillTelemetry adds what this little traffic does not lead to.
func (n *newest) fillTelemetry(t *testing.T) {
	t.Helper()
	db := openPlain(t, filepath.Join(n.dir, "telemetry.db"))
	exec(t, db, "INSERT OR IGNORE INTO partition (number, first) VALUES (1, 0)")
	fillOthers(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// fillOthers puts a row of plain values into each table that has none.
func fillOthers(t *testing.T, db *sql.DB) {
	t.Helper()
	for _, table := range tables(t, db, "main") {
		if len(list(t, db, "SELECT 1 FROM "+table+" LIMIT 1")) > 0 {
			continue
		}
		var values []string
		const kinds = "SELECT CASE WHEN name = 'data' AND type = 'TEXT' THEN 'OBJECT' WHEN name = 'missing' THEN 'ARRAY' ELSE type END FROM pragma_table_info(?)"
		for _, kind := range list(t, db, kinds, table) {
			values = append(values, map[string]string{
				"TEXT": "'x'", "OBJECT": "'{}'", "ARRAY": "'[]'", "INTEGER": "1", "REAL": "0.5", "BLOB": blobFor(t, table),
			}[kind])
		}
		exec(t, db, "INSERT INTO "+table+" VALUES ("+strings.Join(values, ", ")+")")
	}
}

// blobFor is bytes that a table may hold, as SQL.
func blobFor(t *testing.T, table string) string {
	t.Helper()
	if table != "quarantine" {
		return "zeroblob(32)"
	}
	enc, err := segment.NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	event := metrics.Event{EventID: "x", Kind: metrics.KindInitiated, WriteID: "x", Feature: "x", OccurredAt: 1, ObservedAt: 1, Labels: []string{"x"}}
	data, err := enc.Encode(nil, []metrics.Event{event})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("x'%x'", data)
}
