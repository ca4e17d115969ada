package alert

import (
	"encoding/json"
	"fmt"
	"time"

	"tidemark/flags"
)

// Types of message.
const (
	TypeFiring   = "alert.firing"
	TypeResolved = "alert.resolved"
	TypeTest     = "test"
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
	if a.State == flags.AlertResolved {
		at, n := a.ResolvedAt.UTC(), numbers(&a.Resolved)
		b.ResolvedAt, b.Resolved = &at, &n
	}
	return b
}

func numbers(n *flags.AlertNumbers) Numbers {
	return Numbers{n.Threshold, n.Long, n.Short, int64(n.LongWindow), int64(n.ShortWindow), n.Good, n.Eligible, n.BudgetLeft}
}

func newDelivery(id, webhook string, a *flags.Alert, now time.Time) (flags.Delivery, error) {
	kind := TypeFiring
	if a.State == flags.AlertResolved {
		kind = TypeResolved
	}
	payload, err := json.Marshal(Message{kind, now.UTC().Format(time.RFC3339Nano), NewBody(a)})
	if err != nil {
		return flags.Delivery{}, fmt.Errorf("message about alert %s: %w", a.ID, err)
	}
	return flags.Delivery{
		ID: "msg_" + id, WebhookID: webhook, AlertID: a.ID, Type: kind, Payload: payload,
		State: flags.DeliveryPending, CreatedAt: now, NextAt: now,
	}, nil
}

// newTest is a message that only shows that messages arrive.
func newTest(id, webhook string, now time.Time) (flags.Delivery, error) {
	payload, err := json.Marshal(Message{TypeTest, now.UTC().Format(time.RFC3339Nano), map[string]string{"summary": "A test message from tidemark: webhooks arrive here."}})
	if err != nil {
		return flags.Delivery{}, fmt.Errorf("test message: %w", err)
	}
	return flags.Delivery{
		ID: "msg_" + id, WebhookID: webhook, Type: TypeTest, Payload: payload,
		State: flags.DeliveryPending, CreatedAt: now, NextAt: now,
	}, nil
}
