package sqlite

import (
	"context"

	"tidemark/metrics"
)

func (p *putter) heard(rows []metrics.Heard) {
	const put = "INSERT OR REPLACE INTO heard (feature, service, replica, region, first, last, events) VALUES (?, ?, ?, ?, ?, ?, ?)"
	p.each("heard", put, len(rows), func(i int) []any {
		h := &rows[i]
		return []any{h.Feature, h.Service, h.Replica, h.Region, h.First, h.Last, h.Events}
	})
}

// Heard implements metrics.Rollups: by feature, service, replica and region.
func (s *Store) Heard(ctx context.Context) ([]metrics.Heard, error) {
	done, err := s.use(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	rows, err := s.main.r.QueryContext(ctx, `SELECT feature, service, replica, region, first, last, events
		FROM heard ORDER BY feature, service, replica, region`)
	if err != nil {
		return nil, wrap(err, "%s: read what was heard", s.main.path)
	}
	defer rows.Close()
	var found []metrics.Heard
	for rows.Next() {
		var h metrics.Heard
		if err := rows.Scan(&h.Feature, &h.Service, &h.Replica, &h.Region, &h.First, &h.Last, &h.Events); err != nil {
			return nil, wrap(err, "%s: read what was heard", s.main.path)
		}
		found = append(found, h)
	}
	return found, wrap(rows.Err(), "%s: read what was heard", s.main.path)
}
