package api

import (
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"tidemark/web/ofrep"
	flagsync "tidemark/web/sync"
)

// specPath is an echo path in the form of OpenAPI.
func specPath(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if name, ok := strings.CutPrefix(p, ":"); ok {
			parts[i] = "{" + name + "}"
		}
	}
	return strings.Join(parts, "/")
}

func TestEveryRouteIsDescribedAndEveryDescriptionIsARoute(t *testing.T) {
	t.Parallel()
	endpoints, err := Endpoints()
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]string{}
	for _, e := range endpoints {
		described[e.Method+" "+e.Path] = e.Permission
		if e.Summary == "" || len(e.Tags) == 0 {
			t.Errorf("%s %s: a summary and a tag are wanted", e.Method, e.Path)
		}
	}
	a := New(Options{Registry: prometheus.NewRegistry()})
	routes := slices.Concat(a.Routes(), NewPromises(a, PromiseOptions{}).Routes(), NewFlags(a, FlagOptions{}).Routes(), NewRules(a, RuleOptions{}).Routes(), NewRollouts(nil, nil).Routes(), NewQuarantine(a, QuarantineOptions{}).Routes(), NewPeople(a, nil, nil).Routes(),
		ofrep.New(ofrep.Options{}).Routes(), flagsync.New(flagsync.Options{}).Routes())
	for _, r := range routes {
		name := r.Method + " " + specPath(r.Path)
		permission, ok := described[name]
		if !ok {
			t.Errorf("%s is not in openapi.yaml", name)
		} else if permission != string(r.May) {
			t.Errorf("%s: openapi.yaml says permission %q, the route %q", name, permission, r.May)
		}
		delete(described, name)
	}
	// The server itself has these.
	for _, name := range []string{"GET /healthz", "GET /readyz", "GET /metrics"} {
		delete(described, name)
	}
	for name := range described {
		t.Errorf("openapi.yaml describes %s, which is no route", name)
	}
}

func TestEveryPathParameterIsDescribed(t *testing.T) {
	t.Parallel()
	endpoints, err := Endpoints()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range endpoints {
		for part := range strings.SplitSeq(e.Path, "/") {
			if !strings.HasPrefix(part, "{") {
				continue
			}
			name := strings.Trim(part, "{}")
			if !slices.ContainsFunc(e.Parameters, func(p param) bool { return p.Name == name && p.In == "path" && p.Required }) {
				t.Errorf("%s %s: parameter %s is not described", e.Method, e.Path, name)
			}
		}
	}
}
