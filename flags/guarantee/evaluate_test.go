package guarantee

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/flags"
)

// numbers is an Observer that says what it was told.
type numbers struct {
	state   State
	counts  map[time.Duration]Count // by window; others give the one of 0
	bySLI   map[flags.SLI]Count     // wins over counts
	asked   map[time.Duration]int
	against []Against
	err     error
}

func (n *numbers) Count(_ context.Context, _ string, o *flags.Objective, w time.Duration, _ time.Time) (Count, error) {
	if n.asked == nil {
		n.asked = map[time.Duration]int{}
	}
	n.asked[w]++
	if c, ok := n.bySLI[o.SLI]; ok {
		return c, n.err
	}
	if c, ok := n.counts[w]; ok {
		return c, n.err
	}
	return n.counts[0], n.err
}

func (n *numbers) State(context.Context, string, time.Time) (State, error) { return n.state, n.err }

func (n *numbers) Against(context.Context, time.Duration, time.Time) ([]Against, error) {
	return n.against, n.err
}

func alive(names ...string) State {
	s := State{Heard: true}
	for _, n := range names {
		s.Replicas = append(s.Replicas, ReplicaState{Name: n, Expected: true, Last: time.Unix(0, 1)})
	}
	return s
}

const one = `apiVersion: tidemark/v1alpha1
kind: ConsistencyGuarantee
metadata: {name: g}
spec:
  version: 1.0.0
  feature: f
  owner: team
  model: eventual
  replicas: [{name: a}, {name: b}]
  objectives:
    - {sli: time_to_visibility, value: 2s, target: 0.999, window: 28d}
`

func evaluate(t *testing.T, text string, n *numbers) (*bench, *Evaluator, *[]flags.AlertCondition) {
	t.Helper()
	b := newBench(t)
	b.mustApply(text)
	var got []flags.AlertCondition
	e := NewEvaluator(EvaluatorOptions{Store: b.store, Observer: n, Team: func(f string) string { return map[string]string{"f": "other", "free": "loose"}[f] }, Alert: func(_ context.Context, _ time.Time, cs []flags.AlertCondition) error {
		got = cs
		return nil
	}})
	if err := e.Tick(t.Context(), b.now); err != nil {
		t.Fatal(err)
	}
	return b, e, &got
}

func near(p *float64, want float64) bool { return p != nil && math.Abs(*p-want) < 1e-9 }

