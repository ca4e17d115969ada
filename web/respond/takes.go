package respond

import (
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// Takes refuses parameters that an address does not have: a misspelt filter that is
// ignored gives a wrong answer that looks right. It asks before the handler looks for what
// the path names.
func Takes(h echo.HandlerFunc, known ...string) echo.HandlerFunc {
	has := "It has none"
	if len(known) > 0 {
		has = "It has: " + strings.Join(known, ", ")
	}
	return func(c echo.Context) error {
		for name := range c.QueryParams() {
			if !slices.Contains(known, name) {
				return Bad(name, "This address has no parameter %q. %s.", name, has)
			}
		}
		return h(c)
	}
}
