package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"tidemark/flags/audit"
)

// Verify implements audit.Log.
func (s *Store) Verify(ctx context.Context) (audit.Head, error) {
	v, err := s.VerifyAgainst(ctx, audit.Trust{})
	return v.Head, err
}

// VerifyAgainst implements audit.Log. It reads one snapshot, so that entries added
// meanwhile do not disturb it.
func (s *Store) VerifyAgainst(ctx context.Context, trust audit.Trust) (v audit.Verified, err error) {
	conn, tx, err := begin(ctx, s.read, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return v, fmt.Errorf("audit verify: %w", err)
	}
	defer conn.Close()
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	tree, err := recompute(ctx, tx)
	if err != nil {
		return v, err
	}
	points, public, err := trustedPoints(ctx, tx, trust)
	if err != nil {
		return v, err
	}
	if err := tree.Against(points); err != nil {
		return v, err
	}
	v.Public, v.Checkpoints = public, len(points)
	v.Head, err = tree.Head(tree.Size())
	return v, err
}

// trustedPoints are the checkpoints that the log must fit: those in the store and
// those that were kept elsewhere, by size.
func trustedPoints(ctx context.Context, tx *sql.Tx, trust audit.Trust) ([]audit.Checkpoint, string, error) {
	notes, err := storedNotes(ctx, tx)
	if err != nil {
		return nil, "", err
	}
	public := trust.Public
	if len(notes)+len(trust.Kept) == 0 {
		return nil, public, nil // Nothing was ever signed.
	}
	if public == "" {
		if public, err = auditPublic(ctx, tx); err != nil {
			return nil, "", err
		}
	}
	points, err := audit.OpenAll(append(notes, trust.Kept...), public)
	return points, public, err
}

// recompute builds the tree anew from the leaves alone and compares each row and each
// stored hash on the way, so that the first entry that does not fit is the one named.
func recompute(ctx context.Context, tx *sql.Tx) (t *audit.Tree, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT n, at, actor, action, subject, leaf FROM audit_entries ORDER BY n")
	if err != nil {
		return nil, fmt.Errorf("audit verify: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	stored, err := tx.QueryContext(ctx, "SELECT i, hash FROM audit_hashes ORDER BY i")
	if err != nil {
		return nil, fmt.Errorf("audit verify: %w", err)
	}
	defer func() { err = errors.Join(err, stored.Close()) }()
	t = &audit.Tree{}
	for n := int64(0); rows.Next(); n++ {
		leaf, err := verifyRow(rows, n)
		if err != nil {
			return nil, err
		}
		if err := verifyHashes(stored, t, n, leaf); err != nil {
			return nil, err
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("audit verify: %w", err)
	}
	if stored.Next() {
		return nil, audit.Missing(t.Size(), "its hash is still there")
	}
	return t, stored.Err()
}

// verifyRow checks that a row is number n and that its columns repeat its leaf.
func verifyRow(rows *sql.Rows, n int64) ([]byte, error) {
	var (
		index, at              int64
		actor, action, subject string
		leaf                   []byte
	)
	if err := rows.Scan(&index, &at, &actor, &action, &subject, &leaf); err != nil {
		return nil, fmt.Errorf("audit verify: %w", err)
	}
	if index > n {
		return nil, audit.Bad(n, "is missing: the next one is entry %d", index)
	}
	if err := audit.CheckLeaf(n, leaf); err != nil {
		return nil, err
	}
	e, err := audit.ParseLeaf(leaf)
	if err != nil {
		return nil, err
	}
	if nanos(e.At) != at || e.Actor != actor || e.Action != action || e.Subject != subject {
		return nil, audit.Bad(n, "was changed: its columns differ from its leaf")
	}
	return leaf, nil
}

// verifyHashes adds a leaf and compares the hashes that it completes with the stored
// ones, which come in the same order.
func verifyHashes(stored *sql.Rows, t *audit.Tree, n int64, leaf []byte) error {
	made, err := t.Add(leaf)
	if err != nil {
		return err
	}
	first := tlog.StoredHashIndex(0, n)
	for k, h := range made {
		var i int64
		var raw []byte
		if stored.Next() {
			if err := stored.Scan(&i, &raw); err != nil {
				return fmt.Errorf("audit verify: %w", err)
			}
		}
		switch {
		case stored.Err() != nil:
			return fmt.Errorf("audit verify: %w", stored.Err())
		case raw == nil || i != first+int64(k):
			return audit.Bad(n, "was changed: a hash of it is missing")
		case string(raw) == string(h[:]):
		case k == 0:
			return audit.Bad(n, "was changed: it hashes to %s, recorded was another", h)
		default:
			return audit.Bad(n, "does not fit: the hash of it with those before it was changed")
		}
	}
	return nil
}
