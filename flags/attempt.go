package flags

import (
	"context"
	"time"
)

// AttemptKey is what refused events are counted by.
type AttemptKey struct {
	KeyID   string `json:"key_id"`
	Feature string `json:"feature"` // "" = the further features of the key, beyond its limit
	Action  string `json:"action"`  // publish or consume
	Service string `json:"service"` // that the events name as their reporter
}

// Attempt counts the events that a key may not send, with the last decision.
type Attempt struct {
	AttemptKey

	KeyName        string    `json:"key"`
	Count          int64     `json:"count"`
	First          time.Time `json:"first"`
	Last           time.Time `json:"last"`
	EventID        string    `json:"event_id"` // of the last; an example
	Policy         string    `json:"policy"`   // that refused it
	PolicyRevision int64     `json:"policy_revision"`
	PolicyVersion  string    `json:"policy_version"`
}

// AttemptStore keeps attempts. It is safe for concurrent use.
type AttemptStore interface {
	// Attempts returns every attempt, in no particular order.
	Attempts(ctx context.Context) ([]Attempt, error)
	// SaveAttempts replaces the attempts of the keys of put, and removes those of gone:
	// all of it or nothing. It is not audited.
	SaveAttempts(ctx context.Context, put []Attempt, gone []AttemptKey) error
}
