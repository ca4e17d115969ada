package rollout

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidemark/flags"
	"tidemark/metrics"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// bench drives one rollout as a controller would, and stops and starts between any
// two steps: all that is kept is what would be stored.
type bench struct {
	machine Machine
	outcome flags.Outcome
	r       flags.Rollout
	now     time.Time
	events  int64
}

func newBench() *bench {
	b := &bench{outcome: flags.OutcomePass, now: noon}
	b.machine = Machine{Judge: func(p *flags.Plan, _ metrics.TrialEvidence, _ int) ([]flags.Check, flags.Ratio) {
		return []flags.Check{{Guardrail: p.Guardrails[0], Outcome: b.outcome, Why: "said so"}}, flags.Ratio{P: 0.5, Enough: true}
	}}
	step := func(p flags.Percent) flags.PlanStep {
		return flags.PlanStep{Percent: p, Bake: flags.Duration(time.Minute), MinUnits: 10}
	}
	b.r = flags.Rollout{
		ID: "r", Title: "t", State: flags.RolloutDraft, Step: -1, Revision: 1, Salt: "s", Authors: []string{"user:ada"},
		Plan: flags.Plan{
			Flag: "f", Feature: "cart", Candidate: "new", Control: "old", NoData: flags.Duration(15 * time.Minute), PinFor: flags.Duration(time.Hour),
			Steps:      []flags.PlanStep{step(100), step(2000), step(5000), step(10000)},
			Guardrails: []flags.Guardrail{{Metric: flags.GuardLate, Margin: 0.01, Alpha: 0.05, Action: flags.GuardRevert}},
			OnDeadline: flags.DeadlineHold,
		},
	}
	return b
}

// evidence is of so many units an arm in the current step, with news since last time.
func (b *bench) evidence(units int64) *metrics.TrialEvidence {
	b.events++
	arm := metrics.ArmEvidence{Units: units}
	return &metrics.TrialEvidence{
		LastEvent: b.events, Writes: b.events,
		Steps: []metrics.StepEvidence{{Index: b.r.Step, Candidate: arm, Control: arm}},
	}
}

// step makes one, and keeps what a store would keep of the outcome.
func (b *bench) step(in Input) (*flags.Transition, error) {
	next, made, err := b.machine.Step(b.now, b.r, in)
	if err != nil {
		return nil, err
	}
	stored, err := json.Marshal(next)
	if err != nil {
		return nil, err
	}
	b.r = flags.Rollout{}
	return made, json.Unmarshal(stored, &b.r)
}

func (b *bench) command(v CommandVerb) error {
	_, err := b.step(Input{Command: &Command{Verb: v, Author: flags.Author{Actor: "user:bo", Reason: "because"}, Revision: b.r.Revision}, Evidence: b.evidence(0)})
	return err
}

// ticks lets time pass, a second a tick, with so many units an arm.
func (b *bench) ticks(t *testing.T, n int, units int64) {
	t.Helper()
	for range n {
		b.now = b.now.Add(time.Second)
		if _, err := b.step(Input{Evidence: b.evidence(units)}); err != nil {
			t.Fatal(err)
		}
	}
}

func started(t *testing.T) *bench {
	t.Helper()
	b := newBench()
	if err := b.command(CommandStart); err != nil {
		t.Fatal(err)
	}
	if b.r.State != flags.RolloutRunning || b.r.Step != 0 || b.r.Percent != 100 {
		t.Fatalf("%s at step %d, %d", b.r.State, b.r.Step, b.r.Percent)
	}
	return b
}

func TestRolloutWidensStepByStepToTheEnd(t *testing.T) {
	t.Parallel()
	b := started(t)
	b.ticks(t, 50, 100)
	if b.r.Step != 0 || !strings.Contains(b.r.Decision.Why, "more with traffic") {
		t.Errorf("step %d before its bake time was over: %s", b.r.Step, b.r.Decision.Why)
	}
	b.ticks(t, 300, 100)
	if b.r.State != flags.RolloutCompleted {
		t.Errorf("%s at step %d: %s", b.r.State, b.r.Step, b.r.Decision.Why)
	}
	if why := b.r.Decision.Why; !strings.HasPrefix(why, "No guardrail is broken, and nobody is left to compare with, with 100 units after ") {
		t.Errorf("it completed because of %q", why)
	}
}

func TestWhatKeepsAStepFromWidening(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		outcome flags.Outcome
		units   int64
		why     string
	}{
		"too few units":         {flags.OutcomePass, 4, "6 more units in candidate"},
		"not sure yet":          {flags.OutcomeUnsure, 100, "said so"},
		"nothing known":         {flags.OutcomeUnknown, 100, "said so"},
		"it cannot be checked":  {flags.OutcomeError, 100, "said so"},
		"a guardrail is broken": {flags.OutcomeFail, 100, "said so"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := started(t)
			b.outcome = c.outcome
			b.ticks(t, 100, c.units)
			if b.r.Step > 0 || !strings.Contains(b.r.Decision.Why, c.why) {
				t.Errorf("step %d: %s", b.r.Step, b.r.Decision.Why)
			}
			if reverted := b.r.State == flags.RolloutReverting; reverted != (c.outcome == flags.OutcomeFail) {
				t.Errorf("it is %s", b.r.State)
			}
		})
	}
}

