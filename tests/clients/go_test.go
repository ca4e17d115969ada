package clients

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"

	"tidemark/flags/provider"
)

// TestGoSDK: the Go SDK with tidemark's provider follows a real server: types,
// defaults, targeting, changes as events, a rollout with its stamps and pins, and the
// flags it holds while the server is gone.
func TestGoSDK(t *testing.T) {
	t.Parallel()
	s := open(t)
	api := isolated.NewAPI()
	changes, stale := make(chan []string, 64), make(chan struct{}, 64)
	changed := func(d openfeature.EventDetails) { changes <- d.FlagChanges }
	gone := func(openfeature.EventDetails) { stale <- struct{}{} }
	api.AddHandler(openfeature.ProviderConfigChange, &changed)
	api.AddHandler(openfeature.ProviderStale, &gone)
	p, err := provider.New(provider.Options{URL: s.url, Key: s.sync})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Shutdown(context.Background()) })
	if err := api.SetProviderAndWait(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	c := api.NewClient()
	user := openfeature.NewEvaluationContext("user-1", nil)
	gold := openfeature.NewEvaluationContext("user-1", map[string]any{"plan": "gold"})
	if got := c.String(t.Context(), "greeting", "none", user); got != "Hello" {
		t.Errorf("greeting %q", got)
	}
	if d, _ := c.BooleanValueDetails(t.Context(), "express", false, gold); !d.Value || d.Variant != "on" || d.Reason != openfeature.TargetingMatchReason {
		t.Errorf("express for gold: %+v", d)
	}
	if got := c.Float(t.Context(), "limit", 1, user); got != 2.5 {
		t.Errorf("limit %v", got)
	}
	if d, _ := c.StringValueDetails(t.Context(), "own", "mine", user); d.Value != "mine" || d.Reason != openfeature.DefaultReason || d.ErrorCode != "" {
		t.Errorf("the code's default: %+v", d)
	}
	if d, _ := c.StringValueDetails(t.Context(), "asleep", "mine", user); d.Value != "mine" || d.Reason != openfeature.DisabledReason {
		t.Errorf("disabled: %+v", d)
	}

	s.change("greeting", 1, `{"state":"ENABLED","variants":{"hello":"Hello","hi":"Hi"},"defaultVariant":"hi"}`)
	awaitChange(t, changes, "greeting")
	if got := c.String(t.Context(), "greeting", "none", user); got != "Hi" {
		t.Errorf("after the change %q", got)
	}

	path := s.rollOut()
	awaitChange(t, changes, "model")
	unit, stamp := candidateOf(t, c)
	s.revert(path)
	awaitChange(t, changes, "model")
	model := func(ec openfeature.EvaluationContext) any {
		v, _ := c.Object(t.Context(), "model", nil, ec).(map[string]any)
		return v["model"]
	}
	if got := model(openfeature.NewEvaluationContext(unit, map[string]any{"tidemark.pin": stamp.Pin})); got != "causal" {
		t.Errorf("after the revert a pinned session gets %v; want the candidate", got)
	}
	if got := model(openfeature.NewEvaluationContext(unit, nil)); got != "eventual" {
		t.Errorf("after the revert a new session gets %v; want the control", got)
	}

	s.server.Kill()
	<-stale
	if got := c.String(t.Context(), "greeting", "none", user); got != "Hi" {
		t.Errorf("without a server %q; want what is held", got)
	}
}

// awaitChange waits for the event that says that a flag changed.
func awaitChange(t *testing.T, changes <-chan []string, flag string) {
	t.Helper()
	for {
		select {
		case names := <-changes:
			if slices.Contains(names, flag) {
				return
			}
		case <-t.Context().Done():
			t.Fatalf("no event says that %s changed", flag)
		}
	}
}

// candidateOf finds a unit that has the candidate, with the stamp of its evaluation.
func candidateOf(t *testing.T, c *openfeature.Client) (string, provider.Stamp) {
	t.Helper()
	for i := range 50 {
		unit := fmt.Sprintf("user-%d", i)
		ctx := provider.WithStamps(t.Context())
		_ = c.Object(ctx, "model", nil, openfeature.NewEvaluationContext(unit, nil))
		s, ok := provider.Stamped(ctx, "model")
		if !ok {
			t.Fatal("the evaluation left no stamp")
		}
		if s.Variant == "new" {
			if s.Unit != unit || s.Model != "causal" || s.Arm != "candidate" || s.Pin == "" {
				t.Errorf("stamp %+v", s)
			}
			return unit, s
		}
	}
	t.Fatal("none of 50 units has the candidate at 50 %")
	return "", provider.Stamp{}
}
