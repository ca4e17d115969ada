package static

import (
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func get(t *testing.T, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w
}

func body(t *testing.T, r io.Reader) string {
	t.Helper()
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestHashedAddressesMayBeKeptForEver(t *testing.T) {
	t.Parallel()
	url := URL("css/app.css")
	if !regexp.MustCompile(`^/static/css/app\.[0-9a-f]{12}\.css$`).MatchString(url) {
		t.Fatalf("URL = %q", url)
	}
	resp := get(t, url)
	if resp.Code != http.StatusOK || !strings.Contains(resp.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("%s: %d, Cache-Control %q", url, resp.Code, resp.Header().Get("Cache-Control"))
	}
	if ct := resp.Header().Get("Content-Type"); ct != "text/css; charset=utf-8" {
		t.Errorf("Content-Type %q", ct)
	}
	css := body(t, resp.Body)
	if strings.Contains(css, "@import") || !strings.Contains(css, "--tide:") {
		t.Error("the stylesheet is not whole: its parts were not put in")
	}
}

func TestPlainAddressesAreCheckedEachTime(t *testing.T) {
	t.Parallel()
	resp := get(t, "/static/js/status.js")
	if resp.Code != http.StatusOK || resp.Header().Get("Cache-Control") != "no-cache" {
		t.Fatalf("%d, Cache-Control %q", resp.Code, resp.Header().Get("Cache-Control"))
	}
	if from := resp.Header().Get("Access-Control-Allow-Origin"); from != "*" {
		t.Errorf("pages of other sites cannot load the status element: Access-Control-Allow-Origin %q", from)
	}
	again := get(t, "/static/js/status.js", "If-None-Match", resp.Header().Get("ETag"))
	if again.Code != http.StatusNotModified || body(t, again.Body) != "" {
		t.Errorf("the same content again: %d", again.Code)
	}
}

func TestCompression(t *testing.T) {
	t.Parallel()
	plain := body(t, get(t, "/static/js/series.js").Body)
	resp := get(t, "/static/js/series.js", "Accept-Encoding", "br, gzip;q=0.5")
	if resp.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("Content-Encoding %q", resp.Header().Get("Content-Encoding"))
	}
	zr, err := gzip.NewReader(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if body(t, zr) != plain {
		t.Error("unpacked, it is not the same")
	}
	for header, want := range map[string]bool{"": false, "br": false, "gzip": true, "gzip;q=0": false, "GZIP; q=0.1": true, "identity, gzip": true} {
		if got := acceptsGzip(header); got != want {
			t.Errorf("acceptsGzip(%q) = %v", header, got)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/static/", "/static/nothing.js", "/static/vendor.json", "/static/embed.go", "/static/css/app.000000000000.css", "/static/../embed.go"} {
		if resp := get(t, path); resp.Code != http.StatusNotFound {
			t.Errorf("%s: %d; want 404", path, resp.Code)
		}
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/static/css/app.css", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
		t.Errorf("POST: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

// Every import of a script must lead to a file that is served, under its hash.
func TestImportsAreHashed(t *testing.T) {
	t.Parallel()
	imports := regexp.MustCompile(`from "([^"]+)"`)
	main := body(t, get(t, URL("js/app.js")).Body)
	found := imports.FindAllStringSubmatch(main, -1)
	if len(found) < 5 {
		t.Fatalf("app.js imports %d files", len(found))
	}
	for _, m := range found {
		if resp := get(t, m[1]); resp.Code != http.StatusOK || !strings.Contains(resp.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("import of %s: %d", m[1], resp.Code)
		}
	}
}

// A change of an imported file must change the address of the one that imports it.
func TestHashDependsOnImports(t *testing.T) {
	t.Parallel()
	tree := func(b string) fs.FS {
		return fstest.MapFS{"js/a.js": {Data: []byte(`import { b } from "./b.js";`)}, "js/b.js": {Data: []byte(b)}, "vendor.json": {Data: []byte(`{}`)}}
	}
	one, two := build(tree("export const b = 1;")), build(tree("export const b = 2;"))
	if one.byName["js/a.js"].hash == two.byName["js/a.js"].hash {
		t.Error("a.js kept its address although what it imports changed")
	}
}

func TestMissingThirdPartyCodeIsNamed(t *testing.T) {
	t.Parallel()
	s := build(fstest.MapFS{
		"js/a.js":       {Data: []byte("1")},
		"vendor.json":   {Data: []byte(`{"vendor/one.js":"one/one.js","vendor/two.js":"two/two.js"}`)},
		"vendor/two.js": {Data: []byte("2")},
	})
	if len(s.missing) != 1 || s.missing[0] != "vendor/one.js" {
		t.Errorf("missing = %v; want vendor/one.js", s.missing)
	}
}
