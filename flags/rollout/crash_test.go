package rollout_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidemark/flags"
	"tidemark/flags/audit"
	"tidemark/flags/rollout"
	"tidemark/flags/sqlite"
	"tidemark/metrics"
)

var errBroken = errors.New("it broke here")

// world is two servers over one store, with evidence as a test says, in which any call
// that leaves a controller may fail, before or after it had its effect.
type world struct {
	t       *rapid.T
	ctx     context.Context
	store   *sqlite.Store
	now     time.Time
	outcome flags.Outcome
	events  int64
	// calls is how many calls go well before one breaks; −1 = all do. effect says
	// whether the one that breaks has its effect all the same.
	calls    int
	effect   bool
	servers  [2]*server
	made     int // servers so far
	id       string
	promoted bool
}

// server is a controller with what it told its process.
type server struct {
	*rollout.Controller
	assigned []flags.Assignment
}

// do makes a call that may break.
func (w *world) do(call func() error) error {
	if w.calls < 0 {
		return call()
	}
	w.calls--
	if w.calls >= 0 {
		return call()
	}
	if w.effect {
		if err := call(); err != nil {
			return err
		}
	}
	return errBroken
}

// breakingStore is the real store behind calls that may break.
type breakingStore struct {
	flags.RolloutStore
	w *world
}

func (s breakingStore) SaveRollout(ctx context.Context, r flags.Rollout, t flags.Transition) error {
	return s.w.do(func() error { return s.RolloutStore.SaveRollout(ctx, r, t) })
}

func (s breakingStore) NoteRollout(ctx context.Context, r flags.Rollout) error {
	return s.w.do(func() error { return s.RolloutStore.NoteRollout(ctx, r) })
}

func (s breakingStore) Rollouts(ctx context.Context) (out []flags.Rollout, err error) {
	err = s.w.do(func() error { out, err = s.RolloutStore.Rollouts(ctx); return err })
	return out, err
}

func (s breakingStore) Lease(ctx context.Context, holder string, until, now time.Time) (ok bool, err error) {
	err = s.w.do(func() error { ok, err = s.RolloutStore.Lease(ctx, holder, until, now); return err })
	return ok && err == nil, err
}

// breakingFlags is one server's flags.
type breakingFlags struct {
	w *world
	s *server
}

func (breakingFlags) Flag(key string) (rollout.FlagInfo, error) {
	return rollout.FlagInfo{Key: key, Variants: []string{"old", "new"}, Default: "old", Feature: "cart"}, nil
}

func (breakingFlags) CheckCohort(json.RawMessage) error { return nil }
func (breakingFlags) CohortShare(context.Context, json.RawMessage) (*float64, string, error) {
	return nil, "", nil
}

func (f breakingFlags) SetAssignments(_ context.Context, as []flags.Assignment) error {
	return f.w.do(func() error { f.s.assigned = as; return nil })
}

func (f breakingFlags) Promote(context.Context, string, string, json.RawMessage, flags.Author) error {
	return f.w.do(func() error { f.w.promoted = true; return nil })
}

// breakingTrials is evidence of enough units in each arm.
type breakingTrials struct {
	metrics.Trials
	w *world
}

func (e breakingTrials) SetTrials(context.Context, []metrics.Trial) error {
	return e.w.do(func() error { return nil })
}

func (e breakingTrials) Evidence(context.Context, string) (metrics.TrialEvidence, bool, error) {
	var steps []metrics.StepEvidence
	err := e.w.do(func() error {
		r, err := e.w.store.Rollout(e.w.ctx, e.w.id)
		arm := metrics.ArmEvidence{Units: 100}
		steps = []metrics.StepEvidence{{Index: r.Step, Candidate: arm, Control: arm}}
		return err
	})
	e.w.events++
	return metrics.TrialEvidence{LastEvent: e.w.events, Writes: e.w.events, Steps: steps}, err == nil, err
}

func (w *world) judge(p *flags.Plan, _ metrics.TrialEvidence, _ int) ([]flags.Check, flags.Ratio) {
	return []flags.Check{{Guardrail: p.Guardrails[0], Outcome: w.outcome, Why: "said so"}}, flags.Ratio{P: 0.5, Enough: true}
}

