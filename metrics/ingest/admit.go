package ingest

import (
	"fmt"
	"strings"
	"sync"

	"tidemark/metrics"
)

// Cardinality bounds how many distinct names events may bring, so that one careless
// client cannot take the memory of all.
type Cardinality struct {
	Features           int // all features; default 2,000
	Services           int // all services; default 5,000
	ServicesPerFeature int // default 500
	ReplicasPerFeature int // default 200
	ValuesPerDimension int // models, variants, regions of a feature; default 64 each
	RulesPerFeature    int // default 64
}

func (c Cardinality) withDefaults() Cardinality {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&c.Features, 2_000)
	set(&c.Services, 5_000)
	set(&c.ServicesPerFeature, 500)
	set(&c.ReplicasPerFeature, 200)
	set(&c.ValuesPerDimension, 64)
	set(&c.RulesPerFeature, 64)
	return c
}

// CodeCardinality is the code of events that bring one name too many.
const CodeCardinality = "cardinality_exceeded"

// admission knows every name that was admitted. Looking one up takes no lock that
// another look-up waits for.
type admission struct {
	limits   Cardinality
	features nameSet
	services nameSet
	of       sync.Map // feature → *featureNames
}

type featureNames struct {
	services, replicas, models, variants, regions, rules nameSet
}

// nameSet is a set that only grows.
type nameSet struct {
	m  sync.Map
	mu sync.Mutex
	n  int
}

// admit reports whether the name is in the set or could be added to it.
func (s *nameSet) admit(name string, limit int) bool {
	if s.has(name) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.m.Load(name); ok {
		return true
	}
	if s.n >= limit {
		return false
	}
	s.m.Store(strings.Clone(name), struct{}{})
	s.n++
	return true
}

// has reports whether the name needs no room: no name needs any.
func (s *nameSet) has(name string) bool {
	if name == "" {
		return true
	}
	_, ok := s.m.Load(name)
	return ok
}

func (s *nameSet) full(limit int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n >= limit
}

func (a *admission) names(feature string) *featureNames {
	if f, ok := a.of.Load(feature); ok {
		return f.(*featureNames) //nolint:forcetypeassert // Only these are stored.
	}
	f, _ := a.of.LoadOrStore(strings.Clone(feature), &featureNames{})
	return f.(*featureNames) //nolint:forcetypeassert // Only these are stored.
}

// lastAdmitted spares a run of events of one source the look-ups.
type lastAdmitted struct {
	feature, service, replica, model, variant, region, rule string
	names                                                   *featureNames
}

// admit returns nil, or which name was one too many.
func (a *admission) admit(e *metrics.Event, last *lastAdmitted) *metrics.Rejection {
	if e.Feature != last.feature || last.names == nil {
		if !a.features.admit(e.Feature, a.limits.Features) {
			return tooMany(e, "feature", a.limits.Features, "in this tidemark")
		}
		*last = lastAdmitted{feature: e.Feature, names: a.names(e.Feature)}
	}
	if e.Service != last.service {
		if r := a.admitService(e, last.names); r != nil {
			return r
		}
		last.service = e.Service
	}
	return a.admitOfFeature(e, last)
}

// admitService lets a feature name its share of all services: what is refused for the
// feature takes no room of the others'.
func (a *admission) admitService(e *metrics.Event, f *featureNames) *metrics.Rejection {
	switch {
	case f.services.has(e.Service):
	case f.services.full(a.limits.ServicesPerFeature):
		return tooMany(e, "service", a.limits.ServicesPerFeature, "of feature "+e.Feature)
	case !a.services.admit(e.Service, a.limits.Services):
		return tooMany(e, "service", a.limits.Services, "in this tidemark")
	default:
		f.services.admit(e.Service, a.limits.ServicesPerFeature)
	}
	return nil
}

func (a *admission) admitOfFeature(e *metrics.Event, last *lastAdmitted) *metrics.Rejection {
	f := last.names
	check := func(set *nameSet, name string, seen *string, field string, limit int) *metrics.Rejection {
		if name == *seen {
			return nil
		}
		if !set.admit(name, limit) {
			return tooMany(e, field, limit, "of feature "+e.Feature)
		}
		*seen = name
		return nil
	}
	for _, r := range e.Expect {
		if !f.replicas.admit(r, a.limits.ReplicasPerFeature) {
			return tooMany(e, "expect", a.limits.ReplicasPerFeature, "of feature "+e.Feature)
		}
	}
	per := a.limits.ValuesPerDimension
	if r := check(&f.replicas, e.Replica, &last.replica, "replica", a.limits.ReplicasPerFeature); r != nil {
		return r
	}
	if r := check(&f.models, e.Model, &last.model, "model", per); r != nil {
		return r
	}
	if r := check(&f.variants, e.Variant, &last.variant, "variant", per); r != nil {
		return r
	}
	if r := check(&f.regions, e.Region, &last.region, "region", per); r != nil {
		return r
	}
	return check(&f.rules, e.Rule, &last.rule, "rule", a.limits.RulesPerFeature)
}

// known admits the names that were admitted before a restart: those of the series, and
// of the sources that were heard.
func (a *admission) known(series []metrics.Series, heard []metrics.Heard) {
	const all = 1 << 30
	type place struct{ feature, name string }
	byService := map[place]bool{} // services that stand for the replica where none was named
	for i := range heard {
		h := &heard[i]
		a.features.admit(h.Feature, all)
		f := a.names(h.Feature)
		a.services.admit(h.Service, all)
		f.services.admit(h.Service, all)
		f.replicas.admit(h.Replica, all)
		f.regions.admit(h.Region, all)
		if h.Replica == "" {
			byService[place{h.Feature, h.Service}] = true
		}
	}
	for i := range series {
		s := &series[i]
		a.features.admit(s.Feature, all)
		f := a.names(s.Feature)
		if !byService[place{s.Feature, s.Replica}] {
			f.replicas.admit(s.Replica, all)
		}
		f.models.admit(s.Model, all)
		f.variants.admit(s.Variant, all)
		f.regions.admit(s.Region, all)
		f.rules.admit(s.Rule, all)
	}
}

// namesOf are the names of events as known takes them.
func namesOf(events []metrics.Event) (series []metrics.Series, heard []metrics.Heard) {
	for i := range events {
		e := &events[i]
		series = append(series, metrics.Series{Feature: e.Feature, Model: e.Model, Variant: e.Variant, Rule: e.Rule})
		heard = append(heard, metrics.Heard{Feature: e.Feature, Service: e.Service, Replica: e.Replica, Region: e.Region})
	}
	return series, heard
}

func tooMany(e *metrics.Event, field string, limit int, where string) *metrics.Rejection {
	return &metrics.Rejection{
		EventID: strings.Clone(e.EventID), Code: CodeCardinality, Field: field,
		Message: fmt.Sprintf("There are %d distinct values of %s %s, which is the limit; this event brings another one.", limit, field, where),
	}
}