func TestVerdictsFromNumbersDoneByHand(t *testing.T) {
	t.Parallel()
	whole := 28 * flags.Day
	for name, c := range map[string]struct {
		n       numbers
		verdict Verdict
		why     string
		left    float64 // NaN: not known
		burn1h  float64
	}{
		// 100 bad of 1,000,000 with 0.1 % allowed (1000): 10 % spent, 90 % left.
		"kept": {numbers{state: alive("a", "b"), counts: map[time.Duration]Count{0: {100, 1_000_000}}}, VerdictKept, "99.99% of 1,000,000 writes were visible at every replica within 2 s (promised: 99.9%); 90% of the error budget is left.", 0.9, 0.1},
		// 1000 bad is exactly what is allowed: not broken, nothing left.
		"at the limit": {numbers{state: alive("a", "b"), counts: map[time.Duration]Count{0: {1000, 1_000_000}, time.Hour: {0, 10}, 6 * time.Hour: {0, 10}, 5 * time.Minute: {0, 1}, 30 * time.Minute: {0, 1}, 72 * time.Hour: {0, 10}}}, VerdictAtRisk, "only 0% of the error budget is left", 0, 0},
		"broken":       {numbers{state: alive("a", "b"), counts: map[time.Duration]Count{0: {1001, 1_000_000}}}, VerdictBroken, "99.8999% of 1,000,000 writes", -0.001, 1.001},
		// 2 % bad in the last hour and 5 minutes: 20 times too fast.
		"burning": {numbers{state: alive("a", "b"), counts: map[time.Duration]Count{whole: {100, 1_000_000}, 0: {20, 1000}}}, VerdictAtRisk, "burns 20.0 times too fast over 1 h; 90% of it is left", 0.9, 20},
		// The hour was bad but the last 5 and 30 minutes are well: no rule fires, and
		// 0.5 × 28 d ÷ 20 is under a day.
		"fast":         {numbers{state: alive("a", "b"), counts: map[time.Duration]Count{whole: {500, 1_000_000}, time.Hour: {20, 1000}, 0: {0, 1000}}}, VerdictAtRisk, "at the rate of the last hour the error budget is gone in 16 h 48 min", 0.5, 20},
		"low":          {numbers{state: alive("a", "b"), counts: map[time.Duration]Count{whole: {800, 1_000_000}, 0: {0, 1000}}}, VerdictAtRisk, "only 20% of the error budget is left", 0.2, 0},
		"no data":      {numbers{state: alive("a", "b"), counts: map[time.Duration]Count{}}, VerdictUnknown, "Nothing in the last 28 d can be judged yet.", math.NaN(), math.NaN()},
		"never heard":  {numbers{counts: map[time.Duration]Count{0: {0, 10}}}, VerdictUnknown, "No event of this feature has been heard yet.", 1, 0},
		"silent":       {numbers{state: State{Heard: true, Replicas: []ReplicaState{{Name: "a", Expected: true}, {Name: "b", Expected: true, Silent: true, Backlog: 4991}, {Name: "c", Silent: true}}}, counts: map[time.Duration]Count{0: {5000, 10000}}}, VerdictUnknown, "Replica b has never been heard: what it holds is unknown.", -499, 500},
		"silent since": {numbers{state: State{Heard: true, Replicas: []ReplicaState{{Name: "b", Expected: true, Silent: true, Backlog: 4991, Last: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}}, counts: map[time.Duration]Count{0: {5000, 10000}}}, VerdictUnknown, "Replica b has been silent since 2 Jan 03:04:05 UTC: what it holds is unknown.", -499, 500},
		// 11 late writes are known whatever the silent replica holds, and 10 are allowed.
		"silent but broken": {numbers{state: State{Heard: true, Replicas: []ReplicaState{{Name: "b", Expected: true, Silent: true, Backlog: 4989}}}, counts: map[time.Duration]Count{0: {5000, 10000}}}, VerdictBroken, "the error budget is spent. Replica b has never been heard", -499, 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, e, _ := evaluate(t, one, &c.n)
			r := e.Snapshot().Results[0]
			o := r.Objectives[0]
			if r.Verdict != c.verdict || o.Verdict != c.verdict || !strings.Contains(r.Why, c.why) {
				t.Errorf("%s: %s", r.Verdict, r.Why)
			}
			if math.IsNaN(c.left) != (o.BudgetLeft == nil) || (o.BudgetLeft != nil && !near(o.BudgetLeft, c.left)) {
				t.Errorf("budget left %v, want %v", o.BudgetLeft, c.left)
			}
			if math.IsNaN(c.burn1h) != (o.Burn[0].Long == nil) || (o.Burn[0].Long != nil && !near(o.Burn[0].Long, c.burn1h)) {
				t.Errorf("burn %v, want %v", o.Burn[0].Long, c.burn1h)
			}
		})
	}
}

func TestRatesAndAges(t *testing.T) {
	t.Parallel()
	text := strings.Replace(one, "    - {sli: time_to_visibility, value: 2s, target: 0.999, window: 28d}\n", `    - {sli: violation_rate, of: ryw, value: 0, window: 28d}
    - {sli: conflict_rate, value: 0.0001, window: 28d}
    - {sli: convergence_ratio, within: 10s, value: 0.9, window: 2h}
    - {sli: backlog_age, value: 1m}
`, 1)
	n := &numbers{state: alive("a", "b"), bySLI: map[flags.SLI]Count{
		flags.SLIViolationRate: {0, 1000}, flags.SLIConflictRate: {1, 10_000}, flags.SLIConvergence: {1, 100},
	}}
	n.state.Replicas[1].Backlog, n.state.Replicas[1].Age = 3, 50*time.Second
	_, e, conditions := evaluate(t, text, n)
	r := e.Snapshot().Results[0]
	want := []Verdict{VerdictKept, VerdictAtRisk, VerdictKept, VerdictAtRisk}
	for i, o := range r.Objectives {
		if o.Verdict != want[i] {
			t.Errorf("%s is %s: %s", o.Key, o.Verdict, o.Why)
		}
	}
	if got := len(r.Objectives[2].Burn); got != 1 {
		t.Errorf("a window of 2h has %d burn rules, want the one over 1h", got)
	}
	if why := r.Objectives[3].Why; why != "A write has waited 50 s at b, close to the 1 min allowed." {
		t.Error(why)
	}
	// One violation where none is allowed, one conflict too many, too old.
	n.bySLI[flags.SLIViolationRate], n.bySLI[flags.SLIConflictRate] = Count{1, 1000}, Count{2, 10_000}
	n.state.Replicas[1].Age = 61 * time.Second
	if err := e.Tick(t.Context(), e.Snapshot().At.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	r = e.Snapshot().Results[0]
	for i, want := range []Verdict{VerdictBroken, VerdictBroken, VerdictKept, VerdictBroken} {
		if o := r.Objectives[i]; o.Verdict != want {
			t.Errorf("%s is %s: %s", o.Key, o.Verdict, o.Why)
		}
	}
	last := (*conditions)[len(*conditions)-1]
	if last.Rule != RuleLimit || !last.Holds || last.Hold != time.Minute || last.Severity != flags.SeverityPage || last.Numbers.Long != 61e9 {
		t.Errorf("%+v", last)
	}
	if left := r.Objectives[0].BudgetLeft; !near(left, 1-noBudget) {
		t.Errorf("left %v", *left)
	}
}

func TestConditionsNeedBothWindows(t *testing.T) {
	t.Parallel()
	// 14.5 times over an hour and 5 minutes; 6 hours and 3 days are at 1.
	n := &numbers{state: alive("a", "b"), counts: map[time.Duration]Count{0: {1, 1000}, time.Hour: {145, 10_000}, 5 * time.Minute: {145, 10_000}}}
	b, e, conditions := evaluate(t, one, n)
	holds := func() (out []string) {
		for _, c := range *conditions {
			if c.Known && c.Holds {
				out = append(out, c.Rule)
			}
		}
		return out
	}
	if got := holds(); len(got) != 1 || got[0] != "burn-fast" {
		t.Errorf("hold: %v", got)
	}
	n.counts[5*time.Minute] = Count{143, 10_000}
	if err := e.Tick(t.Context(), b.now.Add(10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := holds(); len(got) != 0 {
		t.Errorf("hold: %v", got)
	}
	n.state.Replicas[0].Silent = true
	if err := e.Tick(t.Context(), b.now.Add(20*time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, c := range *conditions {
		if known := c.Rule == RuleSilence; c.Known != known || c.Holds != known {
			t.Errorf("%s: known %v, holds %v while a replica is silent", c.Rule, c.Known, c.Holds)
		}
	}
}

// TestHopsAgainstPolicyAreATicket of features that promise something and of others.
func TestHopsAgainstPolicyAreATicket(t *testing.T) {
	t.Parallel()
	n := &numbers{state: alive("a", "b"), counts: map[time.Duration]Count{0: {1, 10_000}}, against: []Against{
		{Feature: "calm", Judged: 5}, {Feature: "f", Hops: 1, Judged: 1, Replicas: []string{"a"}}, {Feature: "free", Hops: 1200, Judged: 3000, Replicas: []string{"a", "b"}},
	}}
	_, _, conditions := evaluate(t, one, n)
	var got []flags.AlertCondition
	for _, c := range *conditions {
		if c.Rule == RulePolicy {
			got = append(got, c)
		}
	}
	want := func(feature, owner, summary string, hops float64) flags.AlertCondition {
		return flags.AlertCondition{
			AlertKey: flags.AlertKey{Objective: "feature:" + feature, Rule: RulePolicy}, Feature: feature, Owner: owner, Severity: flags.SeverityTicket,
			Known: true, Holds: hops > 0, Summary: summary, Numbers: flags.AlertNumbers{Long: hops, LongWindow: time.Hour},
		}
	}
	if diff := cmp.Diff([]flags.AlertCondition{
		want("calm", "", "calm: no hop of a labelled write in the last 1 h was against policy.", 0),
		want("f", "team", "f breaks policy: 1 of 1 hop of labelled writes in the last 1 h reached a service without clearance, at replica a.", 1),
		want("free", "loose", "free breaks policy: 1,200 of 3,000 hops of labelled writes in the last 1 h reached a service without clearance, at replicas a, b.", 1200),
	}, got); diff != "" {
		t.Error(diff)
	}
}

func TestEvaluatorAsksLittleAndKeepsPoints(t *testing.T) {
	t.Parallel()
	n := &numbers{state: alive("a", "b"), counts: map[time.Duration]Count{0: {1, 10_000}}}
	b, e, _ := evaluate(t, one, n)
	b.now = b.now.Add(10 * time.Minute) // Known for as long, a count may be a minute old.
	for i := range 13 {
		if err := e.Tick(t.Context(), b.now.Add(time.Duration(i)*5*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if n.asked[28*flags.Day] != 3 || n.asked[5*time.Minute] != 14 {
		t.Errorf("asked %v", n.asked)
	}
	next := b.now.Add(24 * time.Hour)
	n.counts[0] = Count{2, 20_000}
	if err := e.Tick(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	points, err := b.store.Attainment(t.Context(), "g", "2026-01-01")
	if err != nil || len(points) != 2 {
		t.Fatalf("%+v, %v", points, err)
	}
	if p := points[1]; p.Day != "2026-03-02" || p.Good != 19_998 || p.Eligible != 20_000 || p.Verdict != "kept" || p.Goal != 0.999 {
		t.Errorf("%+v", p)
	}
}

// What a month holds changes within seconds while its telemetry is only coming in: a
// verdict must not stay behind what everybody sees.
func TestANewFeatureIsCountedOften(t *testing.T) {
	t.Parallel()
	n := &numbers{state: alive("a", "b"), counts: map[time.Duration]Count{0: {5_000, 10_000}}}
	b, e, _ := evaluate(t, one, n)
	if v := e.Snapshot().Results[0].Verdict; v != VerdictBroken {
		t.Fatalf("half of the writes are late, and it is %s", v)
	}
	n.counts[0] = Count{1, 10_000}
	if err := e.Tick(t.Context(), b.now.Add(10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if r := e.Snapshot().Results[0]; r.Verdict != VerdictKept {
		t.Errorf("10 s later all but one have arrived, and it is %s: %s", r.Verdict, r.Why)
	}
}

func TestAFailureIsShownBesideTheLastVerdicts(t *testing.T) {
	t.Parallel()
	n := &numbers{state: alive("a", "b"), counts: map[time.Duration]Count{0: {1, 10_000}}}
	b, e, _ := evaluate(t, one, n)
	if got := e.Snapshot().Answer(); got != "The one promise is kept." {
		t.Error(got)
	}
	n.err = errors.New("no disk")
	if err := e.Tick(t.Context(), b.now.Add(time.Minute)); !errors.Is(err, n.err) {
		t.Errorf("got %v", err)
	}
	if s := e.Snapshot(); !strings.Contains(s.Error, "no disk") || len(s.Results) != 1 || !s.At.Equal(b.now) {
		t.Errorf("%+v", s)
	}
	n.err = nil
	b.mustApply(strings.NewReplacer("1.0.0", "2.0.0", "  feature: f", "  status: deprecated\n  feature: f").Replace(one))
	if err := e.Tick(t.Context(), b.now.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if s := e.Snapshot(); s.Error != "" || len(s.Results) != 0 || s.Answer() != "No promise is in force yet." {
		t.Errorf("%+v", s)
	}
}

func TestTheAnswerCountsPromises(t *testing.T) {
	t.Parallel()
	snap := func(vs ...Verdict) *Snapshot {
		s := &Snapshot{At: time.Unix(1, 0)}
		for _, v := range vs {
			s.Results = append(s.Results, Result{Verdict: v})
		}
		return s
	}
	for want, s := range map[string]*Snapshot{
		"No promise has been judged yet.":                                 {},
		"No promise is in force yet.":                                     snap(),
		"The one promise is at risk.":                                     snap(VerdictAtRisk),
		"All 2 promises are kept.":                                        snap(VerdictKept, VerdictKept),
		"1 promise is broken, 1 is at risk, 1 is unknown and 2 are kept.": snap(VerdictKept, VerdictBroken, VerdictKept, VerdictAtRisk, VerdictUnknown),
		"2 promises are broken and 1 is kept.":                            snap(VerdictKept, VerdictBroken, VerdictBroken),
	} {
		if got := s.Answer(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestDurationsAreSaidRoughly(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"832 ms": 831_700 * time.Microsecond, "9.1 s": 9_080 * time.Millisecond, "1 min 10 s": 70*time.Second + 200*time.Millisecond, "20 min 30 s": 20*time.Minute + 30*time.Second,
		"1 h 10 min": 70*time.Minute + 5*time.Second, "47 h": 47 * time.Hour, "2 d 12 h": 60*time.Hour + 10*time.Minute,
	} {
		if got := roughly(d); got != want {
			t.Errorf("roughly(%s) = %q; want %q", d, got, want)
		}
	}
}
