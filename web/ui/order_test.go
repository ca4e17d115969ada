package ui

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/flags"
	"tidemark/flags/audit"
	"tidemark/flags/guarantee"
	"tidemark/metrics/report"
)

func TestAmongBrokenPromisesThoseThatPageComeFirst(t *testing.T) {
	t.Parallel()
	s := &guarantee.Snapshot{Results: []guarantee.Result{
		{Feature: "kept", Verdict: guarantee.VerdictKept},
		{Feature: "ticket", Verdict: guarantee.VerdictBroken},
		{Feature: "page", Verdict: guarantee.VerdictBroken},
	}}
	rows := []report.FeatureRow{{Feature: "kept"}, {Feature: "ticket"}, {Feature: "page"}}
	var got []string
	for _, r := range byTrouble(rows, s, []flags.Alert{{Feature: "page"}, {Feature: "kept"}, {Feature: "page"}}) {
		got = append(got, r.Feature)
	}
	if diff := cmp.Diff([]string{"page", "ticket", "kept"}, got); diff != "" {
		t.Error(diff)
	}
}

// A revert's entry has the whole decision; that it takes the share to 0 is said before it,
// and the lines of a text stay in their order.
func TestWhatChangedIsSaidBeforeWhatWasAdded(t *testing.T) {
	t.Parallel()
	var got []string
	for _, c := range changedFirst(audit.Diff(
		[]byte(`{"percent":2000,"content":"a\nb\nd"}`),
		[]byte(`{"decision":{"why":"slow","verb":"revert"},"percent":0,"content":"a\nc\nd\ne"}`),
	)) {
		got = append(got, c.Field)
	}
	if diff := cmp.Diff([]string{"content:2", "content:4", "percent", "decision.verb", "decision.why"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTodaysPointIsWhatThePageSaysAboveIt(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 14, 14, 0, 0, 0, time.UTC)
	s := &guarantee.Snapshot{At: at, Results: []guarantee.Result{{Guarantee: "g", Version: "1.1.0", Objectives: []guarantee.ObjectiveResult{
		{Key: "fast", Verdict: guarantee.VerdictBroken, Good: 90, Eligible: 100, Goal: 0.99},
	}}}}
	points := []flags.AttainmentPoint{
		{Objective: "fast", Day: "2026-03-13", Good: 1, Eligible: 2},
		{Objective: "fast", Day: "2026-03-14", Good: 0, Eligible: 0, Version: "1.0.0"},
		{Objective: "gone", Day: "2026-03-14", Good: 3, Eligible: 4},
	}
	standing(points, s, "g")
	want := []flags.AttainmentPoint{
		{Objective: "fast", Day: "2026-03-13", Good: 1, Eligible: 2},
		{Objective: "fast", Day: "2026-03-14", Good: 90, Eligible: 100, Goal: 0.99, Verdict: "broken", Version: "1.1.0"},
		{Objective: "gone", Day: "2026-03-14", Good: 3, Eligible: 4},
	}
	if diff := cmp.Diff(want, points); diff != "" {
		t.Error(diff)
	}
}

func TestWhoWentBackIsNotToldOfSomebodyElse(t *testing.T) {
	t.Parallel()
	since := []flags.Transition{{Actor: "user:ada", Action: "revert", At: time.Date(2026, 3, 14, 14, 0, 0, 0, time.UTC)}}
	for me, want := range map[string]string{
		"user:ada": "You changed this rollout since this page was made; nothing more was done now. You had it reverted at 14:00:00 UTC. Look, and decide again.",
		"user:bob": "Somebody else changed this rollout first; nothing of yours was done, and nothing of yours is lost. ada had it reverted at 14:00:00 UTC. Look, and decide again.",
	} {
		if n := whoWasFirst(since, me); n.Text+" "+n.More != want {
			t.Errorf("%s is told %q %q", me, n.Text, n.More)
		}
	}
}
