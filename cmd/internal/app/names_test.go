package app_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tidemark/cmd/internal/app"
)

// TestNoAnswerNamesAFile asks every address for what is not there, by names and by
// cursors, as somebody who may see everything: where the data lies is nobody's business
// who asks over HTTP.
func TestNoAnswerNamesAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openIn(t, dir, app.Options{})
	keys := []string{d.namedKey("all", "read", "control", "admin", "evaluate", "sync"), d.namedKey("reader", "read")}
	asked := 0
	for _, route := range d.app.Server().Routes() {
		if route.Method != http.MethodGet {
			continue
		}
		path := strings.NewReplacer(":feature", "none", ":kind", "Guarantee", ":name", "none", ":id", "none", ":key", "none", ":n", "77", "*", "none", ":verb", "start").Replace(route.Path)
		for _, query := range []string{"", "?cursor=bad", "?feature=none", "?format=csv", "?feature=none&key=none&cursor=MTox"} {
			for i, accept := range []string{"application/json", "text/html"} {
				r := httptest.NewRequestWithContext(t.Context(), route.Method, path+query, http.NoBody)
				r.Header.Set("Authorization", "Bearer "+keys[i])
				r.Header.Set("Accept", accept)
				w := d.serve(r)
				asked++
				if body := w.Body.String(); strings.Contains(body, dir) || w.Code >= http.StatusInternalServerError || w.Code >= http.StatusBadRequest && strings.Contains(body, ".db") {
					t.Errorf("%s%s: %d %s", path, query, w.Code, body)
				}
			}
		}
	}
	if asked < 500 {
		t.Errorf("only %d answers were looked at", asked)
	}
}
