package guarantee

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidemark/flags"
	"tidemark/metrics"
)

// Thresholds of "at risk".
const (
	lowBudget = 0.25           // share of the error budget left
	fastBurn  = 24 * time.Hour // the budget would be gone sooner than this
)

// silentFor lists the expected replicas whose silence makes an objective unknown.
func silentFor(o *flags.Objective, s *State) []string {
	switch o.SLI {
	case flags.SLITimeToVisibility, flags.SLIConvergence, flags.SLIBacklogAge:
	default:
		return nil // counted where it happens: a silent replica adds nothing
	}
	var silent []string
	expected := 0
	for _, r := range s.Replicas {
		if !r.Expected || (o.Scope == metrics.ScopeReplica && r.Name != o.Replica) {
			continue
		}
		expected++
		if r.Silent {
			silent = append(silent, r.Name)
		}
	}
	if o.Scope == metrics.ScopeFirst && len(silent) < expected {
		return nil // another one may be the first
	}
	return silent
}

// judge gives the verdict on an objective that counts.
func (r *ObjectiveResult) judge(o *flags.Objective, silent []string, s *State, now time.Time) {
	switch {
	case !s.Heard:
		r.Verdict, r.Why = VerdictUnknown, "No event of this feature has been heard yet."
	case len(silent) > 0 && r.spentFor(o, silent, s):
		r.Verdict, r.Why = VerdictBroken, r.counted(o)+"; the error budget is spent. "+silenceWords(silent, s, now)
	case len(silent) > 0:
		r.Verdict, r.Why = VerdictUnknown, silenceWords(silent, s, now)
	case r.Eligible == 0:
		r.Verdict, r.Why = VerdictUnknown, fmt.Sprintf("Nothing in the last %s can be judged yet.", flags.SayDuration(o.Window))
	case *r.BudgetLeft < 0:
		r.Verdict, r.Why = VerdictBroken, r.counted(o)+"; the error budget is spent."
	default:
		r.judgeRisk(o)
	}
}

// spentFor reports whether the budget is spent even if every write that waits at a
// silent replica had arrived in time: silence cannot make a broken promise unknown.
func (r *ObjectiveResult) spentFor(o *flags.Objective, silent []string, s *State) bool {
	bad := r.Eligible - r.Good
	for _, rep := range s.Replicas {
		if slices.Contains(silent, rep.Name) {
			bad -= rep.Backlog
		}
	}
	left, ok := budgetLeft(Count{max(0, bad), r.Eligible}, allowed(o))
	return ok && left < 0
}

func (r *ObjectiveResult) judgeRisk(o *flags.Objective) {
	left := percentShort(*r.BudgetLeft)
	for _, b := range r.Burn {
		if b.Exceeded {
			r.Verdict = VerdictAtRisk
			r.Why = fmt.Sprintf("%s, but the error budget burns %s times too fast over %s; %s of it is left.",
				r.counted(o), timesText(*b.Long), flags.SayDuration(time.Duration(b.LongNS)), left)
			return
		}
	}
	switch {
	case r.ExhaustedInNS != nil && time.Duration(*r.ExhaustedInNS) < min(fastBurn, o.Window/4):
		r.Verdict = VerdictAtRisk
		r.Why = fmt.Sprintf("%s, but at the rate of the last hour the error budget is gone in %s.", r.counted(o), roughly(time.Duration(*r.ExhaustedInNS)))
	case *r.BudgetLeft < lowBudget:
		r.Verdict, r.Why = VerdictAtRisk, fmt.Sprintf("%s, but only %s of the error budget is left.", r.counted(o), left)
	default:
		r.Verdict, r.Why = VerdictKept, fmt.Sprintf("%s; %s of the error budget is left.", r.counted(o), left)
	}
}

// counted is the beginning of a sentence about what was counted.
func (r *ObjectiveResult) counted(o *flags.Objective) string {
	bad := r.Eligible - r.Good
	switch o.SLI {
	case flags.SLITimeToVisibility:
		return fmt.Sprintf("%s of %s writes were visible %s within %s (promised: %s)", percentOf(r.Good, r.Eligible, r.Goal), grouped(r.Eligible), where(o), flags.SayDuration(time.Duration(o.Value)), percent(o.Target))
	case flags.SLIConvergence:
		return fmt.Sprintf("%s of %s writes reached every replica within %s (promised: %s)", percentOf(r.Good, r.Eligible, r.Goal), grouped(r.Eligible), flags.SayDuration(o.Within), percent(o.Value))
	case flags.SLIStaleness:
		return fmt.Sprintf("%s of %s reads were at most %s behind (promised: %s)", percentOf(r.Good, r.Eligible, r.Goal), grouped(r.Eligible), flags.SayDuration(time.Duration(o.Value)), percent(o.Target))
	case flags.SLIViolationRate:
		return fmt.Sprintf("%s of %s checkable operations broke %s (allowed: %s)", grouped(bad), grouped(r.Eligible), sessionWords(o.Of), percent(o.Value))
	case flags.SLIConflictRate:
		return fmt.Sprintf("%s conflicts in %s writes (allowed: %s)", grouped(bad), grouped(r.Eligible), percent(o.Value))
	}
	return fmt.Sprintf("%s of %s deliveries were replays (allowed: %s)", grouped(bad), grouped(r.Eligible), percent(o.Value))
}

