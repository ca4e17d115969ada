package auth

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
	"tidemark/web/respond"
)

// SignInPath is where a sign-in link leads.
const SignInPath = "/signin"

// SignInView is what the sign-in page shows.
type SignInView struct {
	Action string // where the form posts
	Token  string // "" when the page was opened without a link
	Failed bool   // the link is not valid any more
}

// Routes is the URL map of signing in and out. Opening a link changes nothing: it
// shows a button, so that a mail scanner or a prefetch does not use the link up.
func (a *Auth) Routes() []Route {
	return []Route{
		{Method: http.MethodGet, Path: SignInPath, May: access.Public, Handle: a.signInPage},
		{Method: http.MethodPost, Path: SignInPath, May: access.Public, Handle: a.signIn},
		{Method: http.MethodPost, Path: "/signout", May: access.Known, Handle: a.signOut},
	}
}

func (a *Auth) signInPage(c echo.Context) error {
	return a.o.SignInPage(c, http.StatusOK, SignInView{Action: SignInPath, Token: c.QueryParam("token")})
}

func (a *Auth) signIn(c echo.Context) error {
	if wait := a.o.Failures.Wait(c.RealIP()); wait > 0 {
		return respond.New(http.StatusTooManyRequests, "rate_limited", "Too many attempts from this address.").Later(wait)
	}
	ctx := c.Request().Context()
	u, err := a.o.Store.UseSignIn(ctx, access.SignInHash(c.FormValue("token")), a.o.Now())
	if errors.Is(err, access.ErrSignIn) {
		a.o.Failures.Take(c.RealIP())
		return a.o.SignInPage(c, http.StatusForbidden, SignInView{Action: SignInPath, Failed: true})
	}
	if err != nil {
		return err
	}
	// A fresh session, whatever the browser had before.
	ctx, err = a.session.Load(ctx, "")
	if err != nil {
		return fmt.Errorf("new session: %w", err)
	}
	a.session.Put(ctx, sessionUser, u.Name)
	a.session.Put(ctx, sessionRole, string(u.Role))
	token, expiry, err := a.session.Commit(ctx)
	if err != nil {
		return fmt.Errorf("new session: %w", err)
	}
	a.session.WriteSessionCookie(ctx, c.Response(), token, expiry)
	return c.Redirect(http.StatusSeeOther, "/")
}

func (a *Auth) signOut(c echo.Context) error {
	if !Who(c).IsPerson() {
		return respond.New(http.StatusBadRequest, "bad_request", "Only a browser session can be signed out; revoke a key instead.")
	}
	ctx := c.Request().Context()
	if err := a.session.Destroy(ctx); err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	c.SetCookie(&http.Cookie{
		Name: a.session.Cookie.Name, Path: "/", MaxAge: -1, HttpOnly: true,
		Secure: a.o.Secure, SameSite: http.SameSiteLaxMode,
	})
	return c.Redirect(http.StatusSeeOther, SignInPath)
}
