package ui

import (
	"encoding/json"

	"tidemark/flags"
	"tidemark/views/page"
	"tidemark/views/part"
)

// variantRule is the reconciliation rule that a flag's variant names; "" when it names
// none.
type variantRule struct {
	Rule    string      `json:"rule"`
	Version json.Number `json:"version"`
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
	var candidate, control variantRule
	if json.Unmarshal(f.Variants[p.Candidate], &candidate) != nil || candidate.Rule == "" {
		return nil
	}
	c := part.To(ruleName(candidate.Rule, candidate.Version.String()), rulePages.of(candidate.Rule))
	if json.Unmarshal(f.Variants[p.Control], &control) == nil && control.Rule != "" {
		c.Under = "instead of " + ruleName(control.Rule, control.Version.String())
	}
	return []page.Pair{{Name: "Reconciles by", Cell: c}}
}
