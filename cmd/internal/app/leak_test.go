package app_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"tidemark/cmd/internal/app"
	"tidemark/flags/access"
	"tidemark/web/auth"
)

// leakReader is somebody who asks, and what a policy may go by.
type leakReader struct {
	name, kind, role string
	owns, teams      []string
	scopes           []string
	sign             func(*http.Request)
}

// leakRule is a generated policy: its text, and what it says, written anew in Go.
type leakRule struct {
	cedar   string
	forbids bool
	holds   func(r *leakReader, feature string, labels []string) bool
}

// generatedRule draws a policy.
func generatedRule(rnd *rand.Rand) leakRule {
	label := []string{"pii", "tenant:acme", "secret"}[rnd.IntN(3)]
	const head = `(principal%s, action == Action::"read_contents", resource) when { %s };`
	rule := func(effect, who, when string, holds func(r *leakReader, feature string, labels []string) bool) leakRule {
		return leakRule{effect + fmt.Sprintf(head, who, when), effect == "forbid", holds}
	}
	has := func(_ *leakReader, _ string, labels []string) bool { return slices.Contains(labels, label) }
	quoted := fmt.Sprintf("%q", label)
	switch rnd.IntN(7) {
	case 0:
		return rule("permit", "", "resource.labels == ["+quoted+"]", func(_ *leakReader, _ string, labels []string) bool {
			return slices.Equal(labels, []string{label})
		})
	case 1:
		return rule("forbid", "", "resource.labels.contains("+quoted+")", has)
	case 2:
		return rule("permit", ` in Team::"support"`, "resource.labels.contains("+quoted+")", func(r *leakReader, f string, labels []string) bool {
			return slices.Contains(r.teams, "support") && has(r, f, labels)
		})
	case 3:
		return rule("permit", " is Key", `resource.feature == Feature::"feed"`, func(r *leakReader, f string, _ []string) bool {
			return r.kind == "key" && f == "feed"
		})
	case 4:
		return rule("forbid", " is Person", `principal.role != "operator"`, func(r *leakReader, _ string, _ []string) bool {
			return r.kind == "person" && r.role != "operator"
		})
	case 5:
		return rule("permit", ` == Key::"reader"`, "true", func(r *leakReader, _ string, _ []string) bool { return r.name == "reader" })
	}
	return rule("forbid", "", `resource.labels.containsAny([`+quoted+`]) && resource.feature.name == "cart"`, func(r *leakReader, f string, labels []string) bool {
		return f == "cart" && has(r, f, labels)
	})
}

// programRules are the policies of the program that are about contents, in Go.
func programRules() map[string]leakRule {
	return map[string]leakRule{
		"unlabelled": {holds: func(_ *leakReader, _ string, labels []string) bool { return len(labels) == 0 }},
		"owner": {holds: func(r *leakReader, f string, _ []string) bool {
			return slices.Contains(r.owns, f) || slices.Contains(r.scopes, "publish:"+f)
		}},
		"control": {holds: func(r *leakReader, _ string, _ []string) bool {
			return slices.Contains(r.scopes, "control") || r.role == "operator"
		}},
		"admin": {holds: func(*leakReader, string, []string) bool { return false }}, // None of the readers.
	}
}

// leakWrite is a write whose contents are secret.
type leakWrite struct {
	id, feature string
	labels      []string
}

func (w *leakWrite) secret() string { return "secret-" + w.id + "-" }

func leakWrites() []leakWrite {
	return []leakWrite{
		{"w1", "cart", []string{"pii"}},
		{"w2", "cart", []string{"pii", "secret"}},
		{"w3", "cart", nil},
		{"w4", "feed", []string{"tenant:acme"}},
		{"w5", "feed", []string{"pii", "tenant:acme"}},
		{"w6", "feed", nil},
	}
}

// leakSite is a server with writes, conflicts between them, and readers.
type leakSite struct {
	*door

	admin   string
	readers []*leakReader
	cedar   map[string]string // text of the program's policies
}

