package auth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tidemark/flags/access"
)

// provider answers as an OpenID provider that gives out one ID token.
type provider struct {
	key    *rsa.PrivateKey
	claims map[string]any
}

func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	const issuer = "https://id.example"
	answers := map[string]any{
		"/.well-known/openid-configuration": map[string]any{
			"issuer": issuer, "authorization_endpoint": issuer + "/auth", "token_endpoint": issuer + "/token", "jwks_uri": issuer + "/keys",
		},
		"/keys": map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "alg": "RS256", "use": "sig", "n": b64(p.key.N.Bytes()), "e": b64(big.NewInt(int64(p.key.E)).Bytes()),
		}}},
		"/token": map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": p.token()},
	}
	body, err := json.Marshal(answers[r.URL.Path])
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(body))), Request: r,
	}, nil
}

func b64(p []byte) string { return base64.RawURLEncoding.EncodeToString(p) }

func (p *provider) token() string {
	claims, _ := json.Marshal(p.claims) // maps of text and numbers always marshal
	signed := b64([]byte(`{"alg":"RS256"}`)) + "." + b64(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, _ := rsa.SignPKCS1v15(nil, p.key, crypto.SHA256, sum[:]) // the key is long enough
	return signed + "." + b64(signature)
}

// answers makes a provider's client of a function.
type answers func(*http.Request) (*http.Response, error)

func (f answers) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func newProvider(t *testing.T, c *http.Client) *Provider {
	t.Helper()
	p, err := NewProvider(ProviderOptions{
		Issuer: "https://id.example", ClientID: "tidemark", Default: access.Viewer,
		Base: func() string { return "https://tidemark.example" }, Client: c,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestASlowProviderIsWaitedForOnce: who comes while others wait for the provider's settings
// does not queue behind them.
func TestASlowProviderIsWaitedForOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		silent := answers(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		p := newProvider(t, &http.Client{Transport: silent, Timeout: providerTimeout})
		began := time.Now()
		gone, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		var all sync.WaitGroup
		for i, ctx := range []context.Context{t.Context(), t.Context(), gone, t.Context(), t.Context()} {
			all.Go(func() {
				_, err := p.begin(ctx, newFlow("/"))
				want := providerTimeout
				if ctx == gone {
					want = time.Second
				}
				if took := time.Since(began); err == nil || took != want {
					t.Errorf("%d: %v after %v; want an error after %v", i, err, took, want)
				}
			})
		}
		all.Wait()
	})
}

// TestAProviderThatNamesNoEndpointIsAskedAgain: what cannot be used is not kept.
func TestAProviderThatNamesNoEndpointIsAskedAgain(t *testing.T) {
	t.Parallel()
	says := map[string]string{"issuer": "https://id.example"}
	p := newProvider(t, &http.Client{Transport: answers(func(r *http.Request) (*http.Response, error) {
		body, err := json.Marshal(says)
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, err
	})})
	for _, name := range []string{"authorization_endpoint", "token_endpoint"} {
		if to, err := p.begin(t.Context(), newFlow("/")); err == nil {
			t.Errorf("without %s the browser is sent to %q", name, to)
		}
		says[name] = "https://id.example/" + name
	}
	if _, err := p.begin(t.Context(), newFlow("/")); err != nil {
		t.Error(err)
	}
}

// endless is a body that does not end, up to 16 MiB.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	if e.read > 16<<20 {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = ' '
	}
	e.read += len(p)
	return len(p), nil
}

// TestAnswersOfAProviderHaveABound: the libraries read what a provider says of itself and
// of people whole.
func TestAnswersOfAProviderHaveABound(t *testing.T) {
	t.Parallel()
	body := &endless{}
	p := newProvider(t, &http.Client{Transport: answers(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(body), Request: r}, nil
	})})
	_, err := p.begin(t.Context(), newFlow("/"))
	if err == nil || body.read > 2*maxAnswer {
		t.Errorf("%v, after %d bytes", err, body.read)
	}
}

// TestATokenOfNobodyIsRefused: without a subject all people would have one account.
func TestATokenOfNobodyIsRefused(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for subject, ok := range map[string]bool{"": false, "u": true, strings.Repeat("u", 255): true, strings.Repeat("u", 256): false} {
		claims := map[string]any{"iss": "https://id.example", "sub": subject, "aud": "tidemark", "nonce": "n", "exp": time.Now().Add(time.Hour).Unix()}
		p := newProvider(t, &http.Client{Transport: &provider{key, claims}})
		e, err := p.finish(t.Context(), flow{Nonce: "n", Verifier: "v"}, "code")
		if ok && (err != nil || e.Subject != subject) || !ok && !errors.Is(err, errProvider) {
			t.Errorf("%d bytes: %+v, %v", len(subject), e, err)
		}
	}
}

// TestHowAProviderTakesTheSecretIsAskedOnce: one that does not take it in a header is tried
// so at the first sign-in alone.
func TestHowAProviderTakesTheSecretIsAskedOnce(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	idp := &provider{key, map[string]any{"iss": "https://id.example", "sub": "u", "aud": "tidemark", "nonce": "n", "exp": time.Now().Add(time.Hour).Unix()}}
	asked := 0
	p := newProvider(t, &http.Client{Transport: answers(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path != "/token" {
			return idp.RoundTrip(r)
		}
		asked++
		if _, _, inHeader := r.BasicAuth(); inHeader {
			return &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		}
		return idp.RoundTrip(r)
	})})
	for range 3 {
		if _, err := p.finish(t.Context(), flow{Nonce: "n", Verifier: "v"}, "code"); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 4 {
		t.Errorf("three sign-ins asked for a token %d times; want 4", asked)
	}
}

// TestATokenForAnotherClientIsRefused: of several audiences, azp says for which the token
// was made.
func TestATokenForAnotherClientIsRefused(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		aud, azp any
		ok       bool
	}{
		"one audience":                 {"tidemark", nil, true},
		"a list of one":                {[]string{"tidemark"}, nil, true},
		"made for this client":         {[]string{"api", "tidemark"}, "tidemark", true},
		"several, made for nobody":     {[]string{"tidemark", "api"}, nil, false},
		"several, made for another":    {[]string{"tidemark", "api"}, "api", false},
		"one audience, made elsewhere": {"tidemark", "api", false},
		"another audience":             {"api", "tidemark", false},
		"azp is no text":               {[]string{"tidemark", "api"}, []string{"tidemark"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claims := map[string]any{"iss": "https://id.example", "sub": "u", "aud": x.aud, "nonce": "n", "exp": time.Now().Add(time.Hour).Unix()}
			if x.azp != nil {
				claims["azp"] = x.azp
			}
			p := newProvider(t, &http.Client{Transport: &provider{key, claims}})
			e, err := p.finish(t.Context(), flow{Nonce: "n", Verifier: "v"}, "code")
			if x.ok && (err != nil || e.Subject != "u") || !x.ok && !errors.Is(err, errProvider) {
				t.Errorf("%+v, %v", e, err)
			}
		})
	}
}
