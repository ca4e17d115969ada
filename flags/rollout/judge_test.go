package rollout_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"tidemark/flags"
	"tidemark/flags/rollout"
	"tidemark/metrics"
)

func judgePlan(rails ...flags.Guardrail) *flags.Plan {
	return &flags.Plan{Steps: []flags.PlanStep{{Percent: 1000}, {Percent: 5000}, {Percent: 7500}, {Percent: flags.Whole}}, Guardrails: rails}
}

// sum are the moments of n units with a mean and a standard deviation.
func sum(n int64, mean, sd float64) metrics.Moments {
	return metrics.Moments{Units: n, Sum: mean * float64(n), SumSq: (mean*mean + sd*sd) * float64(n)}
}

// tail is a sample of n lags, of which a share of 3 % is around slow and the rest
// around 100 ms, in buckets of 2 %.
func tail(n int64, slow float64) []metrics.LagBucket {
	at := func(s float64, n int64) metrics.LagBucket {
		return metrics.LagBucket{Lower: int64(s * 0.99e9), Upper: int64(s * 1.01e9), Count: n}
	}
	return []metrics.LagBucket{at(0.1, n-3*n/100), at(slow, 3*n/100)}
}

func evidence(step int, candidate, control metrics.ArmEvidence) metrics.TrialEvidence {
	return metrics.TrialEvidence{Steps: []metrics.StepEvidence{{Index: step, Candidate: candidate, Control: control}}, Writes: 1000, NoUnit: 20}
}

func one(t *testing.T, p *flags.Plan, ev metrics.TrialEvidence, step int) flags.Check {
	t.Helper()
	checks, _ := rollout.Judge(p, ev, step)
	if len(checks) != 1 {
		t.Fatalf("%d checks; want 1", len(checks))
	}
	if _, err := json.Marshal(checks); err != nil {
		t.Fatalf("a check cannot be written down: %v", err)
	}
	return checks[0]
}

// Every metric passes when both arms do well, fails when the candidate is much worse,
// and passes when it is much better.
func TestJudgeEveryMetric(t *testing.T) {
	t.Parallel()
	const n = 20_000
	well := metrics.ArmEvidence{
		Units: n, Writes: 3 * n, Lag: sum(n, 0.5, 0.3), Late: sum(n, 0.01, 0.1), Converged: sum(n, 0.99, 0.1), LagSample: tail(n, 1),
		Conflicts: metrics.Rare{Units: 40, Events: 41, Eligible: 3 * n}, Violations: metrics.Rare{Units: 40, Events: 55, Eligible: 5 * n},
		Errors: metrics.Rare{Units: 40, Events: 41, Eligible: 3 * n}, Replays: metrics.Rare{Units: 40, Events: 41, Eligible: 3 * n},
	}
	bad := metrics.ArmEvidence{
		Units: n, Writes: 3 * n, Lag: sum(n, 0.9, 0.5), Late: sum(n, 0.05, 0.2), Converged: sum(n, 0.93, 0.2), LagSample: tail(n, 4),
		Conflicts: metrics.Rare{Units: 200, Events: 210, Eligible: 3 * n}, Violations: metrics.Rare{Units: 200, Events: 210, Eligible: 5 * n},
		Errors: metrics.Rare{Units: 200, Events: 210, Eligible: 3 * n}, Replays: metrics.Rare{Units: 200, Events: 210, Eligible: 3 * n},
	}
	for metric, margin := range map[flags.GuardMetric]float64{
		flags.GuardLate: 0.01, flags.GuardLag: 0.1, flags.GuardLagP99: 0.5, flags.GuardConvergence: 0.01,
		flags.GuardConflicts: 0.005, flags.GuardViolations: 0.005, flags.GuardErrors: 0.005, flags.GuardReplays: 0.005,
	} {
		t.Run(string(metric), func(t *testing.T) {
			t.Parallel()
			p := judgePlan(flags.Guardrail{Metric: metric, Margin: margin})
			for _, c := range []struct {
				name               string
				candidate, control metrics.ArmEvidence
				want               flags.Outcome
				word               string
			}{
				{"alike", well, well, flags.OutcomePass, "within the margin"},
				{"worse", bad, well, flags.OutcomeFail, "surely worse, by at least"},
				{"better", well, bad, flags.OutcomePass, "surely better"},
				{"nothing", metrics.ArmEvidence{}, metrics.ArmEvidence{}, flags.OutcomeUnknown, "no unit of either arm"},
				{"no control yet", well, metrics.ArmEvidence{}, flags.OutcomeUnknown, ""},
				{"no number", metrics.ArmEvidence{Units: 9}, metrics.ArmEvidence{Units: 9}, flags.OutcomeUnknown, "no "},
			} {
				got := one(t, p, evidence(0, c.candidate, c.control), 0)
				if got.Outcome != c.want || !strings.Contains(got.Why, c.word) || !strings.HasSuffix(got.Why, ".") {
					t.Errorf("%s: %s: %s; want %s with %q", c.name, got.Outcome, got.Why, c.want, c.word)
				}
				if got.Outcome == flags.OutcomeFail && !(*got.Lower > 0 && *got.Difference > 0 && got.Samples == 2*n && got.Method != "") {
					t.Errorf("%s: %+v", c.name, got)
				}
				if c.want != flags.OutcomeUnknown && !strings.Contains(got.Why, "98% of the flag's writes") {
					t.Errorf("%s: %q does not say its coverage", c.name, got.Why)
				}
			}
		})
	}
}

