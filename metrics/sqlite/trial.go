package sqlite

import (
	"context"

	"tidemark/metrics"
)

func (p *putter) trialUnits(rows []metrics.TrialUnit) {
	const put = "INSERT OR REPLACE INTO trial_unit (trial, step, unit, data) VALUES (?, ?, ?, ?)"
	p.each("unit of a trial", put, len(rows), func(i int) []any {
		u := &rows[i]
		return []any{u.Trial, u.Step, u.Unit, u.Data}
	})
}

// TrialUnits implements metrics.Rollups.
func (s *Store) TrialUnits(ctx context.Context, trial string, fn func(metrics.TrialUnit) error) error {
	done, err := s.use(ctx)
	if err != nil {
		return err
	}
	defer done()
	rows, err := s.main.r.QueryContext(ctx, "SELECT step, unit, data FROM trial_unit WHERE trial = ?", trial)
	if err != nil {
		return wrap(err, "%s: units of trial %q", s.main.path, trial)
	}
	defer rows.Close()
	for rows.Next() {
		u := metrics.TrialUnit{Trial: trial}
		if err := rows.Scan(&u.Step, &u.Unit, &u.Data); err != nil {
			return wrap(err, "%s: units of trial %q", s.main.path, trial)
		}
		if err := fn(u); err != nil {
			return err
		}
	}
	return wrap(rows.Err(), "%s: units of trial %q", s.main.path, trial)
}
