package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"tidemark/flags/access"
	"tidemark/web/respond"
)

// Options configure Auth.
type Options struct {
	Log       *slog.Logger // default: none
	Keys      *access.Keyring
	Store     access.Store
	People    access.People
	Passwords *access.Passwords // default: at access.DefaultCost
	Sessions  scs.Store
	Now       func() time.Time
	// Secure marks cookies for HTTPS only; set it whenever browsers reach the server
	// by HTTPS.
	Secure bool
	// Scheme is that of the address by which browsers reach the server, https or http; ""
	// is not known.
	Scheme string
	// Provider signs people in elsewhere; nil = nobody does.
	Provider *Provider
	// SignInPage renders the sign-in page.
	SignInPage func(c echo.Context, status int, v SignInView) error
	// SetUpPage renders the page on which a person chooses a password.
	SetUpPage func(c echo.Context, status int, v SetUpView) error
	// Failures limits attempts with a wrong identity, by address and by what was wrong.
	Failures *Limiter
	// Devices is the secret by which browsers are known that somebody signed in with; nil
	// knows none.
	Devices []byte
	// Registry counts sign-ins; nil = nothing does.
	Registry prometheus.Registerer
}

// Auth identifies callers.
type Auth struct {
	o       Options
	session *scs.SessionManager
	origin  *http.CrossOriginProtection
	guesses *Limiter // of passwords, by name and address, by browser and by session
	signIns *prometheus.CounterVec

	mu   sync.Mutex
	seen map[string]time.Time // last use of sessions, to be stored

	held holds
}

// New returns an Auth.
func New(o Options) *Auth {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Passwords == nil {
		o.Passwords = access.NewPasswords(access.DefaultCost())
	}
	a := &Auth{
		o: o, session: manager(o), origin: http.NewCrossOriginProtection(), seen: map[string]time.Time{}, held: holds{open: map[*hold]struct{}{}},
		guesses: NewLimiter(0.1, 10, 20_000, o.Now),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidemark_sign_ins_total", Help: "Attempts to sign in, by method and result.",
		}, []string{"method", "result"}),
	}
	if o.Registry != nil {
		o.Registry.MustRegister(a.signIns, prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "tidemark_password_hashes_total", Help: "Passwords that were hashed, to be stored or compared.",
		}, func() float64 { return float64(a.o.Passwords.Hashed()) }))
	}
	return a
}

// Identify finds out who asks. A key that is shown and wrong is an error even on
// public routes, so that nobody believes a bad key good; a session that is gone is
// as no session.
func (a *Auth) Identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if token := keyOf(c.Request()); token != "" {
			id, err := a.identifyKey(c, token)
			if err != nil {
				return err
			}
			c.Set(identityKey, id)
			return next(c)
		}
		// Browsers send cookies by themselves, so whatever is not a key must come
		// from our own pages.
		if !a.own(c.Request()) {
			return respond.New(http.StatusForbidden, "cross_origin", "A browser sent this from another site.")
		}
		id, err := a.person(c)
		if err != nil {
			return err
		}
		if id != nil {
			c.Set(identityKey, id)
		}
		return next(c)
	}
}

// own reports whether a request comes from our own pages. A browser that does not say so
// itself says their origin, of whose scheme the request tells nothing: a page that came by
// HTTP, which anybody on the way may have written, is no page of a server with HTTPS.
func (a *Auth) own(r *http.Request) bool {
	if a.origin.Check(r) != nil {
		return false
	}
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	origin := r.Header.Get("Origin")
	if safe || a.o.Scheme == "" || origin == "" || r.Header.Get("Sec-Fetch-Site") != "" {
		return true
	}
	scheme, _, _ := strings.Cut(origin, "://")
	return scheme == a.o.Scheme
}

// identifyKey answers wrong keys more and more slowly, by address; good ones are
// not held to account for their neighbours.
func (a *Auth) identifyKey(c echo.Context, token string) (*access.Identity, error) {
	id, err := a.o.Keys.Identify(c.Request().Context(), token)
	if errors.Is(err, access.ErrUnauthenticated) {
		if wait := a.o.Failures.Take(ofKeys + Source(c)); wait > 0 {
			return nil, respond.New(http.StatusTooManyRequests, "rate_limited", "Too many attempts with a wrong key from this address.").Later(wait)
		}
	}
	return id, err
}

// keyOf returns the key that a request shows, in Authorization: Bearer or X-API-Key.
func keyOf(r *http.Request) string {
	if h := r.Header.Get(echo.HeaderAuthorization); h != "" {
		if scheme, token, ok := strings.Cut(h, " "); ok && strings.EqualFold(scheme, "Bearer") {
			return strings.TrimSpace(token)
		}
	}
	return r.Header.Get("X-API-Key")
}

// Require refuses whoever lacks the route's permission. Who owns some feature gets as
// far as CheckOwner where the route is about features.
func Require(r Route) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			id := Who(c)
			if id.May(r.May) || mayOwn(r, id) {
				return next(c)
			}
			if id == nil {
				return fmt.Errorf("%w: send an API key in Authorization: Bearer, or sign in", access.ErrUnauthenticated)
			}
			return access.Lacking(r.May)
		}
	}
}

// mayOwn reports whether somebody who lacks the permission may have it by ownership.
func mayOwn(r Route, id *access.Identity) bool {
	return r.About != nil && r.May == access.Control && id != nil && id.IsPerson() && len(id.User.Features) > 0
}

// CheckOwner asks a route what a request is about, and lets those who may control
// everything, and the owners of all that it is about, go on. It comes after Require and
// after the limits on bodies.
func CheckOwner(r Route) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		if r.About == nil || r.May != access.Control {
			return next
		}
		return func(c echo.Context) error {
			id := Who(c)
			if id.May(r.May) {
				return next(c)
			}
			features, err := r.About(c)
			if err != nil {
				return err
			}
			if ownsAll(id, features) || r.Safer != nil && r.Safer(c) && slices.ContainsFunc(features, id.User.Owns) {
				return next(c)
			}
			return access.Lacking(r.May)
		}
	}
}

func ownsAll(id *access.Identity, features []string) bool {
	return !slices.Contains(features, "") && id.MayControl(features...)
}

// NewLink makes a sign-in link's path, such as /signin?token=…; the host is the
// caller's to add.
func NewLink(ctx context.Context, store access.Store, u access.User, now time.Time, actor string) (string, error) {
	l, token := access.NewSignIn(u, now)
	if err := store.CreateSignIn(ctx, l, actor); err != nil {
		return "", err
	}
	return SignInPath + "?token=" + token, nil
}
