package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tidemark/tests/tidemark"
)

// awaitRollouts waits until the demonstration has begun its two rollouts.
func awaitRollouts(t *testing.T, s *tidemark.Server) {
	t.Helper()
	for give := time.Now().Add(2 * time.Minute); !strings.Contains(s.Said(), "Watch them on the page Rollouts"); {
		if time.Now().After(give) {
			t.Fatalf("no rollout began:\n%s", s.Said())
		}
		<-time.After(250 * time.Millisecond)
	}
}

// variant asks over OFREP, as a program does, what a new session of a unit gets.
func variant(t *testing.T, s *tidemark.Server, key, flag, unit string) string {
	t.Helper()
	body := fmt.Sprintf(`{"context":{"targetingKey":%q}}`, unit)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/ofrep/v1/evaluate/flags/"+flag, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct{ Variant string }
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.Variant == "" {
		t.Fatalf("no variant with status %d: %v", resp.StatusCode, err)
	}
	return got.Variant
}

// TestARunningRolloutUpdatesAndRevertsInTwoClicks looks at a rollout while it runs: its
// page changes by itself, and from the overview two clicks take everybody back, in less
// than a second for new sessions.
func TestARunningRolloutUpdatesAndRevertsInTwoClicks(t *testing.T) {
	b, s := demo(t)
	awaitRollouts(t, s)
	key := evaluationKey(t, b, s)
	p := tab(t, b, Look{Width: Wide, Height: 900})
	visit(t, p, s.URL+"/")
	if err := p.Click("#f-profile-edit a.whole"); err != nil {
		t.Fatal(err)
	}
	const state = `document.querySelector("#sample")?.innerText + document.querySelector("main h1")?.textContent`
	if err := p.Until(`document.querySelector("#sample") && document.querySelector("[role=status]").textContent === "Live"`, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	before, err := Eval[string](p, `window.marked = true, `+state)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Until(fmt.Sprintf(`window.marked && (%s) !== %q`, state, before), 30*time.Second); err != nil {
		t.Errorf("the page of a running rollout does not change by itself: %v", err)
	}

	visit(t, p, s.URL+"/")
	const way = "#f-profile-edit a.danger"
	if err := p.Click(way); err != nil {
		t.Fatal(err)
	}
	if err := p.Until(`document.readyState === "complete" && location.pathname.endsWith("/revert")`, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	candidates := 0
	for i := range 40 {
		if variant(t, s, key, "profile-consistency", fmt.Sprintf("new-%d", i)) == "causal" {
			candidates++
		}
	}
	if candidates == 0 {
		t.Error("nobody of 40 has the candidate before the revert")
	}
	if err := p.Click("main form button.danger"); err != nil {
		t.Fatal(err)
	}
	if err := p.Until(`document.readyState === "complete" && /^\/rollouts\/[^/]+$/.test(location.pathname)`, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		if got := variant(t, s, key, "profile-consistency", fmt.Sprintf("new-%d", i)); got != "read-your-writes" {
			t.Fatalf("new-%d still gets %s", i, got)
		}
	}
	says(t, p, "Reverting: new sessions get read-your-writes")
	for _, problem := range p.Problems() {
		t.Error(problem)
	}
}

// evaluationKey makes an API key on the page, as an administrator does.
func evaluationKey(t *testing.T, b *Browser, s *tidemark.Server) string {
	t.Helper()
	p := tab(t, b, Look{Width: Wide, Height: 900})
	visit(t, p, s.URL+"/access/keys/new")
	fill(t, p, map[string]string{"name": "shop", "scopes": "evaluate"})
	return copied(t, p)
}
