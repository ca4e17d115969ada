package ui

import (
	"strconv"

	"tidemark/flags"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
)

// guardTitle names what a guardrail compares.
func guardTitle(m flags.GuardMetric) string {
	switch m {
	case flags.GuardLate:
		return "Late writes"
	case flags.GuardLag:
		return "Mean time to visibility"
	case flags.GuardLagP99:
		return "p99 time to visibility"
	case flags.GuardConvergence:
		return "Writes visible everywhere"
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

// guardValue writes a value of a metric.
func guardValue(m flags.GuardMetric, v float64) string { return format.Measure(v, m.InSeconds()) }

// guardChange writes a difference, with its sign: shares in percentage points.
func guardChange(m flags.GuardMetric, v float64) string { return format.Change(v, m.InSeconds()) }

// outcomeStatus is an outcome as a word with a shape. That a check could not be made
// looks different from a check that failed.
func outcomeStatus(c *flags.Check) part.Status {
	switch c.Outcome {
	case flags.OutcomePass:
		return part.Status{Tone: part.Good, Text: "Within margin"}
	case flags.OutcomeFail:
		return part.Status{Tone: part.Bad, Text: "Broken"}
	case flags.OutcomeUnsure:
		return part.Status{Tone: part.Tide, Text: "Undecided"}
	case flags.OutcomeError:
		return part.Status{Tone: part.Warn, Text: "Not checked"}
	}
	if c.Candidate != nil {
		return part.Status{Tone: part.Neutral, Text: "Not compared"}
	}
	return part.Status{Tone: part.Neutral, Text: "No data"}
}

func guards(d *flags.Decision) []page.Guard {
	out := make([]page.Guard, 0, len(d.Checks))
	for i := range d.Checks {
		out = append(out, guardTile(i, &d.Checks[i]))
	}
	return out
}

func guardTile(i int, c *flags.Check) page.Guard {
	m := c.Guardrail.Metric
	g := page.Guard{
		ID: "guard-" + strconv.Itoa(i), Title: guardTitle(m), Status: outcomeStatus(c), Why: c.Why, Pairs: guardPairs(c),
	}
	switch c.Outcome {
	case flags.OutcomeFail:
		g.Class = "bad"
	case flags.OutcomeError:
		g.Class = "error"
	}
	if c.Difference != nil {
		g.Now.Text = guardChange(m, *c.Difference)
	} else if c.Candidate != nil {
		g.Now.Text = guardValue(m, *c.Candidate)
	}
	if c.Candidate != nil && c.Control != nil {
		g.Now.Under = guardValue(m, *c.Candidate) + " against " + guardValue(m, *c.Control)
	}
	g.Interval = guardInterval(c)
	return g
}

func guardInterval(c *flags.Check) part.Interval {
	m := c.Guardrail.Metric
	i := part.Interval{
		Point: c.Difference, Lower: c.Lower, Upper: c.Upper, Margin: c.Guardrail.Margin,
		Zero: "no difference", MarginText: "margin " + guardChange(m, c.Guardrail.Margin),
	}
	i.Label = guardTitle(m) + ", candidate worse than control by " + changeOr(m, c.Difference, "an unknown amount") +
		"; interval from " + changeOr(m, c.Lower, "no lower bound") + " to " + changeOr(m, c.Upper, "no upper bound") + "; " + i.MarginText
	return i
}

func changeOr(m flags.GuardMetric, v *float64, otherwise string) string {
	if v == nil {
		return otherwise
	}
	return guardChange(m, *v)
}

// guardPairs is a check in numbers.
func guardPairs(c *flags.Check) []page.Pair {
	m := c.Guardrail.Metric
	value := func(v *float64) part.Cell {
		if v == nil {
			return part.Cell{}
		}
		return part.Text(guardValue(m, *v))
	}
	change := func(v *float64) part.Cell {
		if v == nil {
			return part.Cell{}
		}
		return part.Text(guardChange(m, *v))
	}
	out := []page.Pair{
		{Name: "Candidate", Cell: value(c.Candidate)},
		{Name: "Control", Cell: value(c.Control)},
		{Name: "Worse by", Cell: change(c.Difference)},
		{Name: "Lower bound", Cell: change(c.Lower)},
		{Name: "Upper bound", Cell: change(c.Upper)},
		{Name: "Margin", Cell: part.Text(guardChange(m, c.Guardrail.Margin))},
	}
	if c.Guardrail.Limit > 0 {
		out = append(out, page.Pair{Name: "Limit", Cell: part.Text(guardValue(m, c.Guardrail.Limit))})
	}
	if c.LogE != nil {
		out = append(out, page.Pair{Name: "Evidence, ln e", Cell: part.Text(strconv.FormatFloat(*c.LogE, 'f', 2, 64))})
	}
	return append(out,
		page.Pair{Name: "α", Cell: part.Text(strconv.FormatFloat(c.Guardrail.Alpha, 'g', 3, 64))},
		page.Pair{Name: "Units", Cell: part.Text(format.Count(c.Samples))},
		page.Pair{Name: "Method", Cell: part.Text(c.Method)},
		page.Pair{Name: "When broken", Cell: part.Text(actionWord(c.Guardrail.Action))},
		page.Pair{Name: "From", Cell: part.Text(orElse(c.Guardrail.From, "the plan"))},
	)
}

func actionWord(a flags.GuardAction) string {
	if a == flags.GuardHold {
		return "the rollout holds"
	}
	return "the rollout reverts"
}

// guardNumbers is every guardrail in one table.
func guardNumbers(id string, d *flags.Decision) page.Section {
	s := page.Section{
		ID: "numbers", Title: "Guardrails in numbers", About: "Differences say how much worse the candidate is: below 0 it is better. Intervals hold at every look, however often somebody looks.",
		Get: part.Downloads{CSV: rolloutAPI(id) + "?format=csv", JSON: rolloutAPI(id)},
	}
	s.Table = part.Table{Caption: "Guardrails", Tight: true, Columns: []part.Column{
		{Head: "Guardrail"},
		{Head: "Outcome"},
		{Head: "Candidate", Num: true},
		{Head: "Control", Num: true},
		{Head: "Worse by", Num: true},
		{Head: "Lower", Num: true},
		{Head: "Upper", Num: true},
		{Head: "Margin", Num: true},
		{Head: "α", Num: true},
		{Head: "Units", Num: true},
		{Head: "Method"},
	}}
	for i := range d.Checks {
		c := &d.Checks[i]
		p := guardPairs(c)
		s.Table.Rows = append(s.Table.Rows, part.Row{Cells: []part.Cell{
			part.Text(guardTitle(c.Guardrail.Metric)),
			{Status: outcomeStatus(c)},
			p[0].Cell, p[1].Cell, p[2].Cell, p[3].Cell, p[4].Cell, p[5].Cell,
			part.Text(strconv.FormatFloat(c.Guardrail.Alpha, 'g', 3, 64)), part.Text(format.Count(c.Samples)),
			{Value: part.Value{Text: c.Method}, Class: "method"},
		}})
	}
	return s
}
