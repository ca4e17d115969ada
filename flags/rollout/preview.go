package rollout

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"tidemark/flags"
	"tidemark/flags/flagset"
)

// Preview says what a plan would do, without storing anything.
type Preview struct {
	Title string     `json:"title"`
	Plan  flags.Plan `json:"plan"` // complete
	Flag  FlagInfo   `json:"flag"`
	// CohortShare is the share of recent evaluations that the cohort holds; null when
	// that is not known or not told.
	CohortShare *float64 `json:"cohort_share"`
	// Units counts the different units that were seen lately, and over how long.
	Units     *int64        `json:"units"`
	UnitsOver time.Duration `json:"units_over_ns"`
	Steps     []PreviewStep `json:"steps"`
	// Takes is how long all steps need at that traffic, at least; null when it is not
	// known.
	Takes *time.Duration `json:"takes_ns"`
	// HeldBy names a rollout that holds the flag now.
	HeldBy string `json:"held_by,omitempty"`
	// Notes are things to know before it starts, in sentences.
	Notes []string `json:"notes"`

	untold string // why the cohort's share is not told; "" when it is told or not known
}

// PreviewStep is what one step does to units of the cohort. Shares are of the cohort,
// and sum to 1.
type PreviewStep struct {
	Step      int           `json:"step"`
	Percent   flags.Percent `json:"percent"`
	Candidate float64       `json:"candidate"`
	Control   float64       `json:"control"` // compared with
	Rest      float64       `json:"rest"`    // has the control, and is not compared
	MinUnits  int64         `json:"min_units"`
	Bake      time.Duration `json:"bake_ns"`
	// Gather is how long the units take to come; null when it is not known.
	Gather *time.Duration `json:"gather_ns"`
	// Takes is the longer of the two; null when it is not known.
	Takes *time.Duration `json:"takes_ns"`
}

// Preview completes and checks a plan, and says what it would do. Which share of the
// traffic a cohort holds, and how long its steps take then, is measured by the contexts of
// others: it is for who may control.
func (c *Controller) Preview(ctx context.Context, d Draft, control bool) (*Preview, error) {
	plan, err := c.check(ctx, &d)
	if err != nil {
		return nil, err
	}
	p := &Preview{Title: d.Title, Plan: plan, Notes: []string{}}
	if p.Flag, err = c.opt.Flags.Flag(plan.Flag); err != nil {
		return nil, fmt.Errorf("preview: %w", err)
	}
	if err := c.previewCohort(ctx, p, control); err != nil {
		return nil, err
	}
	if err := c.previewHeld(ctx, p); err != nil {
		return nil, err
	}
	arrivals, err := c.arrivals(ctx, p)
	if err != nil {
		return nil, err
	}
	p.steps(arrivals)
	p.notes()
	return p, nil
}

// previewCohort tells how much the cohort holds, or why that is not told.
func (c *Controller) previewCohort(ctx context.Context, p *Preview, control bool) error {
	switch {
	case len(p.Plan.Cohort) == 0:
		return nil
	case !control:
		p.untold = "that is told to who may control"
		return nil
	}
	share, few, err := c.opt.Flags.CohortShare(ctx, p.Plan.Cohort)
	switch {
	case errors.Is(err, flagset.ErrTrial), errors.Is(err, flagset.ErrTrials):
		few = err.Error() // The plan is good all the same.
	case err != nil:
		return fmt.Errorf("preview: %w", err)
	}
	p.CohortShare, p.untold = share, few
	return nil
}

func (c *Controller) previewHeld(ctx context.Context, p *Preview) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.read(ctx); err != nil {
		return err
	}
	p.HeldBy = c.heldBy(&flags.Rollout{Plan: p.Plan})
	return nil
}

func (c *Controller) arrivals(ctx context.Context, p *Preview) (*Arrivals, error) {
	if c.opt.Telemetry == nil {
		return nil, nil //nolint:nilnil // Not known is no error.
	}
	a, ok, err := c.opt.Telemetry.Units(ctx, p.Plan.Feature)
	if err != nil {
		return nil, fmt.Errorf("preview: units of feature %q: %w", p.Plan.Feature, err)
	}
	if !ok {
		return nil, nil //nolint:nilnil // Not known is no error.
	}
	n := int64(len(a.First))
	p.Units, p.UnitsOver = &n, a.Span
	return &a, nil
}

