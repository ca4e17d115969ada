package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"

	"tidemark/flags"
	"tidemark/flags/audit"
)

var _ flags.WebhookStore = (*Store)(nil)

const webhookColumns = "id, name, url, secret, severities, enabled, created_at, created_by, checkpoints"

// Webhooks implements flags.WebhookStore.
func (s *Store) Webhooks(ctx context.Context) ([]flags.Webhook, error) {
	return webhooks(ctx, s.read, "SELECT "+webhookColumns+" FROM webhooks ORDER BY name")
}

// Webhook implements flags.WebhookStore.
func (s *Store) Webhook(ctx context.Context, id string) (flags.Webhook, error) {
	return webhook(ctx, s.read, id)
}

func webhook(ctx context.Context, q querier, id string) (flags.Webhook, error) {
	ws, err := webhooks(ctx, q, "SELECT "+webhookColumns+" FROM webhooks WHERE id = ?", id)
	if err != nil {
		return flags.Webhook{}, err
	}
	if len(ws) == 0 {
		return flags.Webhook{}, fmt.Errorf("webhook %q: %w", id, flags.ErrNotFound)
	}
	return ws[0], nil
}

func webhooks(ctx context.Context, q querier, query string, args ...any) (out []flags.Webhook, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("webhooks: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = []flags.Webhook{}
	for rows.Next() {
		var w flags.Webhook
		var severities string
		var at int64
		if err := rows.Scan(&w.ID, &w.Name, &w.URL, &w.Secret, &severities, &w.Enabled, &at, &w.CreatedBy, &w.Checkpoints); err != nil {
			return nil, fmt.Errorf("webhooks: %w", err)
		}
		w.CreatedAt = fromNanos(at)
		for s := range strings.FieldsFuncSeq(severities, func(r rune) bool { return r == ',' }) {
			w.Severities = append(w.Severities, flags.Severity(s))
		}
		out = append(out, w)
	}
	return out, rows.Err()
}

// PutWebhook implements flags.WebhookStore.
func (s *Store) PutWebhook(ctx context.Context, w flags.Webhook, actor, reason string, at time.Time) error {
	return s.change(ctx, func(tx *sql.Tx) (audit.Record, error) {
		rec := audit.Record{At: at, Actor: actor, Action: "webhook.put", Subject: "webhook/" + w.ID, Reason: reason}
		old, err := webhook(ctx, tx, w.ID)
		switch {
		case err == nil && w.Replaces != "" && w.Replaces != old.Seen():
			return rec, fmt.Errorf("webhook %s: %w", w.ID, flags.ErrChanged)
		case err == nil:
			if rec.Before, err = webhookState(&old); err != nil {
				return rec, err
			}
		case !errors.Is(err, flags.ErrNotFound):
			return rec, err
		}
		severities := make([]string, len(w.Severities))
		for i, sev := range w.Severities {
			severities[i] = string(sev)
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO webhooks ("+webhookColumns+`) VALUES (?,?,?,?,?,?,?,?,?)
			ON CONFLICT (id) DO UPDATE SET name = excluded.name, url = excluded.url, secret = excluded.secret,
			severities = excluded.severities, enabled = excluded.enabled, checkpoints = excluded.checkpoints`,
			w.ID, w.Name, w.URL, w.Secret, strings.Join(severities, ","), w.Enabled, nanos(w.CreatedAt), w.CreatedBy, w.Checkpoints)
		var se sqlite3.Error
		if errors.As(err, &se) && se.ExtendedCode == sqlite3.ErrConstraintUnique {
			return rec, fmt.Errorf("%w: name: another webhook is named %q", flags.ErrRefused, w.Name)
		}
		if err != nil {
			return rec, fmt.Errorf("webhook %s: %w", w.ID, err)
		}
		rec.After, err = webhookState(&w)
		return rec, err
	})
}

// webhookState leaves the secret out, and of the address, which often holds one too, all
// but the host: the audit log is read by more people, and nothing is ever taken out of it.
// A hash of the address tells whether it changed.
func webhookState(w *flags.Webhook) ([]byte, error) {
	u, err := url.Parse(w.URL)
	if err != nil {
		return nil, fmt.Errorf("webhook %s: %w", w.ID, err)
	}
	state := map[string]any{
		"name": w.Name, "url": u.Scheme + "://" + u.Host, "url_sha256": fmt.Sprintf("%x", sha256.Sum256([]byte(w.URL))),
		"severities": w.Severities, "enabled": w.Enabled,
	}
	if w.Checkpoints {
		state["checkpoints"] = true
	}
	return audit.State(state)
}

// DeleteWebhook implements flags.WebhookStore.
func (s *Store) DeleteWebhook(ctx context.Context, id, actor, reason string, at time.Time) error {
	return s.change(ctx, func(tx *sql.Tx) (audit.Record, error) {
		rec := audit.Record{At: at, Actor: actor, Action: "webhook.delete", Subject: "webhook/" + id, Reason: reason}
		old, err := webhook(ctx, tx, id)
		if err != nil {
			return rec, err
		}
		if rec.Before, err = webhookState(&old); err != nil {
			return rec, err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM webhooks WHERE id = ?", id); err != nil {
			return rec, fmt.Errorf("webhook %s: %w", id, err)
		}
		return rec, nil
	})
}
