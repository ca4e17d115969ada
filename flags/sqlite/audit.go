package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"tidemark/flags/audit"
)

var _ audit.Log = (*Store)(nil)

// querier is a *sql.DB or a *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// appendAudit adds a record to the log as the next leaf.
func appendAudit(ctx context.Context, tx *sql.Tx, r audit.Record) error {
	n, err := auditSize(ctx, tx)
	if err != nil {
		return err
	}
	e, err := audit.NewEntry(n, r)
	if err != nil {
		return err
	}
	leaf, err := e.Leaf()
	if err != nil {
		return err
	}
	hashes, err := tlog.StoredHashes(n, leaf, hashReader(ctx, tx))
	if err != nil {
		return fmt.Errorf("audit entry %d: %w", n, err)
	}
	if _, err := tx.ExecContext(ctx,
		"INSERT INTO audit_entries (n, at, actor, action, subject, leaf) VALUES (?, ?, ?, ?, ?, ?)",
		n, nanos(e.At), e.Actor, e.Action, e.Subject, leaf); err != nil {
		return fmt.Errorf("audit entry %d: %w", n, err)
	}
	first := tlog.StoredHashIndex(0, n)
	for i, h := range hashes {
		if _, err := tx.ExecContext(ctx, "INSERT INTO audit_hashes (i, hash) VALUES (?, ?)", first+int64(i), h[:]); err != nil {
			return fmt.Errorf("audit hash %d: %w", first+int64(i), err)
		}
	}
	return nil
}

func auditSize(ctx context.Context, q querier) (int64, error) {
	var n int64
	if err := q.QueryRowContext(ctx, "SELECT coalesce(max(n), -1) + 1 FROM audit_entries").Scan(&n); err != nil {
		return 0, fmt.Errorf("audit size: %w", err)
	}
	return n, nil
}

// hashReader reads stored hashes of the tree.
func hashReader(ctx context.Context, q querier) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			var raw []byte
			err := q.QueryRowContext(ctx, "SELECT hash FROM audit_hashes WHERE i = ?", index).Scan(&raw)
			if errors.Is(err, sql.ErrNoRows) || (err == nil && len(raw) != tlog.HashSize) {
				return nil, fmt.Errorf("%w: hash %d is missing", audit.ErrTampered, index)
			}
			if err != nil {
				return nil, fmt.Errorf("audit hash %d: %w", index, err)
			}
			copy(out[i][:], raw)
		}
		return out, nil
	})
}

// Head implements audit.Log.
func (s *Store) Head(ctx context.Context) (audit.Head, error) { return head(ctx, s.read) }

func head(ctx context.Context, q querier) (audit.Head, error) {
	n, err := auditSize(ctx, q)
	if err != nil {
		return audit.Head{}, err
	}
	root, err := tlog.TreeHash(n, hashReader(ctx, q))
	if err != nil {
		return audit.Head{}, fmt.Errorf("audit head of size %d: %w", n, err)
	}
	return audit.Head{Size: n, Root: root}, nil
}

// Entry implements audit.Log.
func (s *Store) Entry(ctx context.Context, index int64) (audit.Entry, []byte, error) {
	var leaf []byte
	err := s.read.QueryRowContext(ctx, "SELECT leaf FROM audit_entries WHERE n = ?", index).Scan(&leaf)
	if errors.Is(err, sql.ErrNoRows) {
		return audit.Entry{}, nil, fmt.Errorf("entry %d: %w", index, audit.ErrNoEntry)
	}
	if err != nil {
		return audit.Entry{}, nil, fmt.Errorf("audit entry %d: %w", index, err)
	}
	e, err := audit.ParseLeaf(leaf)
	return e, leaf, err
}