func (p *Preview) steps(a *Arrivals) {
	total := time.Duration(0)
	known := true
	for i, s := range p.Plan.Steps {
		ps := previewStep(i, s)
		if a != nil && p.untold == "" {
			ps.gather(a, p.CohortShare)
		}
		p.Steps = append(p.Steps, ps)
		if ps.Takes == nil {
			known = false
			continue
		}
		total = plus(total, *ps.Takes)
	}
	for _, ph := range p.Plan.Phases {
		total = plus(total, time.Duration(ph.Bake))
	}
	if known {
		p.Takes = &total
	}
}

func plus(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func previewStep(i int, s flags.PlanStep) PreviewStep {
	ps := PreviewStep{Step: i, Percent: s.Percent, MinUnits: s.MinUnits, Bake: time.Duration(s.Bake)}
	ps.Candidate = float64(s.Percent) / float64(flags.Whole)
	ps.Control = min(ps.Candidate, 1-ps.Candidate)
	ps.Rest = max(1-ps.Candidate-ps.Control, 0)
	return ps
}

// gather estimates how long the smaller arm takes to fill.
func (s *PreviewStep) gather(a *Arrivals, cohort *float64) {
	arm := s.Candidate
	if s.Control > 0 {
		arm = min(arm, s.Control)
	}
	if cohort != nil {
		arm *= *cohort
	}
	if arm <= 0 {
		return
	}
	d, ok := a.Until(float64(s.MinUnits) / arm)
	if !ok {
		return
	}
	takes := max(d, s.Bake)
	s.Gather, s.Takes = &d, &takes
}

// notes says what should be known before.
func (p *Preview) notes() {
	say := func(format string, args ...any) { p.Notes = append(p.Notes, fmt.Sprintf(format, args...)) }
	if p.HeldBy != "" {
		say("Flag %q is held by rollout %s; this one cannot start before that one has ended.", p.Plan.Flag, p.HeldBy)
	}
	if p.untold != "" {
		say("Which share of the traffic the cohort holds, and so how long its steps take, is not told: %s.", p.untold)
	}
	if p.Units == nil {
		say("No event of feature %q names a unit yet, so that the arms could not be compared: send the targeting key as unit, with flag and variant.", p.Plan.Feature)
	}
	if p.Flag.Default != p.Plan.Control {
		say("The flag answers %q by itself, and the control is %q: who is in the cohort gets the control from the start on.", p.Flag.Default, p.Plan.Control)
	}
	if len(p.Plan.Cohort) > 0 {
		say("Who is outside of the cohort gets what the flag itself says, during the rollout and after it.")
	} else if p.Plan.Completes == "" {
		say("Completing makes %q the flag's default, and takes its own targeting away.", p.Plan.Candidate)
	}
}

// Arrivals is when different units were first seen, over a stretch of recent traffic.
type Arrivals struct {
	Span  time.Duration
	First []time.Duration // since the beginning, rising: one a unit
}

// Until estimates how long it takes until so many different units were seen: as it
// was lately, and beyond that at the rate of new ones in the later half. It is not
// known when none came then.
func (a *Arrivals) Until(units float64) (d time.Duration, ok bool) {
	need := int(math.Ceil(units))
	if need <= len(a.First) {
		return a.First[max(need-1, 0)], len(a.First) > 0
	}
	fresh := 0
	for _, at := range a.First {
		if at > a.Span/2 {
			fresh++
		}
	}
	if fresh == 0 || a.Span <= 0 {
		return 0, false
	}
	perUnit := float64(a.Span) / 2 / float64(fresh)
	more := (units - float64(len(a.First))) * perUnit
	if more > float64(100*365*flags.Day) {
		return 0, false
	}
	return a.Span + time.Duration(more), true
}
