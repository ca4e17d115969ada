package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// wrap puts a route behind everything that a request passes through. The chain is
// made once, so that a request allocates nothing for it.
func (s *Server) wrap(r auth.Route) echo.HandlerFunc {
	h := r.Handle
	for _, m := range []echo.MiddlewareFunc{
		s.hold(r), s.turn(r), auth.CheckOwner(r), s.settle(r), s.place(r), auth.Require(r), s.limitIdentity(r), s.o.Auth.Identify, s.limitAddress(r), s.bound(r), s.secure(r), s.recover, s.observe(r), s.requestID,
	} {
		h = m(h)
	}
	return h
}

// hold lets streams end with the right to have them.
func (s *Server) hold(r auth.Route) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		if !r.Stream {
			return next
		}
		return func(c echo.Context) error {
			release := s.o.Auth.Hold(c, r)
			defer release()
			return next(c)
		}
	}
}

// settleAfter is how long what a change says may take to come before it is asked again who
// makes it.
const settleAfter = 250 * time.Millisecond

// settle waits for all that a change says, and asks again who makes it when that took long:
// whoever was sent away meanwhile, or may do less, changes nothing by what they began.
func (s *Server) settle(r auth.Route) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		changes := r.May == access.Person || r.May == access.Control || r.May == access.Admin
		if r.Stream || r.Method == http.MethodGet || !changes {
			return next
		}
		return func(c echo.Context) error {
			req, begin := c.Request(), s.o.Now()
			if req.ContentLength == 0 {
				return next(c)
			}
			said, err := io.ReadAll(req.Body)
			req.Body = settled{io.MultiReader(bytes.NewReader(said), broken{err}), req.Body}
			if s.o.Now().Sub(begin) > settleAfter {
				if err := s.o.Auth.Again(c, r); err != nil {
					return err
				}
			}
			return next(c)
		}
	}
}

// settled is a body that was read already.
type settled struct {
	io.Reader
	io.Closer
}

// broken is where a body broke off; nil is its end.
type broken struct{ err error }

// Read implements io.Reader.
func (b broken) Read([]byte) (int, error) {
	if b.err == nil {
		return 0, io.EOF
	}
	return 0, b.err
}

// requestID names the request in the answer, the log and problem documents. What a
// proxy in front says is taken over when it is short, and harmless in logs.
func (s *Server) requestID(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := c.Request().Header.Get(echo.HeaderXRequestID)
		if !isRequestID(id) {
			id = newRequestID()
		}
		c.Response().Header()[headerRequestID] = []string{id}
		return next(c)
	}
}

// headerRequestID is X-Request-ID in the form in which headers are kept.
var headerRequestID = http.CanonicalHeaderKey(echo.HeaderXRequestID)

// newRequestID returns 16 hex digits: a name, not a secret.
func newRequestID() string {
	const hex = "0123456789abcdef"
	var b [16]byte
	n := rand.Uint64() //nolint:gosec // A name, not a secret.
	for i := range b {
		b[i] = hex[n&15]
		n >>= 4
	}
	return string(b[:])
}

func isRequestID(id string) bool {
	if len(id) < 8 || len(id) > 64 {
		return false
	}
	for _, r := range []byte(id) {
		word := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !word && r != '_' && r != '-' {
			return false
		}
	}
	return true
}

func requestIDOf(c echo.Context) string { return c.Response().Header().Get(echo.HeaderXRequestID) }

// slow is how long an answer may take before it is logged; streams are not asked.
const slow = time.Second

// observe counts and logs the request when it is answered, also when it fails.
func (s *Server) observe(r auth.Route) echo.MiddlewareFunc {
	seen := s.seen.route(r)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			begin := s.o.Now()
			err := next(c)
			if err != nil {
				s.failRoute(r, err, c) // Answers now, so that the status below is what was sent.
			}
			took := s.o.Now().Sub(begin)
			status := c.Response().Status
			seen.done(status, took)
			if s.o.LogRequests || status >= 500 || (took > slow && !r.Stream && c.QueryParam("wait") == "") {
				s.logRequest(c, status, took)
			}
			return nil
		}
	}
}

