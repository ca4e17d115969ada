package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"tidemark/flags/access"
)

// errProvider is about what an OpenID provider says of a person.
var errProvider = errors.New("the OpenID provider's answer cannot be used")

// errNoAnswer means that the provider did not say where to sign in.
var errNoAnswer = errors.New("no settings of the OpenID provider")

// providerTimeout bounds one request to the provider.
const providerTimeout = 10 * time.Second

// maxSubject is how long a subject is at most (OpenID Connect Core 2). Without one, all
// people would be the same.
const maxSubject = 255

// ProviderOptions say where people sign in elsewhere, and what they may do here.
type ProviderOptions struct {
	Name         string // as the sign-in page calls it; default "single sign-on"
	Issuer       string // URL
	ClientID     string
	ClientSecret string        // "" for a public client; PKCE is used in any case
	Base         func() string // how browsers reach this server
	Scopes       []string      // default openid, profile, email
	// RoleClaim and Roles map what the provider says to roles, the highest counts, at
	// each sign-in. Without Roles, roles are managed here.
	RoleClaim string // default "groups"; a path into objects is written with dots
	Roles     map[string]access.Role
	// Default is the role of whom no mapping names; "" refuses them. Without Roles it is
	// that of a new account.
	Default access.Role
	// TeamClaim lists teams of which the person is a member; "" = teams are managed here.
	TeamClaim string
	Client    *http.Client
	Now       func() time.Time
}

// Provider signs people in by OpenID Connect: authorisation code with PKCE, state and
// nonce. The provider is asked for its settings when somebody first signs in, so that
// tidemark starts without it.
type Provider struct {
	o ProviderOptions

	found  atomic.Pointer[discovered]
	asking singleflight.Group
}

type discovered struct {
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier
	oauth    *oauth2.Config // it remembers how the provider takes the secret
}

// NewProvider checks the settings. It asks nobody.
func NewProvider(o ProviderOptions) (*Provider, error) {
	u, err := url.Parse(o.Issuer)
	local := err == nil && (u.Hostname() == "localhost" || strings.HasPrefix(u.Hostname(), "127."))
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && (u.Scheme != "http" || !local)):
		return nil, fmt.Errorf("oidc-issuer: %q: want an https URL", o.Issuer)
	case o.ClientID == "":
		return nil, errors.New("oidc-client-id: required with oidc-issuer")
	}
	if o.Name == "" {
		o.Name = "single sign-on"
	}
	if o.RoleClaim == "" {
		o.RoleClaim = "groups"
	}
	if len(o.Scopes) == 0 {
		o.Scopes = []string{oidc.ScopeOpenID, "profile", "email"}
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: providerTimeout}
	}
	o.Client = bounded(o.Client)
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Provider{o: o}, nil
}

// maxAnswer bounds each answer of the provider: the libraries read some of them whole.
const maxAnswer = 1 << 20

// bounded returns the client with a bound on what is read of an answer.
func bounded(c *http.Client) *http.Client {
	own := *c
	if own.Transport == nil {
		own.Transport = http.DefaultTransport
	}
	own.Transport = boundedTransport{own.Transport}
	return &own
}

type boundedTransport struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	w, err := t.RoundTripper.RoundTrip(r)
	if err == nil {
		w.Body = http.MaxBytesReader(nil, w.Body, maxAnswer)
	}
	return w, err //nolint:wrapcheck // It is the transport's own.
}

// context makes the libraries use our client, also after the request is over.
func (p *Provider) context(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, p.o.Client)
}

// discover returns what the provider says of itself; it is asked again until it answers,
// by one for all who wait, so that nobody waits longer for a slow one than for one answer.
func (p *Provider) discover(ctx context.Context) (*discovered, error) {
	if found := p.found.Load(); found != nil {
		return found, nil
	}
	asked := p.asking.DoChan("", func() (any, error) { return p.ask(context.WithoutCancel(ctx)) })
	select {
	case answer := <-asked:
		found, _ := answer.Val.(*discovered)
		return found, answer.Err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: ask %s: %w", errNoAnswer, p.o.Issuer, ctx.Err())
	}
}

func (p *Provider) ask(ctx context.Context) (*discovered, error) {
	provider, err := oidc.NewProvider(p.context(ctx), p.o.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: ask %s: %w", errNoAnswer, p.o.Issuer, err)
	}
	end := provider.Endpoint()
	if end.AuthURL == "" || end.TokenURL == "" { // Kept, it would hold until the next start.
		return nil, fmt.Errorf("%w: ask %s: it names no authorization or token endpoint", errNoAnswer, p.o.Issuer)
	}
	found := &discovered{
		provider: provider,
		verifier: provider.Verifier(&oidc.Config{ClientID: p.o.ClientID, Now: p.o.Now}),
		oauth: &oauth2.Config{
			ClientID: p.o.ClientID, ClientSecret: p.o.ClientSecret, Endpoint: end, Scopes: p.o.Scopes,
			RedirectURL: strings.TrimSuffix(p.o.Base(), "/") + callbackPath,
		},
	}
	p.found.Store(found)
	return found, nil
}

