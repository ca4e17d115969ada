package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/flags"
	"tidemark/flags/eval"
	"tidemark/flags/flagset"
	"tidemark/flags/guarantee"
	"tidemark/flags/rollout"
	control "tidemark/flags/sqlite"
	"tidemark/metrics"
	"tidemark/metrics/report"
	"tidemark/metrics/rollup"
	"tidemark/metrics/simulate"
	"tidemark/metrics/storetest"
)

// theatre plays the demonstration in virtual time: the flags, the controller, the
// statistics, the fold and the traffic are those that the server runs.
type theatre struct {
	t      *testing.T
	now    time.Time
	log    *storetest.Memory
	engine *rollup.Engine
	flags  *flagset.Catalogue
	driver *rollout.Controller
	report *report.Reporter
	judge  *guarantee.Evaluator
	run    *simulate.Simulation
	next   *metrics.Event
	nextAt time.Time
	asked  map[string]int // by variant
}

var demoStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// openTheatre plays the features for which keep is true, from a time on.
func openTheatre(t *testing.T, seed uint64, from time.Time, keep func(*simulate.Feature) bool) *theatre {
	t.Helper()
	ctx := t.Context()
	th := &theatre{t: t, now: from, log: storetest.NewMemory(), asked: map[string]int{}}
	clock := func() time.Time { return th.now }
	store, err := control.Open(ctx, filepath.Join(t.TempDir(), control.FileName))
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	promises := guarantee.NewCatalogue(guarantee.Options{Store: store, Now: clock})
	files, err := simulate.DemoGuarantees()
	check(t, err)
	docs, err := guarantee.Load(files)
	check(t, err)
	_, err = promises.Apply(ctx, docs, guarantee.Author{Actor: "cli:test", Reason: "test"})
	check(t, err)
	configs, err := promises.FeatureConfigs(ctx)
	check(t, err)
	th.engine, err = rollup.Open(ctx, th.log, configs, rollup.Options{Now: clock, Resident: 1 << 20})
	check(t, err)
	th.report = report.New(th.engine, clock)
	th.judge = guarantee.NewEvaluator(guarantee.EvaluatorOptions{
		Store: store, Observer: &guarantee.ReportObserver{Reader: th.engine, Reporter: th.report},
	})
	th.flags, err = flagset.Open(ctx, flagset.Options{Store: store, Rollouts: store, Pins: eval.NewPins(make([]byte, 32)), Now: clock})
	check(t, err)
	th.driver, err = rollout.New(rollout.Options{
		Store: store, Flags: rollout.FromFlagset(th.flags), Promises: rollout.FromGuarantees(promises), Trials: th.engine,
		Judge: rollout.Judge, Now: clock, Holder: "test", NewID: countedIDs(seed),
	})
	check(t, err)
	sc, err := simulate.Named("demo")
	check(t, err)
	sc.Ask = th.ask
	kept := sc.Features[:0]
	for _, f := range sc.Features {
		if keep(&f) {
			kept = append(kept, f)
		}
	}
	sc.Features = kept
	th.run, err = simulate.New(sc, seed, from)
	check(t, err)
	return th
}

// staged keeps the features that a rollout is about, in their present.
func staged(f *simulate.Feature) bool {
	f.Sessions.Quiet = simulate.Quiet{}
	return f.Flag != ""
}