func openLeakSite(t *testing.T) *leakSite {
	t.Helper()
	d := openWith(t, app.Options{PasswordCost: access.PasswordCost{Memory: 64, Passes: 1, Lanes: 1}, Limits: often()})
	s := &leakSite{door: d, cedar: map[string]string{}}
	root := d.root()
	ana, eve := d.invite(root, "ana", "viewer"), d.invite(root, "eve", "operator")
	root.post(http.StatusSeeOther, "/access/teams/new", "name", "support", "members", "ana", "features", "cart")
	s.admin = d.namedKey("root", "admin", "control", "read", "publish:*")
	key := func(name string, scopes ...string) {
		token := d.namedKey(name, scopes...)
		s.readers = append(s.readers, &leakReader{name: name, kind: "key", scopes: scopes, sign: func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }})
	}
	key("reader", "read")
	key("shop", "read", "publish:cart")
	person := func(b *browser, name, role string, teams, owns []string) {
		s.readers = append(s.readers, &leakReader{name: name, kind: "person", role: role, teams: teams, owns: owns, sign: func(r *http.Request) {
			r.AddCookie(&http.Cookie{Name: "tidemark_session", Value: b.cookies["tidemark_session"]})
		}})
	}
	person(ana, "ana", "viewer", []string{"support"}, []string{"cart"})
	person(eve, "eve", "operator", nil, nil)
	d.declare("pii", "secret", "tenant:acme")
	s.send()
	var all struct {
		Items []struct{ Name, Cedar string }
	}
	d.do(s.admin, "GET", "/api/v1/policies", "", http.StatusOK, &all)
	for _, p := range all.Items {
		s.cedar[p.Name] = p.Cedar
	}
	return s
}

// send makes the writes known: begun, visible at one of two replicas, in conflict with
// the others of their feature.
func (s *leakSite) send() {
	s.t.Helper()
	var all []string
	for _, w := range leakWrites() {
		labels, _ := json.Marshal(w.labels)
		contents := fmt.Sprintf(`,"actor":"%[1]sactor","delta":{"iban":"%[1]sdelta"},"before_hash":"%[1]sbefore","after_hash":"%[1]safter","labels":%[2]s,"expect":["eu","us"],"session_id":"s1","version":{"seq":1}`, w.secret(), labels)
		all = append(all, event("initiated", w.id, w.feature, contents), event("visible", w.id, w.feature, `,"replica":"eu"`))
	}
	for _, f := range []struct{ feature, first, with string }{{"cart", "w1", `["w2","w3"]`}, {"feed", "w4", `["w5","w6"]`}} {
		said := fmt.Sprintf(`,"conflict_id":"c-%s","with":%s,"rule":"lww","outcome":"last writer won"`, f.feature, f.with)
		all = append(all, event("conflict_detected", f.first, f.feature, said))
	}
	got := read[receipt](s.t, s.post(s.admin, "/v1/events", "["+strings.Join(all, ",")+"]", "Content-Type: application/json"), http.StatusOK)
	if got.Accepted != len(all) {
		s.t.Fatalf("%+v", got)
	}
	s.until("the conflict is folded", func() bool { return s.get(s.admin, "/v1/conflicts/c-feed").Code == http.StatusOK })
}

// put stores the generated policies, and some of the program's, in one go.
func (s *leakSite) put(rules []leakRule, on map[string]bool) {
	s.t.Helper()
	var docs strings.Builder
	doc := func(name string, spec map[string]any) {
		raw, err := json.Marshal(map[string]any{"apiVersion": "tidemark/v1alpha1", "kind": "Policy", "metadata": map[string]string{"name": name}, "spec": spec})
		if err != nil {
			s.t.Fatal(err)
		}
		docs.Write(append(raw, "\n---\n"...))
	}
	for i, r := range rules {
		doc(fmt.Sprintf("p%d", i), map[string]any{"cedar": r.cedar})
	}
	for name := range programRules() {
		doc(name, map[string]any{"cedar": s.cedar[name], "enabled": on[name]})
	}
	if w := s.post(s.admin, "/api/v1/documents/apply?reason=generated", docs.String()); w.Code != http.StatusOK {
		s.t.Fatalf("%d %s in %s", w.Code, w.Body, docs.String())
	}
}

// allowed says anew, without Cedar, what the policies say.
func allowed(rules []leakRule, on map[string]bool, r *leakReader, w *leakWrite) bool {
	all := slices.Clone(rules)
	for name, rule := range programRules() {
		if on[name] {
			all = append(all, rule)
		}
	}
	ok := false
	for _, rule := range all {
		if !rule.holds(r, w.feature, w.labels) {
			continue
		}
		if rule.forbids {
			return false
		}
		ok = true
	}
	return ok
}

