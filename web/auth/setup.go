package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
	"tidemark/web/respond"
)

// SetUpPath is where a person chooses a password by a link: the first administrator,
// or somebody who was invited.
const SetUpPath = "/setup"

// bySetUp is how refused links to it are counted; who uses one signs in by the password.
const bySetUp = "set-up"

// SetUpView is what the page shows on which a person chooses a password.
type SetUpView struct {
	Action string // where the form posts
	Token  string
	First  bool   // the first administrator, who also chooses a name
	Name   string // whose password it is, or as it was typed
	Error  string // what was wrong, in a sentence
	Failed bool   // the link is not valid any more
}

// NewSetUp makes a link's path with which the first administrator is made; "" when
// there is one already.
func NewSetUp(ctx context.Context, people access.People, now time.Time, actor string) (string, error) {
	i, token := access.NewInvite("", now)
	err := people.CreateInvite(ctx, i, access.Change{Actor: actor, Reason: "First start.", At: now})
	if errors.Is(err, access.ErrAccount) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return SetUpPath + "?token=" + token, nil
}

// NewInvite makes a link's path with which a person chooses a password.
func NewInvite(ctx context.Context, people access.People, name string, c access.Change) (string, access.Invite, error) {
	i, token := access.NewInvite(name, c.At)
	if err := people.CreateInvite(ctx, i, c); err != nil {
		return "", i, err
	}
	return SetUpPath + "?token=" + token, i, nil
}

// setUpPage changes nothing: the link is used up when the form is sent.
func (a *Auth) setUpPage(c echo.Context) error {
	v, err := a.invited(c, c.QueryParam("token"))
	if err != nil {
		return err
	}
	status := http.StatusOK
	if v.Failed {
		status = http.StatusForbidden
	}
	return a.o.SetUpPage(c, status, v)
}

func (a *Auth) invited(c echo.Context, token string) (SetUpView, error) {
	v := SetUpView{Action: SetUpPath, Token: token}
	i, err := a.o.People.Invite(c.Request().Context(), access.SignInHash(token), a.o.Now())
	if errors.Is(err, access.ErrSignIn) {
		v.Failed = true
		if err := a.failed(c, ofLinks); err != nil {
			return v, err
		}
		a.refusedLink(c, err)
		return v, nil
	}
	v.Name, v.First = i.User, i.User == ""
	return v, err
}

// refusedLink says so as a refused sign-in does: counted and logged, without the link.
func (a *Auth) refusedLink(c echo.Context, why error) {
	a.signIns.WithLabelValues(bySetUp, "refused").Inc()
	a.o.Log.WarnContext(c.Request().Context(), "set-up link refused", "error", why, "address", c.RealIP())
}

func (a *Auth) setUp(c echo.Context) error {
	v, err := a.invited(c, c.Request().PostFormValue("token"))
	if err != nil {
		return err
	}
	if v.Failed {
		return a.o.SetUpPage(c, http.StatusForbidden, v)
	}
	if v.First {
		v.Name = c.Request().PostFormValue("name")
	}
	password := c.Request().PostFormValue("password")
	if v.Error = a.unfit(v, password, c.Request().PostFormValue("again")); v.Error != "" {
		return a.o.SetUpPage(c, http.StatusBadRequest, v)
	}
	ctx := c.Request().Context()
	hash, err := a.o.Passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	name, err := a.o.People.UseInvite(ctx, access.SignInHash(v.Token), v.Name, hash, a.o.Now())
	if errors.Is(err, access.ErrSignIn) { // Somebody was faster.
		v.Failed = true
		a.refusedLink(c, err)
		return a.o.SetUpPage(c, http.StatusForbidden, v)
	}
	if errors.Is(err, access.ErrNameTaken) {
		v.Error = "Somebody has this name already. Choose another one."
		return a.o.SetUpPage(c, http.StatusConflict, v)
	}
	if err != nil {
		return err
	}
	return a.beginWith(c, name, hash, access.ByPassword, "/")
}

// unfit says what is wrong with a name and a password; "" when nothing is.
func (a *Auth) unfit(v SetUpView, password, again string) string {
	if err := access.CheckAccountName(v.Name); v.First && err != nil {
		return err.Error()
	}
	if err := access.CheckPassword(v.Name, password); err != nil {
		return err.Error()
	}
	if password != again {
		return "The two passwords are not the same."
	}
	return ""
}

// ChangePassword gives who is signed in another password. The current one is asked for
// where there is one; guessing it is as slow as signing in.
func (a *Auth) ChangePassword(c echo.Context, current, password, again string) error {
	ctx, id := c.Request().Context(), Who(c)
	acc, err := a.o.People.Account(ctx, id.Name)
	if err != nil {
		return err
	}
	if acc.Issuer != "" {
		return fmt.Errorf("%w: you sign in with %s and have no password here", access.ErrPassword, acc.Issuer)
	}
	if text := a.unfit(SetUpView{Name: acc.Name}, password, again); text != "" {
		return respond.Bad("password", "%s", text)
	}
	old, err := a.checkCurrent(c, acc.Name, current)
	if err != nil {
		return err
	}
	hash, err := a.o.Passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	return a.o.People.SetPassword(ctx, acc.Name, old, hash, id.Session, access.Change{Actor: id.Actor(), At: a.o.Now()})
}

func (a *Auth) checkCurrent(c echo.Context, name, current string) (stored string, err error) {
	ctx := c.Request().Context()
	stored, err = a.o.People.PasswordHash(ctx, name)
	if err != nil || stored == "" {
		return "", err
	}
	if err := tooManyAttempts(a.guesses.Take("session "+Who(c).Session), "from this browser"); err != nil {
		return "", err
	}
	ok, _, err := a.o.Passwords.Check(ctx, stored, current)
	if err == nil && !ok {
		err = respond.Bad("current", "The current password is wrong.")
	}
	return stored, err
}
