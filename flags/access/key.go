package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"hash/crc32"
	"regexp"
	"strings"
	"time"
)

// Errors about keys. Test with errors.Is.
var (
	// ErrKey is about text that is not a key, or whose check sum is wrong.
	ErrKey = errors.New("not an API key")
	// ErrKeyName is about the name, environment or expiry given for a new key.
	ErrKeyName = errors.New("bad API key settings")
	// ErrTooManyKeys means that a name already has two live keys: revoke one first.
	ErrTooManyKeys = errors.New("too many live keys of this name")
	// ErrNoKey means that no key has that id.
	ErrNoKey = errors.New("no such API key")
)

// MaxLiveKeys is how many keys of one name may be live at once: one in use and
// one that replaces it.
const MaxLiveKeys = 2

// A key is "tmk_ENV_ID_SECRETCRC": ENV names the environment, ID (12 characters)
// finds the record, SECRET (32 characters) holds 160 random bits, CRC (8 hex
// digits) is CRC-32 of all before it, so that a mistyped key is known as such
// without asking the store and secret scanners can tell keys from noise.
const (
	keyPrefix = "tmk_"
	idLen     = 12
	secretLen = 32
	crcLen    = 8

	maxToken = 128 // bytes; nothing longer is looked at
)

var (
	envForm  = regexp.MustCompile(`^[a-z0-9]{1,16}$`)
	nameForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$`)
)

// Key is what is kept of an API key; the secret is not.
type Key struct {
	ID        string
	Name      string // of the service; two live keys may share it
	Env       string
	Hash      [sha256.Size]byte // of the whole key
	Scopes    []Scope
	CreatedAt time.Time
	ExpiresAt time.Time // zero = never
	RevokedAt time.Time // zero = not revoked
	LastUsed  time.Time // zero = never; up to a minute late
	Rate      float64   // requests a second; 0 = as many as the server allows any key
}

// Live reports whether the key is good at a time.
func (k *Key) Live(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}

// NewKeyOptions say what key to make.
type NewKeyOptions struct {
	Name    string        // required: 1 to 64 of letters, digits, '.', '_', '-'
	Env     string        // default "live": 1 to 16 of a-z and 0-9
	Scopes  []string      // at least one
	Expires time.Duration // from now; 0 = never
	Rate    float64       // requests a second; 0 = as many as the server allows any key
}

// MaxKeyRate is the highest limit that a key may have of its own.
const MaxKeyRate = 1_000_000

// NewKey makes a key. The token is shown once and kept nowhere.
func NewKey(o NewKeyOptions, now time.Time) (k Key, token string, err error) {
	if o.Env == "" {
		o.Env = "live"
	}
	switch {
	case !nameForm.MatchString(o.Name):
		return Key{}, "", fmt.Errorf("%w: name %q: want 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit", ErrKeyName, o.Name)
	case !envForm.MatchString(o.Env):
		return Key{}, "", fmt.Errorf("%w: env %q: want 1 to 16 of a-z and 0-9", ErrKeyName, o.Env)
	case !(o.Rate >= 0 && o.Rate <= MaxKeyRate):
		return Key{}, "", fmt.Errorf("%w: rate %g: want 0 to %d requests a second", ErrKeyName, o.Rate, MaxKeyRate)
	case o.Expires < 0:
		return Key{}, "", fmt.Errorf("%w: expires %s: must not be negative", ErrKeyName, o.Expires)
	}
	scopes, err := ParseScopes(o.Scopes)
	if err != nil {
		return Key{}, "", err
	}
	id, secret := randomText(idLen), randomText(secretLen)
	body := keyPrefix + o.Env + "_" + id + "_" + secret
	token = body + checkSum(body)
	k = Key{
		ID: id, Name: o.Name, Env: o.Env, Hash: sha256.Sum256([]byte(token)),
		Scopes: scopes, CreatedAt: now.UTC().Round(0), Rate: o.Rate,
	}
	if o.Expires > 0 {
		k.ExpiresAt = k.CreatedAt.Add(o.Expires)
	}
	return k, token, nil
}

// Rotation of a key: its successor may do the same, and it ends by itself.
const (
	DefaultOverlap = 24 * time.Hour
	MaxOverlap     = 90 * 24 * time.Hour
)

// Rotate makes the successor of a live key: the same name, environment, scopes and
// limit, good for as long as the old one was meant to be. It returns the old key with
// its new end, overlap from now, so that services have that long to change over.
func (k *Key) Rotate(overlap time.Duration, now time.Time) (old, next Key, token string, err error) {
	switch {
	case !k.Live(now):
		return old, next, "", fmt.Errorf("%w: %s is not live any more; make a new key", ErrKeyName, k.ID)
	case overlap < 0 || overlap > MaxOverlap:
		return old, next, "", fmt.Errorf("%w: overlap %s: want 0 to %s", ErrKeyName, overlap, MaxOverlap)
	}
	scopes := make([]string, len(k.Scopes))
	for i, s := range k.Scopes {
		scopes[i] = string(s)
	}
	o := NewKeyOptions{Name: k.Name, Env: k.Env, Scopes: scopes, Rate: k.Rate}
	if !k.ExpiresAt.IsZero() {
		o.Expires = k.ExpiresAt.Sub(k.CreatedAt)
	}
	if next, token, err = NewKey(o, now); err != nil {
		return old, next, "", err
	}
	old = *k
	if end := next.CreatedAt.Add(overlap); old.ExpiresAt.IsZero() || end.Before(old.ExpiresAt) {
		old.ExpiresAt = end
	}
	return old, next, token, nil
}

// randomText returns n characters (a multiple of 4) of 5 random bits each.
func randomText(n int) string {
	raw := make([]byte, (n*5+7)/8)
	_, _ = rand.Read(raw) // Never fails: it ends the program instead.
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw))[:n]
}

func checkSum(body string) string {
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body)))
}

// KeyID returns the id within a key's text, or ErrKey when it is not one.
func KeyID(token string) (string, error) {
	if len(token) > maxToken || !strings.HasPrefix(token, keyPrefix) {
		return "", fmt.Errorf("%w: it does not begin with %s", ErrKey, keyPrefix)
	}
	parts := strings.Split(token[len(keyPrefix):], "_")
	if len(parts) != 3 || !envForm.MatchString(parts[0]) || len(parts[1]) != idLen || len(parts[2]) != secretLen+crcLen {
		return "", fmt.Errorf("%w: want tmk_ENV_ID_SECRET", ErrKey)
	}
	body := token[:len(token)-crcLen]
	if checkSum(body) != token[len(body):] {
		return "", fmt.Errorf("%w: its check sum is wrong; was it copied whole?", ErrKey)
	}
	return parts[1], nil
}

// Is compares in constant time.
func (k *Key) Is(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], k.Hash[:]) == 1
}
