package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"tidemark/flags"
)

// PlanFlags is the catalogue of flags as far as a plan is checked against it; see Flags.
type PlanFlags interface {
	Flag(key string) (FlagInfo, error)
	CheckCohort(rule json.RawMessage) error
}

// PlanPromises is the catalogue of guarantees as far as a plan is checked against it;
// see Promises.
type PlanPromises interface {
	Guarantee(ctx context.Context, name, feature string) (*flags.Guarantee, error)
	HasVersion(ctx context.Context, name, version string) error
}

// PlanWebhooks is what a plan is checked against where it names a webhook.
type PlanWebhooks interface {
	// Askable says why a webhook cannot be asked; nil when it can.
	Askable(ctx context.Context, webhook string) error
}

// planChecker completes plans and says everything that is wrong with them.
type planChecker struct {
	flags    PlanFlags
	promises PlanPromises // nil when there are none
	webhooks PlanWebhooks // nil when they are not known
}

func (k planChecker) check(ctx context.Context, d *Draft) (flags.Plan, error) {
	var ps []flags.Problem
	if d.Title == "" {
		d.Title = d.Plan.Flag + ": " + d.Plan.Candidate
	}
	c := &checker{}
	c.line("title", d.Title, true)
	ps = append(ps, c.problems...)
	g, err := k.guarantee(ctx, &d.Plan)
	if err != nil {
		return d.Plan, err
	}
	if d.Plan.Guarantee != "" && g == nil {
		ps = append(ps, flags.Problem{Field: "guarantee", Message: fmt.Sprintf("there is no guarantee %q", clip(d.Plan.Guarantee))})
	}
	plan := Complete(d.Plan, g)
	ps = append(ps, k.checkFlag(&plan)...)
	more, err := k.checkWebhooks(ctx, &plan)
	if err != nil {
		return plan, err
	}
	ps = append(ps, more...)
	if len(ps) == 0 && plan.Completes != "" && k.promises != nil {
		if err := k.promises.HasVersion(ctx, plan.Guarantee, plan.Completes); err != nil {
			ps = append(ps, flags.Problem{Field: "completes", Message: err.Error()})
		}
	}
	return plan, flags.AsProblems(ps)
}

func (k planChecker) guarantee(ctx context.Context, p *flags.Plan) (*flags.Guarantee, error) {
	if k.promises == nil {
		return nil, nil //nolint:nilnil // Nothing is promised.
	}
	g, err := k.promises.Guarantee(ctx, p.Guarantee, p.Feature)
	if err != nil {
		return nil, fmt.Errorf("guarantee of feature %q: %w", p.Feature, err)
	}
	return g, nil
}

// checkWebhooks checks that the webhooks of the phases can be asked.
func (k planChecker) checkWebhooks(ctx context.Context, p *flags.Plan) (ps []flags.Problem, err error) {
	if k.webhooks == nil {
		return nil, nil
	}
	for i := range p.Phases {
		id := p.Phases[i].Webhook
		if id == "" {
			continue
		}
		switch err := k.webhooks.Askable(ctx, id); {
		case errors.Is(err, flags.ErrNotFound), errors.Is(err, flags.ErrRefused):
			ps = append(ps, flags.Problem{Field: fmt.Sprintf("phases[%d].webhook", i), Message: err.Error()})
		case err != nil:
			return nil, err
		}
	}
	return ps, nil
}

func (k planChecker) checkFlag(p *flags.Plan) []flags.Problem {
	info, err := k.flags.Flag(p.Flag)
	if err != nil {
		message := fmt.Sprintf("there is no flag %q", clip(p.Flag))
		if !errors.Is(err, flags.ErrNotFound) {
			message = err.Error()
		}
		ps := Validate(p, nil)
		if p.Flag != "" {
			ps = append(ps, flags.Problem{Field: "flag", Message: message})
		}
		return ps
	}
	ps := Validate(p, &info)
	if len(p.Cohort) > 0 {
		if err := k.flags.CheckCohort(p.Cohort); err != nil {
			ps = append(ps, flags.Problem{Field: "cohort", Message: err.Error()})
		}
	}
	return ps
}
