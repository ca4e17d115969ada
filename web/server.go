// Package web is the door of tidemark: one HTTP server with its URL map and what
// every request passes through. echo lives only below this package.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"tidemark/flags/access"
	"tidemark/web/auth"
	"tidemark/web/respond"
	"tidemark/web/wire"
)

// Limits bound what clients may take. The zero value of a field is its default.
type Limits struct {
	KeyRate         float64       // requests a second of one API key or session; default 10,000
	KeyBurst        int           // default 2 × KeyRate
	AddressRate     float64       // requests a second of one address; default 20,000
	AddressBurst    int           // default 2 × AddressRate
	InFlight        int           // requests being answered, without streams; default 1,024
	AddressInFlight int           // of those, of one address without an identity; default 64
	Streams         int           // streams and waiting requests; default 4,000
	OwnStreams      int           // of those, of one key or person; default 200
	ReadHeader      time.Duration // to receive the headers; default 5 s
	ReadBody        time.Duration // to receive the body; default 30 s
	WriteAnswer     time.Duration // to make and send the answer; default 60 s
	Idle            time.Duration // between requests of a connection; default 2 min
	MaxHeaderBytes  int           // default 64 KiB
	MaxForm         int64         // body of routes that take no telemetry; default 1 MiB
}

func (l *Limits) fill() {
	def(&l.KeyRate, 10_000)
	def(&l.KeyBurst, int(2*l.KeyRate))
	def(&l.AddressRate, 20_000)
	def(&l.AddressBurst, int(2*l.AddressRate))
	def(&l.InFlight, 1024)
	def(&l.AddressInFlight, 64)
	def(&l.Streams, 4000)
	def(&l.OwnStreams, 200)
	def(&l.ReadHeader, 5*time.Second)
	def(&l.ReadBody, 30*time.Second)
	def(&l.WriteAnswer, time.Minute)
	def(&l.Idle, 2*time.Minute)
	def(&l.MaxHeaderBytes, 64<<10)
	def(&l.MaxForm, 1<<20)
}

func def[T int | int64 | float64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Options are what a Server needs.
type Options struct {
	Log    *slog.Logger
	Now    func() time.Time // default time.Now
	Auth   *auth.Auth
	Limits Limits
	// Routes are the groups of the URL map, besides those of Auth and of health.
	Routes [][]auth.Route
	// Ready says why the server cannot serve yet, or any more; nil when it can.
	Ready func(ctx context.Context) error
	// Registry collects and shows tidemark's own numbers.
	Registry *prometheus.Registry
	// ErrorPage shows a problem to a person; nil shows the problem document.
	ErrorPage func(c echo.Context, p *respond.Problem) error
	// Proxies may set X-Forwarded-For; by default nobody may.
	Proxies []netip.Prefix
	// TLS serves HTTPS; nil serves HTTP, for a proxy in front or for one machine.
	TLS *Certificate
	// HTTPS says that browsers reach the server by HTTPS.
	HTTPS bool
	// LogRequests logs every request, not only those that fail or are slow.
	LogRequests bool
}

// Server answers HTTP requests.
type Server struct {
	o      Options
	echo   *echo.Echo
	http   *http.Server
	routes []auth.Route

	keys, addresses *auth.Limiter
	inFlight        *places
	streams         *places
	turns           *turns
	seen            *requestMetrics
}

// New builds the server. It fails when a route names no permission or two routes
// are the same: such a server must not start.
func New(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Limits.fill()
	l := o.Limits
	s := &Server{
		o: o, echo: echo.New(),
		keys:      auth.NewLimiter(l.KeyRate, l.KeyBurst, 20_000, o.Now),
		addresses: auth.NewLimiter(l.AddressRate, l.AddressBurst, 20_000, o.Now),
		inFlight:  newPlaces(l.InFlight, l.AddressInFlight), streams: newStreams(l.Streams, l.OwnStreams), turns: newTurns(),
		seen: newRequestMetrics(o.Registry),
	}
	s.echo.HideBanner, s.echo.HidePort = true, true
	s.echo.HTTPErrorHandler = s.fail
	s.echo.IPExtractor = ipExtractor(o.Proxies)
	if err := s.addRoutes(); err != nil {
		return nil, err
	}
	s.http = &http.Server{
		Handler: s.echo, ReadHeaderTimeout: l.ReadHeader, IdleTimeout: l.Idle, MaxHeaderBytes: l.MaxHeaderBytes,
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug), ConnContext: wire.Context,
	}
	if o.TLS != nil {
		s.http.TLSConfig = o.TLS.Config()
	}
	return s, nil
}

