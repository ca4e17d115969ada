package respond_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"tidemark/web/respond"
)

func pageOf(tb testing.TB, text, method string, header ...string) *httptest.ResponseRecorder {
	tb.Helper()
	req := httptest.NewRequestWithContext(tb.Context(), method, "/", http.NoBody)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	if err := respond.Page(echo.New().NewContext(req, rec), http.StatusOK, templ.Raw(text)); err != nil {
		tb.Fatal(err)
	}
	return rec
}

func TestPagesAreCompressedWhereItIsSafe(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("<p>every promise is kept</p>", 1000)
	for name, c := range map[string]struct {
		text   string
		method string
		header []string
		want   bool
	}{
		"from our own page":         {long, "GET", []string{"Accept-Encoding", "br, gzip", "Cookie", "a=b", "Sec-Fetch-Site", "same-origin"}, true},
		"by hand":                   {long, "GET", []string{"Accept-Encoding", "gzip;q=0.5", "Cookie", "a=b", "Sec-Fetch-Site", "none"}, true},
		"a program":                 {long, "GET", []string{"Accept-Encoding", "gzip"}, true},
		"another site":              {long, "GET", []string{"Accept-Encoding", "gzip", "Cookie", "a=b", "Sec-Fetch-Site", "cross-site"}, false},
		"a neighbour":               {long, "GET", []string{"Accept-Encoding", "gzip", "Cookie", "a=b", "Sec-Fetch-Site", "same-site"}, false},
		"a browser that is silent":  {long, "GET", []string{"Accept-Encoding", "gzip", "Cookie", "a=b"}, false},
		"a form":                    {long, "POST", []string{"Accept-Encoding", "gzip", "Sec-Fetch-Site", "same-origin"}, false},
		"short":                     {"<p>kept</p>", "GET", []string{"Accept-Encoding", "gzip"}, false},
		"gzip is refused":           {long, "GET", []string{"Accept-Encoding", "br, gzip; q=0"}, false},
		"nothing is said about it":  {long, "GET", nil, false},
		"another way is understood": {long, "GET", []string{"Accept-Encoding", "br, zstd"}, false},
	} {
		rec := pageOf(t, c.text, c.method, c.header...)
		if got := rec.Header().Get("Content-Encoding") == "gzip"; got != c.want {
			t.Errorf("%s: compressed %t, want %t", name, got, c.want)
		}
		if vary := strings.Join(rec.Header().Values("Vary"), ", "); !strings.Contains(vary, "Accept-Encoding") {
			t.Errorf("%s: Vary %q", name, vary)
		}
		body := io.Reader(rec.Body)
		if c.want {
			z, err := gzip.NewReader(rec.Body)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			body = z
		}
		text, err := io.ReadAll(body)
		if err != nil || string(text) != c.text {
			t.Errorf("%s: %d bytes, error %v; want the page", name, len(text), err)
		}
	}
}

// BenchmarkPage answers with a page of the size of a feature's.
func BenchmarkPage(b *testing.B) {
	var text strings.Builder
	for i := range 3000 {
		text.WriteString(`<td class="num">`)
		text.WriteString(strings.Repeat("7", i%5))
		text.WriteString(`</td>`)
	}
	for name, header := range map[string][]string{"plain": nil, "gzip": {"Accept-Encoding", "gzip"}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				size = pageOf(b, text.String(), "GET", header...).Body.Len()
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}
