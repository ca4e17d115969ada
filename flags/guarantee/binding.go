package guarantee

import (
	"context"

	"tidemark/flags"
)

// Binding is an active guarantee that names a reconciliation rule.
type Binding struct {
	Guarantee string `json:"guarantee"`
	Version   string `json:"version"` // of the guarantee
	Feature   string `json:"feature"`
	Owner     string `json:"owner"`
	Rule      string `json:"rule"`
	RuleAt    int    `json:"rule_version"`
}

// Bindings returns which rules the active guarantees name, ordered by guarantee.
func (c *Catalogue) Bindings(ctx context.Context) ([]Binding, error) {
	all, err := c.Current(ctx)
	if err != nil {
		return nil, err
	}
	out := []Binding{}
	for i := range all {
		g := all[i].Document.Guarantee
		if g == nil || g.Status != flags.StatusActive || g.Reconciliation == nil || g.Reconciliation.Rule == "" {
			continue
		}
		out = append(out, Binding{g.Name, g.Version, g.Feature, g.Owner, g.Reconciliation.Rule, g.Reconciliation.Version})
	}
	return out, nil
}

// Reconciliation is the rule that the active guarantee of a feature names; nil when
// none does.
func (c *Catalogue) Reconciliation(ctx context.Context, feature string) (*flags.Reconciliation, error) {
	all, err := c.Bindings(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Feature == feature {
			return &flags.Reconciliation{Rule: all[i].Rule, Version: all[i].RuleAt}, nil
		}
	}
	return nil, nil //nolint:nilnil // There is none, which is no error.
}
