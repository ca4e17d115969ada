package policy

import (
	"slices"
	"time"

	"tidemark/flags/access"
)

// Owners lists who owns, publishes and consumes each feature: as scopes have it, and as
// the features declare. Policies that were written here may say otherwise.
func (s *Set) Owners(features []string, teams []access.Team, keys []access.Key, now time.Time) []access.Ownership {
	if s != nil {
		for name, f := range s.features {
			if f.declares() {
				features = append(slices.Clip(features), name)
			}
		}
	}
	all := access.Ownerships(features, teams, keys, now)
	for i := range all {
		s.narrow(&all[i])
	}
	return all
}

// Team is the team that owns a feature; "" = none.
func (s *Set) Team(feature string) string {
	if s == nil {
		return ""
	}
	return s.features[feature].team
}

func (f *feature) declares() bool { return f.Publishers != nil || f.Consumers != nil }

// narrow leaves those whom the default policies leave: who may not publish any more may
// still consume, where nothing is said of consumers.
func (s *Set) narrow(o *access.Ownership) {
	if s == nil {
		return
	}
	f := s.features[o.Feature]
	if !f.declares() {
		return
	}
	o.Declared = true
	may := func(name string, lists ...[]string) bool {
		return slices.ContainsFunc(lists, func(l []string) bool { return slices.Contains(l, name) })
	}
	rest := []string{}
	if f.Publishers != nil {
		rest = slices.DeleteFunc(slices.Clone(o.Publishers), func(n string) bool { return may(n, f.Publishers) })
		o.Publishers = slices.DeleteFunc(o.Publishers, func(n string) bool { return !may(n, f.Publishers) })
	}
	o.Consumers = append(o.Consumers, rest...)
	slices.Sort(o.Consumers)
	o.Consumers = slices.DeleteFunc(slices.Compact(o.Consumers), func(n string) bool {
		return may(n, o.Publishers) || f.Consumers != nil && !may(n, f.Consumers, f.Publishers)
	})
}
