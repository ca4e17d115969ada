package app_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/cmd/internal/app"
	"tidemark/flags/access"
)

// TestMisspeltParametersAreRefused asks every address with a parameter that there is not: a
// filter that is ignored gives a wrong answer that looks right. What the others are asked
// with is said by providers, probes and protocols.
func TestMisspeltParametersAreRefused(t *testing.T) {
	t.Parallel()
	others := []string{
		"/healthz", "/readyz", "/metrics", "/static/*",
		"/signin", "/setup", "/signin/oidc", "/signin/oidc/callback",
		"/flagd/flags.json", "/sync/v1/snapshots", "/ofrep/v1/stream",
	}
	d := openWith(t, app.Options{PasswordCost: access.PasswordCost{Memory: 64, Passes: 1, Lanes: 1}})
	cookie := d.signIn(access.Administrator)
	asked := 0
	for _, route := range d.app.Server().Routes() {
		if route.Method != http.MethodGet || slices.Contains(others, route.Path) {
			continue
		}
		path := strings.NewReplacer(":feature", "cart", ":kind", "Route", ":name", "x", ":id", "x", ":key", "x", ":verb", "start", ":n", "1").Replace(route.Path)
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second) // Of a stream that takes it.
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, path+"?nosuch=1", http.NoBody)
		r.AddCookie(cookie)
		w := d.serve(r)
		stop()
		if asked++; w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "nosuch") && !strings.Contains(w.Body.String(), "no such parameter") {
			t.Errorf("%s: %d", route.Path, w.Code)
		}
	}
	if asked < 100 {
		t.Errorf("only %d addresses", asked)
	}
}