// A candidate that may or may not be worse is held, and the sentence says how far the
// truth may be off.
func TestJudgeUnsure(t *testing.T) {
	t.Parallel()
	p := judgePlan(flags.Guardrail{Metric: flags.GuardLag, Margin: 0.02})
	arm := metrics.ArmEvidence{Units: 400, Lag: sum(400, 0.5, 0.4)}
	c := one(t, p, evidence(1, arm, arm), 1)
	if c.Outcome != flags.OutcomeUnsure || !strings.Contains(c.Why, "500 ms with the candidate against 500 ms with the control") || !strings.Contains(c.Why, "the margin is 20 ms") {
		t.Errorf("%s: %s", c.Outcome, c.Why)
	}
	few := metrics.ArmEvidence{Units: 5, Lag: sum(5, 0.5, 0.1)}
	if c := one(t, p, evidence(1, few, few), 1); c.Outcome != flags.OutcomeUnsure || !strings.Contains(c.Why, "too few units") {
		t.Errorf("%s: %s", c.Outcome, c.Why)
	}
}

// Two violations against twenty in 5,000 units each are seen through every guardrail
// that they can be put in.
func TestJudgeTwoAgainstTwenty(t *testing.T) {
	t.Parallel()
	arm := func(k int64) metrics.ArmEvidence {
		return metrics.ArmEvidence{
			Units: 5000, Writes: 15_000, Violations: metrics.Rare{Units: k, Events: k, Eligible: 20_000},
			Late: metrics.Moments{Units: 5000, Sum: float64(k), SumSq: float64(k)},
		}
	}
	for _, metric := range []flags.GuardMetric{flags.GuardViolations, flags.GuardLate} {
		p := judgePlan(flags.Guardrail{Metric: metric, Margin: 0.005}, flags.Guardrail{Metric: flags.GuardErrors, Margin: 0.01})
		checks, _ := rollout.Judge(p, evidence(0, arm(20), arm(2)), 0)
		if checks[0].Outcome != flags.OutcomeFail {
			t.Errorf("%s: %s: %s", metric, checks[0].Outcome, checks[0].Why)
		}
		checks, _ = rollout.Judge(p, evidence(0, arm(2), arm(20)), 0)
		if checks[0].Outcome == flags.OutcomeFail {
			t.Errorf("%s: the better arm fails: %s", metric, checks[0].Why)
		}
	}
}

// Rare events of the steps before count with those of this one, and not those after.
func TestJudgeRareOverSteps(t *testing.T) {
	t.Parallel()
	p := judgePlan(flags.Guardrail{Metric: flags.GuardViolations, Margin: 0.001})
	arm := func(k int64) metrics.ArmEvidence {
		return metrics.ArmEvidence{Units: 2000, Violations: metrics.Rare{Units: k, Events: k, Eligible: 9000}}
	}
	ev := metrics.TrialEvidence{}
	for step := range 3 {
		ev.Steps = append(ev.Steps, metrics.StepEvidence{Index: step, Candidate: arm(9), Control: arm(2)})
	}
	first, last := one(t, p, ev, 0), one(t, p, ev, 2)
	if first.Outcome == flags.OutcomeFail || last.Outcome != flags.OutcomeFail || *last.LogE < *first.LogE {
		t.Errorf("first %s (ln E %v), last %s (ln E %v)", first.Outcome, *first.LogE, last.Outcome, *last.LogE)
	}
	if last.Samples != 12_000 {
		t.Errorf("%d units; want those of three steps", last.Samples)
	}
}

