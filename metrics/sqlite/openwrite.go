package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"tidemark/metrics"
)

func (p *putter) openWrites(rows []metrics.OpenWrite) {
	const put = `INSERT OR REPLACE INTO open_write (write_id, feature, key, key_entity, initiated, missing)
		VALUES (?, ?, ?, ?, ?, ?)`
	p.each("open write", put, len(rows), func(i int) []any {
		w := &rows[i]
		return []any{w.WriteID, w.Feature, w.Key, int64(w.KeyEntity), w.Initiated, p.text(w.Missing)}
	})
}

// SpilledOf implements metrics.Rollups.
func (s *Store) SpilledOf(ctx context.Context, key metrics.Entity, after string, limit int) ([]string, error) {
	done, err := s.use(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	rows, err := s.main.r.QueryContext(ctx, "SELECT write_id FROM open_write WHERE key_entity = ? AND write_id > ? ORDER BY write_id LIMIT ?", int64(key), after, limit)
	if err != nil {
		return nil, wrap(err, "%s: read open writes", s.main.path)
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, wrap(err, "%s: read open writes", s.main.path)
		}
		found = append(found, id)
	}
	return found, wrap(rows.Err(), "%s: read open writes", s.main.path)
}

// SpilledKeys implements metrics.Rollups.
func (s *Store) SpilledKeys(ctx context.Context, fn func(key metrics.Entity)) error {
	done, err := s.use(ctx)
	if err != nil {
		return err
	}
	defer done()
	rows, err := s.main.r.QueryContext(ctx, "SELECT DISTINCT key_entity FROM open_write WHERE key_entity != 0")
	if err != nil {
		return wrap(err, "%s: read keys of open writes", s.main.path)
	}
	defer rows.Close()
	for rows.Next() {
		var key int64
		if err := rows.Scan(&key); err != nil {
			return wrap(err, "%s: read keys of open writes", s.main.path)
		}
		fn(metrics.Entity(key))
	}
	return wrap(rows.Err(), "%s: read keys of open writes", s.main.path)
}

// Spilled implements metrics.Rollups.
func (s *Store) Spilled(ctx context.Context, q metrics.SpilledQuery) ([]metrics.OpenWrite, error) {
	done, err := s.use(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	var sel selection
	sel.is("feature", q.Feature)
	if q.KeyEntity != 0 {
		sel.and("key_entity = ?", int64(q.KeyEntity))
	}
	if q.Replica != "" {
		sel.and("EXISTS (SELECT 1 FROM json_each(missing) WHERE value = ?)", q.Replica)
	}
	query := "SELECT write_id, feature, key, key_entity, initiated, missing FROM open_write" + sel.String() + " ORDER BY initiated, write_id, feature"
	if q.Limit > 0 {
		query += " LIMIT " + strconv.Itoa(q.Limit)
	}
	rows, err := s.main.r.QueryContext(ctx, query, sel.args...)
	if err != nil {
		return nil, wrap(err, "%s: read open writes", s.main.path)
	}
	defer rows.Close()
	var found []metrics.OpenWrite
	for rows.Next() {
		var w metrics.OpenWrite
		var entity int64
		var missing []byte
		if err := rows.Scan(&w.WriteID, &w.Feature, &w.Key, &entity, &w.Initiated, &missing); err != nil {
			return nil, wrap(err, "%s: read open writes", s.main.path)
		}
		w.KeyEntity = metrics.Entity(entity)
		if err := json.Unmarshal(missing, &w.Missing); err != nil {
			return nil, fmt.Errorf("%s: %w: open write %q: %w", s.main.path, metrics.ErrDamaged, w.WriteID, err)
		}
		found = append(found, w)
	}
	return found, wrap(rows.Err(), "%s: read open writes", s.main.path)
}
