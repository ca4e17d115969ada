package ui_test

import (
	"context"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"tidemark/flags"
	"tidemark/flags/rollout"
	"tidemark/metrics"
	"tidemark/web/ui"
)

// oneRollout answers with one rollout, and with its evidence.
type oneRollout struct {
	ui.Rollouts

	r flags.Rollout
	e metrics.TrialEvidence
}

func (o *oneRollout) List(context.Context) ([]flags.Rollout, error) {
	return []flags.Rollout{o.r}, nil
}
func (o *oneRollout) Get(context.Context, string) (flags.Rollout, error) { return o.r, nil }
func (o *oneRollout) History(context.Context, string) ([]flags.Transition, error) {
	return nil, nil
}
func (o *oneRollout) Health() rollout.Health { return rollout.Health{} }

func (o *oneRollout) Evidence(context.Context, string) (metrics.TrialEvidence, bool, error) {
	return o.e, true, nil
}

// half is a rollout in its second step of three, of which every number is known.
func half() *oneRollout {
	r := flags.Rollout{
		ID: "r-1", Title: "Causal carts", State: flags.RolloutRunning, Step: 1, Percent: 2500, Revision: 4, CreatedBy: "user:anna",
		StartedAt: present.Add(-time.Hour), Baked: 15 * time.Minute, Ran: 20 * time.Minute, Approvals: []flags.Approval{{Actor: "user:bo"}},
		Plan: flags.Plan{
			Flag: "cart-model", Feature: "cart", Candidate: "causal", Control: "eventual", PinFor: flags.Duration(90 * time.Second), Approvals: 1,
			Deadline: flags.Duration(12 * time.Hour), OnDeadline: flags.DeadlineHold, NoData: flags.Duration(15 * time.Minute),
			Steps: []flags.PlanStep{{Percent: 500, MinUnits: 100}, {Percent: 2500, MinUnits: 400, Bake: flags.Duration(time.Hour)}, {Percent: flags.Whole, MinUnits: 400}},
		},
		Intervals: []flags.StepInterval{{Step: 0, From: present.Add(-time.Hour)}, {Step: 1, From: present.Add(-20 * time.Minute)}},
	}
	r.Decision = flags.Decision{
		Verb: flags.VerbHold, Why: "Needs 100 more units in candidate.", At: present, CandidateUnits: 300, ControlUnits: 420, NeedUnits: 400,
		Baked: 15 * time.Minute, Bake: time.Hour, Coverage: 0.9, SRM: &flags.Ratio{Candidate: 300, Control: 420, Expected: 0.5, P: 0.2, Enough: true},
		Checks: []flags.Check{
			{
				Guardrail: flags.Guardrail{Metric: flags.GuardLag, Margin: 0.2, Alpha: 0.025, Action: flags.GuardRevert}, Outcome: flags.OutcomePass, Why: "It is faster.",
				Candidate: new(0.45), Control: new(0.5), Difference: new(-0.05), Lower: new(-0.08), Upper: new(-0.02), Samples: 720, Method: "a sequence",
			},
			{
				Guardrail: flags.Guardrail{Metric: flags.GuardLate, Margin: 0.01, Alpha: 0.025, Action: flags.GuardHold}, Outcome: flags.OutcomeUnsure, Why: "Not sure yet.",
				Candidate: new(0.034), Control: new(0.03), Difference: new(0.004), Lower: nil, Upper: new(0.02), Samples: 700, Method: "another",
			},
		},
	}
	return &oneRollout{r: r, e: metrics.TrialEvidence{Writes: 1000, NoUnit: 100, OtherVariant: 12}}
}

func TestNumbersOfARollout(t *testing.T) {
	t.Parallel()
	one := half()
	s := openWith(t, func(o *ui.Options) { o.Rollouts, o.Evidence = one, one })
	doc := s.page("/rollouts/r-1")
	table := rows(t, doc, "#numbers table")
	wantAll(t, "time to visibility", table["Mean time to visibility"], map[string]string{
		"Outcome": "Within margin", "Candidate": "450 ms", "Control": "500 ms", "Worse by": "−50 ms", "Lower": "−80 ms", "Upper": "−20 ms", "Margin": "+200 ms", "α": "0.025", "Units": "720", "Method": "a sequence",
	})
	wantAll(t, "late writes", table["Late writes"], map[string]string{
		"Outcome": "Undecided", "Candidate": "3.40%", "Control": "3.00%", "Worse by": "+0.40 pp", "Lower": "—unknown", "Upper": "+2.00 pp", "Margin": "+1.00 pp", "Units": "700",
	})
	tiles := doc.Find("article.guard .now").Map(func(_ int, n *goquery.Selection) string { return spaced(n) })
	if len(tiles) != 2 || tiles[0] != "−50 ms | 450 ms against 500 ms" || tiles[1] != "+0.40 pp | 3.40% against 3.00%" {
		t.Errorf("the tiles say %q", tiles)
	}
	wantAll(t, "sample", facts(doc, "#sample"), map[string]string{"Coverage": "90.00% | 900 of 1,000 writes name a unit", "Bake time": "15 min | of 1 h"})
	arms := doc.Find("#sample .arm").Map(func(_ int, a *goquery.Selection) string { return text(a.Find("strong")) + " " + text(a.Find(".u")) })
	if len(arms) != 2 || arms[0] != "Candidate: causal 300 of 400 units" || arms[1] != "Control: eventual 420 of 400 units" {
		t.Errorf("the arms say %q", arms)
	}
	if got := text(doc.Find("#sample .small")); got != "41.67% of 720 units are in candidate; 50.00% are expected (p = 0.2)." {
		t.Errorf("the balance is %q", got)
	}
	missing := doc.Find("#decision li").Map(func(_ int, li *goquery.Selection) string { return text(li) })
	if len(missing) != 3 || missing[0] != "100 more units in candidate, in about 6 min at the traffic so far." ||
		missing[1] != "45 min more of bake time, counted while traffic comes in." || missing[2] != "Late writes: undecided." {
		t.Errorf("what is missing: %q", missing)
	}
	steps := doc.Find(".stages li").Map(func(_ int, li *goquery.Selection) string {
		return text(li.Find("strong")) + ": " + text(li.Find(".u"))
	})
	if len(steps) != 3 || steps[0] != "5%: 14 Mar, 40 min" || steps[1] != "25%: now, 15 min of 1 h" || steps[2] != "100%: 400 units an arm" {
		t.Errorf("steps %q", steps)
	}
	wantAll(t, "pins", facts(doc, "#pins"), map[string]string{"A pin lasts": "1 min 30 s", "Writes apart": "12 | of units that had another variant than their arm’s"})
}
