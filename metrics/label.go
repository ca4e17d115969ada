package metrics

import (
	"cmp"
	"slices"
	"strings"
)

// LabelRule says which services may carry what has a label. It holds for hops at or
// after From, until the next rule for the same label.
type LabelRule struct {
	Label    string   // a name; one that ends in * stands for all that begin so
	From     int64    // Unix ns
	Services []string // that have clearance; * is every service
	Gone     bool     // the label is no longer known
}

// EveryService in LabelRule.Services clears every service.
const EveryService = "*"

// Vocabulary is the labels that are known, with who may carry them, over time. It never
// changes and is safe for concurrent use. A nil Vocabulary knows no label and judges
// nothing.
type Vocabulary struct {
	exact    map[string][]LabelRule // by label, then by From
	prefixes []labelPrefix          // longest first
}

type labelPrefix struct {
	begins string
	rules  []LabelRule
}

// NewVocabulary returns the vocabulary of some rules; nil when there are none.
func NewVocabulary(rules []LabelRule) *Vocabulary {
	if len(rules) == 0 {
		return nil
	}
	v := &Vocabulary{exact: map[string][]LabelRule{}}
	for _, r := range rules {
		r.Services = slices.Clone(r.Services)
		v.exact[r.Label] = append(v.exact[r.Label], r)
	}
	for label, list := range v.exact {
		slices.SortStableFunc(list, func(a, b LabelRule) int { return cmp.Compare(a.From, b.From) })
		if begins, ok := strings.CutSuffix(label, "*"); ok {
			v.prefixes = append(v.prefixes, labelPrefix{begins, list})
		}
	}
	slices.SortFunc(v.prefixes, func(a, b labelPrefix) int {
		return cmp.Or(cmp.Compare(len(b.begins), len(a.begins)), strings.Compare(a.begins, b.begins))
	})
	return v
}

// ruleAt is the rule for a label in force at a time: its own, else that of the longest
// prefix.
func (v *Vocabulary) ruleAt(label string, at int64) (LabelRule, bool) {
	if r, ok := inForce(v.exact[label], at); ok {
		return r, true
	}
	for i := range v.prefixes {
		if p := &v.prefixes[i]; strings.HasPrefix(label, p.begins) {
			if r, ok := inForce(p.rules, at); ok {
				return r, true
			}
		}
	}
	return LabelRule{}, false
}

func inForce(rules []LabelRule, at int64) (LabelRule, bool) {
	for _, r := range slices.Backward(rules) {
		if r.From <= at {
			return r, !r.Gone
		}
	}
	return LabelRule{}, false
}

// Judge says of a hop at a service whether any of the labels is known, and for which of
// those the service had no clearance then.
func (v *Vocabulary) Judge(labels []string, service string, at int64) (judged bool, lacks []string) {
	if v == nil {
		return false, nil
	}
	for _, l := range labels {
		r, ok := v.ruleAt(l, at)
		if !ok {
			continue
		}
		judged = true
		if !slices.Contains(r.Services, service) && !slices.Contains(r.Services, EveryService) {
			lacks = append(lacks, l)
		}
	}
	return judged, lacks
}
