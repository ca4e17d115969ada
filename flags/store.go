package flags

import (
	"context"
	"time"
)

// GuaranteeStore keeps documents with their whole history. It is safe for
// concurrent use. Returned values belong to the caller.
type GuaranteeStore interface {
	// Documents returns the current revision of every document, ordered by kind,
	// then name. None is an empty slice.
	Documents(ctx context.Context) ([]DocumentVersion, error)
	// Document returns the current revision; ErrNotFound when there is none.
	Document(ctx context.Context, id DocumentID) (DocumentVersion, error)
	// Versions returns every revision of a document, newest first. No such document
	// is an empty slice.
	Versions(ctx context.Context, id DocumentID) ([]DocumentVersion, error)
	// History returns every revision of every document in the order in which they
	// became current.
	History(ctx context.Context) ([]DocumentVersion, error)
	// ApplyDocuments stores the new revisions and rollouts, each with its audit record,
	// in one transaction: all of it or nothing. ErrChanged when the current revision of
	// any document is no longer its Base, or that of a rollout is not the one before.
	ApplyDocuments(ctx context.Context, c Change) error

	// AddReview stores a review with its audit record; ErrNotFound when there is no
	// such revision.
	AddReview(ctx context.Context, r ReviewRecord) error
	// Reviews returns the reviews of a document (of all, when id is zero), newest first.
	Reviews(ctx context.Context, id DocumentID) ([]ReviewRecord, error)

	// PutAttainment inserts points, or replaces those of the same guarantee,
	// objective and day.
	PutAttainment(ctx context.Context, points []AttainmentPoint) error
	// Attainment returns the points of a guarantee from a day (inclusive), ordered
	// by objective, then day.
	Attainment(ctx context.Context, guarantee, fromDay string) ([]AttainmentPoint, error)
}

// AlertStore keeps alerts.
type AlertStore interface {
	// Firing returns every alert that fires, in no particular order.
	Firing(ctx context.Context) ([]Alert, error)
	// Alert returns one alert; ErrNotFound when there is none.
	Alert(ctx context.Context, id string) (Alert, error)
	// Alerts returns a page of alerts, latest fired first, and the cursor of the
	// next page ("" when this is the last).
	Alerts(ctx context.Context, q AlertQuery) (page []Alert, next string, err error)
	// RecordAlerts stores each transition with its deliveries in one transaction:
	// the alert is inserted, or replaced when its id exists, and the deliveries
	// become due. All of it or nothing.
	RecordAlerts(ctx context.Context, transitions []AlertTransition) error
}

// WebhookStore keeps webhooks and the messages to them.
type WebhookStore interface {
	// Webhooks returns every webhook with its secret, ordered by name.
	Webhooks(ctx context.Context) ([]Webhook, error)
	// Webhook returns one; ErrNotFound when there is none.
	Webhook(ctx context.Context, id string) (Webhook, error)
	// PutWebhook inserts or replaces a webhook, with an audit record by actor that
	// leaves the secret out. ErrRefused when another has the same name.
	PutWebhook(ctx context.Context, w Webhook, actor, reason string, at time.Time) error
	// DeleteWebhook removes a webhook, its pending deliveries and its log, with an
	// audit record; ErrNotFound when there is none.
	DeleteWebhook(ctx context.Context, id, actor, reason string, at time.Time) error

	// Enqueue adds deliveries to the outbox.
	Enqueue(ctx context.Context, ds []Delivery) error
	// Due returns pending deliveries whose NextAt is not after now, oldest first, at
	// most limit.
	Due(ctx context.Context, now time.Time, limit int) ([]Delivery, error)
	// SaveDelivery replaces the state, attempts and outcome of a delivery.
	// ErrNotFound when it is gone, such as with its webhook.
	SaveDelivery(ctx context.Context, d Delivery) error
	// Deliveries returns the latest deliveries of a webhook, newest first, at most limit.
	Deliveries(ctx context.Context, webhookID string, limit int) ([]Delivery, error)
	// PruneDeliveries removes finished deliveries that were done before a time.
	PruneDeliveries(ctx context.Context, before time.Time) error
}
