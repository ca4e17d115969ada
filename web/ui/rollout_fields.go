package ui

import (
	"strconv"

	"tidemark/flags"
	"tidemark/views/page"
)

// field is a field as it was written, with what was wrong with it.
func (f *planForm) field(name, label, hint string) page.Field {
	return page.Field{Name: name, Label: label, Hint: hint, Value: f.v.Get(name), Error: f.wrong[name]}
}

func (f *planForm) pick(name, label, hint string, os []page.Option) page.Field {
	in := f.field(name, label, hint)
	in.Kind, in.Options = "pick", os
	return in
}

func (f *planForm) suggest(name, label, hint string, os []page.Option) page.Field {
	in := f.field(name, label, hint)
	in.Options, in.Max = os, 200
	return in
}

// fill makes the fields of the form.
func (f *planForm) fill(m *page.RolloutForm, k *choices) {
	required := func(in page.Field) page.Field {
		in.Required = true
		return in
	}
	title := f.field("title", "Title", "What the list calls it; may be empty.")
	title.Broad, title.Max = true, 200
	m.Basics = []page.Field{
		title,
		required(f.suggest("flag", "Flag", "Its variants are what is rolled out.", k.flags)),
		required(f.suggest("feature", "Feature", "Whose telemetry is the evidence.", k.features)),
		required(f.suggest("candidate", "Candidate", "The variant that is to reach everybody.", k.variants)),
		required(f.suggest("control", "Control", "The variant that it is compared with, and reverts to.", k.variants)),
		f.suggest("guarantee", "Guarantee", "Empty: the active one of the feature, when there is one.", k.guarantees),
		f.suggest("completes", "Activates version", "Of the guarantee, on completion; may be empty.", nil),
	}
	cohort := f.field("cohort", "Cohort", "The name of a cohort; empty: everybody.")
	if k.rules {
		cohort.Label, cohort.Hint = "Cohort or targeting rule", "The name of a cohort, or a JSON rule; empty: everybody."
	}
	cohort.Kind, cohort.Broad, cohort.Max, cohort.Options = "area", true, 65536, nil
	if len(k.cohorts) > 0 {
		cohort.Hint += " Cohorts: " + optionList(k.cohorts) + "."
	}
	m.Who = []page.Field{cohort}
	f.fillRows(m)
	pins := f.field("no_pins", "Running sessions follow at once, also back", "Instead of staying pinned to what they started with.")
	pins.Kind = "check"
	m.Safety = []page.Field{
		f.field("deadline", "Deadline of a step", "Beyond its bake time, such as 12h; empty: none."),
		f.pick("on_deadline", "At the deadline", "It never widens because time ran out.", options("hold", "Hold", "revert", "Revert")),
		f.field("no_data_after", "Revert without data after", "Such as 15m: no event is not no problem."),
		f.field("late_after", "A write is late after", "Empty: what the guarantee promises."),
		f.field("pin_for", "Sessions stay pinned for", "Such as 24h."), pins,
	}
	reason := f.field("reason", "Reason", "Kept in the history, beside your name.")
	reason.Broad, reason.Max = true, maxReason
	m.More = []page.Field{
		f.pick("approvals", "Approvals", "Of people other than you.", options("0", "None", "1", "One", "2", "Two", "3", "Three", "4", "Four", "5", "Five")),
		f.field("start_at", "Start at", "2026-01-31 13:00, in UTC; empty: when somebody starts it."),
		f.field("freeze_from", "Frozen from", "Nothing widens in a freeze; reverting is always possible."),
		f.field("freeze_until", "Frozen until", ""), f.field("freeze_reason", "Reason of the freeze", ""), reason,
	}
}

func optionList(os []page.Option) string {
	names := make([]string, len(os))
	for i, o := range os {
		names[i] = o.Value
	}
	return join(names)
}

func (f *planForm) fillRows(m *page.RolloutForm) {
	for i := range formSteps {
		m.Steps = append(m.Steps, page.FieldRow{Name: "Step " + strconv.Itoa(i+1), Fields: []page.Field{
			f.field(stepField(i, "percent"), "Share, %", ""), f.field(stepField(i, "bake"), "Bake time", ""), f.field(stepField(i, "units"), "Units an arm", ""),
		}})
	}
	m.GuardAt = "What the candidate must not make worse. Leave all empty to take them from the feature’s guarantee; the preview shows which those are. Margins are in the metric’s unit: 200ms, or 0.5%."
	metrics := options("", "None")
	for _, g := range []flags.GuardMetric{
		flags.GuardLate, flags.GuardLag, flags.GuardLagP99, flags.GuardConvergence, flags.GuardConflicts, flags.GuardViolations, flags.GuardErrors, flags.GuardReplays,
	} {
		metrics = append(metrics, page.Option{Value: string(g), Text: guardTitle(g)})
	}
	for i := range f.guardRowsShown() {
		name := "Guardrail " + strconv.Itoa(i+1)
		what := f.pick(guardField(i, "metric"), "Compares", "", metrics)
		what.Class = "first"
		m.Guards = append(m.Guards, page.FieldRow{Name: name, Fields: []page.Field{
			what, f.field(guardField(i, "margin"), "Margin", ""), f.field(guardField(i, "limit"), "Limit", ""), f.field(guardField(i, "alpha"), "α", ""),
			f.pick(guardField(i, "action"), "When broken", "", options("revert", "Revert", "hold", "Hold")),
		}})
	}
	for _, p := range preparing() {
		m.Phases = append(m.Phases, page.FieldRow{Name: string(p), Fields: []page.Field{
			f.field(phaseField(p, "variant"), "Variant", ""), f.field(phaseField(p, "bake"), "Bake time", ""),
			f.pick(phaseField(p, "by"), "Ready when", "", options("", "—", "sign_off", "Signed off by", "webhook", "Webhook passes", "check", "Telemetry says")),
			f.field(phaseField(p, "what"), "Who, which, what", ""),
		}})
	}
}

// guardRowsShown is how many rows for guardrails there are: those written, and one.
func (f *planForm) guardRowsShown() int {
	last := 0
	for i := range formGuards {
		if f.get(guardField(i, "metric"))+f.get(guardField(i, "margin"))+f.get(guardField(i, "limit"))+f.get(guardField(i, "alpha")) != "" {
			last = i + 1
		}
	}
	return min(formGuards, max(4, last+1))
}
