package ofrep

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// origins are the sites whose pages may call.
type origins struct {
	all  bool
	list map[string]struct{}
}

func newOrigins(list []string) origins {
	o := origins{list: map[string]struct{}{}}
	for _, s := range list {
		o.all = o.all || s == "*"
		o.list[s] = struct{}{}
	}
	return o
}

// allow lets the page that asks read the answer, when its site is listed. Cookies are
// never let in: pages of other sites show a key.
func (o origins) allow(c echo.Context) {
	origin := c.Request().Header.Get("Origin")
	if origin == "" || (!o.all && len(o.list) == 0) {
		return
	}
	h := c.Response().Header()
	h.Add("Vary", "Origin")
	if _, ok := o.list[origin]; !ok && !o.all {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "ETag, Retry-After, X-Request-ID")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

// preflight answers what a browser asks before it lets a page send a key.
func (o origins) preflight(c echo.Context) error {
	h := c.Response().Header()
	if h.Get("Access-Control-Allow-Origin") != "" {
		h.Set("Access-Control-Allow-Methods", "POST, OPTIONS")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-None-Match, X-API-Key, X-Request-ID")
		h.Set("Access-Control-Max-Age", "600")
	}
	return c.NoContent(http.StatusNoContent)
}
