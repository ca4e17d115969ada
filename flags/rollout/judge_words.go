package rollout

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"tidemark/flags"
)

// conclude says what the numbers mean. A limit that is surely broken, or a candidate
// that is surely worse, fails; a candidate that is surely not worse by the margin
// passes; between them more units are needed.
func (j *judgement) conclude() {
	c := &j.check
	g := &c.Guardrail
	switch {
	case c.Candidate == nil:
		c.Outcome, c.Why = flags.OutcomeUnknown, j.nothing()
		return
	case j.pastOne:
		c.Outcome = flags.OutcomeFail
		c.Why = j.arms() + ": surely beyond its limit of " + j.quantity(g.Limit)
	case c.Control == nil:
		j.alone()
	case c.Lower != nil && *c.Lower > 0:
		c.Outcome = flags.OutcomeFail
		c.Why = j.arms() + ": surely worse, by at least " + j.amount(*c.Lower)
	case c.Upper == nil:
		c.Outcome = flags.OutcomeUnsure
		c.Why = j.arms() + ": too few units to say how far that may be off"
	case *c.Upper >= g.Margin:
		c.Outcome = flags.OutcomeUnsure
		c.Why = j.arms() + ": it may be worse by up to " + j.amount(*c.Upper) + ", and the margin is " + j.amount(g.Margin)
	case j.beyond():
		c.Outcome = flags.OutcomeUnsure
		c.Why = j.arms() + ": beyond its limit of " + j.quantity(g.Limit) + ", though not surely"
	case *c.Upper < 0:
		c.Outcome = flags.OutcomePass
		c.Why = j.arms() + ": surely better, by at least " + j.amount(-*c.Upper)
	default:
		c.Outcome = flags.OutcomePass
		c.Why = j.arms() + ": worse by " + j.amount(*c.Upper) + " at most, within the margin of " + j.amount(g.Margin)
	}
	c.Why += j.basis()
}

// alone judges a candidate that nobody is left to compare with.
func (j *judgement) alone() {
	c := &j.check
	switch {
	case candidateShare(j.percent()) < 1:
		c.Outcome = flags.OutcomeUnknown
		c.Why = j.arms() + ": nothing is known of the control yet"
	case c.Guardrail.Limit == 0:
		c.Outcome = flags.OutcomeUnknown
		c.Why = j.arms() + ": no control is left to compare it with"
	case j.beyond():
		c.Outcome = flags.OutcomeUnsure
		c.Why = j.arms() + ": beyond its limit of " + j.quantity(c.Guardrail.Limit) + ", though not surely"
	default:
		c.Outcome = flags.OutcomePass
		c.Why = j.arms() + ": within its limit of " + j.quantity(c.Guardrail.Limit) + "; no control is left to compare it with"
	}
}

// beyond reports whether the candidate's value, as it is, is beyond its limit.
func (j *judgement) beyond() bool {
	g := &j.check.Guardrail
	if g.Limit == 0 {
		return false
	}
	if g.Metric == flags.GuardConvergence {
		return *j.check.Candidate < g.Limit
	}
	return *j.check.Candidate > g.Limit
}

// nothing says why there is no data.
func (j *judgement) nothing() string {
	if j.now.Candidate.Units == 0 && j.now.Control.Units == 0 {
		return "no unit of either arm has written or read in this step yet."
	}
	switch j.check.Guardrail.Metric {
	case flags.GuardLate, flags.GuardConvergence:
		return "no write of the candidate is old enough to tell, or no time to visibility is promised."
	case flags.GuardViolations:
		return "no read of both arms could be checked yet."
	case flags.GuardLag, flags.GuardLagP99:
		return "no write of the candidate is visible at every expected replica yet."
	}
	return "no write of both arms is known yet."
}

// arms are the values that are compared.
func (j *judgement) arms() string {
	c := &j.check
	s := j.quantity(*c.Candidate) + j.subject() + " with the candidate"
	if c.Control != nil {
		s += " against " + j.quantity(*c.Control) + " with the control"
	}
	return s
}

// subject says what a share is a share of, where that is not plain.
func (j *judgement) subject() string {
	switch j.check.Guardrail.Metric {
	case flags.GuardConflicts, flags.GuardViolations, flags.GuardErrors, flags.GuardReplays:
		return " of units"
	}
	return ""
}

// basis is what the comparison stands on: units, and how much of the traffic names one.
func (j *judgement) basis() string {
	s := fmt.Sprintf(" (%s and %s units", thousands(j.units[0]), thousands(j.units[1]))
	if j.ev.NoUnit > 0 { // Else every write names one, which goes without saying.
		s += "; " + share3(float64(j.ev.Writes-j.ev.NoUnit)/float64(j.ev.Writes)) + " of the flag's writes name one"
	}
	return s + ")."
}

func (j *judgement) inSeconds() bool { return j.check.Guardrail.Metric.InSeconds() }

// quantity writes a value in the metric's unit.
func (j *judgement) quantity(v float64) string {
	if j.inSeconds() {
		return lag3(v)
	}
	return share3(v)
}

// amount writes a difference: shares in percentage points.
func (j *judgement) amount(v float64) string {
	if j.inSeconds() {
		return lag3(v)
	}
	return digits(100*v) + " points"
}

func share3(v float64) string { return digits(100*v) + "%" }

// lag3 writes seconds as a duration of three digits.
func lag3(seconds float64) string {
	d := time.Duration(seconds * 1e9)
	unit := time.Duration(1)
	for limit := d.Abs(); limit >= 1000*unit; {
		unit *= 10
	}
	return flags.SayDuration(d.Round(unit))
}

// digits writes a number with two or three digits that count.
func digits(v float64) string {
	if v == 0 {
		return "0"
	}
	decimals := max(1-int(math.Floor(math.Log10(math.Abs(v)))), 0)
	return strconv.FormatFloat(v, 'f', min(decimals, 6), 64)
}
