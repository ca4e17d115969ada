package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tidemark/metrics"
)

// Commit implements metrics.Rollups.
func (s *Store) Commit(ctx context.Context, c *metrics.Checkpoint) error {
	done, err := s.use(ctx)
	if err != nil {
		return err
	}
	defer done()
	s.commits.Lock()
	defer s.commits.Unlock()
	began := time.Now()
	// Once begun it is carried through: a context that can be cancelled would cost a
	// goroutine a statement, twice the time of the whole.
	if err := s.commit(context.WithoutCancel(ctx), c); err != nil {
		s.inst.commitFailures.Inc()
		return wrap(err, "%s: commit the checkpoint at position %d", s.main.path, c.Position)
	}
	s.inst.commitSeconds.Observe(time.Since(began).Seconds())
	return nil
}

func (s *Store) commit(ctx context.Context, c *metrics.Checkpoint) error {
	pos, err := s.checkpointed(ctx)
	if err != nil {
		return err
	}
	if end := s.End(); c.Position < pos || c.Position > end {
		return fmt.Errorf("position %d is not between the last checkpoint %d and the end of the log %d", c.Position, pos, end)
	}
	series := &newSeries{list: &s.series, ids: map[*metrics.Series]int64{}, fresh: map[metrics.Series]int64{}}
	err = s.main.tx(ctx, func(tx *sql.Tx) error {
		if err := s.commitCells(ctx, tx, c.Deltas, series); err != nil {
			return err
		}
		if err := commitRows(ctx, tx, c); err != nil {
			return err
		}
		if err := setPosition(ctx, tx, c.Position); err != nil {
			return err
		}
		series.publish() // Before the cells are: who sees those has to know whose they are.
		return nil
	})
	if err != nil {
		series.retract()
	}
	return err
}

func setPosition(ctx context.Context, tx *sql.Tx, p metrics.Position) error {
	_, err := tx.ExecContext(ctx, "UPDATE checkpoint SET position = ?", int64(p))
	return err
}

const selectPosition = "SELECT position FROM checkpoint"

// Checkpointed implements metrics.Rollups.
func (s *Store) Checkpointed(ctx context.Context) (metrics.Position, error) {
	done, err := s.use(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	return s.checkpointed(ctx)
}

func (s *Store) checkpointed(ctx context.Context) (p metrics.Position, err error) {
	err = s.main.r.QueryRowContext(ctx, selectPosition).Scan(&p)
	return p, wrap(err, "%s: read the position of the checkpoint", s.main.path)
}

// Blob implements metrics.Rollups.
func (s *Store) Blob(ctx context.Context, name string) (data []byte, err error) {
	done, err := s.use(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	err = s.main.r.QueryRowContext(ctx, "SELECT data FROM blob WHERE name = ?", name).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("blob %q: %w", name, metrics.ErrNotFound) // As of a conflict.
	}
	return data, wrap(err, "%s: blob %q", s.main.path, name)
}

// ResetRollups implements metrics.Rollups. A cell of a coarser level goes when its
// start is at or after r.Since, as at the finest.
func (s *Store) ResetRollups(ctx context.Context, r metrics.Reset) error {
	done, err := s.use(ctx)
	if err != nil {
		return err
	}
	defer done()
	s.commits.Lock()
	defer s.commits.Unlock()
	err = s.main.tx(ctx, func(tx *sql.Tx) error {
		for n, l := range metrics.Levels {
			gone := func(start int64) bool { return start >= r.Since }
			if err := deleteCells(ctx, tx, int64(n), l, r.Since, maxStart, gone); err != nil {
				return err
			}
		}
		if err := resetRows(ctx, tx, r); err != nil {
			return err
		}
		return setPosition(ctx, tx, r.Position)
	})
	if err != nil {
		return wrap(err, "%s: reset rollups since %d", s.main.path, r.Since)
	}
	return s.dropEmptySeries(ctx)
}

func resetRows(ctx context.Context, tx *sql.Tx, r metrics.Reset) error {
	if r.Since == 0 {
		for _, table := range []string{"conflict", "violation", "exemplar", "open_write", "heard", "trial_unit"} {
			if _, err := tx.ExecContext(ctx, "DELETE FROM "+table); err != nil {
				return err
			}
		}
		return nil
	}
	trials, err := json.Marshal(append([]string{}, r.Trials...))
	if err != nil {
		return err
	}
	since := time.Unix(r.Since, 0).UnixNano()
	for _, d := range []struct {
		sql string
		arg any
	}{
		{"DELETE FROM conflict WHERE at >= ?", since},
		{"DELETE FROM violation WHERE at >= ?", since},
		{"DELETE FROM exemplar WHERE start >= ?", r.Since},
		{"DELETE FROM open_write WHERE initiated >= ?", since},
		{"DELETE FROM trial_unit WHERE trial NOT IN (SELECT value FROM json_each(?))", string(trials)},
	} {
		if _, err := tx.ExecContext(ctx, d.sql, d.arg); err != nil {
			return err
		}
	}
	return nil
}
