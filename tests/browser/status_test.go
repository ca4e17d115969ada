package browser

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/tests/tidemark"
)

// product is a product of another origin: its page tells where two changes are, and
// its server asks tidemark, so that no key is in the page.
func product(t *testing.T, s *tidemark.Server, key string) string {
	t.Helper()
	page := fmt.Sprintf(`<!doctype html><html lang="en"><title>Cart</title><main><h1>Your cart</h1>
<tidemark-status id="slow" src="/status/slow"></tidemark-status>
<tidemark-status id="both" src="/status/both" words-conflict="Two of you changed this."></tidemark-status>
<tidemark-status id="lost" src="/status/lost"></tidemark-status>
<tidemark-status id="overdue" src="/status/overdue"></tidemark-status>
</main><script type="module" src="%s/static/js/status.js"></script></html>`, s.URL)
	own := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, asked := strings.CutPrefix(r.URL.Path, "/status/")
		if !asked {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, page) // the browser may have gone
			return
		}
		code, answer := call(t, http.MethodGet, s.URL+"/v1/writes/"+url.PathEscape(id)+"/status", key, "")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = w.Write(answer)
	}))
	t.Cleanup(own.Close)
	return own.URL
}

// call asks the server with a key; a body is events, one a line.
func call(t *testing.T, method, address, key, body string) (status int, answer []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return http.StatusBadGateway, nil
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, answer
}

func send(t *testing.T, s *tidemark.Server, key string, events ...string) {
	t.Helper()
	if code, answer := call(t, http.MethodPost, s.URL+"/v1/events", key, strings.Join(events, "\n")); code >= 300 {
		t.Fatalf("events: %d %s", code, answer)
	}
}

// breathe lets the replica be heard until the test ends, however long that takes: what
// is missing at a silent one is unknown.
func breathe(t *testing.T, s *tidemark.Server, key string) {
	t.Helper()
	beat := func() {
		at := time.Now().UTC().Format(time.RFC3339Nano)
		var events []string
		for _, feature := range []string{"cart", "stock"} {
			events = append(events, fmt.Sprintf(`{"kind":"heartbeat","feature":%q,"service":"reader","replica":"eu","occurred_at":%q}`, feature, at))
		}
		if code, answer := call(t, http.MethodPost, s.URL+"/v1/events", key, strings.Join(events, "\n")); code >= 300 {
			t.Errorf("heartbeat: %d %s", code, answer)
		}
	}
	beat()
	stop, stopped := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(stop); <-stopped })
	go func() {
		defer close(stopped)
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				beat()
			}
		}
	}()
}

func began(id, key string, at time.Time) string {
	return fmt.Sprintf(`{"kind":"initiated","write_id":%q,"feature":"cart","key":%q,"service":"shop","occurred_at":%q,"expect":["eu"]}`, id, key, at.UTC().Format(time.RFC3339Nano))
}

// promise says of one feature that its changes are everywhere within a second, as the
// other says nothing and is never late.
func promise(t *testing.T, s *tidemark.Server, key string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "stock.yaml")
	const doc = `apiVersion: tidemark/v1alpha1
kind: ConsistencyGuarantee
metadata: {name: stock-everywhere}
spec:
  version: 1.0.0
  feature: stock
  story: "What is sold out is shown as sold out."
  owner: team-warehouse
  model: eventual
  replicas: [{name: eu, kind: state}]
  objectives:
    - {sli: time_to_visibility, scope: all, op: lte, value: 1s, target: 0.99, window: 28d}
`
	if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	tidemark.Verb(t, "apply", "-f", file, "--to", s.URL, "--key", key)
}

// TestAProductPageTellsWhereAChangeIs follows changes in a page of another origin.
func TestAProductPageTellsWhereAChangeIs(t *testing.T) {
	b := open(t)
	data := t.TempDir()
	key := strings.TrimSpace(tidemark.Verb(t, "keys", "create", "shop", "--data", data, "--scope", "publish:*", "--scope", "consume:*", "--scope", "read", "--scope", "control"))
	s := tidemark.Start(t, "serve", "--data", data)
	promise(t, s, key)
	now := time.Now()
	breathe(t, s, key)
	send(t, s, key, began("slow", "a", now.Add(-time.Second)), began("both", "b", now.Add(-time.Second)), strings.ReplaceAll(began("overdue", "c", now), `"cart"`, `"stock"`))

	p := tab(t, b, Look{Width: Narrow, Height: 844})
	visit(t, p, product(t, s, key)+"/")
	is := func(id, state, words string) {
		t.Helper()
		const asks = `(e => e.getAttribute("role") === "status" && e.getAttribute("state") === %q && e.textContent === %q)(document.getElementById(%q))`
		if err := p.Until(fmt.Sprintf(asks, state, words, id), 30*time.Second); err != nil {
			said, _ := Eval[string](p, fmt.Sprintf(`document.getElementById(%q).outerHTML`, id))
			t.Fatalf("%v; it is %s", err, said)
		}
	}
	is("slow", "pending", "Saving your change everywhere…")
	is("both", "pending", "Saving your change everywhere…")

	is("overdue", "late", "Saved. It is taking longer than usual to show everywhere.")

	send(t, s, key,
		`{"kind":"conflict_detected","conflict_id":"c1","write_id":"both","with":["other"],"feature":"cart","key":"b","service":"shop","occurred_at":"`+time.Now().UTC().Format(time.RFC3339Nano)+`"}`)
	is("both", "conflict", "Two of you changed this.")

	send(t, s, key, `{"kind":"visible","write_id":"slow","feature":"cart","key":"a","service":"reader","replica":"eu","occurred_at":"`+time.Now().UTC().Format(time.RFC3339Nano)+`"}`)
	is("slow", "visible", "Saved. Everyone can see it.")
	send(t, s, key, `{"kind":"visible","write_id":"overdue","feature":"stock","key":"c","service":"reader","replica":"eu","occurred_at":"`+time.Now().UTC().Format(time.RFC3339Nano)+`"}`)
	is("overdue", "visible", "Saved. Everyone can see it.")
	is("lost", "unknown", "We cannot tell yet whether everyone can see it.")
	if s, err := Eval[bool](p, `document.activeElement === document.body`); err != nil || !s {
		t.Errorf("telling took the focus: %v", err)
	}
}
