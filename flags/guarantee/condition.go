package guarantee

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tidemark/flags"
)

// Names of the alert rules that are not about burning.
const (
	RuleLimit   = "limit"   // backlog_age is over its limit
	RuleSilence = "silence" // an expected replica is silent
)

// ageHold is how long a write must be over its age before somebody is woken.
const ageHold = time.Minute

func objectiveConditions(g *flags.Guarantee, r *ObjectiveResult) []flags.AlertCondition {
	if r.SLI == flags.SLIBacklogAge {
		return []flags.AlertCondition{ageCondition(g, r)}
	}
	out := make([]flags.AlertCondition, 0, len(r.Burn))
	for i := range r.Burn {
		out = append(out, burnCondition(g, r, &r.Burn[i]))
	}
	return out
}

func condition(g *flags.Guarantee, objective, rule string, severity flags.Severity) flags.AlertCondition {
	return flags.AlertCondition{
		AlertKey: flags.AlertKey{Guarantee: g.Name, Objective: objective, Rule: rule},
		Feature:  g.Feature, Owner: g.Owner, Version: g.Version, Severity: severity,
	}
}

func burnCondition(g *flags.Guarantee, r *ObjectiveResult, b *BurnResult) flags.AlertCondition {
	c := condition(g, r.Key, b.Rule, b.Severity)
	c.Numbers = flags.AlertNumbers{
		Threshold: b.Factor, LongWindow: time.Duration(b.LongNS), ShortWindow: time.Duration(b.ShortNS),
		Good: r.Good, Eligible: r.Eligible,
	}
	if r.BudgetLeft != nil {
		c.Numbers.BudgetLeft = *r.BudgetLeft
	}
	if !b.known() || r.Verdict == VerdictUnknown {
		return c // not known: neither starts nor ends an alert
	}
	c.Known, c.Holds = true, b.Exceeded
	c.Numbers.Long, c.Numbers.Short = *b.Long, *b.Short
	c.Summary = fmt.Sprintf("%s burns its error budget %s times too fast over %s and %s over %s (limit %s): %s.",
		g.Feature, timesText(*b.Long), flags.SayDuration(time.Duration(b.LongNS)),
		timesText(*b.Short), flags.SayDuration(time.Duration(b.ShortNS)), timesText(b.Factor), r.Words)
	return c
}

func ageCondition(g *flags.Guarantee, r *ObjectiveResult) flags.AlertCondition {
	c := condition(g, r.Key, RuleLimit, flags.SeverityPage)
	c.Hold = ageHold
	c.Numbers.Threshold = float64(r.LimitNS)
	if r.AgeNS == nil {
		return c
	}
	c.Known, c.Holds = true, r.Verdict == VerdictBroken
	c.Numbers.Long = float64(*r.AgeNS)
	c.Summary = fmt.Sprintf("%s: %s", g.Feature, r.Why)
	return c
}

func silenceCondition(g *flags.Guarantee, r *Result, s *State, now time.Time) flags.AlertCondition {
	c := condition(g, "", RuleSilence, flags.SeverityTicket)
	c.Known = s.Heard // a feature that has not begun has nobody to be silent
	c.Holds = len(r.Silent) > 0
	if c.Holds {
		c.Summary = g.Feature + ": " + silenceWords(r.Silent, s, now)
	} else {
		c.Summary = g.Feature + ": every replica is heard."
	}
	c.Numbers.Threshold, c.Numbers.Long = 0, float64(len(r.Silent))
	return c
}

// keepPoints stores how far each objective got today, at most once a minute.
func (e *Evaluator) keepPoints(ctx context.Context, s *Snapshot) error {
	day := s.At.UTC().Format(time.DateOnly)
	if day == e.day && s.At.Sub(e.pointed) < time.Minute {
		return nil
	}
	var points []flags.AttainmentPoint
	for i := range s.Results {
		r := &s.Results[i]
		for j := range r.Objectives {
			o := &r.Objectives[j]
			points = append(points, flags.AttainmentPoint{
				Guarantee: r.Guarantee, Objective: o.Key, Day: day, Version: r.Version,
				Good: o.Good, Eligible: o.Eligible, Goal: o.Goal, Verdict: string(o.Verdict),
			})
		}
	}
	if len(points) > 0 {
		if err := e.opt.Store.PutAttainment(ctx, points); err != nil {
			return fmt.Errorf("keep attainment of %s: %w", day, err)
		}
	}
	e.day, e.pointed = day, s.At
	return nil
}

// Answer is the first line of a page about promises: how many are kept, and what
// the worst of them says.
func (s *Snapshot) Answer() string {
	if s.At.IsZero() {
		return "No promise has been judged yet."
	}
	if len(s.Results) == 0 {
		return "No promise is in force yet."
	}
	var parts []string
	for _, v := range []Verdict{VerdictBroken, VerdictAtRisk, VerdictUnknown, VerdictKept} {
		n := s.Count(v)
		switch {
		case n == 0:
		case n == len(s.Results):
			return all(n, v)
		case len(parts) == 0:
			parts = append(parts, fmt.Sprintf("%d %s %s %s", n, plural(n, "promise", "promises"), plural(n, "is", "are"), v))
		default:
			parts = append(parts, fmt.Sprintf("%d %s %s", n, plural(n, "is", "are"), v))
		}
	}
	last := len(parts) - 1
	return strings.Join(parts[:last], ", ") + " and " + parts[last] + "."
}

func all(n int, v Verdict) string {
	if n == 1 {
		return fmt.Sprintf("The one promise is %s.", v)
	}
	return fmt.Sprintf("All %d promises are %s.", n, v)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