// Where units are missing, it is said that there were more than could be followed; else
// nobody has to know.
func TestUnitsThatWereNotFollowedAreSaid(t *testing.T) {
	t.Parallel()
	for units, want := range map[int64]string{
		4:   "Needs 6 more units in candidate and 6 in control and 58 s more with traffic. Units beyond the limit were not followed.",
		100: "Needs 58 s more with traffic.",
	} {
		b := started(t)
		b.ticks(t, 1, units)
		b.now = b.now.Add(time.Second)
		ev := b.evidence(units)
		ev.Overflow = 3
		if _, err := b.step(Input{Evidence: ev}); err != nil {
			t.Fatal(err)
		}
		if why := b.r.Decision.Why; why != want {
			t.Errorf("with %d units: %q; want %q", units, why, want)
		}
	}
}

func TestNoDataIsNoGoodNews(t *testing.T) {
	t.Parallel()
	b := started(t)
	b.r.Plan.Steps[0].Bake = flags.Duration(10 * time.Minute)
	b.ticks(t, 5, 100)
	quiet := b.evidence(100)
	for range 14 * 60 {
		b.now = b.now.Add(time.Second)
		if _, err := b.step(Input{Evidence: quiet}); err != nil {
			t.Fatal(err)
		}
	}
	if b.r.State != flags.RolloutRunning || b.r.Step != 0 || b.r.Baked > 2*time.Minute {
		t.Fatalf("%s at step %d, baked %s without traffic", b.r.State, b.r.Step, b.r.Baked)
	}
	for range 2 * 60 {
		b.now = b.now.Add(time.Second)
		if _, err := b.step(Input{Evidence: quiet}); err != nil {
			t.Fatal(err)
		}
	}
	if b.r.State != flags.RolloutReverting {
		t.Errorf("%s after 16 minutes without data: %s", b.r.State, b.r.Decision.Why)
	}
}

func TestNobodyApprovesTheirOwn(t *testing.T) {
	t.Parallel()
	b := newBench()
	b.r.Plan.Approvals = 1
	own := &Command{Verb: CommandApprove, Author: flags.Author{Actor: "user:ada", Reason: "mine"}, Revision: 1}
	if _, err := b.step(Input{Command: own}); !errors.Is(err, flags.ErrRefused) {
		t.Errorf("%v", err)
	}
	if err := b.command(CommandStart); err != nil || b.r.State != flags.RolloutWaiting {
		t.Fatalf("%s, %v", b.r.State, err)
	}
	b.ticks(t, 3, 100)
	if b.r.State != flags.RolloutWaiting {
		t.Errorf("it began without an approval")
	}
	if err := b.command(CommandApprove); err != nil {
		t.Fatal(err)
	}
	b.ticks(t, 3, 100)
	if b.r.State != flags.RolloutRunning {
		t.Errorf("%s after the approval: %s", b.r.State, b.r.Decision.Why)
	}
}

func TestOnlyPeopleApprove(t *testing.T) {
	t.Parallel()
	b := newBench()
	b.r.Plan.Approvals = 1
	for _, actor := range []string{"key:deploy:k1", "key:deploy:k2", "cli:ada", "ada", ""} {
		c := &Command{Verb: CommandApprove, Author: flags.Author{Actor: actor, Reason: "mine"}, Revision: 1}
		if _, err := b.step(Input{Command: c}); !errors.Is(err, flags.ErrRefused) || len(b.r.Approvals) > 0 {
			t.Errorf("%q: %v", actor, err)
		}
	}
}

// TestNobodyExcusesTheirOwnPlan: the author, or a key, who may be the author, does not
// edit the approvals away; somebody else may, and is an author from then on.
func TestNobodyExcusesTheirOwnPlan(t *testing.T) {
	t.Parallel()
	b := newBench()
	b.r.Plan.Approvals = 2
	edit := func(actor string, approvals int) error {
		plan := b.r.Plan
		plan.Approvals = approvals
		_, err := b.step(Input{Command: &Command{Verb: CommandEdit, Author: flags.Author{Actor: actor, Reason: "edit"}, Revision: b.r.Revision, Plan: &plan}})
		return err
	}
	for _, c := range []struct {
		actor     string
		approvals int
		ok        bool
	}{
		{"user:ada", 0, false},
		{"user:ada", 1, false},
		{"key:deploy:k1", 0, false},
		{"user:ada", 3, true},
		{"user:bo", 2, true},
		{"user:bo", 1, false},
		{"user:cy", 0, true},
	} {
		before := b.r.Plan.Approvals
		err := edit(c.actor, c.approvals)
		if (err == nil) != c.ok || !c.ok && (!errors.Is(err, flags.ErrRefused) || b.r.Plan.Approvals != before) {
			t.Errorf("%s from %d to %d: %v", c.actor, before, c.approvals, err)
		}
	}
}

