package metrics

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// LabelRule says which services may carry what has a label. It holds for hops at or
// after From, until the next rule for the same label.
type LabelRule struct {
	Label    string   `json:"label"` // a name; one that ends in * stands for all that begin so
	From     int64    `json:"from"`  // Unix ns
	Revision int64    `json:"revision,omitempty"`
	Services []string `json:"services,omitempty"` // that have clearance; * is every service
	Gone     bool     `json:"gone,omitempty"`     // the label is no longer known
}

// EveryService in LabelRule.Services clears every service.
const EveryService = "*"

// LabelDecision is the rule by which a service had no clearance for a label.
type LabelDecision struct {
	Label    string `json:"label"`
	Rule     string `json:"rule"` // the label, or the family that it belongs to
	Revision int64  `json:"revision,omitempty"`
}

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
		slices.SortStableFunc(list, func(a, b LabelRule) int {
			return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Revision, b.Revision))
		})
		if begins, ok := strings.CutSuffix(label, "*"); ok {
			v.prefixes = append(v.prefixes, labelPrefix{begins, list})
		}
	}
	slices.SortFunc(v.prefixes, func(a, b labelPrefix) int {
		return cmp.Or(cmp.Compare(len(b.begins), len(a.begins)), strings.Compare(a.begins, b.begins))
	})
	return v
}

// Rules are the rules of the vocabulary, by label, then in the order in which they came
// into force.
func (v *Vocabulary) Rules() []LabelRule {
	if v == nil {
		return nil
	}
	var out []LabelRule
	for _, list := range v.exact {
		out = append(out, list...)
	}
	slices.SortStableFunc(out, func(a, b LabelRule) int { return strings.Compare(a.Label, b.Label) })
	return out
}

// ChangedFrom is the time of the earliest hop that two vocabularies may judge
// differently; ok is false when they are the same.
func (v *Vocabulary) ChangedFrom(next *Vocabulary) (from int64, ok bool) {
	count := map[string]int{}
	times := map[string]int64{}
	see := func(list []LabelRule, sign int) {
		for _, r := range list {
			key := fmt.Sprintf("%q %d %d %t %q", r.Label, r.From, r.Revision, r.Gone, r.Services)
			count[key] += sign
			times[key] = r.From
		}
	}
	see(v.Rules(), -1)
	see(next.Rules(), 1)
	for key, n := range count {
		if n != 0 && (!ok || times[key] < from) {
			from, ok = times[key], true
		}
	}
	return from, ok
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

// Rule is the rule for a label at a time: its own, else that of the longest family.
// ok is false when the label is unknown then.
func (v *Vocabulary) Rule(label string, at int64) (rule LabelRule, ok bool) {
	if v == nil {
		return LabelRule{}, false
	}
	return v.ruleAt(label, at)
}

// Unknown returns those of the labels that are not known at a time; nil when all are.
func (v *Vocabulary) Unknown(labels []string, at int64) (unknown []string) {
	for _, l := range labels {
		if _, ok := v.Rule(l, at); !ok && !slices.Contains(unknown, l) {
			unknown = append(unknown, l)
		}
	}
	return unknown
}

// Judge says of a hop at a service whether any of the labels is known, and for which of
// those the service had no clearance then, with the rule that says so.
func (v *Vocabulary) Judge(labels []string, service string, at int64) (judged bool, lacks []LabelDecision) {
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
			lacks = append(lacks, LabelDecision{Label: l, Rule: r.Label, Revision: r.Revision})
		}
	}
	return judged, lacks
}
