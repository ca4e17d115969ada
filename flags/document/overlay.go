package document

import (
	"context"
	"encoding/json"

	"tidemark/flags"
	"tidemark/flags/rollout"
)

// newFlags are the flags as they will be, which plans of the same batch must fit to.
type newFlags struct {
	c *Catalogue
	b *Batch
}

// Flag implements rollout.PlanFlags.
func (f *newFlags) Flag(key string) (rollout.FlagInfo, error) {
	for i := range f.b.Edits {
		if e := &f.b.Edits[i]; e.ID.Kind == flags.KindFlag && e.ID.Name == key {
			return rollout.DescribeFlag(key, e.Content)
		}
	}
	return rollout.FromFlagset(f.c.opt.Flags).Flag(key)
}

// CheckCohort implements rollout.PlanFlags.
func (f *newFlags) CheckCohort(rule json.RawMessage) error {
	return f.c.opt.Flags.CheckCohort("rollout-plan", rule, f.b.Edits...)
}

// newPromises are the guarantees as they will be.
type newPromises struct {
	c *Catalogue
	b *Batch
}

// Guarantee implements rollout.PlanPromises.
func (p *newPromises) Guarantee(ctx context.Context, name, feature string) (*flags.Guarantee, error) {
	for i := range p.b.Promises {
		g := p.b.Promises[i].Guarantee
		switch {
		case g == nil:
		case name != "" && g.Name == name, name == "" && g.Feature == feature && g.Status == flags.StatusActive:
			return g, nil
		}
	}
	return rollout.FromGuarantees(p.c.opt.Promises).Guarantee(ctx, name, feature)
}

// HasVersion implements rollout.PlanPromises.
func (p *newPromises) HasVersion(ctx context.Context, name, version string) error {
	for i := range p.b.Promises {
		if g := p.b.Promises[i].Guarantee; g != nil && g.Name == name && g.Version == version {
			return nil
		}
	}
	return rollout.FromGuarantees(p.c.opt.Promises).HasVersion(ctx, name, version)
}
