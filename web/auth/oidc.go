package auth

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
)

const (
	providerPath = SignInPath + "/oidc"
	callbackPath = providerPath + "/callback"
)

// flowLife is how long a person may take at the provider.
const flowLife = 10 * time.Minute

func providerURL(to string) string {
	if to == "" {
		return providerPath
	}
	return providerPath + "?" + url.Values{"to": {to}}.Encode()
}

func (a *Auth) flowCookie() string { return cookieName("tidemark_signin", a.o.Secure) }

// toProvider sends the browser to the provider. It changes nothing here: the sign-in
// under way is in the browser's cookie.
func (a *Auth) toProvider(c echo.Context) error {
	if err := a.providerWait(c); err != nil {
		return err
	}
	f := newFlow(localPath(c.QueryParam("to")))
	to, err := a.o.Provider.begin(c.Request().Context(), f)
	if err != nil {
		return a.noAnswer(c, f, err)
	}
	raw, err := f.encode()
	if err != nil {
		return err
	}
	c.SetCookie(&http.Cookie{
		Name: a.flowCookie(), Value: base64.RawURLEncoding.EncodeToString(raw), Path: "/", MaxAge: int(flowLife / time.Second),
		HttpOnly: true, Secure: a.o.Secure, SameSite: http.SameSiteLaxMode,
	})
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.Redirect(http.StatusSeeOther, to)
}

// noAnswer shows the sign-in page, which has the other ways in.
func (a *Auth) noAnswer(c echo.Context, f flow, err error) error {
	a.o.Failures.Take(ofProvider + Source(c))
	a.o.Log.ErrorContext(c.Request().Context(), "OpenID provider", "error", cut(err.Error()))
	return a.o.SignInPage(c, http.StatusBadGateway, a.signInView(SignInView{
		To: f.To, Error: "The OpenID provider does not answer; the server's log says more. Try again, or sign in with a password if you have one here.",
	}))
}

// fromProvider is where the provider sends the browser back. The state, which only the
// browser that began knows, makes it safe to sign in by a GET.
func (a *Auth) fromProvider(c echo.Context) error {
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	f, ok := a.flow(c)
	if !ok { // The cookie stays: another tab's sign-in may be under way.
		if err := a.failed(c, ofLinks); err != nil {
			return err
		}
		return a.refuse(c, access.ByProvider, "", SignInView{
			// A browser that opened another address of this server has the cookie there.
			Error: "This sign-in did not begin in this browser at " + a.o.Provider.o.Base() + ", or took too long. Begin again there.",
		})
	}
	a.dropCookie(c, a.flowCookie())
	if code := c.QueryParam("error"); code != "" {
		a.o.Log.WarnContext(c.Request().Context(), "OpenID provider refused", "code", cut(code), "description", cut(c.QueryParam("error_description")))
		return a.refuse(c, access.ByProvider, "", SignInView{To: f.To, Error: "The OpenID provider refused the sign-in."})
	}
	if err := a.providerWait(c); err != nil {
		return err
	}
	e, err := a.o.Provider.finish(c.Request().Context(), f, c.QueryParam("code"))
	if err != nil {
		return a.refuseExternal(c, f, e.Subject, err)
	}
	acc, err := a.o.People.SignInExternal(c.Request().Context(), e, a.o.Now())
	if err != nil {
		return a.refuseExternal(c, f, e.Subject, err)
	}
	return a.begin(c, acc.Name, access.ByProvider, f.To)
}

// providerWait refuses whoever asked too often for what the provider does not know, or
// while it did not answer.
func (a *Auth) providerWait(c echo.Context) error {
	return tooManyAttempts(a.o.Failures.Wait(ofProvider+Source(c)), "from this address")
}

// refuseExternal tells the person what they can do something about; the rest is for
// the log.
func (a *Auth) refuseExternal(c echo.Context, f flow, subject string, err error) error {
	v := SignInView{To: f.To}
	level := slog.LevelWarn
	switch {
	case errors.Is(err, access.ErrDisabled):
		v.Error = "This account is disabled."
	case errors.Is(err, access.ErrForbidden):
		v.Error = "You have no role in tidemark. Ask an administrator for one."
	case errors.Is(err, access.ErrLastAdmin):
		v.Error = "You are the last administrator, and your provider says you are none. Whoever runs the server can make somebody else one first: tidemark signin --data DIR --role admin prints a link that signs in as an administrator called operator."
	case errors.Is(err, errNoAnswer):
		return a.noAnswer(c, f, err)
	case errors.Is(err, errProvider):
		a.o.Failures.Take(ofProvider + Source(c))
		level = slog.LevelError
		v.Error = "The answer of the OpenID provider cannot be used; see the server's log."
	default:
		return err
	}
	a.o.Log.Log(c.Request().Context(), level, "OpenID provider", "error", cut(err.Error()), "subject", cut(subject))
	return a.refuse(c, access.ByProvider, "", v)
}

// flow returns the sign-in that the browser began, when the answer is to that one.
func (a *Auth) flow(c echo.Context) (f flow, ok bool) {
	cookie, err := c.Cookie(a.flowCookie())
	if err != nil {
		return f, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || json.Unmarshal(raw, &f) != nil || f.State == "" || f.Nonce == "" || f.Verifier == "" {
		return f, false
	}
	iss := c.QueryParam("iss") // RFC 9207: who answers says so.
	return f, sameText(c.QueryParam("state"), f.State) && (iss == "" || iss == a.o.Provider.o.Issuer)
}

func sameText(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// cut shortens what a stranger may have written, or a whole page that the provider
// answered, before it is logged.
func cut(s string) string { return s[:min(len(s), 500)] }
