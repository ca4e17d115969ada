package ui_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
	"tidemark/metrics"
	"tidemark/web/respond"
	"tidemark/web/ui"
)

// TestARefusalForNowSaysHowToTryAgain: who waits a little gets what they asked for.
func TestARefusalForNowSaysHowToTryAgain(t *testing.T) {
	t.Parallel()
	pages := ui.New(ui.Options{Now: clock})
	for _, c := range []struct {
		method string
		wait   time.Duration
		want   string
	}{
		{http.MethodGet, 900 * time.Millisecond, "Too many. Reload this page in 1 s to try again."},
		{http.MethodPost, time.Minute, "Too many. Reload this page in 60 s to try again: your browser sends the form again as you filled it in."},
		{http.MethodGet, 0, "Too many."},
	} {
		w := httptest.NewRecorder()
		ctx := echo.New().NewContext(httptest.NewRequestWithContext(t.Context(), c.method, "/", http.NoBody), w)
		must(t, pages.ErrorPage(ctx, respond.From(respond.New(http.StatusServiceUnavailable, "busy", "Too many.").Later(c.wait))))
		got := strings.Join(strings.Fields(parse(t, w).Text()), " ")
		if !strings.Contains(got, c.want) || c.wait == 0 && strings.Contains(got, "Reload") {
			t.Errorf("%s, %s: %q, want %q", c.method, c.wait, got, c.want)
		}
	}
}

// counting counts what is asked of the store for the navigation.
type counting struct {
	metrics.Reader

	asked int
}

func (c *counting) Conflicts(ctx context.Context, q metrics.ConflictQuery) ([]metrics.Conflict, string, error) {
	c.asked++
	return c.Reader.Conflicts(ctx, q)
}

// TestRefusingAsksNothing: who asks too much costs less by being refused.
func TestRefusingAsksNothing(t *testing.T) {
	t.Parallel()
	var c *counting
	s := openWith(t, func(o *ui.Options) {
		c = &counting{Reader: o.Reader}
		o.Reader = c
	})
	k, token, err := access.NewKey(access.NewKeyOptions{Name: "slow", Scopes: []string{"read"}, Rate: 1}, time.Now())
	must(t, err)
	must(t, s.control.CreateKey(t.Context(), k, "cli:test", ""))
	s.keys["slow"] = token
	for range 50 {
		before := c.asked
		w := s.get("slow", "/alerts")
		if w.Code == http.StatusTooManyRequests {
			if c.asked != before {
				t.Errorf("a refusal asked the store %d times", c.asked-before)
			}
			if got := words(parse(t, w)); !strings.Contains(got, "Reload this page in 1 s to try again.") {
				t.Errorf("it says %q", got)
			}
			return
		}
	}
	t.Error("nothing was refused")
}
