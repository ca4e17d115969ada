package guarantee

import (
	"math"
	"time"

	"tidemark/flags"
)

// BurnRule fires while the error budget burns faster than Factor over both of its
// windows: the long one says that it matters, the short one that it still goes on.
type BurnRule struct {
	Name     string
	Severity flags.Severity
	Factor   float64
	Long     time.Duration
	Short    time.Duration
}

// BurnRules is the multiwindow rule, most urgent first.
func BurnRules() []BurnRule {
	return []BurnRule{
		{"burn-fast", flags.SeverityPage, 14.4, time.Hour, 5 * time.Minute},
		{"burn-slow", flags.SeverityPage, 6, 6 * time.Hour, 30 * time.Minute},
		{"burn-steady", flags.SeverityTicket, 1, 72 * time.Hour, 6 * time.Hour},
	}
}

// noBudget stands for a burn rate when nothing is allowed to go wrong and
// something did.
const noBudget = 1e6

// slack absorbs rounding where a count stands exactly at its limit.
const slack = 1e-9

// allowed is the share of eligible events that may be bad.
func allowed(o *flags.Objective) float64 {
	switch {
	case o.IsDuration():
		return 1 - o.Target
	case o.Op == flags.OpGTE:
		return 1 - o.Value
	}
	return o.Value
}

// burnRate is (bad ÷ eligible) ÷ allowed; ok is false when nothing is eligible.
func burnRate(c Count, allowed float64) (rate float64, ok bool) {
	switch {
	case c.Eligible <= 0:
		return 0, false
	case c.Bad <= 0:
		return 0, true
	case allowed <= 0:
		return noBudget, true
	}
	return math.Min(float64(c.Bad)/float64(c.Eligible)/allowed, noBudget), true
}

// budgetLeft is the share of the error budget that is left: 1 when nothing went
// wrong, 0 when all that was allowed did, below 0 when more did.
func budgetLeft(c Count, allowed float64) (left float64, ok bool) {
	spent, ok := burnRate(c, allowed)
	left = 1 - spent
	if math.Abs(left) < slack {
		left = 0
	}
	return left, ok
}

// exhaustion is how long the budget lasts at a burn rate: left × window ÷ rate. ok
// is false when it is gone, or lasts for ever, as at any rate up to 1: then no more
// goes wrong than the window forgets.
func exhaustion(left, rate float64, window time.Duration) (d time.Duration, ok bool) {
	if left <= 0 || rate <= 1 {
		return 0, false
	}
	s := left * window.Seconds() / rate
	if s > float64(math.MaxInt64)/float64(time.Second) {
		return 0, false
	}
	return time.Duration(s * float64(time.Second)), true
}
