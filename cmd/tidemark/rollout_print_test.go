package main

import (
	"strings"
	"testing"
	"time"

	"tidemark/flags"
)

// TestGuardrailsAreShownWithTheirUnits: times as such, shares in percent and their
// differences in points, what is not known as a dash.
func TestGuardrailsAreShownWithTheirUnits(t *testing.T) {
	t.Parallel()
	v := func(v float64) *float64 { return &v }
	r := flags.Rollout{ID: "r1", State: flags.RolloutRunning, CreatedBy: "bo", Decision: flags.Decision{
		Verb: "hold", Why: "Needs more.",
		Checks: []flags.Check{
			{Guardrail: flags.Guardrail{Metric: flags.GuardLag, Margin: 0.25}, Outcome: flags.OutcomeFail, Candidate: v(2.635), Control: v(0.0815), Difference: v(2.5535), Lower: v(2.1), Samples: 40, Why: "slow"},
			{Guardrail: flags.Guardrail{Metric: flags.GuardLate, Margin: 0.15}, Outcome: flags.OutcomeUnknown, Candidate: v(0.125), Samples: 7, Why: "no control"},
		},
	}}
	var b strings.Builder
	if err := printRollout(&b, &r, time.Now()); err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{}
	for line := range strings.Lines(b.String()) {
		fields := strings.Fields(strings.ReplaceAll(line, "\u00a0", " "))
		if len(fields) > 0 {
			lines[fields[0]] = strings.Join(fields, " ")
		}
	}
	for metric, want := range map[string]string{
		"time_to_visibility": "time_to_visibility fail 2.6 s 82 ms +2.6 s (+2.1 s to —) +250 ms 40 slow",
		"late":               "late unknown 12.50% — — +15.00 pp 7 no control",
	} {
		if lines[metric] != want {
			t.Errorf("%s:\n%s\nwant\n%s", metric, lines[metric], want)
		}
	}
}
