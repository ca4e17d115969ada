package provider_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"

	"tidemark/flags/eval"
	"tidemark/flags/provider"
	"tidemark/flags/provider/snapshot"
)

const file = `{"flags":{
  "banner":{"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"%s"},
  "limit":{"state":"ENABLED","variants":{"a":2.5,"b":3},"defaultVariant":"b"},
  "half":{"state":"ENABLED","variants":{"a":2.5},"defaultVariant":"a"},
  "own":{"state":"ENABLED","variants":{"a":"x"},"defaultVariant":null},
  "profile":{"state":"ENABLED","variants":{"c":{"model":"causal"}},"defaultVariant":"c","metadata":{"flagSetId":"s"}}}}`

func compile(t *testing.T, banner string) *eval.Set {
	t.Helper()
	d, err := eval.ParseFlagd(fmt.Appendf(nil, file, banner))
	if err != nil {
		t.Fatal(err)
	}
	set, err := eval.Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// server streams what a test puts into sets; away makes it refuse with that status.
type server struct {
	*httptest.Server

	sets chan *eval.Set
	away atomic.Int64
}

func serve(t *testing.T) *server {
	s := &server{sets: make(chan *eval.Set)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := s.away.Load(); status != 0 {
			http.Error(w, "away", int(status))
			return
		}
		if r.Header.Get("Authorization") != "Bearer k" {
			http.Error(w, "who?", http.StatusUnauthorized)
			return
		}
		_, _ = fmt.Fprint(w, "retry: 2000\n\n")
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case <-r.Context().Done():
				return
			case set := <-s.sets:
				if set == nil {
					return
				}
				b, err := snapshot.Encode(set.Hash(), set.Definition(), nil)
				if err != nil {
					t.Error(err)
				}
				_, _ = fmt.Fprintf(w, "id: %s\nevent: snapshot\ndata: %s\n\n", set.Hash(), b)
				_ = http.NewResponseController(w).Flush()
			}
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func TestAProviderFollowsItsServer(t *testing.T) {
	t.Parallel()
	s := serve(t)
	p, err := provider.New(provider.Options{URL: s.URL, Key: "k", RetryMin: 1, RetryMax: 1})
	if err != nil {
		t.Fatal(err)
	}
	api := isolated.NewAPI()
	t.Cleanup(func() { _ = api.Shutdown(context.Background()) })
	heard := make(chan string, 16)
	for _, e := range []openfeature.EventType{openfeature.ProviderReady, openfeature.ProviderStale, openfeature.ProviderConfigChange, openfeature.ProviderError} {
		f := func(d openfeature.EventDetails) { heard <- string(e) + fmt.Sprint(d.FlagChanges) }
		api.AddHandler(e, &f)
	}
	go func() { s.sets <- compile(t, "off") }()
	if err := api.SetProviderAndWait(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	want := func(event string) {
		t.Helper()
		if got := <-heard; got != event {
			t.Fatalf("heard %s, want %s", got, event)
		}
	}
	want("PROVIDER_READY[]")
	c := api.NewClient()
	ec := openfeature.NewEvaluationContext("u", nil)
	if c.Boolean(t.Context(), "banner", true, ec) {
		t.Error("banner is off")
	}
	s.sets <- compile(t, "on")
	want("PROVIDER_CONFIGURATION_CHANGED[banner]")
	s.away.Store(http.StatusServiceUnavailable)
	s.sets <- nil
	want("PROVIDER_STALE[]")
	if !c.Boolean(t.Context(), "banner", false, ec) {
		t.Error("what is held is answered while the server is away")
	}
	s.away.Store(0)
	want("PROVIDER_READY[]")
}

func TestAKeyThatIsRefusedEndsInit(t *testing.T) {
	t.Parallel()
	s := serve(t)
	p, err := provider.New(provider.Options{URL: s.URL, Key: "wrong"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Shutdown)
	if err := p.Init(openfeature.EvaluationContext{}); err == nil {
		t.Error("no error")
	}
	if r := p.BooleanEvaluation(t.Context(), "banner", true, nil); !r.Value || r.ResolutionDetail().ErrorCode != openfeature.ProviderNotReadyCode {
		t.Errorf("%+v", r)
	}
}

type fixed struct{ set *eval.Set }

func (f fixed) Set() *eval.Set           { return f.set }
func (f fixed) Changed() <-chan struct{} { return nil }

func TestTypesErrorsAndStamps(t *testing.T) {
	t.Parallel()
	p, err := provider.New(provider.Options{Source: provider.Local{Flags: fixed{compile(t, "on")}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Shutdown)
	api := isolated.NewAPI()
	if err := api.SetProviderAndWait(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	c, ec := api.NewClient(), openfeature.NewEvaluationContext("u", nil)
	ctx := provider.WithStamps(t.Context())
	if n := c.Int(ctx, "limit", 0, ec); n != 3 {
		t.Errorf("limit %d", n)
	}
	if d, _ := c.IntValueDetails(ctx, "half", 7, ec); d.Value != 7 || d.ErrorCode != openfeature.TypeMismatchCode {
		t.Errorf("half: %+v", d)
	}
	if d, _ := c.StringValueDetails(ctx, "banner", "x", ec); d.Value != "x" || d.ErrorCode != openfeature.TypeMismatchCode {
		t.Errorf("banner as text: %+v", d)
	}
	if d, _ := c.BooleanValueDetails(ctx, "none", true, ec); !d.Value || d.ErrorCode != openfeature.FlagNotFoundCode {
		t.Errorf("none: %+v", d)
	}
	if d, _ := c.StringValueDetails(ctx, "own", "mine", ec); d.Value != "mine" || d.Reason != openfeature.DefaultReason || d.ErrorCode != "" {
		t.Errorf("own: %+v", d)
	}
	v, _ := c.Object(ctx, "profile", nil, ec).(map[string]any)
	v["model"] = "spoilt"
	again, _ := c.Object(ctx, "profile", nil, ec).(map[string]any)
	if again["model"] != "causal" {
		t.Errorf("a caller spoilt the shared value: %v", again)
	}
	if s, ok := provider.Stamped(ctx, "profile"); !ok || s != (provider.Stamp{Flag: "profile", Variant: "c", Model: "causal", Unit: "u"}) {
		t.Errorf("stamp %+v %v", s, ok)
	}
}
