package eval

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidemark/flags"
)

func words(e Explanation) []string {
	out := make([]string, len(e.Steps))
	for i, s := range e.Steps {
		out[i] = s.Words
	}
	return out
}

func TestExplain(t *testing.T) {
	t.Parallel()
	s := define(t, `{"flags": {"banner": `+targeted+`, "off": {"state": "DISABLED", "variants": {"on": true}}}}`)
	for _, c := range []struct {
		key  string
		ctx  Context
		want []string
	}{
		{"banner", Context{TargetingKey: "u1", "country": "fr"}, []string{
			`country is "fr".`,
			`country is in ["de","fr","it","nl"]: yes.`,
			`$flagd.flagKey is "banner".`,
			`targetingKey is "u1".`,
			`$flagd.flagKey followed by targetingKey gives "banneru1".`,
			`The hash of "banneru1" lies at 13 of 100, which is on.`,
			`The rule gives "on".`,
			`The answer is variant on (TARGETING_MATCH).`,
		}},
		{"banner", Context{}, []string{
			`The context has no country.`,
			`country is in ["de","fr","it","nl"]: no.`,
			`The rule gives "off".`,
			`The answer is variant off (TARGETING_MATCH).`,
		}},
		{"off", Context{}, []string{
			`The flag is disabled: the code's default counts.`,
			`The answer is the code's default (DISABLED).`,
		}},
		{"none", Context{}, []string{`Error FLAG_NOT_FOUND: flag "none" not found.`}},
	} {
		e := s.Explain(c.key, c.ctx, now())
		if d := cmp.Diff(c.want, words(e)); d != "" {
			t.Errorf("%s %v: -want +got\n%s", c.key, c.ctx, d)
		}
		if d := cmp.Diff(s.Evaluate(c.key, c.ctx, now()), e.Result, cmp.AllowUnexported(Result{}, variant{}, Metadata{}, baseMetadata{})); d != "" {
			t.Errorf("the explanation answers otherwise: %s", d)
		}
	}
}

func TestExplainDraw(t *testing.T) {
	t.Parallel()
	s := define(t, `{"flags": {"banner": `+targeted+`}}`)
	for _, step := range s.Explain("banner", Context{TargetingKey: "u1", "country": "fr"}, now()).Steps {
		if step.Bucket == nil {
			continue
		}
		if step.Path != "$.flags.banner.targeting.if[1]" || step.Total != 100 || step.Found != `"on"` {
			t.Errorf("drawn at %q of %d: %q", step.Path, step.Total, step.Found)
		}
		want := []Range{{Variant: "on", From: 0, To: 50, Hit: true}, {Variant: "off", From: 50, To: 100}}
		if d := cmp.Diff(want, step.Ranges); d != "" {
			t.Error(d)
		}
		return
	}
	t.Error("no step says how the unit was drawn")
}

func TestExplainRollout(t *testing.T) {
	t.Parallel()
	s := pinned(t, models, 1, func(_ *Definition, a *flags.Assignment) {
		a.Percent, a.Cohort = 1000, json.RawMessage(`{"==": [{"var": "country"}, "fr"]}`)
	})
	e := s.Explain("f", Context{TargetingKey: "u", "country": "fr"}, now())
	text := strings.Join(words(e), "\n")
	for _, want := range []string{
		`country equals "fr": yes.`,
		"The unit is in the cohort of rollout r1.",
		`Rollout r1, step 1, gives 10% of units the candidate. "u" lies at `,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	var ranges []Range
	for _, step := range e.Steps {
		ranges = append(ranges, step.Ranges...)
	}
	if len(ranges) != 3 || ranges[0].To != 1000 || ranges[1].To != 9000 || ranges[2].To != 10000 || ranges[2].Arm != flags.ArmControl {
		t.Errorf("ranges are %+v", ranges)
	}
	outside := strings.Join(words(s.Explain("f", Context{TargetingKey: "u"}, now())), "\n")
	if !strings.Contains(outside, "is not in the cohort of rollout r1") {
		t.Errorf("outside of the cohort:\n%s", outside)
	}
	pin := ask(pinned(t, models, 1, nil), "u", "", now()).Metadata.Pin
	stays := strings.Join(words(s.Explain("f", Context{TargetingKey: "u", PinKey: pin}, now())), "\n")
	if want := "The session is pinned to ryw of revision 1 and stays there: eventual does not include read-your-writes."; !strings.Contains(stays, want) {
		t.Errorf("%q is missing in\n%s", want, stays)
	}
}
