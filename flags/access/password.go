package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// Errors about passwords. Test with errors.Is.
var (
	// ErrPassword is about a password that may not be chosen.
	ErrPassword = errors.New("choose another password")
	// ErrBusy means that too many passwords are being checked at once; try again.
	ErrBusy = errors.New("too many people are signing in at once")
	// errHash is about a stored hash that cannot be read.
	errHash = errors.New("stored password hash is malformed")
)

// Bounds of a password. The longest is there so that hashing it stays cheap.
const (
	MinPassword = 12 // characters
	MaxPassword = 256
	minDistinct = 5
)

// PasswordCost is what hashing a password costs (argon2id, RFC 9106).
type PasswordCost struct {
	Memory uint32 // KiB
	Passes uint32
	Lanes  uint8
}

// DefaultCost is more than the least that OWASP asks for (19 MiB, two passes) and
// takes some 60 ms of one core.
func DefaultCost() PasswordCost { return PasswordCost{Memory: 32 << 10, Passes: 3, Lanes: 1} }

// maxCost bounds what a stored hash may ask for: it is read from a file.
func maxCost() PasswordCost { return PasswordCost{Memory: 256 << 10, Passes: 16, Lanes: 16} }

const (
	saltLen = 16
	hashLen = 32
)

// Passwords hashes and checks passwords. Only a few are worked on at once and only so
// many wait, so that signing in cannot exhaust the memory.
type Passwords struct {
	cost    PasswordCost
	working chan struct{}
	waiting chan struct{}
	nobody  string // a hash that nothing matches, for names that are nobody's
	hashed  atomic.Uint64
}

// Places for passwords: those being hashed, and those that wait for a place.
const (
	passwordsAtOnce  = 2
	passwordsWaiting = 32
)

// NewPasswords returns Passwords that hash at a cost.
func NewPasswords(cost PasswordCost) *Passwords {
	p := &Passwords{
		cost: cost, working: make(chan struct{}, passwordsAtOnce), waiting: make(chan struct{}, passwordsAtOnce+passwordsWaiting),
	}
	p.nobody = encodeHash(cost, random(saltLen), random(hashLen))
	return p
}

// CheckPassword refuses passwords that are easily guessed.
func CheckPassword(name, password string) error {
	n := utf8.RuneCountInString(password)
	distinct := map[rune]struct{}{}
	for _, r := range password {
		distinct[r] = struct{}{}
	}
	switch {
	case !utf8.ValidString(password):
		return fmt.Errorf("%w: it is not valid text", ErrPassword)
	case n < MinPassword:
		return fmt.Errorf("%w: it has %d characters; want at least %d", ErrPassword, n, MinPassword)
	case len(password) > MaxPassword:
		return fmt.Errorf("%w: it has %d bytes; want at most %d", ErrPassword, len(password), MaxPassword)
	case len(distinct) < minDistinct:
		return fmt.Errorf("%w: it has only %d different characters; want at least %d", ErrPassword, len(distinct), minDistinct)
	case name != "" && strings.EqualFold(strings.TrimSpace(password), name):
		return fmt.Errorf("%w: it is the name", ErrPassword)
	}
	return nil
}

// Hashed is how many passwords were hashed, to be stored or compared.
func (p *Passwords) Hashed() uint64 { return p.hashed.Load() }

// Hash returns the PHC string of a password with a new salt.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	leave, err := p.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	salt := random(saltLen)
	return encodeHash(p.cost, salt, p.derive(p.cost, salt, password)), nil
}

// Check compares a password with a stored hash in constant time. With stored "" it
// takes as long and is false. stale says that the hash was made at another cost: hash
// the password anew.
func (p *Passwords) Check(ctx context.Context, stored, password string) (ok, stale bool, err error) {
	if len(password) > MaxPassword {
		return false, false, nil
	}
	known := stored != ""
	if !known {
		stored = p.nobody
	}
	cost, salt, want, err := decodeHash(stored)
	if err != nil {
		return false, false, err
	}
	leave, err := p.enter(ctx)
	if err != nil {
		return false, false, err
	}
	defer leave()
	same := subtle.ConstantTimeCompare(p.derive(cost, salt, password), want) == 1
	return same && known, same && known && cost != p.cost, nil
}

// enter takes a place among those being worked on, and refuses when too many wait.
func (p *Passwords) enter(ctx context.Context) (leave func(), err error) {
	select {
	case p.waiting <- struct{}{}:
	default:
		return nil, ErrBusy
	}
	select {
	case p.working <- struct{}{}:
		return func() { <-p.working; <-p.waiting }, nil
	case <-ctx.Done():
		<-p.waiting
		return nil, fmt.Errorf("password: %w", ctx.Err())
	}
}

// derive hashes the password in its composed form, so that the same characters typed
// on another system are the same password.
func (p *Passwords) derive(c PasswordCost, salt []byte, password string) []byte {
	p.hashed.Add(1)
	return argon2.IDKey(norm.NFC.Bytes([]byte(password)), salt, c.Passes, c.Memory, c.Lanes, hashLen)
}

func random(n int) []byte {
	raw := make([]byte, n)
	_, _ = rand.Read(raw) // Never fails: it ends the program instead.
	return raw
}

// encodeHash writes "$argon2id$v=19$m=…,t=…,p=…$salt$hash".
func encodeHash(c PasswordCost, salt, hash []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.Memory, c.Passes, c.Lanes, b64.EncodeToString(salt), b64.EncodeToString(hash))
}

func decodeHash(s string) (c PasswordCost, salt, hash []byte, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, errHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.Memory, &c.Passes, &c.Lanes); err != nil {
		return c, nil, nil, fmt.Errorf("%w: %w", errHash, err)
	}
	most := maxCost()
	if c.Memory == 0 || c.Passes == 0 || c.Lanes == 0 || c.Memory > most.Memory || c.Passes > most.Passes || c.Lanes > most.Lanes {
		return c, nil, nil, fmt.Errorf("%w: cost out of bounds", errHash)
	}
	salt, serr := base64.RawStdEncoding.DecodeString(parts[4])
	hash, herr := base64.RawStdEncoding.DecodeString(parts[5])
	if err := errors.Join(serr, herr); err != nil || len(salt) < saltLen || len(hash) != hashLen {
		return c, nil, nil, errHash
	}
	return c, salt, hash, nil
}