func (s *Server) addRoutes() error {
	groups := append([][]auth.Route{s.healthRoutes(), s.o.Auth.Routes()}, s.o.Routes...)
	known := map[access.Permission]bool{}
	for _, p := range access.Permissions() {
		known[p] = true
	}
	taken := map[string]bool{}
	unrouted := s.wrap(auth.Route{May: access.Public, Handle: s.unrouted})
	for _, group := range groups {
		for _, r := range group {
			name := r.Method + " " + r.Path
			switch {
			case !known[r.May]:
				return fmt.Errorf("route %s: permission %q: every route names one", name, r.May)
			case taken[name]:
				return fmt.Errorf("route %s: declared twice", name)
			}
			taken[name] = true
			h := s.wrap(r)
			s.echo.Add(r.Method, r.Path, h)
			s.routes = append(s.routes, r)
			switch {
			case headed(r):
				s.echo.Add(http.MethodHead, r.Path, h)
			case r.Method == http.MethodGet: // Or a wider path would take HEAD.
				s.echo.Add(http.MethodHead, r.Path, unrouted)
			}
			if strings.HasSuffix(r.Path, "*") {
				s.echo.RouteNotFound(r.Path, unrouted)
			}
		}
	}
	s.echo.RouteNotFound("/*", unrouted)
	return nil
}

// Routes is the whole URL map, for tests and for the API's own page.
func (s *Server) Routes() []auth.Route { return append([]auth.Route(nil), s.routes...) }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.echo.ServeHTTP(w, r) }

// Serve answers requests that come to ln until Shutdown; then it returns nil.
func (s *Server) Serve(ln net.Listener) error {
	serve := s.http.Serve
	if s.o.TLS != nil {
		serve = func(ln net.Listener) error { return s.http.ServeTLS(ln, "", "") }
	}
	if err := serve(wire.Listen(ln)); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	}
	return nil
}

// Shutdown stops listening and waits for the requests being answered. Streams must
// be ended before, by closing their hub.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("shut down: %w", err), s.http.Close())
	}
	return nil
}

// fail answers errors that no route's own chain has answered.
func (s *Server) fail(err error, c echo.Context) { s.failRoute(auth.Route{}, err, c) }

// failRoute turns an error into an answer: in the route's own form when it has one,
// a page for a person, else a problem document.
func (s *Server) failRoute(r auth.Route, err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	p := respond.From(err)
	if p.Status >= http.StatusInternalServerError && p.Status != http.StatusServiceUnavailable {
		s.o.Log.ErrorContext(c.Request().Context(), "request failed",
			"request_id", requestIDOf(c), "method", c.Request().Method, "path", c.Path(), "error", err)
	}
	if r.Fail != nil {
		p.SetHeaders(c)
		_ = r.Fail(c, p) // The client may be gone; there is nobody else to tell.
		return
	}
	if p.Status == http.StatusUnauthorized && respond.WantsPage(c) && (c.Request().Method == http.MethodGet || c.Request().Method == http.MethodHead) {
		_ = c.Redirect(http.StatusSeeOther, auth.SignInURL(c.Request())) // The client may be gone.
		return
	}
	if s.o.ErrorPage != nil && respond.WantsPage(c) {
		p.SetHeaders(c)
		if s.o.ErrorPage(c, p) == nil {
			return
		}
	}
	_ = p.Send(c) // The client may be gone; there is nobody else to tell.
}