// addresses are those of a route that may tell of the writes.
func leakAddresses(route auth.Route) []string {
	ids := []string{"w1", "w2", "w4", "w5", "c-cart", "c-feed"}
	if !strings.Contains(route.Path, ":") {
		ids = ids[:1]
	}
	var out []string
	for _, id := range ids {
		path := strings.NewReplacer(":feature", "cart", ":kind", "Policy", ":name", "unlabelled", ":key", "unlabelled", ":n", "0", ":id", id, "*", "x").Replace(route.Path)
		out = append(out, path, path+"?format=csv")
	}
	for _, f := range []string{"cart", "feed"} {
		q := url.Values{"feature": {f}}
		out = append(out, strings.Replace(strings.Split(out[0], "?")[0], "/cart", "/"+f, 1)+"?"+q.Encode())
		q.Set("key", "k")
		out = append(out, strings.Split(out[0], "?")[0]+"?"+q.Encode(), strings.Split(out[0], "?")[0]+"?"+q.Encode()+"&format=csv")
		q.Set("pending", "true")
		out = append(out, strings.Split(out[0], "?")[0]+"?"+q.Encode())
	}
	out = append(out, strings.Split(out[0], "?")[0]+"?q=w1", strings.Split(out[0], "?")[0]+"?q=secret-w1-actor")
	slices.Sort(out)
	return slices.Compact(out)
}

// TestGeneratedPoliciesNeverLeak asks every route that answers, as readers of each kind,
// under generated policies, and holds what it finds to what the policies say when they
// are written anew in Go.
func TestGeneratedPoliciesNeverLeak(t *testing.T) {
	t.Parallel()
	s := openLeakSite(t)
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	told, rounds := 0, 3
	if testing.Short() { // as under the race detector
		rounds = 1
	}
	for range rounds {
		rules, on := make([]leakRule, 4), map[string]bool{}
		for i := range rules {
			rules[i] = generatedRule(rnd)
		}
		for name := range programRules() {
			on[name] = rnd.IntN(3) > 0
		}
		s.put(rules, on)
		for _, r := range s.readers {
			told += s.holdTo(r, func(w *leakWrite) bool { return allowed(rules, on, r, w) })
		}
	}
	if told == 0 {
		t.Error("no secret was found where it may be: the test sees nothing")
	}
}

// holdTo asks all that a reader may, and returns how many writes told their secret.
func (s *leakSite) holdTo(who *leakReader, may func(*leakWrite) bool) (told int) {
	ask := func(path string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, path, http.NoBody)
		who.sign(r)
		return s.serve(r)
	}
	writes := leakWrites()
	for i := range writes {
		w := &writes[i]
		tells := strings.Contains(ask("/api/v1/writes/"+w.id).Body.String(), w.secret()+"actor")
		if tells != may(w) {
			s.t.Errorf("%s, write %s with %v of %s: told %v, the policies say %v", who.name, w.id, w.labels, w.feature, tells, may(w))
		}
		if tells {
			told++
		}
	}
	for _, route := range s.app.Server().Routes() {
		if route.Method != http.MethodGet || route.Stream || strings.HasPrefix(route.Path, "/static/") {
			continue
		}
		for _, path := range leakAddresses(route) {
			body := ask(path).Body.String()
			for i := range writes {
				if w := &writes[i]; !may(w) && strings.Contains(strings.ReplaceAll(body, url.QueryEscape("secret-w1-actor"), ""), w.secret()) && !strings.Contains(path, "q=secret") {
					s.t.Errorf("%s finds %s at %s", who.name, w.secret(), path)
				}
			}
		}
	}
	return told
}

// TestStreamsTellNoContents listens to each stream while a labelled write goes by.
func TestStreamsTellNoContents(t *testing.T) {
	t.Parallel()
	s := openLeakSite(t)
	streams := 0
	for _, route := range s.app.Server().Routes() {
		if route.Method != http.MethodGet || !route.Stream || route.May != access.Read {
			continue
		}
		streams++
		q := map[string]string{"/live": "?topic=write:w1", "/api/v1/live": "?topic=write:w1&topic=feature:cart"}[route.Path]
		path := strings.ReplaceAll(route.Path, ":id", "w1") + q
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.app.URL()+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		s.readers[0].sign(r)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, resp.Status)
		}
		lines := bufio.NewScanner(resp.Body)
		more := event("visible", "w1", "cart", fmt.Sprintf(`,"replica":"us","labels":["pii"],"actor":"%[1]sactor","delta":{"iban":"%[1]sdelta"}`, "secret-w1-"))
		more = strings.Replace(more, `"event_id":"w1-visible"`, fmt.Sprintf(`"event_id":"again-%d"`, streams), 1)
		for heard := 0; heard < 2 && lines.Scan(); {
			if strings.Contains(lines.Text(), "secret-") {
				t.Errorf("%s tells %s", path, lines.Text())
			}
			if heard++; heard == 1 {
				read[receipt](t, s.post(s.admin, "/v1/events", more), http.StatusOK)
			}
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	if streams < 4 {
		t.Errorf("only %d streams", streams)
	}
}
