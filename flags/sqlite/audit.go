package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

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

// HeadAt implements audit.Log.
func (s *Store) HeadAt(ctx context.Context, size int64) (audit.Head, error) {
	n, err := auditSize(ctx, s.read)
	if err != nil {
		return audit.Head{}, err
	}
	if size < 0 || size > n {
		return audit.Head{}, fmt.Errorf("head of size %d in a log of %d: %w", size, n, audit.ErrNoEntry)
	}
	return headAt(ctx, s.read, size)
}

func head(ctx context.Context, q querier) (audit.Head, error) {
	n, err := auditSize(ctx, q)
	if err != nil {
		return audit.Head{}, err
	}
	return headAt(ctx, q, n)
}

func headAt(ctx context.Context, q querier, n int64) (audit.Head, error) {
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
	query := "SELECT leaf FROM audit_entries WHERE 1"
	var args []any
	for _, c := range []struct{ column, text string }{{"actor", q.Actor}, {"action", q.Action}, {"subject", q.Subject}} {
		where, values := textFilter(c.column, c.text)
		query, args = query+where, append(args, values...)
	}
	if q.Before > 0 {
		query, args = query+" AND n < ?", append(args, q.Before)
	}
	if !q.From.IsZero() {
		query, args = query+" AND at >= ?", append(args, nanos(q.From))
	}
	if !q.To.IsZero() {
		query, args = query+" AND at < ?", append(args, nanos(q.To))
	}
	rows, err := s.read.QueryContext(ctx, query+" ORDER BY n DESC LIMIT ?", append(args, min(q.Limit, 500))...)
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

// textFilter is the condition for one column: a text, or what begins with it when it
// ends with "*".
func textFilter(column, text string) (where string, args []any) {
	if text == "" {
		return "", nil
	}
	prefix, ok := strings.CutSuffix(text, "*")
	if !ok {
		return " AND " + column + " = ?", []any{text}
	}
	return " AND substr(" + column + ", 1, length(?)) = ?", []any{prefix, prefix}
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
