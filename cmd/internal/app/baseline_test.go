package app_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

// TestEveryPageHoldsTheBaseline looks at every page as the passive rules of a web
// scanner do; docs/security.md lists them.
func TestEveryPageHoldsTheBaseline(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	d.namedKey("shop", "publish:cart")
	pages := 0
	for _, route := range d.app.Server().Routes() {
		if route.Method != http.MethodGet || route.Stream {
			continue
		}
		path := strings.NewReplacer(":feature", "cart", ":kind", "Route", ":name", "root", ":id", "x", ":n", "0", "*", "x", ":verb", "start").Replace(route.Path)
		w := root.get(path)
		if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			pages++
			checkBaseline(t, path, w)
		}
		// The flags may be kept by who asks again whether they are still so.
		if kept := w.Header().Get("Cache-Control"); kept != "no-store" && kept != "no-cache" {
			t.Errorf("%s: Cache-Control is %q", path, kept)
		}
		if w.Code < 300 && w.Header().Get("Content-Type") == "" {
			t.Errorf("%s: an answer without a type", path)
		}
	}
	if pages < 30 {
		t.Errorf("only %d pages", pages)
	}
}

func checkBaseline(t *testing.T, path string, w *httptest.ResponseRecorder) {
	t.Helper()
	h := w.Header()
	for name, want := range map[string]string{
		"Content-Type": "charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Content-Security-Policy": "frame-ancestors 'none'", "Permissions-Policy": "camera=()", "Referrer-Policy": "no-referrer",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if !strings.Contains(h.Get(name), want) {
			t.Errorf("%s: %s is %q", path, name, h.Get(name))
		}
	}
	for _, name := range []string{"Server", "X-Powered-By", "X-Debug-Token", "Access-Control-Allow-Origin"} {
		if h.Get(name) != "" {
			t.Errorf("%s: %s is %q", path, name, h.Get(name))
		}
	}
	for _, c := range w.Result().Cookies() {
		if !c.HttpOnly || c.SameSite == http.SameSiteDefaultMode || c.Domain != "" {
			t.Errorf("%s: cookie %+v", path, c)
		}
	}
	body := w.Body.String()
	if strings.Contains(body, "<!--") || regexp.MustCompile(`(?i)goroutine \d|panic:|\.go:\d|sql: |sqlite`).MatchString(body) {
		t.Errorf("%s tells how it is made", path)
	}
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	doc.Find("script, link[rel=stylesheet], img, iframe, form, a").Each(func(_ int, s *goquery.Selection) { checkElement(t, path, s) })
	if n := doc.Find("[style], [onclick], [onload], [onerror], style, iframe, object, embed, base").Length(); n > 0 {
		t.Errorf("%s: %d inline styles, handlers or frames", path, n)
	}
}

func checkElement(t *testing.T, path string, s *goquery.Selection) {
	t.Helper()
	name := goquery.NodeName(s)
	for _, attr := range []string{"src", "href", "action"} {
		v, ok := s.Attr(attr)
		if !ok {
			continue
		}
		own := strings.HasPrefix(v, "/") && !strings.HasPrefix(v, "//") || strings.HasPrefix(v, "#") || strings.HasPrefix(v, "?") || v == ""
		if !own && name != "a" {
			t.Errorf("%s: <%s %s=%q> is of another site", path, name, attr, v)
		}
		if strings.HasPrefix(strings.ToLower(v), "javascript:") || strings.HasPrefix(strings.ToLower(v), "http://") {
			t.Errorf("%s: <%s %s=%q>", path, name, attr, v)
		}
	}
	if name == "script" && (s.AttrOr("src", "") == "" || s.Text() != "") {
		t.Errorf("%s: an inline script", path)
	}
	if s.AttrOr("target", "") == "_blank" && !strings.Contains(s.AttrOr("rel", ""), "noopener") {
		t.Errorf("%s: a link opens a page that can reach back", path)
	}
}
