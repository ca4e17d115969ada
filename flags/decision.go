package flags

import (
	"context"
	"encoding/json"
	"time"
)

// DecisionAction is what a person did about a conflict.
type DecisionAction string

// The actions.
const (
	DecisionAccept   DecisionAction = "accept"   // what the rule proposes
	DecisionOverride DecisionAction = "override" // another of the writes
	DecisionMerge    DecisionAction = "merge"    // a result that the person wrote
)

// ConflictDecision is what a person decided about a conflict. A later one of the same
// conflict corrects it; none is ever changed or removed.
type ConflictDecision struct {
	Conflict string         `json:"conflict"`
	Revision int64          `json:"revision"` // 1, 2, 3 … for each conflict
	Feature  string         `json:"feature"`
	Key      string         `json:"key"`
	Writes   []string       `json:"writes"` // those that took part, as it was looked at
	Labels   []string       `json:"labels,omitempty"`
	Action   DecisionAction `json:"action"`
	Winner   string         `json:"winner,omitempty"` // a write_id, when one is kept
	// Merged is the result as a delta, when the writes were merged.
	Merged json.RawMessage `json:"merged,omitempty"`
	// Salt is a random text: the audit log holds the hash of both, so that it proves the
	// result, and nobody finds it out from the log by guessing.
	Salt string `json:"salt,omitempty"`
	// Redacted says that Merged was taken out for who asks; it is not stored.
	Redacted bool `json:"redacted,omitempty"`
	// Rule and RuleVersion are what was in force, and Proposed is what it proposed.
	Rule        string    `json:"rule,omitempty"`
	RuleVersion string    `json:"rule_version,omitempty"`
	Proposed    string    `json:"proposed,omitempty"`
	Reason      string    `json:"reason"`
	Actor       string    `json:"actor"`
	At          time.Time `json:"at"`
	// EventID is that of the conflict_resolved event, which happened at EventAt.
	EventID string    `json:"event_id"`
	EventAt time.Time `json:"event_at"`
	// ToldAt is when the event was stored; zero while it is not.
	ToldAt time.Time `json:"told_at,omitzero"`
}

// DecisionStore keeps what people decided about conflicts. It is safe for concurrent
// use.
type DecisionStore interface {
	// Decide stores a decision with its audit record and its messages to webhooks, in
	// one transaction. ErrChanged when the conflict's latest one is not Revision − 1.
	Decide(ctx context.Context, d ConflictDecision, messages []Delivery) error
	// Decisions returns those about a conflict, oldest first; none is an empty slice.
	Decisions(ctx context.Context, conflict string) ([]ConflictDecision, error)
	// Untold returns decisions whose event is not stored yet, oldest first.
	Untold(ctx context.Context, limit int) ([]ConflictDecision, error)
	// Told notes that the event of a decision is stored.
	Told(ctx context.Context, conflict string, revision int64, at time.Time) error
}
