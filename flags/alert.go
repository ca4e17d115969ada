package flags

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// Severity says how soon somebody must look.
type Severity string

// The severities.
const (
	SeverityPage   Severity = "page"   // now
	SeverityTicket Severity = "ticket" // in working hours
)

// AlertState is where an alert stands.
type AlertState string

// The states of an alert.
const (
	AlertFiring   AlertState = "firing"
	AlertResolved AlertState = "resolved"
)

// AlertKey names what an alert is about. At most one alert of a key fires at a time.
type AlertKey struct {
	Guarantee string // "" for rules about features
	Objective string // Objective key; for rules about features FeatureKey
	Rule      string
}

// FeatureKey stands for an objective where a rule is about a feature.
func FeatureKey(feature string) string { return "feature:" + feature }

// Alert is one episode in which a promise was in danger or a policy broken, with the numbers that
// started it and, when it is over, those that ended it.
type Alert struct {
	ID string // UUIDv7, made when it fired
	AlertKey
	Feature    string
	Owner      string
	Version    string // of the guarantee, when it fired
	Severity   Severity
	State      AlertState
	Summary    string // a sentence
	FiredAt    time.Time
	ResolvedAt time.Time // zero while firing
	Fired      AlertNumbers
	Resolved   AlertNumbers // zero while firing
}

// AlertNumbers is the evidence of a transition.
type AlertNumbers struct {
	Threshold   float64 // burn rate, or ns for an age
	Long        float64 // burn rate over LongWindow, or the age in ns
	Short       float64 // burn rate over ShortWindow
	LongWindow  time.Duration
	ShortWindow time.Duration
	Good        int64 // over the objective's window
	Eligible    int64
	BudgetLeft  float64 // share of the error budget; below 0 when overspent
}

// AlertQuery selects alerts, latest fired first.
type AlertQuery struct {
	Guarantee, Feature string
	State              AlertState // "" = any
	Severity           Severity   // "" = any
	Cursor             string
	Limit              int // 1..500; 0 = 50
}

// Webhook is an address that is told about alerts.
type Webhook struct {
	ID          string
	Name        string
	URL         string
	Secret      string     // whsec_…; shown once, when it is made
	Severities  []Severity // empty = all
	Checkpoints bool       // is also sent the signed heads of the audit log
	Enabled     bool
	CreatedAt   time.Time
	CreatedBy   string
	// Replaces is the Seen of what a webhook that is put goes over; "" = of whatever is there.
	Replaces string
}

// Seen names what whoever changes a webhook goes over.
func (w *Webhook) Seen() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %t %t", w.Name, w.URL, w.Severities, w.Checkpoints, w.Enabled))
	return hex.EncodeToString(sum[:8])
}

// Wants reports whether the webhook is to be told about alerts of a severity.
func (w *Webhook) Wants(s Severity) bool {
	return w.Enabled && (len(w.Severities) == 0 || slices.Contains(w.Severities, s))
}

// DeliveryState is where a delivery stands.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryPending   DeliveryState = "pending"
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryFailed    DeliveryState = "failed" // given up
)

// Delivery is one message to one webhook: an entry of the outbox, and of the log
// once it is done.
type Delivery struct {
	ID        string // the webhook-id header: the same for every attempt
	WebhookID string
	AlertID   string // "" for a message that is about no alert
	Type      string // alert.firing, alert.resolved, audit.checkpoint or test
	Payload   []byte // the JSON body, fixed when it was queued
	State     DeliveryState
	Attempts  int
	CreatedAt time.Time
	NextAt    time.Time // when to try (again); meaningful while pending
	DoneAt    time.Time
	// Status is the last HTTP status, 0 when there was no answer; Error says in a
	// sentence what went wrong last.
	Status int
	Error  string
}

// AlertTransition is one step of an alert, with the messages that tell of it.
type AlertTransition struct {
	Alert      Alert
	Deliveries []Delivery
}

// AlertCondition is the state of one alert rule at one moment.
type AlertCondition struct {
	AlertKey
	Feature  string
	Owner    string
	Version  string
	Severity Severity
	Known    bool          // false: nothing can be said, so nothing changes
	Holds    bool          // the rule is met
	Hold     time.Duration // how long it must be met before the alert fires
	Summary  string
	Numbers  AlertNumbers
}
