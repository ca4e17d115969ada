package web

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/web/auth"
	"tidemark/web/respond"
)

// requestIDForm is what we take over from a proxy in front: short, and harmless in
// logs.
var requestIDForm = regexp.MustCompile(`^[a-zA-Z0-9_-]{8,64}$`)

// requestID names the request in the answer, the log and problem documents.
func (s *Server) requestID(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := c.Request().Header.Get(echo.HeaderXRequestID)
		if !requestIDForm.MatchString(id) {
			id = fmt.Sprintf("%016x", rand.Uint64()) //nolint:gosec // A name, not a secret.
		}
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		return next(c)
	}
}

func requestIDOf(c echo.Context) string { return c.Response().Header().Get(echo.HeaderXRequestID) }

// slow is how long an answer may take before it is logged; streams are not asked.
const slow = time.Second

// observe counts and logs the request when it is answered, also when it fails.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		begin := s.o.Now()
		err := next(c)
		if err != nil {
			c.Error(err) // Answers now, so that the status below is what was sent.
		}
		took := s.o.Now().Sub(begin)
		status := c.Response().Status
		s.seen.done(c, status, took)
		stream := c.Response().Header().Get(echo.HeaderContentType) == "text/event-stream; charset=utf-8"
		if s.o.LogRequests || status >= 500 || (took > slow && !stream && c.QueryParam("wait") == "") {
			s.logRequest(c, status, took)
		}
		return nil
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

// secure sets the headers that keep browsers from helping an attacker.
func (s *Server) secure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if s.o.HTTPS {
			h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
		}
		return next(c)
	}
}

func tooMany(wait time.Duration, whose string) error {
	return respond.New(http.StatusTooManyRequests, "rate_limited", "Too many requests of this %s.", whose).Later(wait)
}

func (s *Server) limitAddress(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if wait := s.addresses.Take(c.RealIP()); wait > 0 {
			return tooMany(wait, "address")
		}
		return next(c)
	}
}

func (s *Server) limitIdentity(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if id := auth.Who(c); id != nil {
			if wait := s.keys.Take(id.Actor()); wait > 0 {
				return tooMany(wait, "API key or session")
			}
		}
		return next(c)
	}
}

// bound holds one request to its share: of places in flight, of time to send its
// body and take its answer, and of body size.
func (s *Server) bound(r auth.Route) echo.MiddlewareFunc {
	places, code := s.inFlight, "busy"
	if r.Stream {
		places, code = s.streams, "too_many_streams"
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			select {
			case places <- struct{}{}:
				defer func() { <-places }()
			default:
				return respond.New(http.StatusServiceUnavailable, code, "Too many requests are being answered (%d).", cap(places)).Later(time.Second)
			}
			return s.deadlines(c, r, next)
		}
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

func statusClass(status int) string { return strconv.Itoa(status/100) + "xx" }
