package alert

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"tidemark/flags"
)

func TestAWebhookIsAsked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status       int
		body         string
		pass         bool
		reason, fail string
	}{
		"yes":          {200, `{"pass": true}`, true, "", ""},
		"no":           {200, `{"pass": false, "reason": "the backfill runs"}`, false, "the backfill runs", ""},
		"a long why":   {200, `{"pass": false, "reason": "` + strings.Repeat("é", MaxReason) + `"}`, false, strings.Repeat("é", MaxReason/2), ""},
		"no answer":    {200, `{"reason": "hm"}`, false, "", "its answer is not"},
		"not JSON":     {200, `<p>yes</p>`, false, "", "its answer is not"},
		"empty":        {204, ``, false, "", "its answer is not"},
		"another type": {200, `{"pass": "true"}`, false, "", "its answer is not"},
		"endless":      {200, `{"pass": true, "reason": "` + strings.Repeat("x", maxResponse) + `"}`, false, "", "its answer is not"},
		"an error":     {500, `{"pass": true}`, false, "", "500"},
		"a redirect":   {302, `{"pass": true}`, false, "", "302"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []byte
			var header http.Header
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				header = r.Header.Clone()
				got, _ = io.ReadAll(r.Body)
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			t.Cleanup(srv.Close)
			store, clk := openStore(t, filepath.Join(t.TempDir(), "control.db")), newClock()
			hook, err := NewHooks(HooksOptions{Store: store, Now: clk.now, Allow: loopback(t)}).
				Create(t.Context(), Input{Name: "gate", URL: srv.URL, Enabled: true}, "user:a", "")
			if err != nil {
				t.Fatal(err)
			}
			a := NewAsker(AskerOptions{Store: store, Now: clk.now, Allow: loopback(t)})
			t.Cleanup(a.Close)
			pass, reason, err := a.Ask(t.Context(), hook.ID, "rollout.phase", map[string]string{"phase": "dual-write"})
			if pass != c.pass || reason != c.reason || (err != nil) != (c.fail != "") || err != nil && !strings.Contains(err.Error(), c.fail) {
				t.Errorf("pass %v, reason %q, %v", pass, reason, err)
			}
			wh, err := standardwebhooks.NewWebhook(hook.Secret)
			if err != nil {
				t.Fatal(err)
			}
			if err := wh.VerifyIgnoringTimestamp(got, header); err != nil || !strings.Contains(string(got), `"type":"rollout.phase"`) {
				t.Errorf("%s: %v", got, err)
			}
		})
	}
}

func TestWebhooksThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }))
	t.Cleanup(srv.Close)
	store, clk := openStore(t, filepath.Join(t.TempDir(), "control.db")), newClock()
	hooks := NewHooks(HooksOptions{Store: store, Now: clk.now})
	a := NewAsker(AskerOptions{Store: store, Now: clk.now})
	if err := a.Askable(t.Context(), "nothing"); !errors.Is(err, flags.ErrNotFound) {
		t.Errorf("no webhook: %v", err)
	}
	inside := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	for name, c := range map[string]struct {
		enabled bool
		want    error
		say     string
	}{"off": {false, flags.ErrRefused, "switched off"}, "inside": {true, nil, "an address that is not public"}} {
		hook, err := hooks.Create(t.Context(), Input{Name: name, URL: inside, Enabled: c.enabled}, "user:a", "")
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Askable(t.Context(), hook.ID); !errors.Is(err, c.want) {
			t.Errorf("%s: askable: %v", name, err)
		}
		if pass, _, err := a.Ask(t.Context(), hook.ID, "rollout.phase", nil); pass || err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: pass %v, %v", name, pass, err)
		}
	}
}
