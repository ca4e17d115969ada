package flags

import (
	"context"
	"time"
)

// QuarantineAction is what becomes of events in quarantine.
type QuarantineAction string

// What may be decided.
const (
	QuarantineRelease QuarantineAction = "release" // they go on, whatever is known of their labels
	QuarantineDiscard QuarantineAction = "discard" // they are removed for good
)

// QuarantineOrder is a decision about the events that were in quarantine when it was
// made. It is stored before it is carried out, so that a crash does not end it halfway.
type QuarantineOrder struct {
	ID      string           `json:"id"`
	Action  QuarantineAction `json:"action"`
	Feature string           `json:"feature,omitempty"` // "" = of any
	Label   string           `json:"label,omitempty"`   // "" = with any
	Through int64            `json:"-"`                 // the number of the last event that it is about
	Events  int64            `json:"events"`            // held when it was made
	Actor   string           `json:"actor"`
	Reason  string           `json:"reason"`
	At      time.Time        `json:"at"`
	DoneAt  *time.Time       `json:"done_at"` // null while it is carried out
}

// QuarantineStore keeps decisions about events in quarantine.
type QuarantineStore interface {
	// AddQuarantineOrder stores an order with its audit record in one transaction.
	AddQuarantineOrder(ctx context.Context, o QuarantineOrder) error
	// QuarantineOrders returns orders, newest first, at most limit; with open those that
	// are not carried out yet, oldest first. None is an empty slice.
	QuarantineOrders(ctx context.Context, open bool, limit int) ([]QuarantineOrder, error)
	// FinishQuarantineOrder notes that an order was carried out.
	FinishQuarantineOrder(ctx context.Context, id string, at time.Time) error
}