// judgeAge gives the verdict on the age of the oldest write that waits.
func (r *ObjectiveResult) judgeAge(o *flags.Objective, silent []string, s *State, now time.Time) {
	switch {
	case !s.Heard:
		r.Verdict, r.Why = VerdictUnknown, "No event of this feature has been heard yet."
		return
	case len(silent) > 0:
		r.Verdict, r.Why = VerdictUnknown, silenceWords(silent, s, now)
		return
	}
	age, at := oldest(o, s)
	limit := time.Duration(o.Value)
	ns := int64(age)
	r.AgeNS = &ns
	switch {
	case at == "":
		r.Verdict, r.Why = VerdictKept, "No write waits."
	case age > limit:
		r.Verdict, r.Why = VerdictBroken, fmt.Sprintf("A write has waited %s at %s (allowed: %s).", roughly(age), at, flags.SayDuration(limit))
	case age > limit*3/4:
		r.Verdict, r.Why = VerdictAtRisk, fmt.Sprintf("A write has waited %s at %s, close to the %s allowed.", roughly(age), at, flags.SayDuration(limit))
	default:
		r.Verdict, r.Why = VerdictKept, fmt.Sprintf("The oldest write that waits has waited %s at %s (allowed: %s).", roughly(age), at, flags.SayDuration(limit))
	}
}

func oldest(o *flags.Objective, s *State) (age time.Duration, at string) {
	for _, r := range s.Replicas {
		inScope := r.Expected && (o.Scope != metrics.ScopeReplica || r.Name == o.Replica)
		if inScope && r.Backlog > 0 && (at == "" || r.Age > age) {
			age, at = r.Age, r.Name
		}
	}
	return age, at
}

func silenceWords(silent []string, s *State, now time.Time) string {
	if len(silent) > 1 {
		return fmt.Sprintf("Replicas %s are silent: what they hold is unknown.", strings.Join(silent, ", "))
	}
	for _, r := range s.Replicas {
		if r.Name == silent[0] && !r.Last.IsZero() {
			return fmt.Sprintf("Replica %s has been silent since %s: what it holds is unknown.", r.Name, clock(r.Last, now))
		}
	}
	return fmt.Sprintf("Replica %s has never been heard: what it holds is unknown.", silent[0])
}

// clock is a time to the second, of today, else with its day. How long ago it was differs
// from what is read beside it, which may be judged at another moment.
func clock(at, now time.Time) string {
	at, now = at.UTC(), now.UTC()
	if at.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return at.Format("15:04:05 UTC")
	}
	return at.Format("2 Jan 15:04:05 UTC")
}

// sum gives the verdict on a guarantee: that of its worst objective.
func (r *Result) sum() {
	r.Verdict, r.Why = VerdictUnknown, "It has no objective."
	for i := range r.Objectives {
		o := &r.Objectives[i]
		if i == 0 || o.Verdict.rank() < r.Verdict.rank() {
			r.Verdict, r.Why = o.Verdict, o.Why
		}
	}
}

// percentOf writes a share with as many digits as it takes to tell it from 100 %
// and from what was promised, at most 6.
func percentOf(good, all int64, goal float64) string {
	share := float64(good) / float64(all) * 100
	text := ""
	for digits := 1; digits <= 6; digits++ {
		text = fmt.Sprintf("%.*f", digits, share)
		perfect := good < all && strings.HasPrefix(text, "100")
		promised := math.Abs(share-goal*100) > slack && text == fmt.Sprintf("%.*f", digits, goal*100)
		if !perfect && !promised {
			break
		}
	}
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + "%"
}

// grouped writes a count as pages do: 28,253.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func percentShort(share float64) string { return fmt.Sprintf("%.0f%%", share*100) }

func timesText(rate float64) string {
	if rate >= noBudget {
		return "infinitely many"
	}
	return fmt.Sprintf("%.1f", rate)
}

// roughly writes a duration to a person: two units at most.
func roughly(d time.Duration) string {
	unit := time.Minute
	switch {
	case d < time.Second:
		unit = time.Millisecond
	case d < time.Minute:
		unit = 100 * time.Millisecond
	case d < time.Hour:
		unit = time.Second
	case d >= 2*flags.Day:
		unit = time.Hour
	}
	return flags.SayDuration(d.Round(unit))
}
