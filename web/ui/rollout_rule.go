package ui

import (
	"encoding/json"

	"tidemark/flags"
	"tidemark/views/page"
)

// namedRule is a reconciliation rule as a value names it.
type namedRule struct {
	Rule    string      `json:"rule"`
	Version json.Number `json:"version"`
}

// ruleOf is the rule that a flag's variant names: the variant is one, or a model that is
// served with one ({"model": "causal", "reconciliation": {"rule": "merge"}}). "" when it
// names none.
func ruleOf(variant json.RawMessage) (r namedRule) {
	if json.Unmarshal(variant, &r) == nil && r.Rule != "" {
		return r
	}
	var model struct {
		Reconciliation namedRule `json:"reconciliation"`
	}
	if json.Unmarshal(variant, &model) != nil {
		return namedRule{}
	}
	return model.Reconciliation
}

// reconcilesBy says which rules the arms of a rollout follow, when the flag names any.
func (u *UI) reconcilesBy(p *flags.Plan) []page.Pair {
	if u.o.Flags == nil {
		return nil
	}
	v, err := u.o.Flags.Get(flags.DocumentID{Kind: flags.KindFlag, Name: p.Flag})
	if err != nil {
		return nil // The flag is gone; its rollout is history.
	}
	var f struct {
		Variants map[string]json.RawMessage `json:"variants"`
	}
	if json.Unmarshal(v.Content, &f) != nil {
		return nil
	}
	candidate, control := ruleOf(f.Variants[p.Candidate]), ruleOf(f.Variants[p.Control])
	if candidate.Rule == "" {
		return nil
	}
	c := u.toRule(candidate.Rule, ruleName(candidate.Rule, candidate.Version.String()))
	if control.Rule != "" {
		c.Under = "instead of " + ruleName(control.Rule, control.Version.String())
	}
	return []page.Pair{{Name: "Reconciles by", Cell: c}}
}
