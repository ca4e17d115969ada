package rollout

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tidemark/flags"
)

// FlagInfo is what a plan must fit to.
type FlagInfo struct {
	Key      string   `json:"key"`
	Variants []string `json:"variants"`
	Default  string   `json:"default"` // "" when the code decides
	Disabled bool     `json:"disabled"`
	// Feature is what the flag belongs to: its metadata's "feature"; "" = nothing.
	Feature string `json:"feature,omitempty"`
}

// Validate says everything that is wrong with a completed plan, by field. A nil flag
// leaves out what depends on it.
func Validate(p *flags.Plan, flag *FlagInfo) []flags.Problem {
	c := &checker{}
	c.line("flag", p.Flag, true)
	c.line("feature", p.Feature, true)
	c.line("guarantee", p.Guarantee, false)
	c.line("completes", p.Completes, false)
	c.variants(p, flag)
	c.cohort(p.Cohort)
	c.steps(p.Steps)
	c.phases(p, flag)
	c.guardrails(p)
	c.freezes(p.Freeze)
	c.timing(p)
	if p.Approvals < 0 || p.Approvals > MaxApprovals {
		c.problem("approvals", "is %d; it must be from 0 to %d", p.Approvals, MaxApprovals)
	}
	if p.Completes != "" && p.Guarantee == "" {
		c.problem("completes", "names a version, but there is no guarantee; name it in guarantee")
	}
	return c.problems
}

// checker collects problems by field.
type checker struct{ problems []flags.Problem }

func (c *checker) problem(field, format string, args ...any) {
	c.problems = append(c.problems, flags.Problem{Field: field, Message: fmt.Sprintf(format, args...)})
}

// line checks text of one line.
func (c *checker) line(field, s string, required bool) {
	switch {
	case required && s == "":
		c.problem(field, "is empty")
	case utf8.RuneCountInString(s) > MaxText:
		c.problem(field, "is %d characters long; at most %d are allowed", utf8.RuneCountInString(s), MaxText)
	case !utf8.ValidString(s) || strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0:
		c.problem(field, "contains a character that cannot be shown")
	case s != strings.TrimSpace(s):
		c.problem(field, "begins or ends with white space")
	}
}

func (c *checker) between(field string, d flags.Duration, low, high time.Duration) {
	if time.Duration(d) < low || time.Duration(d) > high {
		c.problem(field, "is %s; it must be from %s to %s",
			flags.FormatDuration(time.Duration(d)), flags.FormatDuration(low), flags.FormatDuration(high))
	}
}

func (c *checker) variants(p *flags.Plan, flag *FlagInfo) {
	c.variant("candidate", p.Candidate, flag)
	c.variant("control", p.Control, flag)
	if p.Candidate != "" && p.Candidate == p.Control {
		c.problem("control", "is %q, as the candidate is; compare two variants", clip(p.Control))
	}
	if flag != nil && flag.Disabled {
		c.problem("flag", "%q is disabled, so that it answers nobody; enable it first", clip(p.Flag))
	}
}

func (c *checker) variant(field, name string, flag *FlagInfo) {
	c.line(field, name, true)
	if flag != nil && name != "" && !slices.Contains(flag.Variants, name) {
		c.problem(field, "%q is no variant of the flag; allowed: %s", clip(name), strings.Join(flag.Variants, ", "))
	}
}

func (c *checker) cohort(rule json.RawMessage) {
	switch {
	case len(rule) == 0:
	case len(rule) > maxCohort:
		c.problem("cohort", "is %d bytes; at most %d are allowed", len(rule), maxCohort)
	case !json.Valid(rule):
		c.problem("cohort", "is not JSON")
	case rule[0] != '{' && string(rule) != "true":
		c.problem("cohort", `is not a targeting rule; want an object such as {"$ref": "COHORT"} or {"==": [{"var": "plan"}, "pro"]}`)
	}
}

func (c *checker) steps(steps []flags.PlanStep) {
	if len(steps) == 0 || len(steps) > MaxSteps {
		c.problem("steps", "has %d entries; a plan has 1 to %d steps", len(steps), MaxSteps)
		return
	}
	last := flags.Percent(0)
	for i, s := range steps {
		field := fmt.Sprintf("steps[%d]", i)
		switch {
		case s.Percent < 1 || s.Percent > flags.Whole:
			c.problem(field+".percent", "is %d; it is in hundredths of a percent, from 1 to %d", s.Percent, flags.Whole)
		case s.Percent <= last:
			c.problem(field+".percent", "is %s after %s; each step reaches more than the one before", percent(s.Percent), percent(last))
		}
		last = s.Percent
		c.between(field+".bake", s.Bake, minBake, maxBake)
		if s.MinUnits < 1 || s.MinUnits > maxUnits {
			c.problem(field+".min_units", "is %d; it must be from 1 to %d", s.MinUnits, maxUnits)
		}
	}
	if last != flags.Whole && last >= 1 && last < flags.Whole {
		c.problem(fmt.Sprintf("steps[%d].percent", len(steps)-1), "is %s; the last step is 100%%, so that completing widens nothing", percent(last))
	}
}