// restart replaces a server by one that knows nothing but what is stored.
func (w *world) restart(i int) {
	s := &server{}
	w.made++
	c, err := rollout.New(rollout.Options{
		Store: breakingStore{w.store, w}, Flags: breakingFlags{w, s}, Trials: breakingTrials{w: w}, Judge: w.judge,
		Now: func() time.Time { return w.now }, Holder: fmt.Sprintf("server %d", w.made),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	s.Controller = c
	w.servers[i] = s
}

func (w *world) rollout() flags.Rollout {
	r, err := w.store.Rollout(w.ctx, w.id)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// history is what is stored of the transitions, oldest first.
func (w *world) history() []flags.Transition {
	ts, err := w.store.Transitions(w.ctx, w.id)
	if err != nil {
		w.t.Fatal(err)
	}
	out := make([]flags.Transition, 0, len(ts))
	for i := range ts {
		out = append(out, ts[len(ts)-1-i])
	}
	return out
}

// check holds what is stored, and what each server tells, to what must always be so.
func (w *world) check() {
	r, ts := w.rollout(), w.history()
	records, err := w.store.Entries(w.ctx, audit.Query{Subject: "rollout/" + w.id, Limit: 1000})
	if err != nil || len(records) != len(ts) {
		w.t.Fatalf("%d transitions have %d audit records: %v", len(ts), len(records), err)
	}
	if r.Revision != int64(len(ts)) {
		w.t.Fatalf("revision %d after %d transitions", r.Revision, len(ts))
	}
	step, reverted, starts := -1, false, 0
	percents := map[flags.Percent]bool{0: true}
	for i := range ts {
		t := &ts[i]
		if t.Revision != int64(i+1) || i > 0 && t.From != ts[i-1].To {
			w.t.Fatalf("transition %d is %s of revision %d from %q", i, t.Action, t.Revision, t.From)
		}
		if reverted && t.To != flags.RolloutReverted && t.To != flags.RolloutReverting {
			w.t.Fatalf("%s to %s after a revert", t.Action, t.To)
		}
		reverted = reverted || t.To == flags.RolloutReverting || t.To == flags.RolloutReverted
		if t.Action == "start" {
			starts++
		}
		if t.Step > step+1 {
			w.t.Fatalf("%s goes from step %d to %d", t.Action, step, t.Step)
		}
		if t.Action == "advance" && t.Step != step+1 {
			w.t.Fatalf("advance goes from step %d to %d", step, t.Step)
		}
		if t.Action == "advance" && t.Actor == "controller" {
			if d := t.Decision; d == nil || d.Verb != flags.VerbAdvance || d.Baked < d.Bake {
				w.t.Fatalf("an advance that was not decided: %+v", t)
			}
		}
		if t.To == flags.RolloutRunning {
			step = t.Step
		}
		percents[t.Percent] = true
	}
	if starts > 1 {
		w.t.Fatalf("it was started %d times", starts)
	}
	if w.promoted && r.State != flags.RolloutCompleted {
		w.t.Fatalf("the candidate became the default while the rollout is %s", r.State)
	}
	for _, s := range w.servers {
		for _, a := range s.assigned {
			if !percents[a.Percent] {
				w.t.Fatalf("a server gives the candidate to %d, which was never decided", a.Percent)
			}
		}
	}
}

// act does one thing that may happen to a server.
func (w *world) act() {
	s := w.servers[rapid.IntRange(0, 1).Draw(w.t, "server")]
	switch rapid.SampledFrom([]string{"tick", "tick", "tick", "command", "restart", "break", "outcome", "clock"}).Draw(w.t, "what") {
	case "tick":
		w.now = w.now.Add(time.Duration(rapid.IntRange(0, 30).Draw(w.t, "seconds")) * time.Second)
		w.failed(s.Tick(w.ctx))
	case "command":
		w.command(s)
	case "restart":
		w.restart(rapid.IntRange(0, 1).Draw(w.t, "which"))
	case "break":
		w.calls, w.effect = rapid.IntRange(0, 12).Draw(w.t, "calls"), rapid.Bool().Draw(w.t, "effect")
	case "outcome":
		w.outcome = rapid.SampledFrom([]flags.Outcome{flags.OutcomePass, flags.OutcomePass, flags.OutcomeUnsure, flags.OutcomeFail}).Draw(w.t, "outcome")
	case "clock":
		w.now = w.now.Add(time.Duration(rapid.IntRange(-7200, 7200).Draw(w.t, "jump")) * time.Second)
	}
}

func (w *world) command(s *server) {
	verb := rapid.SampledFrom([]rollout.CommandVerb{
		rollout.CommandStart, rollout.CommandStart, rollout.CommandPause, rollout.CommandResume,
		rollout.CommandAdvance, rollout.CommandRevert,
	}).Draw(w.t, "verb")
	known := w.rollout()
	stale := rapid.Int64Range(0, 1).Draw(w.t, "stale")
	cmd := rollout.Command{Verb: verb, Author: flags.Author{Actor: "user:bo", Reason: "because"}, Revision: max(known.Revision-stale, 1)}
	r, err := s.Do(w.ctx, w.id, cmd)
	w.failed(err)
	if err != nil {
		return
	}
	if got := w.rollout(); got.Revision != r.Revision || got.State != r.State {
		w.t.Fatalf("%s was acknowledged as %s at %d, stored is %s at %d", verb, r.State, r.Revision, got.State, got.Revision)
	}
	for _, a := range s.assigned {
		if a.Percent != r.Percent && r.State.Active() {
			w.t.Fatalf("%s was acknowledged at %d, and evaluations follow %d", verb, r.Percent, a.Percent)
		}
	}
}

// failed lets through what may be told to a caller: what broke, and a refusal.
func (w *world) failed(err error) {
	if err == nil || errors.Is(err, errBroken) || errors.Is(err, flags.ErrChanged) || errors.Is(err, flags.ErrRefused) || errors.Is(err, flags.ErrInvalid) {
		return
	}
	w.t.Fatalf("an error of another kind: %v", err)
}

// settle lets everything go well until the rollout has ended.
func (w *world) settle() {
	w.calls, w.outcome = -1, flags.OutcomePass
	r := w.rollout()
	author := flags.Author{Actor: "user:bo", Reason: "go on"}
	verb, ok := map[flags.RolloutState]rollout.CommandVerb{
		flags.RolloutDraft: rollout.CommandStart, flags.RolloutPaused: rollout.CommandResume,
	}[r.State]
	w.now = w.now.Add(time.Minute) // no server trusts what it read before
	if ok {
		for _, s := range w.servers {
			if err := s.Tick(w.ctx); err != nil {
				w.t.Fatal(err)
			}
		}
		if r = w.rollout(); r.State == flags.RolloutDraft || r.State == flags.RolloutPaused {
			if _, err := w.servers[0].Do(w.ctx, w.id, rollout.Command{Verb: verb, Author: author, Revision: r.Revision}); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	for range 400 {
		w.now = w.now.Add(5 * time.Second)
		for _, s := range w.servers {
			if err := s.Tick(w.ctx); err != nil {
				w.t.Fatal(err)
			}
		}
		w.check()
		if r = w.rollout(); r.State.Final() && len(r.Pending) == 0 {
			break
		}
		if r.DrainsUntil.After(w.now) { // the clock may have been set back by hours since
			w.now = r.DrainsUntil
		}
	}
	w.now = w.now.Add(time.Minute)
	for i, s := range w.servers {
		if err := s.Tick(w.ctx); err != nil {
			w.t.Fatal(err)
		}
		if want := flags.Assignments([]flags.Rollout{w.rollout()}); len(want)+len(s.assigned) > 0 && !reflect.DeepEqual(s.assigned, want) {
			w.t.Fatalf("server %d gives %+v, want %+v", i, s.assigned, want)
		}
	}
	if r = w.rollout(); !r.State.Final() || (r.State == flags.RolloutCompleted) != w.promoted {
		w.t.Fatalf("in the end it is %s (%s), and promoted is %v", r.State, r.Decision.Why, w.promoted)
	}
}

// TestARolloutOutlivesEveryCrash lets servers break, restart and contend while people
// command and clocks jump: no step is skipped or repeated, each transition has one audit
// record, a revert is never undone, and nothing is shipped that was not decided. In the
// end, when all is well again, the rollout ends.
func TestARolloutOutlivesEveryCrash(t *testing.T) {
	t.Parallel()
	dir, n := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		path := filepath.Join(dir, fmt.Sprintf("control-%d.db", n))
		store, err := sqlite.Open(t.Context(), path)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() {
			_ = store.Close()
			_ = os.Remove(path)
		}()
		w := &world{
			t: rt, ctx: t.Context(), store: store, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
			outcome: flags.OutcomePass, calls: -1,
		}
		w.restart(0)
		w.restart(1)
		step := func(p flags.Percent) flags.PlanStep {
			return flags.PlanStep{Percent: p, Bake: flags.Duration(20 * time.Second), MinUnits: 10}
		}
		r, err := w.servers[0].Create(w.ctx, rollout.Draft{Title: "Causal carts", Plan: flags.Plan{
			Flag: "f", Feature: "cart", Candidate: "new", Control: "old",
			NoData: flags.Duration(15 * time.Minute), PinFor: flags.Duration(time.Minute),
			Steps:      []flags.PlanStep{step(100), step(2000), step(10000)},
			Guardrails: []flags.Guardrail{{Metric: "time_to_visibility", Margin: 1, Alpha: 0.05, Action: flags.GuardRevert}},
			OnDeadline: flags.DeadlineHold,
		}}, flags.Author{Actor: "user:ada", Reason: "try it"})
		if err != nil {
			rt.Fatal(err)
		}
		w.id = r.ID
		for range rapid.IntRange(1, 40).Draw(rt, "acts") {
			w.act()
			w.check()
		}
		w.settle()
	})
}