// countedIDs names rollouts by the seed: who gets the candidate follows from the id, so
// that a seed tells the same story each time.
func countedIDs(seed uint64) func() (string, error) {
	made := 0
	return func() (string, error) {
		made++
		return fmt.Sprintf("01900000-0000-7000-8000-%06d%06d", seed, made), nil
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ask answers as OFREP does, from what is in force.
func (th *theatre) ask(q simulate.Question) simulate.Answer {
	ctx := eval.Context{"targetingKey": q.Unit}
	if q.Pin != "" {
		ctx[eval.PinKey] = q.Pin
	}
	r := th.flags.Set().Evaluate(q.Flag, ctx, time.Unix(0, q.At))
	th.asked[q.Flag+"/"+r.Variant]++
	m := r.Metadata.Map()
	text := func(name string) string { s, _ := m[name].(string); return s }
	return simulate.Answer{Variant: r.Variant, Arm: text("arm"), Rollout: text("rollout"), Pin: text("pin")}
}

// until plays on to a time after the start, with a tick a second.
func (th *theatre) until(after time.Duration) {
	th.t.Helper()
	for end := demoStart.Add(after); th.now.Before(end); {
		th.now = th.now.Add(time.Second)
		th.fold(th.now)
		check(th.t, th.driver.Tick(context.WithoutCancel(th.t.Context())))
	}
}

// fold takes in what was reported by a time of the simulation; it is heard now.
func (th *theatre) fold(by time.Time) {
	th.t.Helper()
	var batch []metrics.Event
	for {
		if th.next == nil {
			at, e, ok := th.run.Next()
			if !ok {
				break
			}
			th.next, th.nextAt = e, at
		}
		if th.nextAt.After(by) {
			break
		}
		th.next.ObservedAt = th.now.UnixNano()
		batch = append(batch, *th.next)
		th.next = nil
	}
	if len(batch) == 0 {
		return
	}
	first, err := th.log.Append(th.t.Context(), batch)
	check(th.t, err)
	check(th.t, th.engine.Fold(th.t.Context(), first, batch))
}

func (th *theatre) get(id string) flags.Rollout {
	th.t.Helper()
	r, err := th.driver.Get(th.t.Context(), id)
	check(th.t, err)
	return r
}

// stage makes the demonstration's flags and starts its rollouts, as the demonstration
// does over HTTP.
func (th *theatre) stage() (good, bad string) {
	th.t.Helper()
	ctx, by := th.t.Context(), flags.Author{Actor: "user:demo", Reason: "the demonstration"}
	defs, err := demoFlags()
	check(th.t, err)
	for _, d := range defs {
		edit := flagset.Edit{ID: flags.DocumentID{Kind: flags.KindFlag, Name: d.Key}, Content: d.Definition, Base: 0}
		_, err := th.flags.Save(ctx, edit, by)
		check(th.t, err)
	}
	plans, err := demoRollouts()
	check(th.t, err)
	ids := map[string]string{}
	for _, d := range plans {
		var body struct {
			Title string
			Plan  json.RawMessage
		}
		check(th.t, json.Unmarshal(d.Body, &body))
		plan, err := rollout.Parse(body.Plan)
		check(th.t, err)
		r, err := th.driver.Create(ctx, rollout.Draft{Title: body.Title, Plan: plan}, by)
		check(th.t, err)
		_, err = th.driver.Do(ctx, r.ID, rollout.Command{Verb: rollout.CommandStart, Author: by, Revision: r.Revision})
		check(th.t, err)
		ids[plan.Feature] = r.ID
	}
	return ids["profile-edit"], ids["cart"]
}

// The demonstration tells its two stories by evaluation, telemetry and statistics
// alone, whatever the dice: the good candidate widens step by step until everybody has
// it, the bad one is caught by a guardrail and goes back.
func TestDemoTellsItsTwoStories(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			th := openTheatre(t, seed, demoStart, staged)
			good, bad := th.stage()
			th.until(2 * time.Minute)
			th.caught(bad)
			if r := th.get(good); r.Step < 1 {
				t.Errorf("after 2 min the good candidate is at step %d: %s", r.Step, r.Decision.Why)
			}
			th.until(5 * time.Minute)
			th.arrived(good)
			if r := th.get(bad); r.State != flags.RolloutReverted {
				t.Errorf("after 5 min the bad candidate is %s; its pins have run out", r.State)
			}
			th.rests()
		})
	}
}

// caught checks that the bad candidate is on its way back, and why.
func (th *theatre) caught(id string) {
	th.t.Helper()
	r := th.get(id)
	if r.State != flags.RolloutReverting && r.State != flags.RolloutReverted {
		th.t.Fatalf("the bad candidate is %s: %s", r.State, r.Decision.Why)
	}
	t := th.transition(id, "revert")
	if t == nil || t.Actor != "controller" || !strings.Contains(t.Reason, "surely worse") || t.Decision == nil {
		th.t.Fatalf("no reason can be read afterwards: %+v", t)
	}
	failed := slices.ContainsFunc(t.Decision.Checks, func(c flags.Check) bool {
		return c.Outcome == flags.OutcomeFail && c.Lower != nil && *c.Lower > 0
	})
	if !failed {
		th.t.Errorf("the revert is not due to a guardrail: %+v", t.Decision.Checks)
	}
}

// arrived checks that the good candidate went through every step by its evidence.
func (th *theatre) arrived(id string) {
	th.t.Helper()
	r := th.get(id)
	if r.State != flags.RolloutCompleted {
		th.t.Fatalf("the good candidate is %s at step %d: %s", r.State, r.Step, r.Decision.Why)
	}
	h, err := th.driver.History(th.t.Context(), id)
	check(th.t, err)
	advances := 0
	for i := range h {
		if h[i].Action == "advance" {
			advances++
		}
	}
	if advances != len(r.Plan.Steps)-1 {
		th.t.Errorf("%d advances over %d steps", advances, len(r.Plan.Steps))
	}
}

// rests checks that afterwards everybody gets what was decided, without a rollout.
func (th *theatre) rests() {
	th.t.Helper()
	th.asked = map[string]int{}
	th.until(6 * time.Minute)
	if len(th.asked) != 2 || th.asked["profile-consistency/causal"] < 100 || th.asked["cart-consistency/eventual"] < 100 {
		th.t.Errorf("answers at rest: %v", th.asked)
	}
}

func (th *theatre) transition(id, action string) *flags.Transition {
	th.t.Helper()
	h, err := th.driver.History(th.t.Context(), id)
	check(th.t, err)
	for i := range h {
		if h[i].Action == action {
			return &h[i]
		}
	}
	return nil
}
