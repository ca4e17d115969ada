package reconcile

import (
	"context"
	"errors"
	"testing"
	"time"

	"tidemark/flags"
	"tidemark/metrics"
)

// slowReader finds no conflicts, and only after it is let go.
type slowReader struct {
	Reader
	free chan struct{}
}

func (r *slowReader) Conflicts(ctx context.Context, _ metrics.ConflictQuery) ([]metrics.Conflict, string, error) {
	select {
	case <-r.free:
	case <-ctx.Done():
	}
	return nil, "", ctx.Err()
}

// TestNobodyHoldsAllReplays: whoever may read begins replays, and who may control needs
// them to try a rule.
func TestNobodyHoldsAllReplays(t *testing.T) {
	t.Parallel()
	r := &slowReader{free: make(chan struct{})}
	jobs := NewJobs(t.Context(), NewJudge(JudgeOptions{Reader: r, Now: time.Now}), time.Now)
	rule, _ := Implicit("merge")
	start := func(by string) (Job, error) {
		return jobs.Start(ReplayQuery{Name: "a", Candidate: rule, Of: AgreementQuery{Limit: 1}}, by)
	}
	if _, err := start("user:vera"); err != nil {
		t.Fatal(err)
	}
	if _, err := start("user:vera"); !errors.Is(err, flags.ErrRefused) {
		t.Errorf("one person has a second replay at once: %v", err)
	}
	kept, err := start("user:otto")
	if err != nil {
		t.Fatalf("nobody else has one beside it: %v", err)
	}
	if _, err := start("user:anna"); !errors.Is(err, flags.ErrRefused) {
		t.Errorf("there are three at once: %v", err)
	}
	close(r.free)
	jobs.Wait()
	for range maxKept + 1 {
		if _, err := start("user:vera"); err != nil {
			t.Fatal(err)
		}
		jobs.Wait()
	}
	if _, err := jobs.Get(t.Context(), kept.ID, "user:otto", nil, 0); err != nil {
		t.Errorf("by their results one person has those of others forgotten: %v", err)
	}
	if own := jobs.Of("a", "user:vera", nil); len(own) != maxOwnKept {
		t.Errorf("%d results of one person are kept, want %d", len(own), maxOwnKept)
	}
}
