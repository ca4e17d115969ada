package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/web/respond"
)

// deviceLife is how long a browser is known after somebody signed in with it.
const deviceLife = 180 * 24 * time.Hour

// A device cookie is a MAC, when it ends, a nonce, and the name of the account.
const (
	deviceMAC   = sha256.Size
	deviceTime  = 8
	deviceNonce = 16
)

func (a *Auth) deviceCookie() string { return cookieName("tidemark_device", a.o.Secure) }

// remember lets the browser show later that this person signed in with it by a password.
// It signs nobody in: wrong passwords from it are counted apart, so that whoever guesses
// from the same address does not keep the person out.
func (a *Auth) remember(c echo.Context, user string) {
	if len(a.o.Devices) == 0 {
		return
	}
	said := binary.BigEndian.AppendUint64(nil, uint64(a.o.Now().Add(deviceLife).Unix())) //nolint:gosec // A time after 1970.
	nonce := make([]byte, deviceNonce)
	_, _ = rand.Read(nonce) // It never fails.
	said = append(append(said, nonce...), user...)
	c.SetCookie(&http.Cookie{
		Name: a.deviceCookie(), Value: base64.RawURLEncoding.EncodeToString(append(a.deviceMAC(said), said...)), Path: "/",
		MaxAge: int(deviceLife / time.Second), HttpOnly: true, Secure: a.o.Secure, SameSite: http.SameSiteStrictMode,
	})
}

func (a *Auth) deviceMAC(said []byte) []byte {
	h := hmac.New(sha256.New, a.o.Devices)
	h.Write(said)
	return h.Sum(nil)
}

// device names the browser with which that person signed in before; "" when this is none.
func (a *Auth) device(c echo.Context, user string) string {
	cookie, err := c.Cookie(a.deviceCookie())
	if err != nil || len(a.o.Devices) == 0 {
		return ""
	}
	raw, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || len(raw) < deviceMAC+deviceTime+deviceNonce {
		return ""
	}
	mac, said := raw[:deviceMAC], raw[deviceMAC:]
	ends := int64(binary.BigEndian.Uint64(said)) //nolint:gosec // The MAC says that we wrote it.
	if !hmac.Equal(mac, a.deviceMAC(said)) || a.o.Now().Unix() >= ends || !strings.EqualFold(string(said[deviceTime+deviceNonce:]), user) {
		return ""
	}
	return hex.EncodeToString(said[deviceTime : deviceTime+deviceNonce])
}

// What is guessed is counted apart, by address: whoever tries wrong keys or links does
// not keep people with the right password out.
const (
	ofKeys      = "key "
	ofLinks     = "link "
	ofPasswords = "password "
	ofProvider  = "provider "
)

// failed counts something wrong from an address, and refuses when there was too much of
// it. It is asked after the look, so that what is right is never refused.
func (a *Auth) failed(c echo.Context, what string) error {
	return tooManyAttempts(a.o.Failures.Take(what+Source(c)), "from this address")
}

// guess counts one guess of a person's password, before the costly look. Where that
// person signed in before, only guesses from that browser count.
func (a *Auth) guess(c echo.Context, name string) (known bool, err error) {
	if d := a.device(c, name); d != "" {
		return true, tooManyAttempts(a.guesses.Take("device "+d), "from this browser")
	}
	if err := tooManyAttempts(a.o.Failures.Wait(ofPasswords+Source(c)), "from this address"); err != nil {
		return false, err
	}
	return false, tooManyAttempts(a.guesses.Take("name "+strings.ToLower(name)+" "+Source(c)), "with this name from this address")
}

func tooManyAttempts(wait time.Duration, from string) error {
	if wait == 0 {
		return nil
	}
	return respond.New(http.StatusTooManyRequests, "rate_limited", "Too many attempts %s.", from).Later(wait)
}
