package ui

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidemark/flags"
)

// planForm is a plan as a person writes it: every field is text, and each thing that
// is wrong belongs to one of them. Nothing that was written is lost.
type planForm struct {
	v     url.Values
	wrong map[string]string // by field
	// stepRows, guardRows and phaseRows are the rows of the form from which the plan's
	// steps, guardrails and phases came.
	stepRows, guardRows []int
	phaseRows           []flags.Phase
	unplaced            []string // what is wrong and belongs to no field
}

const (
	formSteps  = 8
	formGuards = 8
)

// preparing are the phases that a form asks for; live is added where any is said.
func preparing() []flags.Phase {
	return []flags.Phase{flags.PhaseDualWrite, flags.PhaseShadowRead, flags.PhaseRampDown}
}

func (f *planForm) bad() bool { return len(f.wrong)+len(f.unplaced) > 0 }

func (f *planForm) get(name string) string { return strings.TrimSpace(f.v.Get(name)) }

func (f *planForm) fail(field, text string) {
	if f.wrong == nil {
		f.wrong = map[string]string{}
	}
	if f.wrong[field] == "" {
		f.wrong[field] = text
	}
}

func stepField(i int, name string) string  { return "step-" + strconv.Itoa(i+1) + "-" + name }
func guardField(i int, name string) string { return "guard-" + strconv.Itoa(i+1) + "-" + name }
func phaseField(p flags.Phase, name string) string {
	return "phase-" + string(p) + "-" + name
}

// plan reads what was written. What cannot be read is noted beside its field.
func (f *planForm) plan() flags.Plan {
	p := flags.Plan{
		Flag: f.get("flag"), Feature: f.get("feature"), Candidate: f.get("candidate"), Control: f.get("control"),
		Guarantee: f.get("guarantee"), Completes: f.get("completes"), OnDeadline: flags.DeadlineAction(f.get("on_deadline")),
		Deadline: f.duration("deadline"), NoData: f.duration("no_data_after"), PinFor: f.duration("pin_for"),
		LateAfter: f.duration("late_after"), NoPins: f.get("no_pins") == "on", StartAt: f.time("start_at"),
		Approvals: int(f.whole("approvals", 0)), Cohort: f.cohort(),
	}
	p.Steps, p.Guardrails, p.Phases, p.Freeze = f.steps(), f.guards(), f.phases(), f.freeze()
	return p
}

func (f *planForm) duration(field string) flags.Duration {
	s := f.get(field)
	if s == "" {
		return 0
	}
	d, err := flags.ParseDuration(s)
	if err != nil {
		f.fail(field, "“"+short(s)+"” is no duration: want a number and a unit, such as 30m, 4h or 2d.")
	}
	return flags.Duration(d)
}

func (f *planForm) whole(field string, otherwise int64) int64 {
	s := f.get(field)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(s, ",", ""), 10, 64)
	if err != nil {
		f.fail(field, "“"+short(s)+"” is no whole number.")
	}
	return n
}

// time reads RFC 3339, or the same without a zone, which is UTC.
func (f *planForm) time(field string) time.Time {
	s := f.get(field)
	if s == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02 15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	f.fail(field, "“"+short(s)+"” is no time: want 2026-01-31 13:00 (UTC), or RFC 3339.")
	return time.Time{}
}

// cohort takes a targeting rule, or the name of a cohort.
func (f *planForm) cohort() json.RawMessage {
	s := f.get("cohort")
	switch {
	case s == "":
		return nil
	case !strings.HasPrefix(s, "{") && !strings.ContainsAny(s, " \"[]"):
		raw, err := json.Marshal(map[string]string{"$ref": s})
		if err != nil {
			return nil
		}
		return raw
	case !json.Valid([]byte(s)):
		f.fail("cohort", `This is not JSON: want the name of a cohort, or a rule such as {"==": [{"var": "plan"}, "pro"]}.`)
		return nil
	}
	return json.RawMessage(s)
}

func (f *planForm) steps() []flags.PlanStep {
	var out []flags.PlanStep
	f.stepRows = nil
	for i := range formSteps {
		share, bake, units := stepField(i, "percent"), stepField(i, "bake"), stepField(i, "units")
		if f.get(share)+f.get(bake)+f.get(units) == "" {
			continue
		}
		st := flags.PlanStep{Percent: f.percent(share), Bake: f.duration(bake), MinUnits: f.whole(units, 0)}
		out, f.stepRows = append(out, st), append(f.stepRows, i)
	}
	return out
}

func (f *planForm) percent(field string) flags.Percent {
	s := strings.TrimSpace(strings.TrimSuffix(f.get(field), "%"))
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || v != v || v < -1e6 || v > 1e6 {
		f.fail(field, "“"+short(f.get(field))+"” is no share: want a percentage such as 5 or 0.5.")
		return 0
	}
	return flags.Percent(v*100 + 0.5)
}

func (f *planForm) guards() []flags.Guardrail {
	var out []flags.Guardrail
	f.guardRows = nil
	for i := range formGuards {
		metric, margin, limit, alpha := guardField(i, "metric"), guardField(i, "margin"), guardField(i, "limit"), guardField(i, "alpha")
		if f.get(metric) == "" {
			if f.get(margin)+f.get(limit)+f.get(alpha) != "" {
				f.fail(metric, "Choose what this guardrail compares, or empty its row.")
			}
			continue
		}
		m := flags.GuardMetric(f.get(metric))
		g := flags.Guardrail{Metric: m, Margin: f.amount(margin, m), Limit: f.amount(limit, m), Alpha: f.amount(alpha, flags.GuardLate), Action: flags.GuardAction(f.get(guardField(i, "action")))}
		out, f.guardRows = append(out, g), append(f.guardRows, i)
	}
	return out
}

