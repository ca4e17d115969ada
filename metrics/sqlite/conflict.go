package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"tidemark/metrics"
)

func (p *putter) conflicts(rows []metrics.Conflict) {
	const put = "INSERT OR REPLACE INTO conflict (id, feature, key, rule, state, at, data) VALUES (?, ?, ?, ?, ?, ?, ?)"
	p.each("conflict", put, len(rows), func(i int) []any {
		c := &rows[i]
		return []any{c.ID, c.Feature, c.Key, c.Rule, conflictState(c), conflictAt(c), p.text(c)}
	})
}

// conflictAt is when a conflict was detected or, when nobody reported that, resolved.
func conflictAt(c *metrics.Conflict) int64 {
	if c.DetectedAt == 0 {
		return c.ResolvedAt
	}
	return c.DetectedAt
}

// conflictState is open, manual (resolved, and said to need a person) or auto, as the
// fold counts it.
func conflictState(c *metrics.Conflict) string {
	switch {
	case c.ResolvedAt == 0:
		return "open"
	case c.Auto == metrics.No:
		return "manual"
	}
	return "auto"
}

// Conflict implements metrics.Rollups.
func (s *Store) Conflict(ctx context.Context, id string) (*metrics.Conflict, error) {
	done, err := s.use(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	var data []byte
	err = s.main.r.QueryRowContext(ctx, "SELECT data FROM conflict WHERE id = ?", id).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("conflict %q: %w", id, metrics.ErrNotFound) // Clients are told: it names no file.
	}
	if err != nil {
		return nil, wrap(err, "%s: conflict %q", s.main.path, id)
	}
	c := &metrics.Conflict{}
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("%s: %w: conflict %q: %w", s.main.path, metrics.ErrDamaged, id, err)
	}
	return c, nil
}

// Conflicts implements metrics.Rollups. More than 500 rows are never returned at once.
func (s *Store) Conflicts(ctx context.Context, q metrics.ConflictQuery) ([]metrics.Conflict, string, error) {
	done, err := s.use(ctx)
	if err != nil {
		return nil, "", err
	}
	defer done()
	var sel selection
	sel.is("feature", q.Feature)
	sel.is("key", q.Key)
	sel.is("rule", q.Rule)
	if q.State == "open" {
		sel.and("state = 'open'") // Said so, the index of open ones serves.
	} else {
		sel.is("state", q.State)
	}
	sel.within("at", q.From, q.To)
	if q.Oldest {
		rows, _, err := list[metrics.Conflict](ctx, s, "conflict", &sel, "at, id", clampLimit(q.Limit))
		return rows, "", err
	}
	return page[metrics.Conflict](ctx, s, "conflict", &sel, q.Cursor, q.Limit)
}