func (s *Server) logRequest(c echo.Context, status int, took time.Duration) {
	who := ""
	if id := auth.Who(c); id != nil {
		who = id.Actor()
	}
	r := c.Request()
	// The query is left out: it may hold a sign-in token.
	s.o.Log.InfoContext(r.Context(), "request",
		"request_id", requestIDOf(c), "method", r.Method, "path", r.URL.Path, "route", c.Path(), "status", status,
		"took", took, "bytes", c.Response().Size, "address", c.RealIP(), "who", who)
}

// recover turns a panic into a 500 and a log line with its stack: one bad request
// must not take the others with it.
func (s *Server) recover(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if e, ok := v.(error); ok && errors.Is(e, http.ErrAbortHandler) {
				panic(v)
			}
			s.o.Log.ErrorContext(c.Request().Context(), "panic", "request_id", requestIDOf(c), "value", fmt.Sprint(v), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", v)
		}()
		return next(c)
	}
}

// policy allows pages to load from this server alone, and nothing inline.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secure sets the headers that keep browsers from helping an attacker, and those
// that let other sites in where a route says so. The values are shared: net/http
// only reads them.
func (s *Server) secure(r auth.Route) echo.MiddlewareFunc {
	type header struct {
		name  string
		value []string
	}
	fixed := []header{
		{"Content-Security-Policy", []string{policy}},
		{"X-Content-Type-Options", []string{"nosniff"}},
		{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
	}
	if !r.Data {
		fixed = append(fixed, header{"Referrer-Policy", []string{"no-referrer"}}, header{"Cross-Origin-Opener-Policy", []string{"same-origin"}}, header{echo.HeaderCacheControl, []string{"no-store"}})
	}
	if s.o.HTTPS {
		fixed = append(fixed, header{"Strict-Transport-Security", []string{"max-age=31536000"}})
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			h := c.Response().Header()
			for _, f := range fixed {
				h[f.name] = f.value
			}
			if r.Cross != nil {
				r.Cross(c)
			}
			return next(c)
		}
	}
}

func tooMany(wait time.Duration, whose string) error {
	return respond.New(http.StatusTooManyRequests, "rate_limited", "Too many requests of this %s.", whose).Later(wait)
}

func (s *Server) limitAddress(r auth.Route) echo.MiddlewareFunc {
	take := taker(s.addresses, r)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if wait := take(auth.Source(c)); wait > 0 {
				return tooMany(wait, "address")
			}
			return next(c)
		}
	}
}

func (s *Server) limitIdentity(r auth.Route) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if id := auth.Who(c); id != nil {
				if err := s.within(id, r.Light); err != nil {
					return err
				}
			}
			return next(c)
		}
	}
}

// within holds somebody to the limit of requests of one identity.
func (s *Server) within(who *access.Identity, light bool) error {
	if wait := s.keys.TakeOwn(who.Actor(), who.Rate, light); wait > 0 {
		return tooMany(wait, "API key or session")
	}
	return nil
}

func taker(l *auth.Limiter, r auth.Route) func(string) time.Duration {
	if r.Light {
		return l.TakeLight
	}
	return l.Take
}

// bound holds one request to its time to send its body and take its answer, and to the
// size of its body. It comes before all that may refuse: net/http waits for the body of a
// request that was refused too.
func (s *Server) bound(r auth.Route) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error { return s.deadlines(c, r, next) }
	}
}

func (s *Server) deadlines(c echo.Context, r auth.Route, next echo.HandlerFunc) error {
	req := c.Request()
	rc := http.NewResponseController(c.Response().Writer)
	now := time.Now() // Deadlines of connections are by the real clock.
	if req.ContentLength != 0 {
		if err := ignoreUnsupported(rc.SetReadDeadline(now.Add(s.o.Limits.ReadBody))); err != nil {
			return fmt.Errorf("read deadline: %w", err)
		}
		if !r.Body {
			req.Body = http.MaxBytesReader(c.Response().Writer, req.Body, s.o.Limits.MaxForm)
		}
	}
	if !r.Stream {
		if err := ignoreUnsupported(rc.SetWriteDeadline(now.Add(s.o.Limits.WriteAnswer))); err != nil {
			return fmt.Errorf("write deadline: %w", err)
		}
	}
	return next(c)
}

// ignoreUnsupported is for test recorders, which have no connection.
func ignoreUnsupported(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}
