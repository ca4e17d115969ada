package access

import (
	"maps"
	"slices"
	"time"
)

// Ownership says who is responsible for a feature, and which services may report about
// it.
type Ownership struct {
	Feature    string   `json:"feature"`
	Team       string   `json:"team,omitempty"` // that owns it; "" = none
	Publishers []string `json:"publishers"`     // services that may report everything about it, by the name of their live keys
	Consumers  []string `json:"consumers"`      // services that may report what happens at replicas
	Declared   bool     `json:"declared"`       // the feature names its services, and others may not
}

// Ownerships lists who owns what, by feature: those given, and those that a team or a
// live key names. Keys for every feature are listed under each.
func Ownerships(features []string, teams []Team, keys []Key, now time.Time) []Ownership {
	all := map[string]*Ownership{}
	of := func(feature string) *Ownership {
		if all[feature] == nil {
			all[feature] = &Ownership{Feature: feature, Publishers: []string{}, Consumers: []string{}}
		}
		return all[feature]
	}
	for _, f := range features {
		of(f)
	}
	for i := range teams {
		for _, f := range teams[i].Features {
			of(f).Team = teams[i].Name
		}
	}
	var everywhere []grant
	for i := range keys {
		for _, g := range grants(&keys[i], now) {
			if g.feature == "*" {
				everywhere = append(everywhere, g)
				continue
			}
			of(g.feature).add(g)
		}
	}
	out := []Ownership{}
	for _, f := range slices.Sorted(maps.Keys(all)) {
		for _, g := range everywhere {
			all[f].add(g)
		}
		out = append(out, all[f].sorted())
	}
	return out
}

// grant is one scope of a key that is about a feature.
type grant struct {
	service, verb, feature string
}

func grants(k *Key, now time.Time) []grant {
	if !k.Live(now) {
		return nil
	}
	var out []grant
	for _, s := range k.Scopes {
		if verb, feature, ok := s.feature(); ok {
			out = append(out, grant{k.Name, verb, feature})
		}
	}
	return out
}

func (o *Ownership) add(g grant) {
	if g.verb == publishVerb {
		o.Publishers = append(o.Publishers, g.service)
		return
	}
	o.Consumers = append(o.Consumers, g.service)
}

func (o *Ownership) sorted() Ownership {
	slices.Sort(o.Publishers)
	slices.Sort(o.Consumers)
	o.Publishers, o.Consumers = slices.Compact(o.Publishers), slices.Compact(o.Consumers)
	return *o
}
