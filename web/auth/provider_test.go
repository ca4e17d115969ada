package auth

import (
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
	"testing"
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
			p, err := NewProvider(ProviderOptions{
				Issuer: "https://id.example", ClientID: "tidemark", Default: access.Viewer,
				Base: func() string { return "https://tidemark.example" }, Client: &http.Client{Transport: &provider{key, claims}},
			})
			if err != nil {
				t.Fatal(err)
			}
			e, err := p.finish(t.Context(), flow{Nonce: "n", Verifier: "v"}, "code")
			if x.ok && (err != nil || e.Subject != "u") || !x.ok && !errors.Is(err, errProvider) {
				t.Errorf("%+v, %v", e, err)
			}
		})
	}
}
