package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tidemark/flags"
	"tidemark/flags/audit"
)

var _ flags.SecretStore = (*Store)(nil)

// serverActor is who the audit log names for what the server does by itself.
const serverActor = "server"

// Secret implements flags.SecretStore.
func (s *Store) Secret(ctx context.Context, name string, size int, now time.Time) ([]byte, error) {
	value, err := secret(ctx, s.read, name)
	if err != nil || value != nil {
		return value, err
	}
	err = s.update(ctx, func(tx *sql.Tx) error {
		// Another process may have made it since.
		if value, err = secret(ctx, tx, name); err != nil || value != nil {
			return err
		}
		value = make([]byte, size)
		rand.Read(value)
		return insertSecret(ctx, tx, name, value, now)
	})
	if err != nil {
		return nil, err
	}
	return value, nil
}

// secret returns nil when there is none of that name.
func secret(ctx context.Context, q querier, name string) (value []byte, err error) {
	err = q.QueryRowContext(ctx, "SELECT value FROM secrets WHERE name = ?", name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", name, err)
	}
	return value, nil
}

func insertSecret(ctx context.Context, tx *sql.Tx, name string, value []byte, now time.Time) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO secrets (name, value, created_at) VALUES (?, ?, ?)", name, value, nanos(now))
	if err != nil {
		return fmt.Errorf("create secret %s: %w", name, err)
	}
	after, err := audit.State(struct {
		Bytes int `json:"bytes"`
	}{len(value)})
	if err != nil {
		return err
	}
	return appendAudit(ctx, tx, audit.Record{At: now, Actor: serverActor, Action: "secret.create", Subject: "secret/" + name, After: after})
}
