package auth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
	"tidemark/web/respond"
)

const (
	sessionID  = "id"      // in a session's data: the id of access.Session
	sessionCtx = "session" // in the request: the context that the session manager knows
)

// manager keeps tokens; who they stand for and what that person may do is looked up
// for each request, so that a change holds at once.
func manager(o Options) *scs.SessionManager {
	sm := scs.New()
	sm.Store = o.Sessions
	sm.Lifetime = access.SessionLife
	sm.HashTokenInStore = true
	sm.Cookie.Name = cookieName("tidemark_session", o.Secure)
	sm.Cookie.HttpOnly = true
	sm.Cookie.SameSite = http.SameSiteLaxMode
	sm.Cookie.Path = "/"
	sm.Cookie.Secure = o.Secure
	return sm
}

// cookieName adds the prefix that makes browsers refuse a cookie which another host of
// the domain, or a page without HTTPS, sets.
func cookieName(name string, secure bool) string {
	if secure {
		return "__Host-" + name
	}
	return name
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
	sid := a.session.GetString(ctx, sessionID)
	if sid == "" {
		return nil, nil //nolint:nilnil // A session that is gone is nobody.
	}
	now := a.o.Now()
	u, seen, err := a.o.People.SessionUser(ctx, sid, now)
	if errors.Is(err, access.ErrNoSession) {
		return nil, nil //nolint:nilnil // As above.
	}
	if err != nil {
		return nil, err
	}
	if now.Sub(seen) > time.Minute {
		a.mu.Lock()
		a.seen[sid] = now
		a.mu.Unlock()
	}
	c.Set(sessionCtx, ctx)
	id := access.PersonIdentity(u)
	id.Session = sid
	return id, nil
}

// Flush stores the last use of sessions. On error it is kept for the next time.
func (a *Auth) Flush(ctx context.Context) error {
	a.mu.Lock()
	seen := a.seen
	a.seen = map[string]time.Time{}
	a.mu.Unlock()
	if len(seen) == 0 {
		return nil
	}
	if err := a.o.People.TouchSessions(ctx, seen); err != nil {
		a.mu.Lock()
		maps.Copy(seen, a.seen)
		a.seen = seen
		a.mu.Unlock()
		return fmt.Errorf("last use of sessions: %w", err)
	}
	return nil
}

// begin signs the browser in and leads it on. Whatever session it had before ends, so
// that nobody can plant one in advance.
func (a *Auth) begin(c echo.Context, user, method, to string) error {
	return a.beginWith(c, user, "", method, to)
}

// beginWith is begin for who gave the password of a stored hash.
func (a *Auth) beginWith(c echo.Context, user, hash, method, to string) error {
	ctx := c.Request().Context()
	if old, ok := c.Get(sessionCtx).(context.Context); ok {
		if err := a.session.Destroy(old); err != nil {
			return fmt.Errorf("end the session before: %w", err)
		}
	}
	s := access.NewSession(user, method, c.RealIP(), c.Request().UserAgent(), a.o.Now())
	s.Password = hash
	ctx, err := a.session.Load(access.WithSession(ctx, s), "")
	if err != nil {
		return fmt.Errorf("new session: %w", err)
	}
	a.session.Put(ctx, sessionID, s.ID)
	token, expiry, err := a.session.Commit(ctx)
	if err != nil {
		return fmt.Errorf("new session: %w", err)
	}
	a.session.WriteSessionCookie(ctx, c.Response(), token, expiry)
	if method == access.ByPassword {
		a.remember(c, user)
	}
	a.signIns.WithLabelValues(method, "ok").Inc()
	return c.Redirect(http.StatusSeeOther, localPath(to))
}

func (a *Auth) signOut(c echo.Context) error {
	ctx, ok := c.Get(sessionCtx).(context.Context)
	if !ok {
		return respond.New(http.StatusBadRequest, "bad_request", "Only a browser session can be signed out; revoke a key instead.")
	}
	if err := a.session.Destroy(ctx); err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	a.dropCookie(c, a.session.Cookie.Name)
	// What the browser keeps of our pages goes with the session.
	c.Response().Header().Set("Clear-Site-Data", `"cache"`)
	return c.Redirect(http.StatusSeeOther, SignInPath)
}

func (a *Auth) dropCookie(c echo.Context, name string) {
	c.SetCookie(&http.Cookie{Name: name, Path: "/", MaxAge: -1, HttpOnly: true, Secure: a.o.Secure, SameSite: http.SameSiteLaxMode})
}

// maxTo bounds the address that a sign-in leads back to.
const maxTo = 1000

// localPath returns an address of this server, else the front page: a sign-in must
// not lead to other sites.
func localPath(to string) string {
	u, err := url.Parse(to)
	if err != nil || len(to) > maxTo || u.IsAbs() || u.Host != "" || u.User != nil ||
		!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") ||
		strings.HasPrefix(u.Path, SignInPath) || strings.HasPrefix(u.Path, SetUpPath) {
		return "/"
	}
	return to
}

// SignInURL is the sign-in page that leads back to where a request wanted to go.
func SignInURL(r *http.Request) string {
	to := localPath(r.URL.RequestURI())
	if to == "/" {
		return SignInPath
	}
	return SignInPath + "?" + url.Values{"to": {to}}.Encode()
}
