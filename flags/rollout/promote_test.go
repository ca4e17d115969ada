package rollout_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/flags"
	"tidemark/flags/audit"
	"tidemark/flags/eval"
	"tidemark/flags/flagset"
	"tidemark/flags/guarantee"
	"tidemark/flags/rollout"
	"tidemark/flags/sqlite"
	"tidemark/metrics"
)

// stage is a controller over the real flags, guarantees and store, with evidence and a
// time that a test gives.
type stage struct {
	t        *testing.T
	now      time.Time
	store    *sqlite.Store
	flags    *flagset.Catalogue
	promises *guarantee.Catalogue
	c        *rollout.Controller
	outcome  flags.Outcome
	id       string
	events   int64
	changed  int   // how often it was said that a rollout changed
	broken   error // what activating a guarantee fails with
}

// Evidence implements metrics.Trials with enough units in each arm of the step.
func (s *stage) Evidence(ctx context.Context, id string) (metrics.TrialEvidence, bool, error) {
	r, err := s.store.Rollout(ctx, id)
	arm := metrics.ArmEvidence{Units: 100}
	s.events++
	return metrics.TrialEvidence{LastEvent: s.events, Writes: s.events, Steps: []metrics.StepEvidence{{Index: r.Step, Candidate: arm, Control: arm}}}, err == nil, err
}

func (*stage) SetTrials(context.Context, []metrics.Trial) error { return nil }

func (s *stage) judge(p *flags.Plan, _ metrics.TrialEvidence, _ int) (checks []flags.Check, _ flags.Ratio) {
	for _, g := range p.Guardrails {
		checks = append(checks, flags.Check{Guardrail: g, Outcome: s.outcome, Why: "said so"})
	}
	return checks, flags.Ratio{P: 0.5, Enough: true}
}

// failing are guarantees that cannot be activated as long as broken says so.
type failing struct {
	rollout.Promises
	s *stage
}

func (f failing) Activate(ctx context.Context, name, version string, by flags.Author) error {
	if f.s.broken != nil {
		return f.s.broken
	}
	return f.Promises.Activate(ctx, name, version, by)
}

