package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

	"tidemark/flags/audit"
)

// Checkpoint implements audit.Log. The key is made with the first checkpoint; that is
// an entry of the log itself.
func (s *Store) Checkpoint(ctx context.Context, at time.Time) (c audit.Checkpoint, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		c, _, err = checkpoint(ctx, tx, at)
		return err
	})
	return c, err
}

func checkpoint(ctx context.Context, tx *sql.Tx, at time.Time) (c audit.Checkpoint, public string, err error) {
	signer, err := auditSigner(ctx, tx, at)
	if err != nil {
		return c, "", err
	}
	h, err := head(ctx, tx)
	if err != nil {
		return c, "", err
	}
	var note []byte
	err = tx.QueryRowContext(ctx, "SELECT note FROM audit_checkpoints WHERE size = ?", h.Size).Scan(&note)
	if err == nil {
		c, err = audit.OpenCheckpoint(note, signer.Public)
		if err == nil && c.Root != h.Root {
			err = fmt.Errorf("%w: the head of size %d was signed before with another root", audit.ErrTampered, h.Size)
		}
		return c, signer.Public, err
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return c, "", fmt.Errorf("audit checkpoint of size %d: %w", h.Size, err)
	}
	if c, err = signer.Sign(h, at); err != nil {
		return c, "", err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO audit_checkpoints (size, at, note) VALUES (?, ?, ?)", c.Size, nanos(c.At), c.Note)
	if err != nil {
		return c, "", fmt.Errorf("audit checkpoint of size %d: %w", h.Size, err)
	}
	return c, signer.Public, nil
}

// auditSigner reads the key, and makes it when there is none.
func auditSigner(ctx context.Context, tx *sql.Tx, at time.Time) (*audit.Signer, error) {
	var k audit.Key
	err := tx.QueryRowContext(ctx, "SELECT name, private, public FROM audit_key").Scan(&k.Name, &k.Private, &k.Public)
	if err == nil {
		return k.Signer()
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("audit key: %w", err)
	}
	if k, err = audit.NewKey(); err != nil {
		return nil, err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO audit_key (one, name, private, public, created_at) VALUES (1, ?, ?, ?, ?)",
		k.Name, k.Private, k.Public, nanos(at))
	if err != nil {
		return nil, fmt.Errorf("audit key: %w", err)
	}
	after, err := audit.State(map[string]any{"public": k.Public})
	if err != nil {
		return nil, err
	}
	rec := audit.Record{At: at, Actor: "tidemark", Action: "audit.key", Subject: "audit/" + k.Name, Reason: "first checkpoint", After: after}
	if err := appendAudit(ctx, tx, rec); err != nil {
		return nil, err
	}
	return k.Signer()
}

// Public implements audit.Log.
func (s *Store) Public(ctx context.Context) (string, error) { return auditPublic(ctx, s.read) }

func auditPublic(ctx context.Context, q querier) (string, error) {
	var public string
	err := q.QueryRowContext(ctx, "SELECT public FROM audit_key").Scan(&public)
	if errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("audit key: nothing was signed yet: %w", audit.ErrNoEntry)
	}
	if err != nil {
		return "", fmt.Errorf("audit key: %w", err)
	}
	return public, nil
}

// storedNotes are the signed heads, by size. A store from before there were any, which
// Inspect may read, has none.
func storedNotes(ctx context.Context, q querier) (notes [][]byte, err error) {
	var n int
	if err := q.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = 'audit_checkpoints'").Scan(&n); err != nil || n == 0 {
		return nil, err
	}
	rows, err := q.QueryContext(ctx, "SELECT note FROM audit_checkpoints ORDER BY size")
	if err != nil {
		return nil, fmt.Errorf("audit checkpoints: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var note []byte
		if err := rows.Scan(&note); err != nil {
			return nil, fmt.Errorf("audit checkpoints: %w", err)
		}
		notes = append(notes, note)
	}
	return notes, rows.Err()
}

// Latest implements audit.Log.
func (s *Store) Latest(ctx context.Context) (audit.Checkpoint, error) {
	public, err := s.Public(ctx)
	if err != nil {
		return audit.Checkpoint{}, err
	}
	var note []byte
	err = s.read.QueryRowContext(ctx, "SELECT note FROM audit_checkpoints ORDER BY size DESC LIMIT 1").Scan(&note)
	if errors.Is(err, sql.ErrNoRows) {
		return audit.Checkpoint{}, fmt.Errorf("audit checkpoint: none was signed yet: %w", audit.ErrNoEntry)
	}
	if err != nil {
		return audit.Checkpoint{}, fmt.Errorf("audit checkpoint: %w", err)
	}
	return audit.OpenCheckpoint(note, public)
}

// Export implements audit.Log. Entries added meanwhile neither disturb it nor wait.
func (s *Store) Export(ctx context.Context, w io.Writer) (err error) {
	c, err := s.Latest(ctx)
	if err != nil {
		return err
	}
	public, err := s.Public(ctx)
	if err != nil {
		return err
	}
	rows, err := s.read.QueryContext(ctx, "SELECT leaf FROM audit_entries WHERE n < ? ORDER BY n", c.Size)
	if err != nil {
		return fmt.Errorf("audit export: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out := audit.NewWriter(w)
	for rows.Next() {
		var leaf []byte
		if err := rows.Scan(&leaf); err != nil {
			return fmt.Errorf("audit export: %w", err)
		}
		if err := out.Entry(leaf); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("audit export: %w", err)
	}
	return out.Close(&c, public)
}
