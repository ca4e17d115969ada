package ui

import (
	"strconv"
	"strings"
	"time"

	"tidemark/flags"
	"tidemark/flags/rollout"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
)

// preview is what a plan would do, in words and tables.
func preview(p *rollout.Preview) *page.RolloutPreview {
	out := &page.RolloutPreview{Who: previewWho(p), Steps: previewSteps(p), Guards: previewGuards(&p.Plan), Traffic: previewTraffic(p)}
	out.Head = format.Plural(int64(len(p.Steps)), "step", "steps") + ", each held until " + format.Plural(int64(len(p.Plan.Guardrails)), "guardrail allows", "guardrails allow") + " the next."
	if p.Takes != nil {
		out.Head += " At best it is through in " + about(*p.Takes) + "."
	}
	return out
}

func previewTraffic(p *rollout.Preview) string {
	if p.Units == nil {
		return "How long the sample of a step takes is not known: no unit was seen lately."
	}
	return "From recent traffic: " + format.Plural(*p.Units, "different unit", "different units") + " in " + format.Age(p.UnitsOver) + "."
}

func previewWho(p *rollout.Preview) []string {
	plan := &p.Plan
	who := "Who: " + cohortWords(plan.Cohort) + "."
	if p.CohortShare != nil {
		who += " Of recent evaluations that was " + format.Share(*p.CohortShare) + "."
	}
	out := []string{who}
	if len(p.Steps) > 0 {
		first := &p.Steps[0]
		out = append(out, "First, "+percent(first.Percent)+" get "+plan.Candidate+", and "+format.Target(first.Control)+" get "+plan.Control+" as their concurrent control; the rest are not compared.")
	}
	for i := range plan.Phases {
		if ph := &plan.Phases[i]; ph.Variant != "" {
			out = append(out, "Phase "+string(ph.Phase)+": everybody in the cohort gets "+phaseNeeds(ph)+".")
		}
	}
	if plan.NoPins {
		out = append(out, "Nobody is pinned: running sessions follow each change.")
	} else {
		out = append(out, "A running session keeps what it started with for up to "+chosen(plan.PinFor)+".")
	}
	if plan.Guarantee != "" {
		out = append(out, "It is bound to the promise "+plan.Guarantee+".")
	}
	out = append(out, "Without data for "+chosen(plan.NoData)+" it reverts.")
	return append(out, p.Notes...)
}

func previewSteps(p *rollout.Preview) part.Table {
	out := part.Table{Caption: "Steps of the plan", Columns: []part.Column{
		{Head: "Step"},
		{Head: "Candidate", Num: true},
		{Head: "Control", Num: true},
		{Head: "Not compared", Num: true},
		{Head: "Bake time", Num: true},
		{Head: "Units an arm", Num: true},
		{Head: "Sample takes", Num: true, Hint: "At today’s traffic"},
		{Head: "At least", Num: true},
	}}
	for i := range p.Steps {
		s := &p.Steps[i]
		out.Rows = append(out.Rows, part.Row{Cells: []part.Cell{
			part.Text("Step " + strconv.Itoa(i+1)), part.Text(percent(s.Percent)), part.Text(format.Target(s.Control)), part.Text(format.Target(s.Rest)),
			part.Text(format.Exact(s.Bake)), part.Text(format.Count(s.MinUnits)), maybe(s.Gather), maybe(s.Takes),
		}})
	}
	return out
}

func maybe(d *time.Duration) part.Cell {
	if d == nil {
		return part.Cell{}
	}
	return part.Text(about(*d))
}

// about writes a duration that is an estimate.
func about(d time.Duration) string {
	if d >= 400*flags.Day {
		return "over a year"
	}
	return format.Age(d)
}

func previewGuards(p *flags.Plan) part.Table {
	out := part.Table{Caption: "Guardrails of the plan", Columns: []part.Column{
		{Head: "Guardrail"}, {Head: "Margin", Num: true}, {Head: "Limit", Num: true}, {Head: "α", Num: true}, {Head: "When broken"}, {Head: "From"},
	}}
	for _, g := range p.Guardrails {
		limit, alpha := part.Text("none"), part.Text("its share of 0.05")
		if g.Limit > 0 {
			limit = part.Text(guardValue(g.Metric, g.Limit))
		}
		if g.Alpha > 0 {
			alpha = part.Text(strconv.FormatFloat(g.Alpha, 'g', 3, 64))
		}
		out.Rows = append(out.Rows, part.Row{Cells: []part.Cell{
			part.Text(guardTitle(g.Metric)), part.Text(guardChange(g.Metric, g.Margin)), limit, alpha,
			part.Text(strings.TrimPrefix(actionWord(g.Action), "the rollout ")), part.Text(orElse(g.From, "the plan")),
		}})
	}
	return out
}
