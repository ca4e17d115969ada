package report

import (
	"context"

	"tidemark/metrics"
)

// ConflictDetail is one conflict with the writes that took part, side by side.
type ConflictDetail struct {
	metrics.Conflict
	State    string      `json:"state"` // open, auto, manual
	AgeNS    *int64      `json:"age_ns"`
	Siblings []Sibling   `json:"siblings"`
	Fields   []FieldDiff `json:"fields"`
	// Why says in words how it was decided, from what was reported.
	Why string `json:"why"`
}

// Sibling is one of the conflicting writes.
type Sibling struct {
	WriteID   string         `json:"write_id"`
	Winner    bool           `json:"winner"`
	Known     bool           `json:"known"` // its own events were received
	Initiated *int64         `json:"initiated"`
	Actor     string         `json:"actor,omitempty"`
	Version   string         `json:"version,omitempty"`
	Delta     string         `json:"delta,omitempty"` // raw JSON
	Region    string         `json:"region,omitempty"`
	Service   string         `json:"service,omitempty"`
	SessionID string         `json:"session_id,omitempty"`
	Model     string         `json:"model,omitempty"`
	Labels    []string       `json:"labels,omitempty"`
	Events    []SiblingEvent `json:"events"`
	// Unread says that it has more events than are read, so that it may bear other labels.
	Unread bool `json:"unread,omitempty"`
	// Held says that an event of it is in quarantine.
	Held     bool       `json:"held,omitempty"`
	Redacted *Redaction `json:"redacted,omitempty"` // actor and delta were taken out
}

// SiblingEvent is one event of a sibling, in order of corrected time.
type SiblingEvent struct {
	At      int64  `json:"at"`
	Kind    string `json:"kind"`
	Service string `json:"service,omitempty"`
	Replica string `json:"replica,omitempty"`
	EventID string `json:"event_id"`
}

// FieldDiff is what the siblings did to one field. Values has one entry a sibling,
// raw JSON; nil when the sibling did not touch the field.
type FieldDiff struct {
	Path   string    `json:"path"` // JSON pointer
	Values []*string `json:"values"`
	Same   bool      `json:"same"`  // all that touched it did the same
	Clash  bool      `json:"clash"` // two or more touched it differently
}

// Conflict returns a conflict with its siblings; metrics.ErrNotFound when unknown. With
// a feature it is the one that events of this feature call so.
func (r *Reporter) Conflict(ctx context.Context, feature, id string) (*ConflictDetail, error) {
	c, err := metrics.ConflictOf(ctx, r.r, feature, id)
	if err != nil {
		return nil, err
	}
	return r.detail(ctx, c)
}
