package flagset

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"tidemark/flags"
	"tidemark/flags/policy"
	"tidemark/metrics"
)

// checkPolicy keeps what is wrong with a policy from ever being stored.
func (c *Catalogue) checkPolicy(e *Edit, content json.RawMessage) error {
	if c.opt.CheckPolicy == nil {
		return nil
	}
	err := c.opt.CheckPolicy(e.ID.Name, content)
	ps, ok := errors.AsType[*flags.ProblemsError](err)
	if !ok {
		return err
	}
	out := slices.Clone(ps.Problems)
	for i := range out {
		out[i].File = e.Source
	}
	return flags.AsProblems(out)
}

// checkOwnership checks what is declared of a feature, and its name.
func checkOwnership(e *Edit, content json.RawMessage) error {
	if n := e.ID.Name; len(n) > metrics.MaxName || strings.ContainsAny(n, " ,\t*") {
		return flags.AsProblems([]flags.Problem{{File: e.Source, Field: "metadata.name", Message: fmt.Sprintf(
			"%q is no feature: want 1 to %d bytes without space, comma or star", n, metrics.MaxName)}})
	}
	var o policy.Ownership
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		return wrong(e, "", "is no ownership: %s; its members are publishers, consumers and description", strings.TrimPrefix(err.Error(), "json: "))
	}
	if utf8.RuneCountInString(o.Description) > maxDescription {
		return wrong(e, "description", "must be at most %d characters", maxDescription)
	}
	if o.Publishers == nil && o.Consumers == nil {
		return wrong(e, "", "declares nothing: name the services under publishers, under consumers, or both; [] is nobody")
	}
	if err := checkServices(e, "publishers", o.Publishers); err != nil {
		return err
	}
	return checkServices(e, "consumers", o.Consumers)
}

// checkServices checks a list of names of keys.
func checkServices(e *Edit, field string, names []string) error {
	if len(names) > maxServices {
		return wrong(e, field, "has %d items; at most %d are allowed", len(names), maxServices)
	}
	for i, s := range names {
		if s == "" || len(s) > metrics.MaxName || strings.TrimSpace(s) != s {
			return wrong(e, fmt.Sprintf("%s[%d]", field, i), "%q must be 1 to %d bytes without space around it", s, metrics.MaxName)
		}
		if slices.Contains(names[:i], s) {
			return wrong(e, fmt.Sprintf("%s[%d]", field, i), "%q is there twice", s)
		}
	}
	return nil
}

// policiesChanged tells whoever decides by policies, when a plan stored any.
func (c *Catalogue) policiesChanged(ctx context.Context, p *Plan) error {
	changed := slices.ContainsFunc(p.Steps, func(s Step) bool {
		return (s.Kind == flags.KindPolicy || s.Kind == flags.KindOwnership) && s.Action != ActionUnchanged
	})
	if !changed || c.opt.PoliciesChanged == nil {
		return nil
	}
	if err := c.opt.PoliciesChanged(ctx); err != nil {
		return fmt.Errorf("the change is stored, and the policies before it are in force until it can be read: %w", err)
	}
	return nil
}