// The limit holds the candidate to a number of its own, also when nobody is left to
// compare it with.
func TestJudgeLimit(t *testing.T) {
	t.Parallel()
	const whole = 3
	arm := func(late float64) metrics.ArmEvidence {
		return metrics.ArmEvidence{Units: 4000, Late: sum(4000, late, 0.1), Converged: sum(4000, 1-late, 0.1), Violations: metrics.Rare{Units: int64(4000 * late), Events: 1, Eligible: 4000}}
	}
	for _, c := range []struct {
		name    string
		rail    flags.Guardrail
		step    int
		late    float64
		control metrics.ArmEvidence
		want    flags.Outcome
		word    string
	}{
		{"alike and over", flags.Guardrail{Metric: flags.GuardLate, Margin: 0.05, Limit: 0.02}, 0, 0.05, arm(0.05), flags.OutcomeFail, "surely beyond its limit of 2.0%"},
		{"alike and within", flags.Guardrail{Metric: flags.GuardLate, Margin: 0.05, Limit: 0.1}, 0, 0.05, arm(0.05), flags.OutcomePass, "within the margin"},
		{"perhaps over", flags.Guardrail{Metric: flags.GuardLate, Margin: 0.05, Limit: 0.049}, 0, 0.05, arm(0.05), flags.OutcomeUnsure, "though not surely"},
		{"alone and over", flags.Guardrail{Metric: flags.GuardLate, Margin: 0.05, Limit: 0.02}, whole, 0.05, metrics.ArmEvidence{}, flags.OutcomeFail, "surely beyond"},
		{"alone and within", flags.Guardrail{Metric: flags.GuardLate, Margin: 0.05, Limit: 0.1}, whole, 0.05, metrics.ArmEvidence{}, flags.OutcomePass, "no control is left"},
		{"alone", flags.Guardrail{Metric: flags.GuardLate, Margin: 0.05}, whole, 0.05, metrics.ArmEvidence{}, flags.OutcomeUnknown, "no control is left"},
		{"convergence under", flags.Guardrail{Metric: flags.GuardConvergence, Margin: 0.05, Limit: 0.99}, 0, 0.05, arm(0.05), flags.OutcomeFail, "surely beyond its limit of 99%"},
		{"convergence well", flags.Guardrail{Metric: flags.GuardConvergence, Margin: 0.05, Limit: 0.9}, 0, 0.05, arm(0.05), flags.OutcomePass, "95% with the candidate"},
		{"rare and over", flags.Guardrail{Metric: flags.GuardViolations, Margin: 0.05, Limit: 0.02}, 0, 0.05, arm(0.05), flags.OutcomeFail, "5.0% of units"},
	} {
		got := one(t, judgePlan(c.rail), evidence(c.step, arm(c.late), c.control), c.step)
		if got.Outcome != c.want || !strings.Contains(got.Why, c.word) {
			t.Errorf("%s: %s: %s; want %s with %q", c.name, got.Outcome, got.Why, c.want, c.word)
		}
	}
}

