package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"
)

// Errors about signing in. Test with errors.Is.
var (
	// ErrUnauthenticated means that a request shows no identity, or a wrong one.
	ErrUnauthenticated = errors.New("no valid identity")
	// ErrForbidden means that the identity lacks the permission.
	ErrForbidden = errors.New("not permitted")
	// ErrSignIn means that a sign-in link is unknown, used or too old.
	ErrSignIn = errors.New("this sign-in link is not valid any more")
)

// SignInLife is how long a sign-in link is good for.
const SignInLife = 15 * time.Minute

// Store keeps keys and sign-in links. Every change is recorded in the audit log in
// its own transaction, by the actor given. It is safe for concurrent use; values
// belong to the caller.
type Store interface {
	// CreateKey stores a key. ErrTooManyKeys when its name has MaxLiveKeys live ones
	// at the key's CreatedAt.
	CreateKey(ctx context.Context, k Key, actor, reason string) error
	// Key returns a key by id, also when it is not live; ErrNoKey when there is none.
	Key(ctx context.Context, id string) (Key, error)
	// Keys returns every key, ordered by name, then creation.
	Keys(ctx context.Context) ([]Key, error)
	// RevokeKey ends a key; ErrNoKey when there is none. Revoking twice keeps the
	// first time.
	RevokeKey(ctx context.Context, id string, at time.Time, actor, reason string) error
	// RotateKey stores the successor of a key and the old one's new end, as Key.Rotate
	// made them. ErrTooManyKeys when the name has MaxLiveKeys live ones already.
	RotateKey(ctx context.Context, old, next Key, actor, reason string) error
	// TouchKeys moves the last use of keys forward. It is not audited, and unknown
	// ids are ignored.
	TouchKeys(ctx context.Context, used map[string]time.Time) error

	// CreateSignIn stores a link by its hash. Old ones are removed.
	CreateSignIn(ctx context.Context, l SignIn, actor string) error
	// UseSignIn consumes a link: the second use and any use after its expiry give
	// ErrSignIn. Who has no account gets one without a password; a role in the link is
	// the account's from then on, and without one a new account is an administrator's.
	// ErrDisabled when the account may not sign in.
	UseSignIn(ctx context.Context, hash [sha256.Size]byte, at time.Time) (User, error)
}

// SignIn is a link that makes a session once.
type SignIn struct {
	Hash    [sha256.Size]byte // of the token in the link
	User    User              // Role "" leaves the account's as it is
	Created time.Time
	Expires time.Time
}

// NewSignIn makes a link for a person. The token is shown once and kept nowhere.
func NewSignIn(u User, now time.Time) (l SignIn, token string) {
	token = randomText(secretLen)
	return SignIn{
		Hash: SignInHash(token), User: u, Created: now.UTC().Round(0), Expires: now.UTC().Round(0).Add(SignInLife),
	}, token
}

// SignInHash is how a link's token is looked up.
func SignInHash(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }
