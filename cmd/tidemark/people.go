package main

import (
	"fmt"
	"os"
	"strings"

	"tidemark/cmd/internal/app"
	"tidemark/flags/access"
	"tidemark/web/auth"
)

// tlsFlags make the server speak HTTPS itself.
type tlsFlags struct {
	Cert string `help:"PEM file of the TLS certificate, with its chain; HTTPS is served when it is set. A changed file is noticed within 10 s, and at once on SIGHUP." env:"CERT" placeholder:"FILE" type:"path"`
	Key  string `help:"PEM file of the certificate's private key." env:"KEY" placeholder:"FILE" type:"path"`
}

func (f tlsFlags) files() app.TLSFiles { return app.TLSFiles{Cert: f.Cert, Key: f.Key} }

// oidcFlags say where people sign in elsewhere.
type oidcFlags struct {
	Issuer       string            `help:"URL of the OpenID provider; people sign in there when it is set." env:"ISSUER" placeholder:"URL"`
	ClientID     string            `help:"tidemark's client id at the provider. It sends browsers back to PUBLIC-URL/signin/oidc/callback." name:"client-id" env:"CLIENT_ID" placeholder:"ID"`
	ClientSecret string            `help:"The client's secret; better in its file, or in the variable." env:"CLIENT_SECRET" placeholder:"SECRET"`
	SecretFile   string            `help:"File that holds the client's secret." name:"client-secret-file" env:"CLIENT_SECRET_FILE" placeholder:"FILE" type:"path"`
	Name         string            `help:"What the sign-in page calls the provider." default:"single sign-on" env:"NAME"`
	Scope        []string          `help:"What to ask the provider for." default:"openid,profile,email" env:"SCOPE"`
	RoleClaim    string            `help:"Claim that roles are taken from; a path into objects has dots." default:"groups" env:"ROLE_CLAIM"`
	Role         map[string]string `help:"Which value of the claim is which role: sre=operator;tidemark-admins=admin. Without it roles are managed on the Access page." env:"ROLE" mapsep:";" placeholder:"VALUE=ROLE"`
	DefaultRole  string            `help:"Role of whom no value names: viewer, operator, admin, or none to refuse them; without oidc-role, of a new account." default:"viewer" enum:"viewer,operator,admin,none" env:"DEFAULT_ROLE"`
	TeamClaim    string            `help:"Claim that lists teams of which the person is a member; by default teams are managed on the Access page." env:"TEAM_CLAIM"`
}

// provider checks the settings; nil means that nobody signs in elsewhere.
func (f oidcFlags) provider() (*auth.ProviderOptions, error) {
	if f.Issuer == "" {
		if f.ClientID != "" || f.SecretFile != "" || f.ClientSecret != "" {
			return nil, usagef("oidc-issuer: required with the other oidc settings")
		}
		return nil, nil //nolint:nilnil // There is none, which is no mistake.
	}
	o := &auth.ProviderOptions{
		Name: f.Name, Issuer: f.Issuer, ClientID: f.ClientID, ClientSecret: f.ClientSecret, Scopes: f.Scope,
		RoleClaim: f.RoleClaim, TeamClaim: f.TeamClaim, Roles: map[string]access.Role{},
	}
	if f.DefaultRole != "none" {
		o.Default = access.Role(f.DefaultRole)
	}
	for value, role := range f.Role {
		r, err := access.ParseRole(role)
		if err != nil {
			return nil, usagef("oidc-role: %s: %w", value, err)
		}
		o.Roles[value] = r
	}
	if f.SecretFile != "" {
		raw, err := os.ReadFile(f.SecretFile)
		if err != nil {
			return nil, usagef("oidc-client-secret-file: %w", err)
		}
		o.ClientSecret = strings.TrimSpace(string(raw))
	}
	if _, err := auth.NewProvider(*o); err != nil {
		return nil, usageError{err}
	}
	return o, nil
}

// welcome says how the first person, or anybody, gets in.
func welcome(e *env, a *app.App) error {
	link, err := a.SetUpLink(e.ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "tidemark %s listens on %s\n", version(), a.Addr())
	if link != "" {
		fmt.Fprintf(e.stderr, "Set it up (once, within %.0f hours): %s\n", access.InviteLife.Hours(), link)
		return nil
	}
	fmt.Fprintf(e.stderr, "Sign in: %s%s\n", a.URL(), auth.SignInPath)
	return nil
}
