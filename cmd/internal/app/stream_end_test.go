package app_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"tidemark/cmd/internal/app"
	"tidemark/flags/access"
)

// listen opens a stream over a real connection; the channel is closed when the server
// ends it.
func (d *door) listen(path string, header http.Header) <-chan struct{} {
	d.t.Helper()
	ctx, cancel := context.WithCancel(d.t.Context())
	d.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.app.URL()+path, http.NoBody)
	check(d.t, err)
	req.Header = header
	resp, err := http.DefaultClient.Do(req) //nolint:bodyclose // The goroutine below does, when the stream ends.
	check(d.t, err)
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/event-stream") {
		d.t.Fatalf("%s: %s, %s", path, resp.Status, kind)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer resp.Body.Close()
		for r := bufio.NewReader(resp.Body); ; {
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
		}
	}()
	return ended
}

// TestStreamsEndWithTheRightToThem: whoever is sent away hears no more, also of a stream
// that was opened before; everybody else goes on listening.
func TestStreamsEndWithTheRightToThem(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	ana, bo, cy := d.invite(root, "ana", "viewer"), d.invite(root, "bo", "viewer"), d.invite(root, "cy", "viewer")
	cookie := func(b *browser) http.Header {
		return http.Header{"Cookie": {(&http.Cookie{Name: "tidemark_session", Value: b.cookies["tidemark_session"]}).String()}}
	}
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	revoked, kept, sync := d.namedKey("revoked", "read"), d.namedKey("kept", "read"), d.namedKey("sync", "sync")
	post := d.key("publish:*")
	d.post(post, "/v1/events", event("initiated", "w1", "cart", ""))

	const tail = "/api/v1/events/stream"
	streams := map[string]<-chan struct{}{
		"a key's tail":              d.listen(tail, bearer(revoked)),
		"a key's pages":             d.listen("/api/v1/live?topic=overview", bearer(revoked)),
		"a key's write":             d.listen("/v1/writes/w1/status/stream", bearer(revoked)),
		"a page of who is disabled": d.listen("/live?topic=overview", cookie(ana)),
		"a tail of who signed out":  d.listen(tail, cookie(bo)),
		"a provider's flags":        d.listen("/sync/v1/snapshots", bearer(sync)),
	}
	others := map[string]<-chan struct{}{"another key": d.listen(tail, bearer(kept)), "another person": d.listen("/live?topic=overview", cookie(cy))}

	for _, token := range []string{revoked, sync} {
		id, err := access.KeyID(token)
		check(t, err)
		w := root.do(http.MethodDelete, "/api/v1/keys/"+id, url.Values{})
		if w.Code != http.StatusNoContent {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	root.post(http.StatusSeeOther, "/access/people/ana/disable", "reason", "left")
	bo.post(http.StatusSeeOther, "/signout")
	deadline := time.After(20 * time.Second)
	for name, ended := range streams {
		select {
		case <-ended:
		case <-deadline:
			t.Errorf("%s goes on", name)
		}
	}
	for name, ended := range others {
		select {
		case <-ended:
			t.Errorf("%s was cut off", name)
		default:
		}
	}
}

// tail listens to the events of a server. What it returns reads lines until one says
// something, and gives all so far.
func (d *door) tail(key string) func(until string) []string {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, d.app.URL()+"/api/v1/events/stream", http.NoBody)
	check(d.t, err)
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	check(d.t, err)
	d.t.Cleanup(func() { _ = resp.Body.Close() }) // The server may be gone.
	lines := bufio.NewScanner(resp.Body)
	return func(until string) (all []string) {
		d.t.Helper()
		for lines.Scan() {
			if all = append(all, lines.Text()); strings.Contains(lines.Text(), until) {
				return all
			}
		}
		d.t.Fatalf("the stream ended before %q: %v", until, lines.Err())
		return nil
	}
}

// meanwhile is a body that breaks for a second, in which something else happens.
type meanwhile struct {
	clock *clock
	f     func()
}

func (m *meanwhile) Read([]byte) (int, error) {
	m.f()
	m.clock.ahead.Add(int64(time.Second))
	return 0, io.EOF
}

// TestWhoIsSentAwayMeanwhileChangesNothing: what a change says may come slowly. Who may make
// it is asked when all of it is there.
func TestWhoIsSentAwayMeanwhileChangesNothing(t *testing.T) {
	t.Parallel()
	var now clock
	d := openWith(t, app.Options{Now: now.now, PasswordCost: access.PasswordCost{Memory: 64, Passes: 1, Lanes: 1}})
	root := d.root()
	send := func(sign func(*http.Request), f func()) int {
		t.Helper()
		body := io.MultiReader(strings.NewReader(cartFlag), &meanwhile{&now, f})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/api/v1/flags/cart-model", body)
		r.Header.Set("Content-Type", "application/json")
		sign(r)
		return d.serve(r).Code
	}
	by := func(b *browser) func(*http.Request) {
		return func(r *http.Request) {
			r.AddCookie(&http.Cookie{Name: "tidemark_session", Value: b.cookies["tidemark_session"]})
		}
	}
	for _, c := range []struct {
		act    string
		fields []string
		want   int
	}{
		{"disable", []string{"reason", "left"}, http.StatusUnauthorized},
		{"role", []string{"role", "viewer", "reason", "another task"}, http.StatusForbidden},
		{"signout", []string{"reason", "lost"}, http.StatusUnauthorized},
	} {
		person := d.invite(root, "ana-"+c.act, "operator")
		got := send(by(person), func() { root.post(http.StatusSeeOther, "/access/people/ana-"+c.act+"/"+c.act, c.fields...) })
		if got != c.want {
			t.Errorf("%s meanwhile: %d, want %d", c.act, got, c.want)
		}
	}
	var made struct{ ID, Key string }
	admin := d.namedKey("admin", "admin")
	d.do(admin, http.MethodPost, "/api/v1/keys", `{"name":"ci","scopes":["control"]}`, http.StatusCreated, &made)
	got := send(func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+made.Key) }, func() {
		d.do(admin, http.MethodDelete, "/api/v1/keys/"+made.ID, "", http.StatusNoContent, nil)
	})
	if got != http.StatusUnauthorized {
		t.Errorf("a key that is revoked meanwhile: %d", got)
	}
	if got := send(by(d.invite(root, "eve", "operator")), func() {}); got != http.StatusCreated {
		t.Errorf("who goes on, slowly: %d", got)
	}
}

// TestASlowPlanKeepsNobodyWaiting: what is planned comes before the turn of who plans it.
func TestASlowPlanKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	d := open(t)
	for i := range max(2, runtime.GOMAXPROCS(0)) { // As many as have their turn at once.
		body, send := io.Pipe()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/documents/plan", body)
		r.Header.Set("Authorization", "Bearer "+d.namedKey(fmt.Sprint("planner-", i), "control"))
		planned := make(chan int)
		go func() { planned <- d.serve(r).Code }()
		if _, err := io.WriteString(send, "# A plan that comes slowly.\n"); err != nil { // It is being read.
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = send.Close() // A pipe's end does not fail.
			if code := <-planned; code != http.StatusBadRequest {
				t.Errorf("a plan of nothing: %d", code)
			}
		})
	}
	if w := d.get(d.key("read"), "/api/v1/features"); w.Code != http.StatusOK {
		t.Errorf("beside two slow plans: %d %s", w.Code, w.Body)
	}
}