// Entries implements audit.Log.
func (s *Store) Entries(ctx context.Context, q audit.Query) (page []audit.Entry, err error) {
	if q.Limit <= 0 {
		q.Limit = 50
	}
	rows, err := s.read.QueryContext(ctx, `SELECT leaf FROM audit_entries
		WHERE (?1 = '' OR actor = ?1) AND (?2 = '' OR action = ?2) AND (?3 = '' OR subject = ?3)
		AND (?4 = 0 OR n < ?4) ORDER BY n DESC LIMIT ?5`,
		q.Actor, q.Action, q.Subject, q.Before, min(q.Limit, 500))
	if err != nil {
		return nil, fmt.Errorf("audit entries: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	page = []audit.Entry{}
	for rows.Next() {
		var leaf []byte
		if err := rows.Scan(&leaf); err != nil {
			return nil, fmt.Errorf("audit entries: %w", err)
		}
		e, err := audit.ParseLeaf(leaf)
		if err != nil {
			return nil, err
		}
		page = append(page, e)
	}
	return page, rows.Err()
}

// ProveEntry implements audit.Log.
func (s *Store) ProveEntry(ctx context.Context, size, index int64) (tlog.RecordProof, error) {
	n, err := auditSize(ctx, s.read)
	if err != nil {
		return nil, err
	}
	if index < 0 || index >= size || size > n {
		return nil, fmt.Errorf("entry %d in a log of size %d: %w", index, size, audit.ErrNoEntry)
	}
	p, err := tlog.ProveRecord(size, index, hashReader(ctx, s.read))
	if err != nil {
		return nil, fmt.Errorf("prove entry %d: %w", index, err)
	}
	return p, nil
}

// ProveHead implements audit.Log.
func (s *Store) ProveHead(ctx context.Context, size, old int64) (tlog.TreeProof, error) {
	n, err := auditSize(ctx, s.read)
	if err != nil {
		return nil, err
	}
	if old < 1 || old > size || size > n {
		return nil, fmt.Errorf("sizes %d and %d: %w", old, size, audit.ErrNoEntry)
	}
	p, err := tlog.ProveTree(size, old, hashReader(ctx, s.read))
	if err != nil {
		return nil, fmt.Errorf("prove head %d from %d: %w", size, old, err)
	}
	return p, nil
}

// Verify implements audit.Log. It reads one snapshot, so that entries added
// meanwhile do not disturb it.
func (s *Store) Verify(ctx context.Context) (h audit.Head, err error) {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return audit.Head{}, fmt.Errorf("audit verify: %w", err)
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	if h, err = head(ctx, tx); err != nil {
		return audit.Head{}, err
	}
	root, n, err := recompute(ctx, tx)
	if err != nil {
		return audit.Head{}, err
	}
	if n != h.Size || root != h.Root {
		return audit.Head{}, fmt.Errorf("%w: %d entries hash to %s, the log says %d and %s", audit.ErrTampered, n, root, h.Size, h.Root)
	}
	return h, nil
}

// recompute builds the tree anew from the leaves alone, compares each stored hash
// on the way, and returns the root.
func recompute(ctx context.Context, tx *sql.Tx) (root tlog.Hash, n int64, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT n, at, actor, action, subject, leaf FROM audit_entries ORDER BY n")
	if err != nil {
		return root, 0, fmt.Errorf("audit verify: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var hashes []tlog.Hash
	own := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			out[i] = hashes[index]
		}
		return out, nil
	})
	for ; rows.Next(); n++ {
		leaf, err := verifyRow(rows, n)
		if err != nil {
			return root, 0, err
		}
		made, err := tlog.StoredHashes(n, leaf, own)
		if err != nil {
			return root, 0, fmt.Errorf("audit verify: entry %d: %w", n, err)
		}
		hashes = append(hashes, made...)
	}
	if err := rows.Err(); err != nil {
		return root, 0, fmt.Errorf("audit verify: %w", err)
	}
	if err := compareHashes(ctx, tx, hashes); err != nil {
		return root, 0, err
	}
	root, err = tlog.TreeHash(n, own)
	return root, n, err
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
	e, err := audit.ParseLeaf(leaf)
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w", n, err)
	}
	if index != n || e.Index != n {
		return nil, fmt.Errorf("%w: entry %d is missing or moved", audit.ErrTampered, n)
	}
	if nanos(e.At) != at || e.Actor != actor || e.Action != action || e.Subject != subject {
		return nil, fmt.Errorf("%w: the columns of entry %d differ from its leaf", audit.ErrTampered, n)
	}
	return leaf, nil
}

func compareHashes(ctx context.Context, tx *sql.Tx, want []tlog.Hash) (err error) {
	rows, err := tx.QueryContext(ctx, "SELECT i, hash FROM audit_hashes ORDER BY i")
	if err != nil {
		return fmt.Errorf("audit verify: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var next int64
	for ; rows.Next(); next++ {
		var i int64
		var raw []byte
		if err := rows.Scan(&i, &raw); err != nil {
			return fmt.Errorf("audit verify: %w", err)
		}
		if i != next || i >= int64(len(want)) || string(raw) != string(want[i][:]) {
			return firstChanged(i)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("audit verify: %w", err)
	}
	if next != int64(len(want)) {
		return firstChanged(next)
	}
	return nil
}

// firstChanged names the entries below a stored hash that does not fit.
func firstChanged(i int64) error {
	level, n := tlog.SplitStoredHashIndex(i)
	from := n << level
	to := from + 1<<level - 1
	if from == to {
		return fmt.Errorf("%w: entry %d was changed", audit.ErrTampered, from)
	}
	return fmt.Errorf("%w: the hash of entries %d to %d was changed", audit.ErrTampered, from, to)
}
