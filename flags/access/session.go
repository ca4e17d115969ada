package access

import (
	"context"
	"time"
)

// Life of a browser session.
const (
	SessionLife = 7 * 24 * time.Hour // from signing in, whatever happens
	SessionIdle = 24 * time.Hour     // without a request
)

// Ways of signing in.
const (
	ByLink     = "link"
	ByPassword = "password"
	ByProvider = "single sign-on"
)

// Session is a browser that is signed in.
type Session struct {
	ID        string // names it to its owner; it is not the cookie's token
	User      string
	Method    string // how the person signed in
	Address   string // from where
	Agent     string // what the browser says it is; may be cut
	CreatedAt time.Time
	SeenAt    time.Time // up to a minute late
	ExpiresAt time.Time
	// Password is the stored hash that the person's password was compared with, while the
	// session begins: it begins only when that is the hash still. It is not stored.
	Password string
}

// maxAgent is how much is kept of what a browser says it is.
const maxAgent = 200

// NewSession describes a session that begins now.
func NewSession(user, method, address, agent string, now time.Time) Session {
	now = now.UTC().Round(0)
	if len(agent) > maxAgent {
		agent = agent[:maxAgent]
	}
	return Session{
		ID: randomText(idLen), User: user, Method: method, Address: address, Agent: agent,
		CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(SessionLife),
	}
}

type sessionKey struct{}

// WithSession says to the session store whose session it is about to store, so that
// both, and the audit record of the sign-in, are one transaction. Who was disabled, or got
// another password, since they were looked at gets none: ErrDisabled, ErrUnauthenticated.
func WithSession(ctx context.Context, s Session) context.Context {
	return context.WithValue(ctx, sessionKey{}, s)
}

// SessionOf returns what WithSession said.
func SessionOf(ctx context.Context) (Session, bool) {
	s, ok := ctx.Value(sessionKey{}).(Session)
	return s, ok
}