// α is shared between the guardrails, and between the steps that compare anybody.
func TestJudgeSharesAlpha(t *testing.T) {
	t.Parallel()
	rail := flags.Guardrail{Metric: flags.GuardLag, Margin: 1}
	arm := metrics.ArmEvidence{Units: 4000, Lag: sum(4000, 0.5, 0.4)}
	checks, _ := rollout.Judge(judgePlan(rail, rail, rail, rail, rail), evidence(0, arm, arm), 0)
	if a := checks[0].Guardrail.Alpha; math.Abs(a-0.01) > 1e-12 {
		t.Errorf("α %g of one of five; want 0.01", a)
	}
	alone := one(t, judgePlan(rail), evidence(0, arm, arm), 0)
	if *alone.Lower <= *checks[0].Lower || *alone.Upper >= *checks[0].Upper {
		t.Errorf("one guardrail %g to %g is no narrower than one of five %g to %g", *alone.Lower, *alone.Upper, *checks[0].Lower, *checks[0].Upper)
	}
	short := judgePlan(rail)
	short.Steps = short.Steps[1:2]
	if s := one(t, short, evidence(0, arm, arm), 0); *s.Lower <= *alone.Lower {
		t.Errorf("lower bound %g in one step, %g in three; want it tighter", *s.Lower, *alone.Lower)
	}
	rail.Alpha = 0.9 // allowed in a plan, and taken for the greatest that means anything
	if c := one(t, judgePlan(rail), evidence(0, arm, arm), 0); c.Outcome != flags.OutcomePass || c.Lower == nil {
		t.Errorf("α 0.9: %+v", c)
	}
}

func TestJudgeSampleRatio(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		step             int
		a, b             int64
		expected         float64
		enough, mismatch bool
	}{
		{0, 500, 510, 0.5, true, false},
		{0, 500, 700, 0.5, true, true},
		{0, 3, 5, 0.5, false, false},
		{0, 900, 0, 0.5, true, true},
		{2, 750, 251, 0.75, true, false},
		{2, 500, 500, 0.75, true, true},
		{3, 900, 0, 1, false, false},
	} {
		_, r := rollout.Judge(judgePlan(), evidence(c.step, metrics.ArmEvidence{Units: c.a}, metrics.ArmEvidence{Units: c.b}), c.step)
		if r.Expected != c.expected || r.Enough != c.enough || r.Mismatch != c.mismatch || r.Candidate != c.a || r.Control != c.b {
			t.Errorf("step %d, %d : %d: %+v", c.step, c.a, c.b, r)
		}
	}
	// A step that the plan does not have compares nobody.
	if _, r := rollout.Judge(judgePlan(), metrics.TrialEvidence{}, -1); r.Mismatch || r.Enough {
		t.Errorf("before the first step: %+v", r)
	}
}

func TestJudgeUnknownMetric(t *testing.T) {
	t.Parallel()
	c := one(t, judgePlan(flags.Guardrail{Metric: "throughput"}), evidence(0, metrics.ArmEvidence{Units: 9}, metrics.ArmEvidence{Units: 9}), 0)
	if c.Outcome != flags.OutcomeError || !strings.Contains(c.Why, "throughput") {
		t.Errorf("%+v", c)
	}
}

// TestJudgeSharesStayShares: few units give wide bounds, and none that no difference of
// shares can have; bounds in seconds may be as wide as they are.
func TestJudgeSharesStayShares(t *testing.T) {
	t.Parallel()
	few := func(bad float64) metrics.ArmEvidence {
		const n = 34
		return metrics.ArmEvidence{Units: n, Writes: n, Late: sum(n, bad, 0.3), Lag: sum(n, bad, 9), Conflicts: metrics.Rare{Units: int64(bad * n), Events: int64(bad * n), Eligible: n}}
	}
	p := &flags.Plan{
		Steps: []flags.PlanStep{{Percent: 2000}, {Percent: flags.Whole}},
		Guardrails: []flags.Guardrail{
			{Metric: flags.GuardLate, Margin: 0.1, Alpha: 0.001}, {Metric: flags.GuardConflicts, Margin: 0.1, Alpha: 0.001}, {Metric: flags.GuardLag, Margin: 0.1, Alpha: 0.001},
		},
	}
	ev := metrics.TrialEvidence{Steps: []metrics.StepEvidence{{Candidate: few(0.9), Control: few(0.1)}}}
	checks, _ := rollout.Judge(p, ev, 0)
	for i, c := range checks {
		if c.Upper == nil || c.Lower == nil {
			t.Fatalf("%s has no bounds: %+v", c.Guardrail.Metric, c)
		}
		if whole := *c.Upper > 1; whole != (i == 2) || *c.Lower < -1 && i < 2 {
			t.Errorf("%s: from %g to %g", c.Guardrail.Metric, *c.Lower, *c.Upper)
		}
	}
	if *checks[0].Upper != 1 {
		t.Errorf("late: %g; is this test about anything?", *checks[0].Upper)
	}
}
