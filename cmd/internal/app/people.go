package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"tidemark/flags/access"
	control "tidemark/flags/sqlite"
	"tidemark/web"
	"tidemark/web/api"
	"tidemark/web/auth"
	"tidemark/web/ui"
)

// TLSFiles are a certificate and its key, PEM files. The zero TLSFiles is none.
type TLSFiles struct{ Cert, Key string }

func (f TLSFiles) check(publicURL string) error {
	switch {
	case f == TLSFiles{}:
		return nil
	case f.Cert == "" || f.Key == "":
		return fmt.Errorf("tls-cert %q, tls-key %q: want both or none", f.Cert, f.Key)
	case publicURL != "" && !strings.HasPrefix(publicURL, "https://"):
		return fmt.Errorf("public-url: %q: want https, since tls-cert is set", publicURL)
	}
	return nil
}

// devicesSecret is the name of the secret by which browsers are known that somebody
// signed in with.
const devicesSecret = "devices"

// people makes what finds out who asks, and keeps it up.
func (a *App) people(ctx context.Context, pages *ui.UI) (err error) {
	if a.o.TLS != (TLSFiles{}) {
		if a.certificate, err = web.OpenCertificate(a.o.TLS.Cert, a.o.TLS.Key, a.log, a.o.Now); err != nil {
			return err
		}
	}
	devices, err := a.control.Secret(ctx, devicesSecret, pinsSecretBytes, a.o.Now())
	if err != nil {
		return err
	}
	o := auth.Options{
		Log: a.log, Keys: a.keys, Store: a.control, People: a.control, Passwords: a.passwords,
		Sessions: &control.Sessions{Store: a.control, Now: a.o.Now}, Now: a.o.Now, Secure: a.https(), Scheme: a.scheme(),
		SignInPage: pages.SignInPage, SetUpPage: pages.SetUpPage, Failures: auth.NewLimiter(5, 50, 20_000, a.o.Now), Devices: devices,
		Registry: a.o.Registry,
	}
	if a.o.Provider != nil {
		p := *a.o.Provider
		p.Base, p.Now = a.URL, a.o.Now
		if o.Provider, err = auth.NewProvider(p); err != nil {
			return err
		}
	}
	a.who = auth.New(o)
	a.onStop("last use of sessions", a.who.Flush)
	a.every(30*time.Second, "last use of sessions", a.who.Flush)
	a.every(accessChangedEvery, "changes of access", a.followChanges())
	a.every(recheckEvery, "who gets streams", a.who.Recheck)
	return nil
}

// peopleRoutes are those about who may do what, and who is told of alerts.
func (a *App) peopleRoutes(door *api.API, pages *ui.UI) []auth.Route {
	shown := ui.NewAccess(pages, ui.AccessOptions{
		Keys: a.control, Keyring: a.keys, People: a.control, Passwords: a.who, Features: a.engine.Features,
	})
	routes := append(api.NewPeople(door, a.control, a.engine.Features).Routes(), shown.Routes()...)
	return append(routes, ui.NewWebhooks(pages, a.hooks).Routes()...)
}

const (
	// accessChangedEvery is how long a key that another process revoked still works, a
	// policy that it changed is still in force, and a stream goes on whose reader was sent
	// away.
	accessChangedEvery = 250 * time.Millisecond
	// recheckEvery is how long a stream outlives a key or session that ran out by itself.
	recheckEvery = 30 * time.Second
)

// followChanges returns what makes changes of access hold where nobody asks again: keys
// in memory and policies that another process, such as "tidemark keys revoke --data", has
// changed, and streams that are open.
func (a *App) followChanges() func(context.Context) error {
	var last int64
	return func(ctx context.Context) error {
		v, err := a.control.ChangeCount(ctx)
		if err != nil || v == last {
			return err
		}
		a.keys.ForgetAll()
		if err := errors.Join(a.policies.Reload(ctx), a.who.Recheck(ctx)); err != nil {
			return err // And tried again, since last stays.
		}
		last = v
		return nil
	}
}

// https reports whether browsers reach the server by HTTPS.
func (a *App) https() bool {
	return a.o.TLS != (TLSFiles{}) || strings.HasPrefix(a.o.PublicURL, "https://")
}

// scheme is that by which browsers reach the server; "" when nobody said so.
func (a *App) scheme() string {
	if a.https() {
		return "https"
	}
	scheme, _, _ := strings.Cut(a.o.PublicURL, "://")
	return scheme
}

// ReloadTLS reads the certificate's files again; without TLS it does nothing.
func (a *App) ReloadTLS() error {
	if a.certificate == nil {
		return nil
	}
	return a.certificate.Reload()
}

// URL is how browsers reach the server.
func (a *App) URL() string {
	if a.o.PublicURL != "" {
		return strings.TrimSuffix(a.o.PublicURL, "/")
	}
	host, port, err := net.SplitHostPort(a.ln.Addr().String())
	if ip, perr := netip.ParseAddr(host); err == nil && perr == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	scheme := "http://"
	if a.https() {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, port)
}

// SignInLink makes a link that signs a browser in once, as an administrator named
// operator.
func (a *App) SignInLink(ctx context.Context) (string, error) {
	u := access.User{Name: "operator", Role: access.Administrator}
	path, err := auth.NewLink(ctx, a.control, u, a.o.Now(), "cli:serve")
	if err != nil {
		return "", err
	}
	return a.URL() + path, nil
}

// SetUpLink makes a link with which the first administrator chooses a name and a
// password; "" when there is one already.
func (a *App) SetUpLink(ctx context.Context) (string, error) {
	path, err := auth.NewSetUp(ctx, a.control, a.o.Now(), "cli:serve")
	if err != nil || path == "" {
		return "", err
	}
	return a.URL() + path, nil
}

// People keeps accounts and teams, once started.
func (a *App) People() access.People { return a.control }
