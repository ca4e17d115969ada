package flagset

import (
	"encoding/json"
	"fmt"

	"tidemark/flags"
	"tidemark/flags/eval"
)

// compile makes the set of a state. The error is an *eval.Invalid when a definition
// is wrong.
func (c *Catalogue) compile(s *state) (*eval.Set, error) {
	d, err := s.definition()
	if err != nil {
		return nil, err
	}
	set, err := eval.Compile(d)
	if err != nil {
		return nil, err //nolint:wrapcheck // It is the list of what is wrong.
	}
	if c.opt.Pins != nil {
		set = set.WithPins(c.opt.Pins)
	}
	return set, nil
}

func (s *state) definition() (eval.Definition, error) {
	d := eval.Definition{
		Flags: map[string]eval.Source{}, Cohorts: map[string]json.RawMessage{},
		Assignments: s.assignments, PinsBroken: s.pinsBroken, Past: map[string][]eval.Source{},
	}
	for id, v := range s.documents {
		if v.Status == flags.StatusDeleted {
			continue
		}
		switch id.Kind {
		case flags.KindFlag:
			d.Flags[id.Name] = source(&v)
			if past := s.past[id.Name]; len(past) > 0 {
				d.Past[id.Name] = past
			}
		case flags.KindCohort:
			d.Cohorts[id.Name] = v.Content
		case flags.KindFlagSet:
			if err := json.Unmarshal(v.Content, &d.Metadata); err != nil {
				return d, fmt.Errorf("%s revision %d: %w", id, v.Revision, err)
			}
		}
	}
	return d, nil
}

// source is a revision of a flag as evaluation wants it. A flag has no semantic
// version; the column holds how it is bucketed.
func source(v *flags.DocumentVersion) eval.Source {
	return eval.Source{Content: v.Content, Revision: v.Revision, Bucketing: flags.Bucketing(v.Version)}
}
