package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tidemark/flags"
)

const deliveryColumns = "id, webhook_id, alert_id, type, payload, state, attempts, created_at, next_at, done_at, status, error"

// Enqueue implements flags.WebhookStore.
func (s *Store) Enqueue(ctx context.Context, ds []flags.Delivery) error {
	return s.update(ctx, func(tx *sql.Tx) error { return enqueue(ctx, tx, ds) })
}

// enqueue leaves out deliveries to webhooks that were removed meanwhile.
func enqueue(ctx context.Context, tx *sql.Tx, ds []flags.Delivery) error {
	for i := range ds {
		d := &ds[i]
		_, err := tx.ExecContext(ctx, "INSERT INTO deliveries ("+deliveryColumns+`)
			SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12 WHERE EXISTS (SELECT 1 FROM webhooks WHERE id = ?2)`,
			d.ID, d.WebhookID, d.AlertID, d.Type, d.Payload, d.State, d.Attempts,
			nanos(d.CreatedAt), nanos(d.NextAt), nanos(d.DoneAt), d.Status, d.Error)
		if err != nil {
			return fmt.Errorf("delivery %s: %w", d.ID, err)
		}
	}
	return nil
}

// Due implements flags.WebhookStore.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]flags.Delivery, error) {
	return s.deliveries(ctx, "SELECT "+deliveryColumns+` FROM deliveries
		WHERE state = 'pending' AND next_at <= ? ORDER BY next_at, created_at, id LIMIT ?`, nanos(now), limit)
}

// Deliveries implements flags.WebhookStore.
func (s *Store) Deliveries(ctx context.Context, webhookID string, limit int) ([]flags.Delivery, error) {
	return s.deliveries(ctx, "SELECT "+deliveryColumns+` FROM deliveries
		WHERE webhook_id = ? ORDER BY created_at DESC, id DESC LIMIT ?`, webhookID, limit)
}

func (s *Store) deliveries(ctx context.Context, query string, args ...any) (out []flags.Delivery, err error) {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("deliveries: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = []flags.Delivery{}
	for rows.Next() {
		var d flags.Delivery
		var created, next, done int64
		if err := rows.Scan(&d.ID, &d.WebhookID, &d.AlertID, &d.Type, &d.Payload, &d.State, &d.Attempts,
			&created, &next, &done, &d.Status, &d.Error); err != nil {
			return nil, fmt.Errorf("deliveries: %w", err)
		}
		d.CreatedAt, d.NextAt, d.DoneAt = fromNanos(created), fromNanos(next), fromNanos(done)
		out = append(out, d)
	}
	return out, rows.Err()
}

// SaveDelivery implements flags.WebhookStore.
func (s *Store) SaveDelivery(ctx context.Context, d flags.Delivery) error {
	return s.update(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `UPDATE deliveries SET state = ?, attempts = ?, next_at = ?, done_at = ?, status = ?, error = ?
			WHERE id = ?`, d.State, d.Attempts, nanos(d.NextAt), nanos(d.DoneAt), d.Status, d.Error, d.ID)
		if err != nil {
			return fmt.Errorf("delivery %s: %w", d.ID, err)
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(fmt.Errorf("delivery %s: %w", d.ID, flags.ErrNotFound), err)
		}
		return nil
	})
}

// PruneDeliveries implements flags.WebhookStore.
func (s *Store) PruneDeliveries(ctx context.Context, before time.Time) error {
	return s.update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM deliveries WHERE state <> 'pending' AND done_at < ?", nanos(before))
		if err != nil {
			return fmt.Errorf("prune deliveries: %w", err)
		}
		return nil
	})
}
