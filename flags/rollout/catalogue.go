package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"tidemark/flags"
	"tidemark/flags/flagset"
)

// Flags is the catalogue of flags as far as rollouts need it. It is safe for
// concurrent use.
type Flags interface {
	// Flag describes a flag; flags.ErrNotFound when there is none.
	Flag(key string) (FlagInfo, error)
	// CheckCohort says what is wrong with a targeting rule.
	CheckCohort(rule json.RawMessage) error
	// CohortShare is which share of recent evaluations a rule takes in, nil when that is
	// not known or not told; few then says why.
	CohortShare(ctx context.Context, rule json.RawMessage) (share *float64, few string, err error)
	// SetAssignments replaces what rollouts decide, for every evaluation from then on.
	SetAssignments(ctx context.Context, as []flags.Assignment) error
	// Promote makes a variant what the flag answers by itself: to everyone, or to the
	// cohort with the flag as it was for the others. Doing it twice changes nothing.
	Promote(ctx context.Context, key, variant string, cohort json.RawMessage, by flags.Author) error
}

// FromFlagset returns the catalogue in the form that rollouts need.
func FromFlagset(c *flagset.Catalogue) Flags { return &flagsetFlags{c} }

type flagsetFlags struct{ c *flagset.Catalogue }

// definition is a flag in flagd's form; fields that are not of interest stay as they are.
type definition map[string]json.RawMessage

func (f *flagsetFlags) read(key string) (definition, flags.DocumentVersion, error) {
	v, err := f.c.Get(flags.DocumentID{Kind: flags.KindFlag, Name: key})
	if err != nil {
		return nil, v, err
	}
	var d definition
	if err := json.Unmarshal(v.Content, &d); err != nil {
		return nil, v, fmt.Errorf("flag %q: %w", key, err)
	}
	return d, v, nil
}

// Flag implements Flags.
func (f *flagsetFlags) Flag(key string) (FlagInfo, error) {
	d, _, err := f.read(key)
	if err != nil {
		return FlagInfo{}, err
	}
	return d.describe(key)
}

// DescribeFlag reads what a plan must fit to out of a flag's definition.
func DescribeFlag(key string, content json.RawMessage) (FlagInfo, error) {
	var d definition
	if err := json.Unmarshal(content, &d); err != nil {
		return FlagInfo{}, fmt.Errorf("flag %q: %w", key, err)
	}
	return d.describe(key)
}

func (d definition) describe(key string) (FlagInfo, error) {
	info := FlagInfo{Key: key}
	var variants map[string]json.RawMessage
	var state string
	for field, into := range map[string]any{"variants": &variants, "defaultVariant": &info.Default, "state": &state} {
		if raw, ok := d[field]; ok {
			if err := json.Unmarshal(raw, into); err != nil {
				return info, fmt.Errorf("flag %q: %s: %w", key, field, err)
			}
		}
	}
	info.Feature = featureOf(d["metadata"])
	info.Variants = slices.Sorted(maps.Keys(variants))
	info.Disabled = state == "DISABLED"
	return info, nil
}

// featureOf is the feature that a flag's metadata names. Metadata of another form names
// none.
func featureOf(metadata json.RawMessage) string {
	var m struct {
		Feature string `json:"feature"`
	}
	if json.Unmarshal(metadata, &m) != nil {
		return ""
	}
	return m.Feature
}

// CheckCohort implements Flags.
func (f *flagsetFlags) CheckCohort(rule json.RawMessage) error {
	return f.c.CheckCohort("rollout-plan", rule)
}

// CohortShare implements Flags.
func (f *flagsetFlags) CohortShare(ctx context.Context, rule json.RawMessage) (share *float64, few string, err error) {
	e, err := f.c.TryCohort(ctx, "rollout-plan", rule)
	if err != nil {
		return nil, "", err
	}
	return e.Share, e.Few, nil
}

// SetAssignments implements Flags.
func (f *flagsetFlags) SetAssignments(ctx context.Context, as []flags.Assignment) error {
	return f.c.SetAssignments(ctx, as)
}

// Promote implements Flags. Somebody else's edit at the same moment is not lost: the
// promotion is made again on top of it.
func (f *flagsetFlags) Promote(ctx context.Context, key, variant string, cohort json.RawMessage, by flags.Author) error {
	err := f.promote(ctx, key, variant, cohort, by)
	if errors.Is(err, flags.ErrChanged) {
		err = f.promote(ctx, key, variant, cohort, by)
	}
	return err
}

func (f *flagsetFlags) promote(ctx context.Context, key, variant string, cohort json.RawMessage, by flags.Author) error {
	d, v, err := f.read(key)
	if err != nil {
		return err
	}
	content, changed, err := promoted(d, variant, cohort)
	if err != nil || !changed {
		return err
	}
	_, err = f.c.Save(ctx, flagset.Edit{ID: v.ID, Content: content, Base: v.Revision}, by)
	return err
}

// promoted is the flag after the promotion. During the rollout its own targeting was
// asked for nobody in the cohort, and so it is afterwards.
func promoted(d definition, variant string, cohort json.RawMessage) (content json.RawMessage, changed bool, err error) {
	out := maps.Clone(d)
	name, err := json.Marshal(variant)
	if err != nil {
		return nil, false, fmt.Errorf("variant %q: %w", variant, err)
	}
	if len(cohort) == 0 {
		same := string(d["defaultVariant"]) == string(name) && d["targeting"] == nil
		out["defaultVariant"] = name
		delete(out, "targeting")
		content, err = json.Marshal(out)
		return content, !same, err
	}
	if isFor(d["targeting"], cohort, variant) {
		return nil, false, nil
	}
	rest := d["targeting"]
	if len(rest) == 0 || string(rest) == "{}" {
		rest = json.RawMessage("null")
	}
	out["targeting"], err = json.Marshal(map[string][]json.RawMessage{"if": {cohort, name, rest}})
	if err != nil {
		return nil, false, fmt.Errorf("targeting: %w", err)
	}
	content, err = json.Marshal(out)
	return content, true, err
}

// isFor reports whether a targeting rule begins by giving the cohort the variant.
func isFor(targeting, cohort json.RawMessage, variant string) bool {
	var rule struct {
		If []any `json:"if"`
	}
	if json.Unmarshal(targeting, &rule) != nil || len(rule.If) < 2 || rule.If[1] != variant {
		return false
	}
	var want any
	if json.Unmarshal(cohort, &want) != nil {
		return false
	}
	a, errA := json.Marshal(rule.If[0])
	b, errB := json.Marshal(want)
	return errA == nil && errB == nil && string(a) == string(b)
}
