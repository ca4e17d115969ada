package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"tidemark/flags"
)

var _ flags.UsageStore = (*Store)(nil)

// AddUsage implements flags.UsageStore.
func (s *Store) AddUsage(ctx context.Context, counts []flags.UsageCount) error {
	return s.update(ctx, func(tx *sql.Tx) error {
		stmt, err := tx.PrepareContext(ctx, `INSERT INTO flag_usage (flag, day, variant, reason, count, last_at)
			VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET count = count + excluded.count, last_at = max(last_at, excluded.last_at)`)
		if err != nil {
			return fmt.Errorf("add usage: %w", err)
		}
		defer stmt.Close()
		for i := range counts {
			u := &counts[i]
			if _, err := stmt.ExecContext(ctx, u.Flag, u.Day, u.Variant, u.Reason, u.Count, nanos(u.Last)); err != nil {
				return fmt.Errorf("add usage of flag %s: %w", u.Flag, err)
			}
		}
		return nil
	})
}

// Usage implements flags.UsageStore.
func (s *Store) Usage(ctx context.Context, flag, fromDay string) (out []flags.UsageCount, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT flag, day, variant, reason, count, last_at FROM flag_usage
		WHERE day >= ? AND (? = '' OR flag = ?) ORDER BY flag, day, variant, reason`, fromDay, flag, flag)
	if err != nil {
		return nil, fmt.Errorf("usage: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = []flags.UsageCount{}
	for rows.Next() {
		var u flags.UsageCount
		var last int64
		if err := rows.Scan(&u.Flag, &u.Day, &u.Variant, &u.Reason, &u.Count, &last); err != nil {
			return nil, fmt.Errorf("usage: %w", err)
		}
		u.Last = fromNanos(last)
		out = append(out, u)
	}
	return out, rows.Err()
}

// PruneUsage implements flags.UsageStore.
func (s *Store) PruneUsage(ctx context.Context, beforeDay string) error {
	return s.update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM flag_usage WHERE day < ?", beforeDay); err != nil {
			return fmt.Errorf("prune usage: %w", err)
		}
		return nil
	})
}
