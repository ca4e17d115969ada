package alert

import (
	"encoding/json"
	"fmt"
	"time"

	"tidemark/flags"
)

// Types of message.
const (
	TypeFiring     = "alert.firing"
	TypeResolved   = "alert.resolved"
	TypeCheckpoint = "audit.checkpoint"
	TypeTest       = "test"
)

// Message is the body of a delivery.
type Message struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"` // RFC 3339, when it happened
	Data      any    `json:"data"`
}

// Body is what a message says of an alert. Durations are in nanoseconds.
type Body struct {
	ID         string           `json:"id"`
	Guarantee  string           `json:"guarantee"`
	Version    string           `json:"version"`
	Feature    string           `json:"feature"`
	Owner      string           `json:"owner"`
	Objective  string           `json:"objective,omitempty"`
	Rule       string           `json:"rule"`
	Severity   flags.Severity   `json:"severity"`
	State      flags.AlertState `json:"state"`
	Summary    string           `json:"summary"`
	FiredAt    time.Time        `json:"fired_at"`
	ResolvedAt *time.Time       `json:"resolved_at"`
	Fired      Numbers          `json:"fired"`
	Resolved   *Numbers         `json:"resolved"`
}

// Numbers is the evidence of a transition.
type Numbers struct {
	Threshold  float64 `json:"threshold"`
	Long       float64 `json:"long"`
	Short      float64 `json:"short"`
	LongNS     int64   `json:"long_ns"`
	ShortNS    int64   `json:"short_ns"`
	Good       int64   `json:"good"`
	Eligible   int64   `json:"eligible"`
	BudgetLeft float64 `json:"budget_left"`
}

// NewBody returns what a message, and the API, say of an alert.
func NewBody(a *flags.Alert) Body {
	b := Body{
		ID: a.ID, Guarantee: a.Guarantee, Version: a.Version, Feature: a.Feature, Owner: a.Owner,
		Objective: a.Objective, Rule: a.Rule, Severity: a.Severity, State: a.State, Summary: a.Summary,
		FiredAt: a.FiredAt.UTC(), Fired: numbers(&a.Fired),
	}
	if a.Guarantee == "" {
		b.Objective = "" // It is about the feature.
	}
	if a.State == flags.AlertResolved {
		at, n := a.ResolvedAt.UTC(), numbers(&a.Resolved)
		b.ResolvedAt, b.Resolved = &at, &n
	}
	return b
}

// CheckpointBody is what a message says of a signed head of the audit log.
type CheckpointBody struct {
	Origin     string    `json:"origin"` // which log
	Size       int64     `json:"size"`
	Root       string    `json:"root"`
	At         time.Time `json:"at"`
	Checkpoint string    `json:"checkpoint"` // the signed note
	Key        string    `json:"key"`        // verifies the note
}

func numbers(n *flags.AlertNumbers) Numbers {
	return Numbers{n.Threshold, n.Long, n.Short, int64(n.LongWindow), int64(n.ShortWindow), n.Good, n.Eligible, n.BudgetLeft}
}

func newDelivery(id, webhook string, a *flags.Alert, now time.Time) (flags.Delivery, error) {
	kind := TypeFiring
	if a.State == flags.AlertResolved {
		kind = TypeResolved
	}
	d, err := newMessage(id, webhook, kind, NewBody(a), now)
	d.AlertID = a.ID
	return d, err
}

// newTest is a message that only shows that messages arrive.
func newTest(id, webhook string, now time.Time) (flags.Delivery, error) {
	return newMessage(id, webhook, TypeTest, map[string]string{"summary": "A test message from tidemark: webhooks arrive here."}, now)
}

func newMessage(id, webhook, kind string, data any, now time.Time) (flags.Delivery, error) {
	payload, err := json.Marshal(Message{kind, now.UTC().Format(time.RFC3339Nano), data})
	if err != nil {
		return flags.Delivery{}, fmt.Errorf("message %s: %w", kind, err)
	}
	return flags.Delivery{
		ID: "msg_" + id, WebhookID: webhook, Type: kind, Payload: payload,
		State: flags.DeliveryPending, CreatedAt: now, NextAt: now,
	}, nil
}
