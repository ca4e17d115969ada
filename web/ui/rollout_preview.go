package ui

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidemark/flags"
	"tidemark/metrics/report"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
)

// traffic is how many units a second take part, as far as that is known.
type traffic struct {
	perSecond float64
	text      string
}

// trafficSpan is what “today’s traffic” is measured over.
const trafficSpan = time.Hour

// trafficOf takes the units that an earlier rollout of the feature met; else the
// writes of the last hour, of which units cannot be more.
func (u *UI) trafficOf(ctx context.Context, p *flags.Plan) (traffic, error) {
	now := u.o.Now()
	f, err := u.o.Report.Feature(ctx, report.Query{Feature: p.Feature, From: now.Add(-trafficSpan), To: now})
	if errors.Is(err, report.ErrQuery) {
		f, err = nil, nil
	}
	if err != nil {
		return traffic{}, err
	}
	if f == nil || f.Writes == 0 {
		return traffic{text: "There was no write of " + p.Feature + " in the last hour, so how long a step needs cannot be said."}, nil
	}
	t := traffic{perSecond: float64(f.Writes) / trafficSpan.Seconds()}
	t.text = "At the " + format.Rate(t.perSecond) + " of the last hour, if each write is of a unit of its own and everybody is in the cohort. A unit that writes again counts once, so these are the least."
	return t, nil
}

// preview says what a completed plan would do.
func (u *UI) preview(ctx context.Context, p *flags.Plan) (*page.RolloutPreview, error) {
	t, err := u.trafficOf(ctx, p)
	if err != nil {
		return nil, err
	}
	out := &page.RolloutPreview{Who: previewWho(p), Steps: previewSteps(p, t), Guards: previewGuards(p), Traffic: t.text}
	least := time.Duration(0)
	known := t.perSecond > 0
	for i := range p.Steps {
		least += max(time.Duration(p.Steps[i].Bake), stepTakes(&p.Steps[i], t))
	}
	out.Head = format.Plural(int64(len(p.Steps)), "step", "steps") + ", each held until " + format.Plural(int64(len(p.Guardrails)), "guardrail allows", "guardrails allow") + " the next."
	if known {
		out.Head += " At best it is through in " + format.Age(least) + "."
	}
	return out, nil
}

// stepTakes is how long both arms need for their units.
func stepTakes(s *flags.PlanStep, t traffic) time.Duration {
	// Candidate and control each get this share, as long as both fit.
	share := float64(min(s.Percent, flags.Whole-s.Percent)) / float64(flags.Whole)
	if s.Percent >= flags.Whole {
		share = 1 // There is no control to wait for.
	}
	if t.perSecond <= 0 || share <= 0 {
		return 0
	}
	seconds := float64(s.MinUnits) / (share * t.perSecond)
	if seconds > (400 * 24 * time.Hour).Seconds() {
		return 400 * 24 * time.Hour
	}
	return time.Duration(seconds * float64(time.Second))
}

func previewWho(p *flags.Plan) []string {
	out := []string{"Who: " + cohortWords(p.Cohort) + ". Outside of it the flag answers as it does now."}
	if len(p.Steps) > 0 {
		first := p.Steps[0].Percent
		out = append(out, "First, "+percent(first)+" get "+p.Candidate+" and "+percent(min(first, flags.Whole-first))+" get "+p.Control+" as their concurrent control; the rest keep what the flag says and are not compared.")
	}
	for i := range p.Phases {
		if ph := &p.Phases[i]; ph.Variant != "" {
			out = append(out, "Phase "+string(ph.Phase)+": everybody in the cohort gets "+phaseNeeds(ph)+".")
		}
	}
	if p.NoPins {
		out = append(out, "Nobody is pinned: running sessions follow each change.")
	} else {
		out = append(out, "A running session keeps what it started with for up to "+age(p.PinFor)+".")
	}
	if p.Guarantee != "" {
		out = append(out, "It is bound to the promise "+p.Guarantee+".")
	}
	return append(out, "Without data for "+age(p.NoData)+" it reverts.")
}

func previewSteps(p *flags.Plan, t traffic) part.Table {
	out := part.Table{Caption: "Steps", Cards: true, Columns: []part.Column{
		{Head: "Step"}, {Head: "Candidate", Num: true}, {Head: "Control", Num: true}, {Head: "Not compared", Num: true}, {Head: "Bake time", Num: true}, {Head: "Units an arm", Num: true}, {Head: "Sample takes", Num: true}, {Head: "At least", Num: true},
	}}
	for i := range p.Steps {
		s := &p.Steps[i]
		control := min(s.Percent, flags.Whole-s.Percent)
		takes, least := part.Cell{}, part.Text(age(s.Bake))
		if need := stepTakes(s, t); need > 0 {
			takes, least = part.Text(about(need)), part.Text(about(max(need, time.Duration(s.Bake))))
		}
		out.Rows = append(out.Rows, part.Row{Cells: []part.Cell{
			part.Text("Step " + strconv.Itoa(i+1)), part.Text(percent(s.Percent)), part.Text(percent(control)), part.Text(percent(flags.Whole - s.Percent - control)),
			part.Text(age(s.Bake)), part.Text(format.Count(s.MinUnits)), takes, least,
		}})
	}
	return out
}

func about(d time.Duration) string {
	if d >= 400*24*time.Hour {
		return "over a year"
	}
	return format.Age(d)
}

func previewGuards(p *flags.Plan) part.Table {
	out := part.Table{Caption: "Guardrails", Cards: true, Columns: []part.Column{{Head: "Guardrail"}, {Head: "Margin", Num: true}, {Head: "Limit", Num: true}, {Head: "α", Num: true}, {Head: "When broken"}, {Head: "From"}}}
	split := 0.0
	if n := slices.IndexFunc(p.Guardrails, func(g flags.Guardrail) bool { return g.Alpha == 0 }); n >= 0 {
		split = 0.05 / float64(len(p.Guardrails))
	}
	for _, g := range p.Guardrails {
		limit, alpha := part.Text("none"), g.Alpha
		if g.Limit > 0 {
			limit = part.Text(guardValue(g.Metric, g.Limit))
		}
		if alpha == 0 {
			alpha = split
		}
		out.Rows = append(out.Rows, part.Row{Cells: []part.Cell{
			part.Text(guardTitle(g.Metric)), part.Text(guardChange(g.Metric, g.Margin)), limit, part.Text(strconv.FormatFloat(alpha, 'g', 3, 64)),
			part.Text(strings.TrimPrefix(actionWord(g.Action), "the rollout ")), part.Text(orElse(g.From, "the plan")),
		}})
	}
	return out
}
