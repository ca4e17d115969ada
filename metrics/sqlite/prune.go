package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"tidemark/metrics"
)

const maxStart = math.MaxInt64

// Prune implements metrics.Store. Raw events go a whole file at a time, so some are
// kept longer than asked, by up to the span of a file.
func (s *Store) Prune(ctx context.Context, now time.Time, r metrics.Retention) error {
	done, err := s.use(ctx)
	if err != nil {
		return err
	}
	defer done()
	if !s.pruning.TryLock() {
		return nil // A backup needs what is there; the next time will do.
	}
	defer s.pruning.Unlock()
	if err := s.maintain(ctx); err != nil {
		return err
	}
	if r.Raw > 0 {
		if err := s.pruneRaw(ctx, now.Add(-r.Raw).UnixNano()); err != nil {
			return err
		}
	}
	s.commits.Lock()
	defer s.commits.Unlock()
	for n, l := range metrics.Levels {
		if keep := r.Cells[l]; keep > 0 {
			past := now.Add(-keep).Unix()
			gone := func(start int64) bool { return start+int64(l) <= past }
			err := s.main.tx(ctx, func(tx *sql.Tx) error {
				return deleteCells(ctx, tx, int64(n), l, math.MinInt64, past, gone)
			})
			if err != nil {
				return wrap(err, "%s: prune cells of %d s", s.main.path, int64(l))
			}
		}
	}
	if r.Rows > 0 {
		if err := s.main.tx(ctx, func(tx *sql.Tx) error { return pruneRows(ctx, tx, now.Add(-r.Rows)) }); err != nil {
			return wrap(err, "%s: prune rows", s.main.path)
		}
	}
	return s.dropEmptySeries(ctx)
}

// pruneRaw deletes the oldest files whose events are all older than cut and all
// included in the checkpoint. The catalogue forgets a file before it is deleted.
func (s *Store) pruneRaw(ctx context.Context, cut int64) error {
	pos, err := s.checkpointed(ctx)
	if err != nil {
		return err
	}
	for {
		s.log.mu.Lock()
		p := s.log.partitions
		if len(p) == 0 || !p[0].sealed || p[0].newest >= cut || p[0].past() > pos {
			s.log.mu.Unlock()
			return nil
		}
		s.log.mu.Unlock()
		s.commits.Lock()
		err := s.main.exec(ctx, "DELETE FROM partition WHERE number = ?", p[0].number)
		s.commits.Unlock()
		if err != nil {
			return wrap(err, "%s: forget partition %d", s.main.path, p[0].number)
		}
		s.log.mu.Lock()
		s.log.partitions = append([]*partition(nil), s.log.partitions[1:]...)
		s.log.mu.Unlock()
		if err := p[0].remove(); err != nil {
			return err
		}
	}
}

// deleteCells deletes the cells of a level that are gone; blocks that hold none
// with from ≤ start < to are not looked at. Whole blocks go without being read.
func deleteCells(ctx context.Context, tx *sql.Tx, level int64, l metrics.Level, from, to int64, gone func(int64) bool) error {
	low, high, ok, err := blockRange(ctx, tx, level, metrics.CellQuery{Level: l, From: from, To: to})
	if err != nil || !ok {
		return err
	}
	// Only the first and the last block can be partly gone.
	partly := map[int64]bool{}
	for _, b := range []int64{low, high} {
		partly[b] = !gone(startOf(l, b, 0)) || !gone(startOf(l, b+1, 0)-int64(l))
	}
	for b := range partly {
		if partly[b] {
			if err := thinBlocks(ctx, tx, level, l, b, gone); err != nil {
				return err
			}
		}
	}
	if partly[low] {
		low++
	}
	if partly[high] {
		high--
	}
	if low > high {
		return nil
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM block WHERE id >= ? AND id < ?", blockID(level, low, 0), blockID(level, high+1, 0))
	return err
}

// thinBlocks rewrites the blocks of one span of time without the cells that are gone.
func thinBlocks(ctx context.Context, tx *sql.Tx, level int64, l metrics.Level, block int64, gone func(int64) bool) error {
	kept := map[int64][]byte{}
	rows, err := tx.QueryContext(ctx, "SELECT id, data FROM block WHERE id >= ? AND id < ?",
		blockID(level, block, 0), blockID(level, block+1, 0))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var data, out []byte
		if err := rows.Scan(&id, &data); err != nil {
			return err
		}
		for len(data) > 0 {
			window, cell, rest, err := nextCell(data)
			if err != nil {
				return err
			}
			if data = rest; !gone(startOf(l, block, window)) {
				out = appendCell(out, window, cell)
			}
		}
		kept[id] = out
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for id, data := range kept {
		if len(data) == 0 {
			_, err = tx.ExecContext(ctx, "DELETE FROM block WHERE id = ?", id)
		} else {
			_, err = tx.ExecContext(ctx, "UPDATE block SET data = ? WHERE id = ?", data, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func pruneRows(ctx context.Context, tx *sql.Tx, cut time.Time) error {
	for _, d := range []struct {
		sql string
		at  int64
	}{
		{"DELETE FROM conflict WHERE at < ?", cut.UnixNano()},
		{"DELETE FROM violation WHERE at < ?", cut.UnixNano()},
		{"DELETE FROM exemplar WHERE start < ?", cut.Unix()},
	} {
		if _, err := tx.ExecContext(ctx, d.sql, d.at); err != nil {
			return err
		}
	}
	return nil
}

// dropEmptySeries forgets the series that have no cell at any level any more. The
// caller holds commits.
func (s *Store) dropEmptySeries(ctx context.Context) error {
	const mask = 1<<seriesBits - 1
	err := s.main.exec(ctx, "DELETE FROM series WHERE id NOT IN (SELECT DISTINCT id & ? FROM block)", int64(mask))
	if err != nil {
		return wrap(err, "%s: forget empty series", s.main.path)
	}
	return s.series.load(ctx, s.main.r)
}
