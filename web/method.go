package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"tidemark/web/auth"
	"tidemark/web/respond"
)

// headed reports whether a route also answers HEAD, as GET without a body. A stream has
// no end, so it does not.
func headed(r auth.Route) bool { return r.Method == http.MethodGet && !r.Stream }

// unrouted answers what no route takes: that the address has other methods, or that it
// is none.
func (s *Server) unrouted(c echo.Context) error {
	allow := s.methods(echo.GetPath(c.Request()))
	if len(allow) == 0 {
		return respond.New(http.StatusNotFound, "not_found", "There is nothing at this address.")
	}
	list := strings.Join(allow, ", ")
	c.Response().Header().Set(echo.HeaderAllow, list)
	if c.Request().Method == http.MethodOptions {
		return c.NoContent(http.StatusNoContent)
	}
	return respond.New(http.StatusMethodNotAllowed, "method_not_allowed", "This address does not take %s. It takes %s.", c.Request().Method, list)
}

// methods lists what an address takes, in order of name; nothing when no route is there.
func (s *Server) methods(path string) []string {
	var out []string
	for i := range s.routes {
		r := &s.routes[i]
		if !matches(r.Path, path) {
			continue
		}
		out = append(out, r.Method)
		if headed(*r) {
			out = append(out, http.MethodHead)
		}
	}
	if len(out) > 0 {
		out = append(out, http.MethodOptions)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// matches reports whether a path is one of a route's: ":name" stands for a segment, and
// "*" for the rest.
func matches(route, path string) bool {
	for {
		r, moreRoute, nextRoute := strings.Cut(route, "/")
		p, morePath, nextPath := strings.Cut(path, "/")
		if r == "*" {
			return true
		}
		if r != p && (p == "" || !strings.HasPrefix(r, ":")) || nextRoute != nextPath {
			return false
		}
		if !nextRoute {
			return true
		}
		route, path = moreRoute, morePath
	}
}