// begin returns where to send the browser.
func (p *Provider) begin(ctx context.Context, f flow) (string, error) {
	d, err := p.discover(ctx)
	if err != nil {
		return "", err
	}
	return d.oauth.AuthCodeURL(f.State, oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)), nil
}

// finish turns the code that the browser brought back into a person.
func (p *Provider) finish(ctx context.Context, f flow, code string) (access.External, error) {
	ctx = p.context(ctx)
	d, err := p.discover(ctx)
	if err != nil {
		return access.External{}, err
	}
	token, err := d.oauth.Exchange(ctx, code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return access.External{}, fmt.Errorf("%w: exchange the code: %w", errProvider, err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return access.External{}, fmt.Errorf("%w: there is no ID token", errProvider)
	}
	id, err := d.verifier.Verify(ctx, raw)
	if err != nil {
		return access.External{}, fmt.Errorf("%w: %w", errProvider, err)
	}
	if !sameText(id.Nonce, f.Nonce) {
		return access.External{}, fmt.Errorf("%w: the ID token is not for this sign-in", errProvider)
	}
	if n := len(id.Subject); n == 0 || n > maxSubject {
		return access.External{}, fmt.Errorf("%w: the ID token's subject has %d bytes; want 1 to %d", errProvider, n, maxSubject)
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return access.External{}, fmt.Errorf("%w: %w", errProvider, err)
	}
	if err := p.authorized(id.Audience, claims); err != nil {
		return access.External{}, err
	}
	if err := p.more(ctx, d, token, id.Subject, claims); err != nil {
		return access.External{}, err
	}
	return p.external(id.Subject, claims), nil
}

// authorized refuses an ID token that was made for another client, and names this one as
// one of several audiences (OpenID Connect Core 3.1.3.7).
func (p *Provider) authorized(audience []string, claims map[string]any) error {
	azp, said := claims["azp"]
	if azp == p.o.ClientID || !said && len(audience) == 1 {
		return nil
	}
	return fmt.Errorf("%w: the ID token has %d audiences, and azp does not name this client", errProvider, len(audience))
}

// more adds what the provider tells only when it is asked for it.
func (p *Provider) more(ctx context.Context, d *discovered, token *oauth2.Token, subject string, claims map[string]any) error {
	if d.provider.UserInfoEndpoint() == "" {
		return nil
	}
	info, err := d.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return fmt.Errorf("%w: user info: %w", errProvider, err)
	}
	if info.Subject != subject {
		return fmt.Errorf("%w: the user info is of somebody else", errProvider)
	}
	more := map[string]any{}
	if err := info.Claims(&more); err != nil {
		return fmt.Errorf("%w: user info: %w", errProvider, err)
	}
	for k, v := range more {
		if _, said := claims[k]; !said { // What is signed counts.
			claims[k] = v
		}
	}
	return nil
}

// external maps claims to a person.
func (p *Provider) external(subject string, claims map[string]any) access.External {
	e := access.External{Issuer: p.o.Issuer, Subject: subject, Default: p.o.Default}
	for _, name := range []string{"preferred_username", "email", "nickname"} {
		if s, ok := claims[name].(string); ok && s != "" {
			e.Names = append(e.Names, s)
		}
	}
	e.Names = append(e.Names, subject)
	if len(p.o.Roles) > 0 {
		e.Role = p.role(claims)
		e.NoRole = e.Role == ""
	}
	if p.o.TeamClaim != "" {
		e.SetTeams, e.Teams = true, texts(claim(claims, p.o.TeamClaim))
	}
	return e
}

// role is the highest that the claim gives, else the default.
func (p *Provider) role(claims map[string]any) access.Role {
	best := -1
	for _, v := range texts(claim(claims, p.o.RoleClaim)) {
		best = max(best, slices.Index(access.Roles(), p.o.Roles[v]))
	}
	if best < 0 {
		return p.o.Default
	}
	return access.Roles()[best]
}

// claim finds a claim by its name, else by its path.
func claim(claims map[string]any, path string) any {
	if v, ok := claims[path]; ok {
		return v
	}
	head, rest, ok := strings.Cut(path, ".")
	if !ok {
		return nil
	}
	inner, _ := claims[head].(map[string]any)
	return claim(inner, rest)
}

// texts is a claim that is one text or a list of them.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// flow is one sign-in under way: the browser keeps it until it comes back.
type flow struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"` // of PKCE
	To       string `json:"t"` // where the sign-in leads
}

func newFlow(to string) flow {
	return flow{State: oauth2.GenerateVerifier(), Nonce: oauth2.GenerateVerifier(), Verifier: oauth2.GenerateVerifier(), To: to}
}

func (f flow) encode() ([]byte, error) {
	raw, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("sign-in under way: %w", err)
	}
	return raw, nil
}
