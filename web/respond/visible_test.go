package respond_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"tidemark/web/respond"
)

// TestWhatNobodySeesIsShown: a name that turns round what follows, or is longer than it
// looks, is not taken for another. What is edited or sent on stays as it is.
func TestWhatNobodySeesIsShown(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"<p>plain é 漢字 👍</p>":                          "",
		"<p>ca\u200brt</p>":                            "<p>ca[U+200B]rt</p>",
		"<p>\u202etrac</p>":                            "<p>[U+202E]trac</p>",
		"<title>a\u2066b\u2069</title>":                "<title>a[U+2066]b[U+2069]</title>",
		"<p>a\u0000b\u001bc\u0085d\te</p>":             "<p>a[U+0000]b[U+001B]c[U+0085]d\te</p>",
		"<p>a\ufeff\u00ad\u2060\u3164\u2028</p>":       "<p>a[U+FEFF][U+00AD][U+2060][U+3164][U+2028]</p>",
		"<p>a\U000e0041</p>":                           "<p>a[U+E0041]</p>",
		"<p>a\u200db</p>":                              "<p>a[U+200D]b</p>",
		"<p>👩\u200d🚀 می\u200cخواهم \u0600</p>":         "",
		"<p title=\"a>\u202eb\" data-x='\u202e'>c</p>": "",
		"<textarea>\u202e<b></textarea>\u202e<p>":      "<textarea>\u202e<b></textarea>[U+202E]<p>",
		"<input value=\"\u202e\"><p>\u202e":            "<input value=\"\u202e\"><p>[U+202E]",
		"<option value=\"\u202e\">\u202e</option>":     "<option value=\"\u202e\">[U+202E]</option>",
		"<p>\u202e<": "<p>[U+202E]<",
		"<a href=\"/writes/%E2%80%AE\">\u202e</a> \xff\xfe": "<a href=\"/writes/%E2%80%AE\">[U+202E]</a> \xff\xfe",
	} {
		if want == "" {
			want = in
		}
		w := answer(t, "/", "", func(c echo.Context) error {
			return respond.Page(c, http.StatusOK, templ.ComponentFunc(func(_ context.Context, out io.Writer) error {
				_, err := io.Copy(out, strings.NewReader(in))
				return err
			}))
		})
		if got := w.Body.String(); got != want {
			t.Errorf("%q is shown %q; want %q", in, got, want)
		}
	}
}
