package app_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"tidemark/flags/access"
)

// TestEveryAddressKnowsItsMethods asks every address by HEAD, which is GET without a
// body, and by methods that it does not take: it says which it takes.
func TestEveryAddressKnowsItsMethods(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	cookie := d.signIn(access.Administrator)
	ask := func(method, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
		r.Header.Set("Accept", "text/html")
		r.AddCookie(cookie)
		return d.serve(r)
	}
	takes := map[string][]string{}
	paths := map[string]string{}
	for _, r := range d.app.Server().Routes() {
		path := strings.NewReplacer(":feature", "cart", ":kind", "Route", ":name", "x", ":id", "x", ":key", "x", ":verb", "x", ":n", "0", "*", "x").Replace(r.Path)
		paths[r.Path], takes[path] = path, append(takes[path], r.Method)
		if r.Method != http.MethodGet {
			continue
		}
		want := http.StatusMethodNotAllowed
		if !r.Stream {
			want = ask(http.MethodGet, path).Code
		}
		if got := ask(http.MethodHead, path).Code; got != want {
			t.Errorf("HEAD %s: %d, and GET %d", path, got, want)
		}
	}
	for _, path := range paths {
		w := ask("PROPFIND", path)
		allow := strings.Split(w.Header().Get("Allow"), ", ")
		if w.Code != http.StatusMethodNotAllowed || !slices.IsSorted(allow) || !slices.Contains(allow, http.MethodOptions) {
			t.Errorf("PROPFIND %s: %d, Allow %q", path, w.Code, allow)
		}
		for _, m := range takes[path] {
			if !slices.Contains(allow, m) {
				t.Errorf("%s takes %s, and Allow does not say so: %q", path, m, allow)
			}
		}
		for _, m := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			if w := ask(m, path); !slices.Contains(allow, m) && w.Code != http.StatusMethodNotAllowed && w.Code != http.StatusForbidden {
				t.Errorf("%s %s: %d; want 405, or 403 for another site", m, path, w.Code)
			}
		}
	}
	if w := ask("PROPFIND", "/nothing/here"); w.Code != http.StatusNotFound || w.Header().Get("Allow") != "" {
		t.Errorf("an address that is none: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	if w := ask(http.MethodOptions, "/labels"); w.Code != http.StatusNoContent || w.Header().Get("Allow") != "GET, HEAD, OPTIONS, POST" {
		t.Errorf("OPTIONS /labels: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

// TestHeadHasNoBody asks over a real connection: HEAD has the headers of GET alone.
func TestHeadHasNoBody(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(openQuick(t).app.Server())
	t.Cleanup(s.Close)
	for _, path := range []string{"/healthz", "/signin"} {
		var heads [2]http.Header
		for i, method := range []string{http.MethodGet, http.MethodHead} {
			req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, http.NoBody)
			check(t, err)
			resp, err := s.Client().Do(req)
			check(t, err)
			body, err := io.ReadAll(resp.Body)
			check(t, err)
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK || (len(body) == 0) != (method == http.MethodHead) {
				t.Errorf("%s %s: %d with %d bytes", method, path, resp.StatusCode, len(body))
			}
			heads[i] = resp.Header
		}
		for _, name := range []string{"Content-Type", "Content-Security-Policy"} {
			if heads[0].Get(name) != heads[1].Get(name) || heads[0].Get(name) == "" {
				t.Errorf("%s: %s is %q by GET and %q by HEAD", path, name, heads[0].Get(name), heads[1].Get(name))
			}
		}
	}
}
