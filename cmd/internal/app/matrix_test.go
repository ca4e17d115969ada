package app_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/cmd/internal/app"
	"tidemark/flags/access"
	"tidemark/web/auth"
)

var updateMatrix = flag.Bool("update", false, "write docs/authorisation.md anew")

// caller is somebody who makes requests.
type caller struct {
	name     string
	identity *access.Identity // what they may do, to compare with
	sign     func(*http.Request)
}

// callers are nobody, a key for each scope, a person for each role, and a viewer whose
// team owns the feature cart.
func callers(d *door) []caller {
	out := []caller{{name: "nobody", sign: func(*http.Request) {}}}
	for _, scope := range append([]access.Scope{"publish:cart", "consume:cart"}, access.Scopes()...) {
		token := d.namedKey(strings.NewReplacer(":", "-", "*", "all").Replace(string(scope)), string(scope))
		out = append(out, caller{
			string(scope), access.ServiceIdentity(&access.Key{ID: "x", Scopes: []access.Scope{scope}}),
			func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) },
		})
	}
	for _, role := range access.Roles() {
		out = append(out, d.personCaller(string(role), access.User{Name: string(role), Role: role}))
	}
	member := d.personCaller("owner", access.User{Name: "owner", Role: access.Viewer, Features: []string{"cart"}})
	r := httptest.NewRequestWithContext(d.t.Context(), http.MethodGet, "/", http.NoBody)
	member.sign(r) // Makes the account.
	team := access.Team{Name: "shop", Members: []access.Member{{Name: "owner"}}, Features: []string{"cart"}}
	if err := d.app.People().PutTeam(d.t.Context(), team, access.Change{Actor: "cli:test", At: time.Now()}); err != nil {
		d.t.Fatal(err)
	}
	return append(out, member)
}

// personCaller signs in as often as a route ends the session.
func (d *door) personCaller(name string, u access.User) caller {
	var cookie *http.Cookie
	return caller{name, access.PersonIdentity(u), func(r *http.Request) {
		if cookie == nil {
			cookie = d.signInAs(u.Name, u.Role)
		}
		r.AddCookie(cookie)
		if strings.Contains(r.URL.Path, "signout") || strings.Contains(r.URL.Path, "session") {
			cookie = nil
		}
	}}
}

// byThemselves are public routes that refuse what is brought to them, whoever brings
// it: a link, a password, a token of a stream.
func byThemselves() []string {
	return []string{"POST /signin", "GET /setup", "POST /setup", "GET /signin/oidc", "GET /signin/oidc/callback", "GET /v1/flags/stream", "GET /ofrep/v1/stream"}
}

// verdict is what the server says of a caller on a route: yes, no, or who are you.
func (d *door) verdict(who caller, route auth.Route) string {
	d.t.Helper()
	if slices.Contains(byThemselves(), route.Method+" "+route.Path) {
		return "yes"
	}
	path := strings.NewReplacer(":feature", "cart", ":kind", "Route", ":name", "x", ":id", "x", ":n", "0", "*", "x").Replace(route.Path)
	r := httptest.NewRequestWithContext(d.t.Context(), route.Method, path, strings.NewReader("{"))
	who.sign(r)
	w := d.serve(r)
	switch {
	case w.Code == http.StatusUnauthorized:
		return "who?"
	case w.Code == http.StatusForbidden && problemCode(w) == "forbidden":
		return "no"
	case w.Code == http.StatusForbidden:
		d.t.Errorf("%s: %s %s: 403 for another reason: %s", who.name, route.Method, route.Path, w.Body)
	}
	return "yes"
}

func problemCode(w *httptest.ResponseRecorder) string {
	var p struct{ Code, ErrorCode string }
	_ = json.Unmarshal(w.Body.Bytes(), &p)
	if p.Code == "" && strings.Contains(w.Body.String(), "permission") {
		return "forbidden" // In another protocol's form.
	}
	return p.Code
}

// rule is what the route table says.
func rule(who caller, route auth.Route) string {
	switch {
	case who.identity.May(route.May):
		return "yes"
	case who.identity == nil:
		return "who?"
	case owns(who, route):
		return "own"
	}
	return "no"
}

func owns(who caller, route auth.Route) bool {
	return route.About != nil && who.identity.IsPerson() && len(who.identity.User.Features) > 0
}

// TestAuthorisationMatrix calls every route as everyone, compares what the server does
// with what the route table says, and both with docs/authorisation.md: a new route has
// to be looked at by a person, who runs the test with -update.
func TestAuthorisationMatrix(t *testing.T) {
	t.Parallel()
	d := openWith(t, app.Options{PasswordCost: access.PasswordCost{Memory: 64, Passes: 1, Lanes: 1}})
	routes := d.app.Server().Routes()
	if len(routes) < 50 {
		t.Fatalf("only %d routes", len(routes))
	}
	slices.SortFunc(routes, func(a, b auth.Route) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	all := callers(d)
	table := newMatrix(all)
	for _, route := range routes {
		cells := make([]string, len(all))
		for i, who := range all {
			cells[i] = rule(who, route)
			got := d.verdict(who, route)
			if got != cells[i] && cells[i] != "own" { // An owner may or may not, by what the request is about.
				t.Errorf("%s: %s %s (%s): the server says %s, the rule %s", who.name, route.Method, route.Path, route.May, got, cells[i])
			}
		}
		table.row(route, cells)
	}
	file := filepath.Join("..", "..", "..", "docs", "authorisation.md")
	if *updateMatrix {
		if err := os.WriteFile(file, []byte(table.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(table.String(), "\n")); diff != "" {
		t.Errorf("docs/authorisation.md is not what the server does; look at each line, then run: go test ./cmd/internal/app -run AuthorisationMatrix -update\n%s", diff)
	}
}

// matrix is the table for people.
type matrix struct{ strings.Builder }

func newMatrix(all []caller) *matrix {
	m := &matrix{}
	fmt.Fprint(m, `# Who may do what

Each route, what it asks for, and who has that: written by a test that calls every route as everyone, and fails
when this file is not what the server does.

Names in `+"`code`"+` are scopes of API keys, the others are people. **yes**: may. **–**: is refused (403). **who?**: has to sign in or show a key (401). **own**: may where the request
is about features that the person's team owns, and nothing else. A person who is an *owner* here is a viewer whose team owns a
feature. A rollout is about the feature that gives it evidence, the one that its flag belongs to, and those of the guarantee that
it names and of the version that it completes; who owns any of them may pause and revert it. Public routes that take a link, a
password or a token check that themselves.

`)
	fmt.Fprint(m, "| route | asks for |")
	for _, who := range all {
		name := who.name
		if who.identity != nil && !who.identity.IsPerson() {
			name = "`" + name + "`"
		}
		fmt.Fprintf(m, " %s |", name)
	}
	fmt.Fprintln(m, "\n|---|---|"+strings.Repeat("---|", len(all)))
	return m
}

func (m *matrix) row(r auth.Route, cells []string) {
	fmt.Fprintf(m, "| `%s %s` | %s |", r.Method, r.Path, r.May)
	for _, c := range cells {
		switch c {
		case "no":
			c = "–"
		case "yes", "own":
			c = "**" + c + "**"
		}
		fmt.Fprintf(m, " %s |", c)
	}
	fmt.Fprintln(m)
}