// amount reads a number in a metric's unit: seconds, or a duration, for times; a
// share, or a percentage, for the others.
func (f *planForm) amount(field string, m flags.GuardMetric) float64 {
	s := f.get(field)
	if s == "" {
		return 0
	}
	if m.InSeconds() {
		if d, err := flags.ParseDuration(s); err == nil {
			return d.Seconds()
		}
	}
	number, isPercent := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || v != v {
		f.fail(field, "“"+short(s)+"” is no number: want "+amountExample(m)+".")
		return 0
	}
	if isPercent {
		v /= 100
	}
	return v
}

func amountExample(m flags.GuardMetric) string {
	if m.InSeconds() {
		return "a duration such as 200ms"
	}
	return "a share such as 0.5% or 0.005"
}

func (f *planForm) phases() []flags.PlanPhase {
	var out []flags.PlanPhase
	f.phaseRows = nil
	for _, p := range preparing() {
		variant, bake, by, what := phaseField(p, "variant"), phaseField(p, "bake"), phaseField(p, "by"), phaseField(p, "what")
		if f.get(variant)+f.get(bake)+f.get(by)+f.get(what) == "" {
			continue
		}
		if p == flags.PhaseRampDown {
			out, f.phaseRows = append(out, flags.PlanPhase{Phase: flags.PhaseLive}), append(f.phaseRows, flags.PhaseLive)
		}
		ph := flags.PlanPhase{Phase: p, Variant: f.get(variant), Bake: f.duration(bake)}
		switch f.get(by) {
		case "sign_off":
			ph.SignOff = f.get(what)
		case "webhook":
			ph.Webhook = f.get(what)
		case "check":
			ph.Check = f.check(what)
		}
		out, f.phaseRows = append(out, ph), append(f.phaseRows, p)
	}
	if len(out) > 0 && !slices.Contains(f.phaseRows, flags.PhaseLive) {
		out, f.phaseRows = append(out, flags.PlanPhase{Phase: flags.PhaseLive}), append(f.phaseRows, flags.PhaseLive)
	}
	return out
}

// check reads "convergence_ratio gte 0.999", with "violation_rate:ryw lte 0" for one
// session guarantee.
func (f *planForm) check(field string) *flags.PhaseCheck {
	parts := strings.Fields(f.get(field))
	if len(parts) != 3 {
		f.fail(field, "Want what is measured, lte or gte, and a number: convergence_ratio gte 0.999.")
		return nil
	}
	v, err := strconv.ParseFloat(parts[2], 64)
	if err != nil || v != v {
		f.fail(field, "“"+short(parts[2])+"” is no number.")
		return nil
	}
	sli, of, _ := strings.Cut(parts[0], ":")
	return &flags.PhaseCheck{SLI: sli, Of: of, Op: parts[1], Value: v}
}

func (f *planForm) freeze() []flags.FreezeWindow {
	from, until := f.time("freeze_from"), f.time("freeze_until")
	if from.IsZero() && until.IsZero() && f.get("freeze_reason") == "" {
		return nil
	}
	return []flags.FreezeWindow{{From: from, Until: until, Reason: f.get("freeze_reason")}}
}

// blame puts each problem of a plan beside the field that it is about.
func (f *planForm) blame(err error) bool {
	ps, ok := errors.AsType[*flags.ProblemsError](err)
	if !ok {
		return false
	}
	for _, p := range ps.Problems {
		text := strings.ToUpper(p.Message[:min(1, len(p.Message))]) + p.Message[min(1, len(p.Message)):] + "."
		if field := f.fieldOf(p.Field); field != "" {
			f.fail(field, text)
		} else {
			f.unplaced = append(f.unplaced, p.String())
		}
	}
	return true
}

// fieldOf is the field of the form for a path in the plan; "" when there is none.
func (f *planForm) fieldOf(path string) string {
	path = strings.TrimPrefix(path, "plan.")
	list, rest, indexed := strings.Cut(path, "[")
	if !indexed {
		switch list {
		case "steps":
			return stepField(0, "percent")
		case "guardrails":
			return guardField(0, "metric")
		case "freeze":
			return "freeze_from"
		case "title", "flag", "feature", "candidate", "control", "guarantee", "completes", "cohort", "deadline", "on_deadline",
			"no_data_after", "approvals", "start_at", "pin_for", "no_pins", "late_after", "reason":
			return list
		}
		return ""
	}
	number, name, _ := strings.Cut(rest, "]")
	i, err := strconv.Atoi(number)
	name = strings.TrimPrefix(name, ".")
	switch {
	case err != nil || i < 0:
	case list == "steps" && i < len(f.stepRows):
		return stepField(f.stepRows[i], stepPart(name))
	case list == "guardrails" && i < len(f.guardRows):
		if slices.Contains([]string{"margin", "limit", "alpha", "action"}, name) {
			return guardField(f.guardRows[i], name)
		}
		return guardField(f.guardRows[i], "metric")
	case list == "phases" && i < len(f.phaseRows) && f.phaseRows[i] != flags.PhaseLive:
		return phaseField(f.phaseRows[i], phasePart(name))
	case list == "freeze":
		return "freeze_from"
	}
	return ""
}

func stepPart(name string) string {
	switch name {
	case "bake":
		return "bake"
	case "min_units":
		return "units"
	}
	return "percent"
}

func phasePart(name string) string {
	switch {
	case name == "variant", name == "bake":
		return name
	case strings.HasPrefix(name, "check"), name == "webhook", name == "sign_off":
		return "what"
	}
	return "by"
}

// short keeps quoted input readable.
func short(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
