package app_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tidemark/cmd/internal/app"
)

// slow begins to send a body of n bytes, of which the beginning comes and then no more, and
// returns when the server has read that. The status is that of its answer; end lets the body
// end.
func (d *door) slow(key string, n int64, begin string) (status <-chan int, end func()) {
	d.t.Helper()
	hold, send := io.Pipe()
	code := make(chan int, 1)
	go func() {
		r := httptest.NewRequestWithContext(d.t.Context(), http.MethodPost, "/v1/events", hold)
		r.ContentLength = n
		r.Header.Set("Authorization", "Bearer "+key)
		code <- d.serve(r).Code
		_ = hold.Close() // Nobody reads the rest of what was refused.
	}()
	if _, err := io.WriteString(send, begin); err != nil && err != io.ErrClosedPipe { //nolint:errorlint // As io.Pipe returns it.
		d.t.Fatal(err)
	}
	return code, func() { _ = send.Close() }
}

// TestWhatABodyBecomesIsBooked: a little body whose events take much is refused while
// others need the memory.
func TestWhatABodyBecomesIsBooked(t *testing.T) {
	t.Parallel()
	d := openWith(t, app.Options{BodyMemory: 4 << 20})
	first, second := d.namedKey("first", "publish:*"), d.namedKey("second", "publish:*")
	const span = `{"attributes":[{"key":"tidemark.stage","value":{"stringValue":"initiated"}},{"key":"tidemark.feature","value":{"stringValue":"cart"}}]}`
	body := `{"resourceSpans":[{"resource":{"attributes":[{"key":"tidemark.mine","value":{"stringValue":"` + strings.Repeat("x", 10<<10) + `"}}]},"scopeSpans":[{"spans":[` +
		strings.Repeat(span+",", 499) + span + `]}]}]}`
	code, end := d.slow(first, 1<<20, "[")
	if w := d.post(second, "/v1/traces", body, "Content-Type: application/json"); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" {
		t.Errorf("beside another: %d %s", w.Code, w.Body)
	}
	end()
	<-code
	if w := d.post(second, "/v1/traces", body, "Content-Type: application/json"); w.Code != http.StatusOK {
		t.Errorf("alone: %d %s", w.Code, w.Body)
	}
}

// TestAnnouncedIsNotBooked: a length that was announced takes nothing from others, and
// what came takes no more than the share of its sender.
func TestAnnouncedIsNotBooked(t *testing.T) {
	t.Parallel()
	d := openWith(t, app.Options{BodyMemory: 120 << 20})
	greedy, other := d.namedKey("greedy", "publish:*"), d.namedKey("other", "publish:*")
	taken := func(when string) {
		t.Helper()
		if got := read[receipt](t, d.post(other, "/v1/events", event("initiated", strings.ReplaceAll(when, " ", "-"), "cart", "")), http.StatusOK); got.Accepted != 1 {
			t.Errorf("%s: %+v", when, got)
		}
	}
	var held []<-chan int
	var ends []func()
	for range 10 {
		code, end := d.slow(greedy, 20<<20, "[")
		held, ends = append(held, code), append(ends, end)
	}
	taken("ten bodies were announced")
	// Three that nearly come are more than their sender's share: the rest is refused while
	// it comes, and with it nothing of others.
	refused := 0
	for range 3 {
		code, end := d.slow(greedy, 20<<20, "["+strings.Repeat(" ", 15<<20))
		held, ends = append(held, code), append(ends, end)
	}
	taken("three bodies nearly came")
	for _, end := range ends {
		end()
	}
	for _, code := range held {
		switch c := <-code; c {
		case http.StatusTooManyRequests:
			refused++
		case http.StatusBadRequest: // The others end too early.
		default:
			t.Errorf("answer %d", c)
		}
	}
	if refused == 0 {
		t.Error("a sender was not held to its share")
	}
	taken("all were given back")
}
