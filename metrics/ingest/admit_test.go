package ingest

import (
	"fmt"
	"testing"

	"tidemark/metrics"
)

// One feature that names as many services as it can leaves others room, and after a
// restart, with that feature first, what others had named is admitted as before.
func TestServicesOfOneFeatureLeaveRoomForOthers(t *testing.T) {
	t.Parallel()
	limits := Cardinality{Services: 8, ServicesPerFeature: 5}.withDefaults()
	a := &admission{limits: limits}
	takes := func(a *admission, feature, service string) bool {
		var last lastAdmitted
		return a.admit(&metrics.Event{Feature: feature, Service: service}, &last) == nil
	}
	if !takes(a, "a", "web") {
		t.Fatal("the first service is refused")
	}
	for i := range 20 {
		if got := takes(a, "b", fmt.Sprint("b-", i)); got != (i < 5) {
			t.Errorf("service %d of b: admitted %t", i, got)
		}
	}
	if !takes(a, "a", "api") || !takes(a, "b", "b-1") {
		t.Error("a new service of a, or a known one of b, is refused")
	}
	if !takes(a, "c", "web") {
		t.Error("a service of another feature takes room twice")
	}
	takes(a, "c", "c-1")
	if takes(a, "c", "c-2") {
		t.Error("there are more services than 8")
	}

	again := &admission{limits: limits}
	heard := []metrics.Heard{{Feature: "a", Service: "web"}, {Feature: "a", Service: "api"}, {Feature: "b", Service: "b-1"}}
	again.known(nil, heard)
	for i := range 20 {
		takes(again, "b", fmt.Sprint("new-", i))
	}
	for i := range 20 {
		takes(again, "c", fmt.Sprint("more-", i))
	}
	for _, h := range heard {
		if !takes(again, h.Feature, h.Service) {
			t.Errorf("after a restart %s of %s is refused", h.Service, h.Feature)
		}
	}
}

// A run of events of one service of several features is looked up for each.
func TestARunOfOneServiceIsOfEachFeature(t *testing.T) {
	t.Parallel()
	a := &admission{limits: Cardinality{ServicesPerFeature: 1}.withDefaults()}
	var last lastAdmitted
	for i, want := range []bool{true, true, true, false} {
		e := metrics.Event{Feature: []string{"a", "b", "a", "b"}[i], Service: []string{"web", "web", "web", "api"}[i]}
		if got := a.admit(&e, &last) == nil; got != want {
			t.Errorf("%s of %s: admitted %t", e.Service, e.Feature, got)
		}
	}
}

// Where no replica is named the service stands for it in the series; that takes no room
// of the replicas after a restart, as before it.
func TestServicesThatStandForReplicasAreNoReplicas(t *testing.T) {
	t.Parallel()
	a := &admission{limits: Cardinality{ReplicasPerFeature: 2}.withDefaults()}
	a.known(
		[]metrics.Series{{Feature: "a", Replica: "indexer"}, {Feature: "a", Replica: "eu"}, {Feature: "a", Replica: "us"}},
		[]metrics.Heard{{Feature: "a", Service: "indexer"}, {Feature: "a", Service: "consumer", Replica: "eu"}},
	)
	f := a.names("a")
	if f.replicas.has("indexer") || !f.replicas.has("eu") || !f.replicas.has("us") || f.replicas.n != 2 {
		t.Errorf("%d replicas are known", f.replicas.n)
	}
}
