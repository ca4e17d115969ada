package flagset

import (
	"testing"
	"time"

	"tidemark/flags"
	"tidemark/flags/eval"
	"tidemark/flags/sqlite"
)

// store puts a rollout of dark, from off to on, into the store as it is.
func store(t *testing.T, s *sqlite.Store, change func(r *flags.Rollout)) {
	t.Helper()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := flags.Rollout{
		ID: "r1", Plan: flags.Plan{Flag: "dark", Candidate: "on", Control: "off", Steps: []flags.PlanStep{{Percent: flags.Whole}}},
		State: flags.RolloutRunning, Percent: flags.Whole, Revision: 1, Salt: "s", CreatedAt: at,
		Approvals: []flags.Approval{}, SignOffs: []flags.SignOff{}, Intervals: []flags.StepInterval{},
	}
	change(&r)
	if err := s.SaveRollout(t.Context(), r, flags.Transition{Rollout: r.ID, Revision: 1, At: at, Actor: "controller", Action: "move", To: r.State}); err != nil {
		t.Fatal(err)
	}
}

// TestARestartGivesWhatWasGivenBefore: before the controller has ticked once, each unit
// gets what the stored rollout says, in every state.
func TestARestartGivesWhatWasGivenBefore(t *testing.T) {
	t.Parallel()
	const both = `{"state":"ENABLED","variants":{"on":"new","off":"old","both":"both"},"defaultVariant":"off"}`
	phases := []flags.PlanPhase{{Phase: flags.PhaseOff}, {Phase: flags.PhaseDualWrite, Variant: "both"}, {Phase: flags.PhaseLive}, {Phase: flags.PhaseComplete}}
	for name, c := range map[string]struct {
		change func(r *flags.Rollout)
		want   string
		reason eval.Reason
	}{
		"a draft":   {func(r *flags.Rollout) { r.State, r.Percent = flags.RolloutDraft, 0 }, "off", eval.ReasonStatic},
		"running":   {func(*flags.Rollout) {}, "on", eval.ReasonSplit},
		"paused":    {func(r *flags.Rollout) { r.State = flags.RolloutPaused }, "on", eval.ReasonSplit},
		"reverting": {func(r *flags.Rollout) { r.State, r.Percent = flags.RolloutReverting, 0 }, "off", eval.ReasonSplit},
		"reverted":  {func(r *flags.Rollout) { r.State, r.Percent = flags.RolloutReverted, 0 }, "off", eval.ReasonStatic},
		"a phase in which all have another variant": {
			func(r *flags.Rollout) {
				r.Plan.Phases, r.Phase, r.Percent, r.Step = phases, flags.PhaseDualWrite, 0, -1
			}, "both", eval.ReasonSplit,
		},
		"a phase that decides nothing": {
			func(r *flags.Rollout) { r.Plan.Phases, r.Phase, r.Percent, r.Step = phases, flags.PhaseOff, 0, -1 }, "off", eval.ReasonStatic,
		},
		"completed, and the default is not changed yet": {
			func(r *flags.Rollout) {
				r.State, r.Pending = flags.RolloutCompleted, []flags.Chore{flags.ChoreDefault, flags.ChoreGuarantee}
			}, "on", eval.ReasonSplit,
		},
		"completed": {func(r *flags.Rollout) { r.State = flags.RolloutCompleted }, "off", eval.ReasonStatic},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open4test(t)
			h.save(t, flagID("dark"), both)
			store(t, h.store, c.change)
			cat, err := Open(t.Context(), Options{Store: h.store, Rollouts: h.store, Now: h.clock.now})
			if err != nil {
				t.Fatal(err)
			}
			if r := cat.Set().Evaluate("dark", eval.Context{"targetingKey": "u"}, h.clock.t); r.Variant != c.want || r.Reason != c.reason {
				t.Errorf("before the first tick %q by %s; want %q by %s", r.Variant, r.Reason, c.want, c.reason)
			}
		})
	}
}
