package simulate

import (
	"cmp"
	"maps"
	"slices"
)

// LabelUse is a label that a scenario's writes have, and the services that carry it.
type LabelUse struct {
	Label    string // one that ends in * stands for all that begin so
	Services []string
}

// Labels are the labels of a scenario's writes, for whoever declares them: sorted, with
// every service at which such a write begins or arrives.
func (s *Scenario) Labels() []LabelUse {
	by := map[string]map[string]bool{}
	for i := range s.Features {
		f := &s.Features[i]
		labels := f.Labels
		if len(f.Tenants) > 0 {
			labels = append(slices.Clone(labels), "tenant:*")
		}
		for _, l := range labels {
			if by[l] == nil {
				by[l] = map[string]bool{}
			}
			for _, o := range f.Origins {
				by[l][cmp.Or(o.Service, o.Name)] = true
			}
			for _, r := range f.Replicas {
				by[l][cmp.Or(r.Service, r.Name)] = true
			}
		}
	}
	var out []LabelUse
	for _, l := range slices.Sorted(maps.Keys(by)) {
		out = append(out, LabelUse{l, slices.Sorted(maps.Keys(by[l]))})
	}
	return out
}
