package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"tidemark/flags"
)

var _ flags.AlertStore = (*Store)(nil)

// Firing implements flags.AlertStore.
func (s *Store) Firing(ctx context.Context) ([]flags.Alert, error) {
	return s.alerts(ctx, "SELECT body FROM alerts WHERE state = 'firing'")
}

// Alert implements flags.AlertStore.
func (s *Store) Alert(ctx context.Context, id string) (flags.Alert, error) {
	as, err := s.alerts(ctx, "SELECT body FROM alerts WHERE id = ?", id)
	if err != nil {
		return flags.Alert{}, err
	}
	if len(as) == 0 {
		return flags.Alert{}, fmt.Errorf("alert %q: %w", id, flags.ErrNotFound)
	}
	return as[0], nil
}

// Alerts implements flags.AlertStore. The cursor is "fired_at.id" of the last row.
func (s *Store) Alerts(ctx context.Context, q flags.AlertQuery) (page []flags.Alert, next string, err error) {
	at, id, err := parseAlertCursor(q.Cursor)
	if err != nil {
		return nil, "", err
	}
	if q.Limit <= 0 {
		q.Limit = 50
	}
	q.Limit = min(q.Limit, 500)
	page, err = s.alerts(ctx, `SELECT body FROM alerts
		WHERE (?1 = '' OR guarantee = ?1) AND (?2 = '' OR feature = ?2) AND (?3 = '' OR state = ?3) AND (?4 = '' OR severity = ?4)
		AND (?5 = 0 OR (fired_at, id) < (?5, ?6)) ORDER BY fired_at DESC, id DESC LIMIT ?7`,
		q.Guarantee, q.Feature, q.State, q.Severity, at, id, q.Limit+1)
	if err != nil {
		return nil, "", err
	}
	if len(page) > q.Limit {
		page = page[:q.Limit]
		last := &page[len(page)-1]
		next = strconv.FormatInt(nanos(last.FiredAt), 10) + "." + last.ID
	}
	return page, next, nil
}

func parseAlertCursor(cursor string) (at int64, id string, err error) {
	if cursor == "" {
		return 0, "", nil
	}
	num, id, ok := strings.Cut(cursor, ".")
	at, err = strconv.ParseInt(num, 10, 64)
	if !ok || err != nil || at <= 0 {
		return 0, "", fmt.Errorf("%w: cursor: is not one that a page of alerts gave", flags.ErrInvalid)
	}
	return at, id, nil
}

func (s *Store) alerts(ctx context.Context, query string, args ...any) (out []flags.Alert, err error) {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("alerts: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = []flags.Alert{}
	for rows.Next() {
		var body []byte
		var a flags.Alert
		if err := rows.Scan(&body); err != nil {
			return nil, fmt.Errorf("alerts: %w", err)
		}
		if err := json.Unmarshal(body, &a); err != nil {
			return nil, fmt.Errorf("alerts: %w", err)
		}
		out = append(out, a)
	}
	return out, rows.Err()
}

// RecordAlerts implements flags.AlertStore.
func (s *Store) RecordAlerts(ctx context.Context, transitions []flags.AlertTransition) error {
	return s.update(ctx, func(tx *sql.Tx) error {
		for i := range transitions {
			t := &transitions[i]
			if err := putAlert(ctx, tx, &t.Alert); err != nil {
				return err
			}
			if err := enqueue(ctx, tx, t.Deliveries); err != nil {
				return err
			}
		}
		return nil
	})
}

func putAlert(ctx context.Context, tx *sql.Tx, a *flags.Alert) error {
	body, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("alert %s: %w", a.ID, err)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO alerts
		(id, guarantee, objective, rule, feature, severity, state, fired_at, resolved_at, body) VALUES (?,?,?,?,?,?,?,?,?,?)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, resolved_at = excluded.resolved_at, body = excluded.body`,
		a.ID, a.Guarantee, a.Objective, a.Rule, a.Feature, a.Severity, a.State, nanos(a.FiredAt), nanos(a.ResolvedAt), body)
	if err != nil {
		return fmt.Errorf("alert %s: %w", a.ID, err)
	}
	return nil
}
