package sqlite

import (
	"context"
	"strconv"

	"tidemark/metrics"
)

func (p *putter) exemplars(rows []metrics.Exemplar) {
	const put = `INSERT OR REPLACE INTO exemplar (feature, replica, start, octave, lag, write_id, key)
		VALUES (?, ?, ?, ?, ?, ?, ?)`
	p.each("exemplar", put, len(rows), func(i int) []any {
		e := &rows[i]
		return []any{e.Feature, e.Replica, e.Start, e.Octave, e.Lag, e.WriteID, e.Key}
	})
}

// Exemplars implements metrics.Rollups. Feature and Replica select exactly: the
// empty replica is that of exemplars for all replicas.
func (s *Store) Exemplars(ctx context.Context, q metrics.ExemplarQuery) ([]metrics.Exemplar, error) {
	done, err := s.use(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	var sel selection
	sel.and("feature = ? AND replica = ?", q.Feature, q.Replica)
	sel.within("start", q.From, q.To)
	if q.MinLag != 0 {
		sel.and("lag >= ?", q.MinLag)
	}
	if q.MaxLag != 0 {
		sel.and("lag <= ?", q.MaxLag)
	}
	rows, err := s.main.r.QueryContext(ctx, "SELECT feature, replica, start, octave, lag, write_id, key FROM exemplar"+
		sel.String()+" ORDER BY lag DESC, start, write_id LIMIT "+strconv.Itoa(clampLimit(q.Limit)), sel.args...)
	if err != nil {
		return nil, wrap(err, "%s: read exemplars", s.main.path)
	}
	defer rows.Close()
	var found []metrics.Exemplar
	for rows.Next() {
		var e metrics.Exemplar
		if err := rows.Scan(&e.Feature, &e.Replica, &e.Start, &e.Octave, &e.Lag, &e.WriteID, &e.Key); err != nil {
			return nil, wrap(err, "%s: read exemplars", s.main.path)
		}
		found = append(found, e)
	}
	return found, wrap(rows.Err(), "%s: read exemplars", s.main.path)
}
