package respond

import (
	"net/url"

	"github.com/labstack/echo/v4"
)

// PathParam is a parameter of the path with its escapes undone, once: names may hold
// any byte, "%2F" among them. The router matches the path as it was sent where that
// differs from how net/url would write it, and else the path that net/url undid.
func PathParam(c echo.Context, name string) string {
	v := c.Param(name)
	if c.Request().URL.RawPath == "" {
		return v
	}
	if s, err := url.PathUnescape(v); err == nil {
		return s
	}
	return v
}
