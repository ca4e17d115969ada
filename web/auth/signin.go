package auth

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
)

// SignInPath is where people sign in, and where a sign-in link leads.
const SignInPath = "/signin"

// SignInView is what the sign-in page shows.
type SignInView struct {
	Action string // where the form posts
	Token  string // of a link; "" when the page was opened without one
	Failed bool   // the link is not valid any more
	Name   string // as it was typed
	To     string // where signing in leads
	Error  string // what was wrong, in a sentence
	// Provider is what to call signing in elsewhere, and ProviderURL where that begins;
	// "" = cannot.
	Provider, ProviderURL string
}

// Routes is the URL map of signing in and out. Opening a link changes nothing: it
// shows a button, so that a mail scanner or a prefetch does not use the link up.
func (a *Auth) Routes() []Route {
	routes := []Route{
		{Method: http.MethodGet, Path: SignInPath, May: access.Public, Handle: a.signInPage},
		{Method: http.MethodPost, Path: SignInPath, May: access.Public, Handle: a.signIn},
		{Method: http.MethodGet, Path: SetUpPath, May: access.Public, Handle: a.setUpPage},
		{Method: http.MethodPost, Path: SetUpPath, May: access.Public, Handle: a.setUp},
		{Method: http.MethodPost, Path: "/signout", May: access.Known, Handle: a.signOut},
	}
	if a.o.Provider != nil {
		routes = append(
			routes,
			Route{Method: http.MethodGet, Path: providerPath, May: access.Public, Handle: a.toProvider},
			Route{Method: http.MethodGet, Path: callbackPath, May: access.Public, Handle: a.fromProvider},
		)
	}
	return routes
}

func (a *Auth) signInView(v SignInView) SignInView {
	v.Action = SignInPath
	if v.To = localPath(v.To); v.To == "/" {
		v.To = ""
	}
	if p := a.o.Provider; p != nil {
		v.Provider, v.ProviderURL = p.o.Name, providerURL(v.To)
	}
	return v
}

func (a *Auth) signInPage(c echo.Context) error {
	return a.o.SignInPage(c, http.StatusOK, a.signInView(SignInView{Token: c.QueryParam("token"), To: c.QueryParam("to")}))
}

// refuse shows the sign-in page again with what was wrong. The log names the account,
// "" where there is none: what was typed then may well be somebody's password.
func (a *Auth) refuse(c echo.Context, method, account string, v SignInView) error {
	a.signIns.WithLabelValues(method, "refused").Inc()
	a.o.Log.WarnContext(c.Request().Context(), "sign-in refused", "method", method, "account", account, "address", c.RealIP())
	return a.o.SignInPage(c, http.StatusForbidden, a.signInView(v))
}

func (a *Auth) signIn(c echo.Context) error {
	if token := c.Request().PostFormValue("token"); token != "" {
		return a.signInByLink(c, token)
	}
	return a.signInByPassword(c)
}

func (a *Auth) signInByLink(c echo.Context, token string) error {
	u, err := a.o.Store.UseSignIn(c.Request().Context(), access.SignInHash(token), a.o.Now())
	switch {
	case errors.Is(err, access.ErrSignIn):
		if err := a.failed(c, ofLinks); err != nil {
			return err
		}
		return a.refuse(c, access.ByLink, "", SignInView{Failed: true})
	case errors.Is(err, access.ErrDisabled):
		return a.refuse(c, access.ByLink, "", SignInView{Error: "This account is disabled."})
	case errors.Is(err, access.ErrLastAdmin):
		return a.refuse(c, access.ByLink, "", SignInView{Error: "This link would take the last administrator away. Make a link without --role, or somebody else an administrator first."})
	case err != nil:
		return err
	}
	return a.begin(c, u.Name, access.ByLink, c.Request().PostFormValue("to"))
}

const wrongPassword = "The name or the password is wrong."

// signInByPassword answers a wrong name as it answers a wrong password, and as slowly.
func (a *Auth) signInByPassword(c echo.Context) error {
	ctx := c.Request().Context()
	v := SignInView{Name: c.Request().PostFormValue("name"), To: c.Request().PostFormValue("to")}
	if len(v.Name) > 64 {
		v.Name = ""
	}
	known, err := a.guess(c, v.Name)
	if err != nil {
		return err
	}
	account := v.Name
	stored, err := a.o.People.PasswordHash(ctx, v.Name)
	if errors.Is(err, access.ErrNoAccount) {
		account = ""
	} else if err != nil {
		return err
	}
	password := c.Request().PostFormValue("password")
	ok, stale, err := a.o.Passwords.Check(ctx, stored, password)
	if err != nil {
		return err
	}
	if !ok {
		if !known {
			a.o.Failures.Take(ofPasswords + Source(c))
		}
		v.Error = wrongPassword
		return a.refuse(c, access.ByPassword, account, v)
	}
	if stale {
		if stored, err = a.rehash(c, v.Name, stored, password); err != nil {
			return err
		}
	}
	acc, err := a.o.People.Account(ctx, v.Name)
	if err != nil {
		return err
	}
	err = a.beginWith(c, acc.Name, stored, access.ByPassword, v.To)
	if errors.Is(err, access.ErrUnauthenticated) || errors.Is(err, access.ErrDisabled) { // Since it was compared.
		v.Error = wrongPassword
		return a.refuse(c, access.ByPassword, account, v)
	}
	return err
}

// rehash stores the password at the cost that is asked for now, and returns its hash.
func (a *Auth) rehash(c echo.Context, name, stored, password string) (string, error) {
	ctx := c.Request().Context()
	hash, err := a.o.Passwords.Hash(ctx, password)
	if err != nil {
		return "", err
	}
	return hash, a.o.People.Rehash(ctx, name, stored, hash)
}