// restart replaces the server by one that knows what is stored.
func (s *stage) restart() {
	s.t.Helper()
	clock := func() time.Time { return s.now }
	var err error
	if s.flags, err = flagset.Open(s.t.Context(), flagset.Options{Store: s.store, Rollouts: s.store, Pins: eval.NewPins(make([]byte, 32)), Now: clock}); err != nil {
		s.t.Fatal(err)
	}
	s.promises = guarantee.NewCatalogue(guarantee.Options{Store: s.store, Now: clock})
	s.c, err = rollout.New(rollout.Options{
		Store: s.store, Flags: rollout.FromFlagset(s.flags), Promises: failing{rollout.FromGuarantees(s.promises), s}, Trials: s,
		Judge: s.judge, Now: clock, Holder: "test", Changed: func(string) { s.changed++ },
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func openStage(t *testing.T) *stage {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	s := &stage{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), store: store, outcome: flags.OutcomePass}
	s.restart()
	return s
}

var operator = flags.Author{Actor: "user:ada", Reason: "because"}

func (s *stage) flag(content string) {
	s.t.Helper()
	edit := flagset.Edit{ID: flags.DocumentID{Kind: flags.KindFlag, Name: "cart-model"}, Content: []byte(content), Base: flagset.AnyBase}
	if _, err := s.flags.Save(s.t.Context(), edit, operator); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) promise(version, status, within string) {
	s.t.Helper()
	docs, err := guarantee.Parse("test", []byte(`apiVersion: tidemark/v1alpha1
kind: ConsistencyGuarantee
metadata: {name: cart-fresh}
spec:
  version: `+version+`
  status: `+status+`
  feature: cart
  story: "What I put into the cart is in it wherever I look."
  owner: team-cart
  model: eventual
  objectives:
    - {sli: time_to_visibility, scope: all, op: lte, value: `+within+`, target: 0.999, window: 28d}
`))
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.promises.Apply(s.t.Context(), docs, operator); err != nil {
		s.t.Fatal(err)
	}
}

// begin starts a rollout of the flag with what the feature's promise gives it.
func (s *stage) begin(p flags.Plan) flags.Rollout {
	s.t.Helper()
	p.Flag, p.Feature = "cart-model", "cart"
	step := func(p flags.Percent) flags.PlanStep {
		return flags.PlanStep{Percent: p, Bake: flags.Duration(10 * time.Second), MinUnits: 10}
	}
	p.Steps = []flags.PlanStep{step(1000), step(flags.Whole)}
	r, err := s.c.Create(s.t.Context(), rollout.Draft{Title: "t", Plan: p}, operator)
	if err != nil {
		s.t.Fatal(err)
	}
	s.id = r.ID
	if r, err = s.c.Do(s.t.Context(), r.ID, rollout.Command{Verb: rollout.CommandStart, Author: operator, Revision: r.Revision}); err != nil {
		s.t.Fatal(err)
	}
	return r
}

// tick lets seconds pass.
func (s *stage) tick(seconds int) (err error) {
	s.t.Helper()
	for range seconds {
		s.now = s.now.Add(time.Second)
		err = errors.Join(err, s.c.Tick(s.t.Context()))
	}
	return err
}

func (s *stage) rollout() flags.Rollout {
	s.t.Helper()
	r, err := s.store.Rollout(s.t.Context(), s.id)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *stage) gets(unit, want string) {
	s.t.Helper()
	if r := s.flags.Set().Evaluate("cart-model", eval.Context{"targetingKey": unit}, s.now); r.Variant != want {
		s.t.Errorf("%s gets %q by %s %s; want %q", unit, r.Variant, r.Reason, r.Details, want)
	}
}

func (s *stage) version() string {
	s.t.Helper()
	g, err := s.promises.GetInForce(s.t.Context(), flags.DocumentID{Kind: flags.KindGuarantee, Name: "cart-fresh"})
	if err != nil {
		s.t.Fatal(err)
	}
	return g.Version + " " + string(g.Status)
}

const cartModels = `{"state":"ENABLED","defaultVariant":"old","variants":{"old":{"model":"eventual"},"new":{"model":"causal"}}}`

// TestCompletingActivatesTheNextPromise: the promise in force gives the guardrails and
// stays until the last step has passed; then the candidate is the flag's answer and the
// next version is in force, also when the first attempt fails and the server restarts
// between the two. The next rollout is held to the new promise.
func TestCompletingActivatesTheNextPromise(t *testing.T) {
	t.Parallel()
	s := openStage(t)
	s.flag(cartModels)
	s.promise("1.0.0", "active", "2s")
	s.promise("1.1.0", "draft", "500ms")
	r := s.begin(flags.Plan{Candidate: "new", Control: "old", Completes: "1.1.0"})
	if r.Plan.Guarantee != "cart-fresh" || r.Plan.LateAfter != flags.Duration(2*time.Second) || !strings.HasPrefix(r.Plan.Guardrails[0].From, "cart-fresh 1.0.0") {
		t.Errorf("not held to the promise in force: %+v", r.Plan)
	}
	s.broken = errors.New("the disk is full")
	if err := s.tick(19); err != nil || s.version() != "1.0.0 active" {
		t.Fatalf("before the end %s, %v", s.version(), err)
	}
	if err := s.tick(15); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("nobody is told that completing failed: %v", err)
	}
	s.gets("anybody", "new")
	if r := s.rollout(); r.State != flags.RolloutCompleted || !slices.Equal(r.Pending, []flags.Chore{flags.ChoreGuarantee}) || !strings.Contains(r.Decision.Why, "Completing is not finished: ") || !strings.Contains(r.Decision.Why, "the disk is full") {
		t.Fatalf("%s, left to do %v: %s", r.State, r.Pending, r.Decision.Why)
	}
	s.broken = nil
	s.restart()
	s.gets("anybody", "new")
	if err := s.tick(1); err != nil || s.version() != "1.1.0 active" || len(s.rollout().Pending) > 0 {
		t.Fatalf("%s, left to do %v, %v", s.version(), s.rollout().Pending, err)
	}
	if err := s.tick(30); err != nil {
		t.Fatal(err)
	}
	entries, err := s.store.Entries(t.Context(), audit.Query{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	done := map[string]int{}
	for _, e := range entries {
		if e.Actor == "controller" {
			done[e.Action+" "+e.Subject]++
		}
	}
	for _, want := range []string{"document.activate ConsistencyGuarantee/cart-fresh", "flag.save Flag/cart-model", "rollout.complete rollout/" + s.id} {
		if done[want] != 1 {
			t.Errorf("%s is recorded %d times: %v", want, done[want], done)
		}
	}
	next := s.begin(flags.Plan{Candidate: "old", Control: "new"})
	if next.Plan.LateAfter != flags.Duration(500*time.Millisecond) || !strings.HasPrefix(next.Plan.Guardrails[0].From, "cart-fresh 1.1.0") {
		t.Errorf("the next rollout is not held to the new promise: %+v", next.Plan)
	}
}

// TestCompletingKeepsALaterPromise: what somebody put in force while the rollout ran stays.
func TestCompletingKeepsALaterPromise(t *testing.T) {
	t.Parallel()
	s := openStage(t)
	s.flag(cartModels)
	s.promise("1.0.0", "active", "2s")
	s.promise("1.1.0", "draft", "500ms")
	s.begin(flags.Plan{Candidate: "new", Control: "old", Completes: "1.1.0"})
	if err := s.tick(5); err != nil {
		t.Fatal(err)
	}
	s.promise("1.2.0", "active", "1s")
	if err := s.tick(40); err != nil {
		t.Fatal(err)
	}
	s.gets("anybody", "new")
	if r := s.rollout(); r.State != flags.RolloutCompleted || len(r.Pending) > 0 || s.version() != "1.2.0 active" || !strings.Contains(r.Decision.Why, "cart-fresh stays at 1.2.0, which") {
		t.Errorf("%s, left to do %v, %s: %s", r.State, r.Pending, s.version(), r.Decision.Why)
	}
}

// TestPromotingKeepsTheFlagForTheOthers: the cohort gets the candidate, who is outside of
// it what the flag said before.
func TestPromotingKeepsTheFlagForTheOthers(t *testing.T) {
	t.Parallel()
	s := openStage(t)
	s.flag(strings.TrimSuffix(cartModels, "}") + `,"targeting":{"if":[{"==":[{"var":"targetingKey"},"boss"]},"new",null]}}`)
	s.begin(flags.Plan{Candidate: "new", Control: "old", Cohort: []byte(`{"ends_with":[{"var":"targetingKey"},"-beta"]}`)})
	if err := s.tick(40); err != nil || s.rollout().State != flags.RolloutCompleted {
		t.Fatalf("%s: %s, %v", s.rollout().State, s.rollout().Decision.Why, err)
	}
	for unit, want := range map[string]string{"ann-beta": "new", "boss": "new", "ann": "old"} {
		s.gets(unit, want)
	}
}

// TestWhatIsOverStaysAsItWas: no evidence changes what was decided once a rollout has
// ended or goes back, neither the decision nor what anybody gets nor the history.
func TestWhatIsOverStaysAsItWas(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *stage){
		"completed": func(*stage) {},
		"reverting": func(s *stage) { s.outcome = flags.OutcomeFail },
		"reverted":  func(s *stage) { s.outcome = flags.OutcomeFail },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openStage(t)
			s.flag(cartModels)
			plan := flags.Plan{Candidate: "new", Control: "old", NoPins: name == "reverted"}
			s.begin(plan)
			end(s)
			if err := s.tick(60); err != nil || string(s.rollout().State) != name {
				t.Fatalf("%s: %s, %v", s.rollout().State, s.rollout().Decision.Why, err)
			}
			was, history := s.rollout(), s.history()
			s.outcome = map[flags.Outcome]flags.Outcome{flags.OutcomePass: flags.OutcomeFail, flags.OutcomeFail: flags.OutcomePass}[s.outcome]
			if err := s.tick(60); err != nil {
				t.Fatal(err)
			}
			s.restart()
			if err := s.tick(60); err != nil {
				t.Fatal(err)
			}
			now, err := s.c.Get(t.Context(), s.id)
			if err != nil || now.Decision.Why != was.Decision.Why || !now.Decision.At.Equal(was.Decision.At) || now.Revision != was.Revision || s.history() != history {
				t.Errorf("it was %q at %s, and is %q at %s (%v); %d transitions, then %d", was.Decision.Why, was.Decision.At, now.Decision.Why, now.Decision.At, err, history, s.history())
			}
			if name == "completed" {
				s.gets("anybody", "new")
				return
			}
			s.gets("anybody", "old")
		})
	}
}

func (s *stage) history() int {
	s.t.Helper()
	ts, err := s.store.Transitions(s.t.Context(), s.id)
	if err != nil {
		s.t.Fatal(err)
	}
	return len(ts)
}

// TestADraftIsLeftAlone: it waits for people, so that many of them keep nobody busy.
func TestADraftIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := openStage(t)
	s.flag(cartModels)
	plan := flags.Plan{Flag: "cart-model", Feature: "cart", Candidate: "new", Control: "old"}
	if _, err := s.c.Create(t.Context(), rollout.Draft{Title: "t", Plan: plan}, operator); err != nil {
		t.Fatal(err)
	}
	before := s.changed
	if err := s.tick(5); err != nil || s.changed != before {
		t.Errorf("it was said %d times that a draft changed: %v", s.changed-before, err)
	}
}
