package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
	"tidemark/web/respond"
)

// SessionLife is how long a browser stays signed in.
const SessionLife = 7 * 24 * time.Hour

const (
	sessionUser = "user"
	sessionRole = "role"
)

// Options configure Auth.
type Options struct {
	Keys     *access.Keyring
	Store    access.Store
	Sessions scs.Store
	Now      func() time.Time
	// Secure marks cookies for HTTPS only; set it whenever browsers reach the server
	// by HTTPS.
	Secure bool
	// SignInPage renders the sign-in page.
	SignInPage func(c echo.Context, status int, v SignInView) error
	// Failures limits attempts with a wrong identity, by address.
	Failures *Limiter
}

// Auth identifies callers.
type Auth struct {
	o       Options
	session *scs.SessionManager
	origin  *http.CrossOriginProtection
}

// New returns an Auth.
func New(o Options) *Auth {
	sm := scs.New()
	sm.Store = o.Sessions
	sm.Lifetime = SessionLife
	sm.HashTokenInStore = true
	sm.Cookie.Name = "tidemark_session"
	sm.Cookie.HttpOnly = true
	sm.Cookie.SameSite = http.SameSiteLaxMode
	sm.Cookie.Path = "/"
	sm.Cookie.Secure = o.Secure
	if o.Secure {
		// The prefix makes browsers refuse a cookie that another host of the domain sets.
		sm.Cookie.Name = "__Host-tidemark_session"
	}
	return &Auth{o: o, session: sm, origin: http.NewCrossOriginProtection()}
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
		if err := a.origin.Check(c.Request()); err != nil {
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

// identifyKey answers wrong keys more and more slowly, by address; good ones are
// not held to account for their neighbours.
func (a *Auth) identifyKey(c echo.Context, token string) (*access.Identity, error) {
	id, err := a.o.Keys.Identify(c.Request().Context(), token)
	if errors.Is(err, access.ErrUnauthenticated) {
		if wait := a.o.Failures.Take(c.RealIP()); wait > 0 {
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

// person returns who is signed in, or nil.
func (a *Auth) person(c echo.Context) (*access.Identity, error) {
	cookie, err := c.Cookie(a.session.Cookie.Name)
	if err != nil || cookie.Value == "" {
		return nil, nil //nolint:nilnil,nilerr // No cookie is nobody, not an error.
	}
	ctx, err := a.session.Load(c.Request().Context(), cookie.Value)
	if err != nil {
		return nil, fmt.Errorf("load session: %w", err)
	}
	role := access.Role(a.session.GetString(ctx, sessionRole))
	if role == "" {
		return nil, nil //nolint:nilnil // A session that is gone is nobody.
	}
	c.SetRequest(c.Request().WithContext(ctx))
	return access.PersonIdentity(access.User{Name: a.session.GetString(ctx, sessionUser), Role: role}), nil
}

// Require refuses whoever lacks the permission.
func Require(p access.Permission) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			id := Who(c)
			if id.May(p) {
				return next(c)
			}
			if id == nil {
				return fmt.Errorf("%w: send an API key in Authorization: Bearer, or sign in", access.ErrUnauthenticated)
			}
			return fmt.Errorf("%w: this needs the permission %q", access.ErrForbidden, p)
		}
	}
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
