package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"tidemark/flags/access"
	"tidemark/flags/audit"
)

var _ access.Store = (*Store)(nil)

const keyColumns = "id, name, env, hash, scopes, created_at, expires_at, revoked_at, last_used, rate"

// scanner is a *sql.Row or a *sql.Rows.
type scanner interface{ Scan(dest ...any) error }

func scanKey(row scanner) (access.Key, error) {
	var (
		k                                   access.Key
		hash                                []byte
		scopes                              string
		created, expires, revoked, lastUsed int64
	)
	if err := row.Scan(&k.ID, &k.Name, &k.Env, &hash, &scopes, &created, &expires, &revoked, &lastUsed, &k.Rate); err != nil {
		return access.Key{}, err
	}
	copy(k.Hash[:], hash)
	for s := range strings.FieldsSeq(scopes) {
		k.Scopes = append(k.Scopes, access.Scope(s))
	}
	k.CreatedAt, k.ExpiresAt = fromNanos(created), fromNanos(expires)
	k.RevokedAt, k.LastUsed = fromNanos(revoked), fromNanos(lastUsed)
	return k, nil
}

// auditedKey is what the audit log says of a key: everything but its hash.
func auditedKey(k access.Key) (json.RawMessage, error) {
	state := map[string]any{"id": k.ID, "name": k.Name, "env": k.Env, "scopes": k.Scopes}
	if !k.ExpiresAt.IsZero() {
		state["expires_at"] = k.ExpiresAt
	}
	if !k.RevokedAt.IsZero() {
		state["revoked_at"] = k.RevokedAt
	}
	if k.Rate > 0 {
		state["rate"] = k.Rate
	}
	return audit.State(state)
}

func joinScopes(scopes []access.Scope) string {
	parts := make([]string, len(scopes))
	for i, s := range scopes {
		parts[i] = string(s)
	}
	return strings.Join(parts, " ")
}

// CreateKey implements access.Store.
func (s *Store) CreateKey(ctx context.Context, k access.Key, actor, reason string) error {
	return s.change(ctx, func(tx *sql.Tx) (audit.Record, error) { return createKey(ctx, tx, k, actor, reason) })
}

func createKey(ctx context.Context, tx *sql.Tx, k access.Key, actor, reason string) (audit.Record, error) {
	var live int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM api_keys
		WHERE name = ? AND revoked_at = 0 AND (expires_at = 0 OR expires_at > ?)`,
		k.Name, nanos(k.CreatedAt)).Scan(&live)
	if err != nil {
		return audit.Record{}, fmt.Errorf("create key %s: %w", k.Name, err)
	}
	if live >= access.MaxLiveKeys {
		return audit.Record{}, fmt.Errorf("%w: %q has %d", access.ErrTooManyKeys, k.Name, live)
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO api_keys ("+keyColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		k.ID, k.Name, k.Env, k.Hash[:], joinScopes(k.Scopes),
		nanos(k.CreatedAt), nanos(k.ExpiresAt), nanos(k.RevokedAt), nanos(k.LastUsed), k.Rate)
	if err != nil {
		return audit.Record{}, fmt.Errorf("create key %s: %w", k.Name, err)
	}
	after, err := auditedKey(k)
	return audit.Record{
		At: k.CreatedAt, Actor: actor, Action: "key.create", Subject: "key/" + k.ID, Reason: reason, After: after,
	}, err
}

// RotateKey implements access.Store.
func (s *Store) RotateKey(ctx context.Context, old, next access.Key, actor, reason string) error {
	return s.changes(ctx, func(tx *sql.Tx) ([]audit.Record, error) {
		was, err := key(ctx, tx, old.ID)
		if err != nil {
			return nil, err
		}
		if !was.Live(next.CreatedAt) {
			return nil, fmt.Errorf("%w: %s is not live any more; make a new key", access.ErrKeyName, old.ID)
		}
		created, err := createKey(ctx, tx, next, actor, reason)
		if err != nil {
			return nil, err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE api_keys SET expires_at = ? WHERE id = ?", nanos(old.ExpiresAt), old.ID); err != nil {
			return nil, fmt.Errorf("rotate key %s: %w", old.ID, err)
		}
		before, err := auditedKey(was)
		if err != nil {
			return nil, err
		}
		after, err := auditedKey(old)
		return []audit.Record{created, {
			At: next.CreatedAt, Actor: actor, Action: "key.rotate", Subject: "key/" + old.ID, Reason: reason, Before: before, After: after,
		}}, err
	})
}

// Key implements access.Store.
func (s *Store) Key(ctx context.Context, id string) (access.Key, error) { return key(ctx, s.read, id) }

func key(ctx context.Context, q querier, id string) (access.Key, error) {
	k, err := scanKey(q.QueryRowContext(ctx, "SELECT "+keyColumns+" FROM api_keys WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return access.Key{}, fmt.Errorf("key %q: %w", id, access.ErrNoKey)
	}
	if err != nil {
		return access.Key{}, fmt.Errorf("key %q: %w", id, err)
	}
	return k, nil
}

// Keys implements access.Store.
func (s *Store) Keys(ctx context.Context) (keys []access.Key, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+keyColumns+" FROM api_keys ORDER BY name, created_at, id")
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	keys = []access.Key{}
	for rows.Next() {
		k, err := scanKey(rows)
		if err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		keys = append(keys, k)
	}
	return keys, rows.Err()
}

// RevokeKey implements access.Store.
func (s *Store) RevokeKey(ctx context.Context, id string, at time.Time, actor, reason string) error {
	return s.change(ctx, func(tx *sql.Tx) (audit.Record, error) {
		k, err := key(ctx, tx, id)
		if err != nil {
			return audit.Record{}, err
		}
		before, err := auditedKey(k)
		if err != nil {
			return audit.Record{}, err
		}
		if k.RevokedAt.IsZero() {
			k.RevokedAt = at.UTC().Round(0)
		}
		if _, err := tx.ExecContext(ctx, "UPDATE api_keys SET revoked_at = ? WHERE id = ?", nanos(k.RevokedAt), id); err != nil {
			return audit.Record{}, fmt.Errorf("revoke key %s: %w", id, err)
		}
		after, err := auditedKey(k)
		return audit.Record{
			At: at, Actor: actor, Action: "key.revoke", Subject: "key/" + id, Reason: reason, Before: before, After: after,
		}, err
	})
}

// TouchKeys implements access.Store.
func (s *Store) TouchKeys(ctx context.Context, used map[string]time.Time) error {
	return s.update(ctx, func(tx *sql.Tx) error {
		for id, at := range used {
			if _, err := tx.ExecContext(ctx, "UPDATE api_keys SET last_used = ?1 WHERE id = ?2 AND last_used < ?1", nanos(at), id); err != nil {
				return fmt.Errorf("touch key %s: %w", id, err)
			}
		}
		return nil
	})
}