// TestNothingShipsByAccident drives rollouts at random: clocks that jump, evidence
// that comes and goes, commands, and a restart between any two steps.
func TestNothingShipsByAccident(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench()
		if err := b.command(CommandStart); err != nil {
			rt.Fatal(err)
		}
		for range rapid.IntRange(1, 150).Draw(rt, "steps") {
			b.now = b.now.Add(time.Duration(rapid.SampledFrom([]int{1, 1, 1, 5, 30, 3600, -3600}).Draw(rt, "passes")) * time.Second)
			b.outcome = rapid.SampledFrom([]flags.Outcome{
				flags.OutcomePass, flags.OutcomePass, flags.OutcomePass, flags.OutcomePass, flags.OutcomeUnsure, flags.OutcomeUnknown, flags.OutcomeFail,
			}).Draw(rt, "outcome")
			in := drawInput(rt, b)
			before := b.r
			made, err := b.step(in)
			if err != nil && in.Command == nil {
				rt.Fatal(err)
			}
			checkStep(rt, b, &before, in, made)
		}
	})
}

func drawInput(rt *rapid.T, b *bench) (in Input) {
	units := int64(rapid.SampledFrom([]int{0, 9, 10, 500}).Draw(rt, "units"))
	switch rapid.IntRange(0, 9).Draw(rt, "input") {
	case 0:
		in.EvidenceErr = errors.New("the disk is gone")
	case 1: // not known yet
	case 2:
		in.Evidence = b.evidence(units)
		in.Evidence.Silent = []string{"search"}
	case 3:
		verbs := []CommandVerb{CommandPause, CommandResume, CommandBreakPins, CommandRevert, CommandAdvance, CommandStart}
		in.Evidence = b.evidence(units)
		in.Command = &Command{
			Verb: rapid.SampledFrom(verbs).Draw(rt, "verb"), Author: flags.Author{Actor: "user:bo", Reason: "because"}, Revision: b.r.Revision,
		}
	default:
		in.Evidence = b.evidence(units)
	}
	return in
}

func checkStep(rt *rapid.T, b *bench, before *flags.Rollout, in Input, made *flags.Transition) {
	after := &b.r
	switch {
	case made == nil && (after.State != before.State || after.Step != before.Step || after.Percent != before.Percent || after.Revision != before.Revision):
		rt.Fatalf("changed without a transition: %+v, then %+v", before, after)
	case made != nil && (made.Revision != before.Revision+1 || after.Revision != made.Revision || made.Reason == ""):
		rt.Fatalf("revision %d follows %d: %+v", made.Revision, before.Revision, made)
	case before.State.Final() && after.State != before.State:
		rt.Fatalf("%s came back as %s", before.State, after.State)
	case before.State == flags.RolloutReverting && after.State != flags.RolloutReverting && after.State != flags.RolloutReverted:
		rt.Fatalf("a revert became %s", after.State)
	case after.Step > before.Step+1:
		rt.Fatalf("step %d was skipped", before.Step+1)
	}
	shipped := after.Percent > before.Percent || (after.State == flags.RolloutCompleted && before.State != after.State)
	if !shipped || in.Command != nil {
		return
	}
	alone := before.Percent == flags.Whole
	switch {
	case before.State != flags.RolloutRunning:
		rt.Fatalf("widened while %s", before.State)
	case in.Evidence == nil, in.EvidenceErr != nil, len(in.Evidence.Silent) > 0:
		rt.Fatalf("widened blindly: %s", made.Reason)
	case b.outcome != flags.OutcomePass && (!alone || b.outcome == flags.OutcomeFail):
		rt.Fatalf("widened although the guardrail is %s", b.outcome)
	case in.Evidence.Steps[0].Candidate.Units < 10:
		rt.Fatalf("widened with %d units", in.Evidence.Steps[0].Candidate.Units)
	}
}

// TestSpansAreShort: no sentence has nanoseconds in it, and what is left is never none.
func TestSpansAreShort(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration][2]string{
		175391504:                   {"175 ms", "1 s"},
		3:                           {"0 s", "1 s"},
		90*time.Second + 1234567890: {"1 min 31 s", "1 min 31 s"},
		2 * time.Hour:               {"2 h", "2 h"},
	} {
		if got := [2]string{span(d), wait(d)}; got != want {
			t.Errorf("%d: %q; want %q", d, got, want)
		}
	}
}
