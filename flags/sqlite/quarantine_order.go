package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"tidemark/flags"
	"tidemark/flags/audit"
)

var _ flags.QuarantineStore = (*Store)(nil)

// AddQuarantineOrder implements flags.QuarantineStore.
func (s *Store) AddQuarantineOrder(ctx context.Context, o flags.QuarantineOrder) error {
	return s.change(ctx, func(tx *sql.Tx) (audit.Record, error) {
		_, err := tx.ExecContext(ctx, `INSERT INTO quarantine_orders (id, action, feature, label, through, events, actor, reason, at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, o.ID, o.Action, o.Feature, o.Label, o.Through, o.Events, o.Actor, o.Reason, nanos(o.At))
		if err != nil {
			return audit.Record{}, fmt.Errorf("order about the quarantine: %w", err)
		}
		after, err := audit.State(map[string]any{"feature": o.Feature, "label": o.Label, "events": o.Events})
		return audit.Record{
			At: o.At, Actor: o.Actor, Action: "quarantine." + string(o.Action), Subject: "quarantine/" + strings.Trim(o.Feature+"/"+o.Label, "/"),
			Reason: o.Reason, After: after,
		}, err
	})
}

// QuarantineOrders implements flags.QuarantineStore.
func (s *Store) QuarantineOrders(ctx context.Context, open bool, limit int) ([]flags.QuarantineOrder, error) {
	query := "SELECT id, action, feature, label, through, events, actor, reason, at, done_at FROM quarantine_orders ORDER BY at DESC, id LIMIT ?"
	if open {
		query = "SELECT id, action, feature, label, through, events, actor, reason, at, done_at FROM quarantine_orders WHERE done_at = 0 ORDER BY at, id LIMIT ?"
	}
	found, err := list(ctx, s.read, func(row scanner) (o flags.QuarantineOrder, err error) {
		var at, done int64
		err = row.Scan(&o.ID, &o.Action, &o.Feature, &o.Label, &o.Through, &o.Events, &o.Actor, &o.Reason, &at, &done)
		o.At = fromNanos(at)
		if done != 0 {
			o.DoneAt = new(fromNanos(done))
		}
		return o, err
	}, query, limit)
	if err != nil {
		return nil, fmt.Errorf("orders about the quarantine: %w", err)
	}
	return found, nil
}

// FinishQuarantineOrder implements flags.QuarantineStore.
func (s *Store) FinishQuarantineOrder(ctx context.Context, id string, at time.Time) error {
	return s.update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE quarantine_orders SET done_at = ? WHERE id = ? AND done_at = 0", nanos(at), id); err != nil {
			return fmt.Errorf("order %s about the quarantine: %w", id, err)
		}
		return nil
	})
}
