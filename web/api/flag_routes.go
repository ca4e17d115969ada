package api

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/flagset"
	"tidemark/web/auth"
)

// FlagOptions are what the routes about flags and cohorts need.
type FlagOptions struct {
	Catalogue *flagset.Catalogue
	// People tells who is who, to try policies.
	People access.People
	Now    func() time.Time
}

// Flags answers programs about flags, cohorts and the set that they make.
type Flags struct {
	api *API
	o   FlagOptions
}

// NewFlags returns the part of the API that is about flags.
func NewFlags(a *API, o FlagOptions) *Flags { return &Flags{a, o} }

// Routes is the URL map of flags, cohorts, reconciliation rules, labels and policies.
func (f *Flags) Routes() []auth.Route {
	get := func(path string, h echo.HandlerFunc) auth.Route {
		return auth.Route{Method: http.MethodGet, Path: path, May: access.Read, Handle: h}
	}
	ask := func(path string, h echo.HandlerFunc) auth.Route {
		return auth.Route{Method: http.MethodPost, Path: path, May: access.Read, Handle: h}
	}
	routes := []auth.Route{
		get("/api/v1/flags", f.listFlags),
		ask("/api/v1/flags/:key/evaluate", f.evaluateFlag),
		get("/api/v1/flags/:key/usage", f.getUsage),
		get("/api/v1/cohorts", f.listCohorts),
		// A rule that anybody may choose would let them ask about the contexts of others.
		{Method: http.MethodPost, Path: "/api/v1/cohorts/:name/estimate", May: access.Control, Handle: f.estimateCohort},
		get("/api/v1/flagset", f.getSet),
		get("/api/v1/rules", f.listOf(flags.KindRule)),
		get("/api/v1/labels", f.listOf(flags.KindLabel)),
	}
	routes = append(routes, f.documentRoutes("/api/v1/flags/:key", flags.KindFlag, "key")...)
	routes = append(routes, f.documentRoutes("/api/v1/cohorts/:name", flags.KindCohort, "name")...)
	routes = append(routes, f.documentRoutes("/api/v1/rules/:name", flags.KindRule, "name")...)
	routes = append(routes, f.documentRoutes("/api/v1/labels/:name", flags.KindLabel, "name")...)
	routes = append(routes, f.policyRoutes()...)
	return append(routes, f.documentRoutes("/api/v1/flagset/metadata", flags.KindFlagSet, "")...)
}

// documentRoutes are what every kind of document has. param is the path parameter
// that names it; "" when there is one only.
func (f *Flags) documentRoutes(path string, kind flags.DocumentKind, param string) []auth.Route {
	id := func(c echo.Context) flags.DocumentID {
		if param == "" {
			return flags.DocumentID{Kind: kind, Name: flagset.SetName}
		}
		return flags.DocumentID{Kind: kind, Name: pathParam(c, param)}
	}
	on := func(h func(echo.Context, flags.DocumentID) error) echo.HandlerFunc {
		return func(c echo.Context) error { return h(c, id(c)) }
	}
	return []auth.Route{
		{Method: http.MethodGet, Path: path, May: access.Read, Handle: on(f.getDefinition)},
		{Method: http.MethodPut, Path: path, May: access.Control, Handle: on(f.putDefinition)},
		{Method: http.MethodDelete, Path: path, May: access.Control, Handle: on(f.deleteDefinition)},
		{Method: http.MethodGet, Path: path + "/versions", May: access.Read, Handle: on(f.listRevisions)},
		{Method: http.MethodGet, Path: path + "/diff", May: access.Read, Handle: on(f.diffRevisions)},
		{Method: http.MethodPost, Path: path + "/restore", May: access.Control, Handle: on(f.restoreRevision)},
	}
}
