// Package auth finds out who makes a request and whether they may: API keys for
// services, sessions for browsers, permissions for routes, and limits for all.
package auth

import (
	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
	"tidemark/web/respond"
)

// Route is one line of the URL map. Every route names what it asks of the caller;
// the zero Permission is refused when the server is built.
type Route struct {
	Method string
	Path   string // in echo's form: /api/v1/features/:feature
	May    access.Permission
	Handle echo.HandlerFunc
	// Stream routes answer for as long as the client listens, or block on purpose:
	// they have no write deadline and do not count as in flight.
	Stream bool
	// Always routes are answered however many others are: they read no body, cost next
	// to nothing, and load balancers ask them whether the server is alive.
	Always bool
	// Body routes read large bodies; others are held to 1 MiB.
	Body bool
	// Light routes cost little to answer and are asked often: ten of their requests
	// count as one for the limits by address and by identity.
	Light bool
	// Heavy routes cost much for one answer, such as reading much telemetry. It is whole
	// before its first byte is sent: few of their answers are made at once, and the others
	// wait.
	Heavy bool
	// Data routes answer with data for programs, also when they refuse, and never with a
	// page: what headers say to a browser about pages is left out.
	Data bool
	// Fail answers in the form of another protocol when the route, or what stands
	// before it, refuses; nil answers with a page or a problem document.
	Fail func(c echo.Context, p *respond.Problem) error
	// About says which features a request of a Control route is about, so that members
	// of the teams that own them all may make it; nil means everything.
	About func(c echo.Context) (features []string, err error)
	// Safer says that a request only takes risk away, so that the owner of any of the
	// features may make it; nil means that none does.
	Safer func(c echo.Context) bool
	// Cross sets the headers that let pages of other sites read the answer, also
	// when it is a refusal; nil lets none.
	Cross func(c echo.Context)
}

const identityKey = "identity"

// Who returns the identity of the request; nil when nobody in particular asks,
// which happens on public routes only.
func Who(c echo.Context) *access.Identity {
	id, _ := c.Get(identityKey).(*access.Identity)
	return id
}
