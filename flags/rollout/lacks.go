package rollout

import (
	"fmt"
	"strings"
	"time"

	"tidemark/flags"
)

// lacks says in a sentence what is missing before the step has passed; "" when
// nothing is. What is worst comes first.
func (t *turn) lacks(d *flags.Decision) string {
	if d.SRM != nil && d.SRM.Mismatch {
		return fmt.Sprintf("The arms do not have the share of units that they should (%d and %d, p = %.2g): something decides who is counted, so that they cannot be compared.",
			d.SRM.Candidate, d.SRM.Control, d.SRM.P)
	}
	for _, o := range []flags.Outcome{flags.OutcomeFail, flags.OutcomeError} {
		if c := t.find(d, o); c != nil {
			return guardWords(c)
		}
	}
	if needs := t.needs(d); len(needs) > 0 {
		return "Needs " + strings.Join(needs, " and ") + "." + t.unfollowed(d)
	}
	for _, o := range []flags.Outcome{flags.OutcomeUnknown, flags.OutcomeUnsure} {
		if c := t.find(d, o); c != nil {
			return guardWords(c)
		}
	}
	return ""
}

// find returns the first check with an outcome. At 100 % nobody is left to compare
// with, so that only what is broken or cannot be checked counts there.
func (t *turn) find(d *flags.Decision, o flags.Outcome) *flags.Check {
	alone := t.r.Percent == flags.Whole && (o == flags.OutcomeUnknown || o == flags.OutcomeUnsure)
	for i := range d.Checks {
		if d.Checks[i].Outcome == o && !alone {
			return &d.Checks[i]
		}
	}
	return nil
}

// needs lists what has to come with time: units of each arm, and baking.
func (t *turn) needs(d *flags.Decision) []string {
	var out []string
	candidate, control := t.short(d)
	switch {
	case candidate > 0 && control > 0:
		out = append(out, count(candidate, "more unit")+" in candidate", thousands(control)+" in control")
	case candidate > 0:
		out = append(out, count(candidate, "more unit")+" in candidate")
	case control > 0:
		out = append(out, count(control, "more unit")+" in control")
	}
	if left := d.Bake - d.Baked; left > 0 {
		out = append(out, wait(left)+" more with traffic")
	}
	return out
}

// unfollowed says that there were units that cannot make up for those that are missing.
func (t *turn) unfollowed(d *flags.Decision) string {
	candidate, control := t.short(d)
	if ev := t.in.Evidence; ev == nil || ev.Overflow == 0 || candidate+control == 0 {
		return ""
	}
	return " Units beyond the limit were not followed."
}

// short is how many units each arm lacks. At 100 % nobody is in control.
func (t *turn) short(d *flags.Decision) (candidate, control int64) {
	candidate = max(d.NeedUnits-d.CandidateUnits, 0)
	if t.r.Percent != flags.Whole {
		control = max(d.NeedUnits-d.ControlUnits, 0)
	}
	return candidate, control
}

// sample says how much the decision stands on.
func (t *turn) sample(d *flags.Decision) string {
	if !t.r.Stepped() {
		return ""
	}
	if t.alone() {
		return fmt.Sprintf(" with %s units after %s", thousands(d.CandidateUnits), span(d.Baked))
	}
	return fmt.Sprintf(" with %s and %s units after %s", thousands(d.CandidateUnits), thousands(d.ControlUnits), span(d.Baked))
}

// alone reports whether everybody has the candidate.
func (t *turn) alone() bool { return t.r.Stepped() && t.r.Percent == flags.Whole }

// guardWords is what a guardrail says, with its name.
func guardWords(c *flags.Check) string {
	why := c.Why
	if why == "" {
		why = "the outcome is " + string(c.Outcome)
	}
	return sentence(metricWords(c.Guardrail.Metric) + ": " + why)
}

// metricWords names a metric for people.
func metricWords(m flags.GuardMetric) string {
	switch m {
	case flags.GuardLate:
		return "Late writes"
	case flags.GuardLag:
		return "Mean time to visibility"
	case flags.GuardLagP99:
		return "99th percentile of time to visibility"
	case flags.GuardConvergence:
		return "Convergence"
	case flags.GuardConflicts:
		return "Conflicts"
	case flags.GuardViolations:
		return "Session violations"
	case flags.GuardErrors:
		return "Errors"
	case flags.GuardReplays:
		return "Replays"
	}
	return string(m)
}

func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}

func trimDot(s string) string { return strings.TrimSuffix(s, ".") }

// because ends a sentence with a reason, where there is one.
func because(reason string) string {
	if reason == "" {
		return "."
	}
	return sentence(": " + reason)
}

func join(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// count is a number with its noun.
func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}

// thousands writes a number with commas.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// span writes a duration to the second, or finer below one: 1 h 30 min, 45 s.
func span(d time.Duration) string {
	if d < time.Second {
		return flags.SayDuration(d.Round(time.Millisecond))
	}
	return flags.SayDuration(d.Round(time.Second))
}

// wait writes what is left of a time: in whole seconds, and never as none.
func wait(left time.Duration) string { return span(max(left.Round(time.Second), time.Second)) }

// stamp writes a time as people read it, in UTC.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
