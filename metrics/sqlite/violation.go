package sqlite

import (
	"context"

	"tidemark/metrics"
)

func (p *putter) violations(rows []metrics.Violation) {
	const put = "INSERT OR REPLACE INTO violation (id, feature, guarantee, service, at, data) VALUES (?, ?, ?, ?, ?, ?)"
	p.each("violation", put, len(rows), func(i int) []any {
		v := &rows[i]
		return []any{v.ID, v.Feature, string(v.Guarantee), v.Service, v.At, p.text(v)}
	})
}

// Violations implements metrics.Rollups. More than 500 rows are never returned at once.
func (s *Store) Violations(ctx context.Context, q metrics.ViolationQuery) ([]metrics.Violation, string, error) {
	done, err := s.use(ctx)
	if err != nil {
		return nil, "", err
	}
	defer done()
	var sel selection
	sel.is("feature", q.Feature)
	sel.is("guarantee", string(q.Guarantee))
	sel.is("service", q.Service)
	sel.within("at", q.From, q.To)
	return page[metrics.Violation](ctx, s, "violation", &sel, q.Cursor, q.Limit)
}
