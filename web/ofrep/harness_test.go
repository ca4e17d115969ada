package ofrep_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/eval"
	"tidemark/web"
	"tidemark/web/auth"
	"tidemark/web/ofrep"
)

var t0 = time.Date(2026, 3, 14, 14, 10, 0, 0, time.UTC)

// source is flags that a test replaces.
type source struct {
	now      atomic.Pointer[state]
	record   bool
	mu       sync.Mutex
	observed []string
}

type state struct {
	set     *eval.Set
	changed chan struct{}
}

func (s *source) Set() *eval.Set           { return s.now.Load().set }
func (s *source) Changed() <-chan struct{} { return s.now.Load().changed }

func (s *source) Observe(_ *eval.Set, r *eval.Result) {
	if !s.record {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observed = append(s.observed, r.Key+"="+r.Variant)
}

func (s *source) Asked(eval.Context) {}

func (s *source) put(set *eval.Set) {
	if old := s.now.Swap(&state{set, make(chan struct{})}); old != nil {
		close(old.changed)
	}
}

// keys is a store of keys in memory.
type keys struct {
	access.Store

	mu   sync.Mutex
	byID map[string]access.Key
}

func (k *keys) Key(_ context.Context, id string) (access.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.byID[id]
	if !ok {
		return key, access.ErrNoKey
	}
	return key, nil
}

// site is a server with nothing but OFREP.
type site struct {
	http.Handler

	tb    testing.TB
	flags *source
	keys  *keys
	ring  *access.Keyring
	now   atomic.Pointer[time.Time]
	done  chan struct{}
	token string // of a key that may evaluate
	keyID string
}

func open(tb testing.TB, set *eval.Set, options ...func(*ofrep.Options, *web.Options)) *site {
	tb.Helper()
	s := &site{tb: tb, flags: &source{}, keys: &keys{byID: map[string]access.Key{}}, done: make(chan struct{})}
	s.flags.put(set)
	s.at(t0)
	clock := func() time.Time { return *s.now.Load() }
	s.ring = access.NewKeyring(access.KeyringOptions{Store: s.keys, Now: clock})
	s.token, s.keyID = s.key("evaluate")
	o := ofrep.Options{
		Flags: s.flags, Now: clock, Secret: []byte("0123456789abcdef0123456789abcdef"),
		Origins: []string{"https://shop.example"}, Identity: s.ring.IdentityOf, Done: s.done,
	}
	w := web.Options{
		Log: slog.New(slog.DiscardHandler), Now: clock, Registry: prometheus.NewRegistry(),
		Auth:  auth.New(auth.Options{Keys: s.ring, Store: s.keys, Now: clock, Failures: auth.NewLimiter(5, 3, 100, clock)}),
		Ready: func(context.Context) error { return nil },
	}
	for _, f := range options {
		f(&o, &w)
	}
	w.Routes = [][]auth.Route{ofrep.New(o).Routes()}
	server, err := web.New(w)
	if err != nil {
		tb.Fatal(err)
	}
	s.Handler = server
	return s
}

func (s *site) at(t time.Time) { s.now.Store(&t) }

// key makes a key with scopes.
func (s *site) key(scopes ...string) (token, id string) {
	s.tb.Helper()
	k, token, err := access.NewKey(access.NewKeyOptions{Name: "test", Scopes: scopes}, t0)
	if err != nil {
		s.tb.Fatal(err)
	}
	s.keys.mu.Lock()
	defer s.keys.mu.Unlock()
	s.keys.byID[k.ID] = k
	return token, k.ID
}

func (s *site) revoke(id string) {
	s.keys.mu.Lock()
	defer s.keys.mu.Unlock()
	k := s.keys.byID[id]
	k.RevokedAt = *s.now.Load()
	s.keys.byID[id] = k
	s.ring.Forget(id)
}

// request is what a test sends; the headers come in pairs.
func (s *site) request(method, path, body string, headers ...string) *answer {
	s.tb.Helper()
	r := httptest.NewRequestWithContext(s.tb.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+s.token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return &answer{StatusCode: w.Code, Header: w.Header(), body: w.Body.String()}
}

// answer is what the server said.
type answer struct {
	StatusCode int
	Header     http.Header
	body       string
}

func text(_ testing.TB, a *answer) string { return a.body }

// compile makes a set of a file in flagd's form.
func compile(tb testing.TB, file string, as ...flags.Assignment) *eval.Set {
	tb.Helper()
	d, err := eval.ParseFlagd([]byte(file))
	if err != nil {
		tb.Fatal(err)
	}
	d.Assignments = as
	set, err := eval.Compile(d)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

const shop = `{
  "metadata": {"flagSetId": "shop", "team": "web"},
  "flags": {
    "banner": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
      "targeting": {"if": [{"ends_with": [{"var": "email"}, "@shop.example"]}, "on"]}, "metadata": {"owner": "growth"}},
    "colour": {"state": "ENABLED", "variants": {"red": "#f00", "blue": "#00f"}, "defaultVariant": "red"},
    "limit": {"state": "ENABLED", "variants": {"low": 10, "high": 12.5}, "defaultVariant": "low"},
    "off": {"state": "DISABLED", "variants": {"a": "x"}, "defaultVariant": "a"},
    "own": {"state": "ENABLED", "variants": {"a": {"n": 1}}, "defaultVariant": null},
    "profile": {"state": "ENABLED", "variants": {"causal": {"model": "causal", "max_staleness_ms": 2000}, "eventual": {"model": "eventual"}}, "defaultVariant": "eventual"}
  }
}`

func rollout(percent flags.Percent) flags.Assignment {
	return flags.Assignment{Rollout: "r1", Flag: "profile", Salt: "s", Step: 2, Percent: percent, Candidate: "causal", Control: "eventual"}
}