func (c *checker) guardrails(p *flags.Plan) {
	if len(p.Guardrails) == 0 || len(p.Guardrails) > MaxGuardrails {
		c.problem("guardrails", "has %d entries; a plan has 1 to %d guardrails", len(p.Guardrails), MaxGuardrails)
	}
	seen := map[flags.GuardMetric]bool{}
	for i := range p.Guardrails {
		g := &p.Guardrails[i]
		field := fmt.Sprintf("guardrails[%d]", i)
		c.guardrail(field, g)
		if seen[g.Metric] {
			c.problem(field+".metric", "%q is named twice; name each metric once", g.Metric)
		}
		seen[g.Metric] = true
		if (g.Metric == flags.GuardLate || g.Metric == flags.GuardConvergence) && p.LateAfter == 0 {
			c.problem(field+".metric", "%s counts against a promised time, and there is none; set late_after, or promise a time_to_visibility", g.Metric)
		}
	}
}

func (c *checker) guardrail(field string, g *flags.Guardrail) {
	if !slices.Contains(guardMetrics(), g.Metric) {
		c.problem(field+".metric", "%q is not known; allowed: %s", clip(string(g.Metric)), list(guardMetrics()))
	}
	if !(g.Margin > 0) || math.IsInf(g.Margin, 0) {
		c.problem(field+".margin", "is %v; it must be above 0: how much worse the candidate may be, in the metric's unit", g.Margin)
	}
	if share(g.Metric) && g.Margin >= 1 {
		c.problem(field+".margin", "is %v; for %s it is a share, below 1", g.Margin, g.Metric)
	}
	if !(g.Limit >= 0) || math.IsInf(g.Limit, 0) {
		c.problem(field+".limit", "is %v; it must be 0 (none) or above", g.Limit)
	}
	if !(g.Alpha >= 0 && g.Alpha < 1) {
		c.problem(field+".alpha", "is %v; it must be from 0 (a share of 0.05) to below 1", g.Alpha)
	}
	if g.Action != flags.GuardRevert && g.Action != flags.GuardHold {
		c.problem(field+".action", "%q is not known; allowed: %s, %s", clip(string(g.Action)), flags.GuardRevert, flags.GuardHold)
	}
	c.line(field+".from", g.From, false)
}

func guardMetrics() []flags.GuardMetric {
	return []flags.GuardMetric{
		flags.GuardLate, flags.GuardLag, flags.GuardLagP99, flags.GuardConvergence,
		flags.GuardConflicts, flags.GuardViolations, flags.GuardErrors, flags.GuardReplays,
	}
}

// share reports whether a metric is between 0 and 1; the others are seconds.
func share(m flags.GuardMetric) bool { return m != flags.GuardLag && m != flags.GuardLagP99 }

func (c *checker) freezes(ws []flags.FreezeWindow) {
	if len(ws) > MaxFreezes {
		c.problem("freeze", "has %d entries; at most %d are allowed", len(ws), MaxFreezes)
		return
	}
	for i, w := range ws {
		field := fmt.Sprintf("freeze[%d]", i)
		if w.From.IsZero() || w.Until.IsZero() || !w.From.Before(w.Until) {
			c.problem(field, "must have a time from, and a later one until")
		}
		c.line(field+".reason", w.Reason, false)
	}
}

func (c *checker) timing(p *flags.Plan) {
	if p.Deadline != 0 {
		c.between("deadline", p.Deadline, time.Second, maxBake)
	}
	if p.OnDeadline != flags.DeadlineHold && p.OnDeadline != flags.DeadlineRevert {
		c.problem("on_deadline", "%q is not known; allowed: %s, %s. A rollout never widens because time ran out",
			clip(string(p.OnDeadline)), flags.DeadlineHold, flags.DeadlineRevert)
	}
	c.between("no_data_after", p.NoData, minNoData, maxNoData)
	if p.LateAfter != 0 {
		c.between("late_after", p.LateAfter, time.Millisecond, maxLate)
	}
	switch {
	case p.NoPins && p.PinFor != 0:
		c.problem("pin_for", "is said together with no_pins; say one")
	case !p.NoPins:
		c.between("pin_for", p.PinFor, minPin, maxPin)
	}
}

// percent writes basis points as people do.
func percent(p flags.Percent) string {
	if p%100 == 0 {
		return fmt.Sprintf("%d%%", p/100)
	}
	return strings.TrimRight(fmt.Sprintf("%.2f", float64(p)/100), "0") + "%"
}

func list[T ~string](all []T) string {
	parts := make([]string, len(all))
	for i, a := range all {
		parts[i] = string(a)
	}
	return strings.Join(parts, ", ")
}

// clip shortens a value that is quoted in a problem.
func clip(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
