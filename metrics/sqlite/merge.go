package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"tidemark/metrics"
	"tidemark/metrics/sqlite/segment"
)

// sliceChunks is how many chunks are stored or deleted at a time while runs are
// merged: appends wait meanwhile.
const sliceChunks = 256

// mergeRuns replaces neighbouring runs by one. The new one is stored piece by piece
// under an id that no reader knows; what a crash leaves of that is swept up. The old
// ones go when nobody reads them any more.
func (s *Store) mergeRuns(ctx context.Context, p *partition, group []run) (err error) {
	defer func() { p.swept = err == nil }()
	merged := joined(group)
	s.log.mu.RLock()
	merged.id = p.nextRun()
	s.log.mu.RUnlock()
	f, err := p.db(ctx)
	if err != nil {
		return err
	}
	var rows []chunkRow
	for _, kind := range kinds() {
		if rows, err = s.mergeKind(ctx, f, &merged, group, kind, rows); err != nil {
			return wrap(err, "%s: merge %d index runs", p.path, len(group))
		}
	}
	if err := s.replaceRuns(ctx, p, f, merged, rows, group); err != nil {
		return wrap(err, "%s: merge %d index runs", p.path, len(group))
	}
	p.inUse.Lock()   // whoever looks into the old runs is waited for
	p.inUse.Unlock() //nolint:staticcheck // an empty section: later readers know the new one
	for i := range group {
		if err := s.deleteChunks(ctx, f, group[i].id, group[i].id+1); err != nil {
			return wrap(err, "%s: delete index run %d", p.path, group[i].id)
		}
	}
	return nil
}

// joined is the run over the segments of neighbouring runs, without an id.
func joined(group []run) run {
	r := run{past: group[len(group)-1].past}
	chunks, newest := uint(0), int64(math.MinInt64)
	for i := range group {
		chunks += 1 << group[i].bits
		r.segments = append(r.segments, group[i].segments...)
		for _, t := range group[i].newest {
			newest = max(newest, t)
			r.newest = append(r.newest, newest)
		}
	}
	r.bits = min(bits.Len(chunks)-1, maxChunks)
	return r
}

// mergeKind stores the entries of one kind of a merged run, after rows, and returns the
// rows that are not stored yet.
func (s *Store) mergeKind(ctx context.Context, f *file, merged *run, group []run, kind metrics.EntityKind, rows []chunkRow) ([]chunkRow, error) {
	sources := make([]source, len(group))
	place := uint64(0)
	for i := range group {
		r := &group[i]
		sources[i] = newSource(r, kind, place, merged.placeBits())
		place += uint64(len(r.segments))
	}
	c := chunker{run: merged, kind: kind}
	for {
		least := -1
		for i := range sources {
			src := &sources[i]
			if err := src.fill(ctx, f.r); err != nil {
				return rows, err
			}
			if len(src.entries) > 0 && (least < 0 || src.entries[0] < sources[least].entries[0]) {
				least = i
			}
		}
		if least < 0 {
			return c.finish(rows), nil
		}
		src := &sources[least]
		rows = c.add(rows, src.entries[0])
		src.entries = src.entries[1:]
		if len(rows) >= sliceChunks {
			if err := s.storeChunks(ctx, f, rows); err != nil {
				return rows, err
			}
			rows = rows[:0]
		}
	}
}

func (s *Store) storeChunks(ctx context.Context, f *file, rows []chunkRow) error {
	s.log.writer.Lock()
	defer s.log.writer.Unlock()
	return f.tx(ctx, func(tx *sql.Tx) error { return insertChunks(ctx, tx, rows) })
}

// source reads the entries of one kind of a run that is being merged, ascending.
type source struct {
	run     *run
	place   uint64 // of its first segment in the merged run
	bits    int    // of a place in the merged run
	next    int64  // the chunks that are not read yet: from here …
	past    int64  // … to here
	entries []uint64
}

func newSource(r *run, kind metrics.EntityKind, place uint64, bits int) source {
	first := chunkID(r.id, kind, 0)
	return source{run: r, place: place, bits: bits, next: first, past: first + 1<<maxChunks}
}

// sourceChunks is how many chunks of each run are in memory while runs are merged.
const sourceChunks = 16

// fill reads more entries when there are none left; afterwards none mean the end.
func (c *source) fill(ctx context.Context, db *sql.DB) error {
	if len(c.entries) > 0 || c.next >= c.past {
		return nil
	}
	rows, err := db.QueryContext(ctx, "SELECT id, data FROM chunk WHERE id >= ? AND id < ? ORDER BY id LIMIT ?", c.next, c.past, sourceChunks)
	if err != nil {
		return err
	}
	defer rows.Close()
	n := 0
	var id int64
	var data sql.RawBytes
	for ; rows.Next(); n++ {
		if err := rows.Scan(&id, &data); err != nil {
			return err
		}
		if err := c.take(uint64(id)&(1<<maxChunks-1), data); err != nil {
			return err
		}
	}
	if c.next = id + 1; n < sourceChunks {
		c.next = c.past
	}
	return rows.Err()
}

// take appends the entries of a chunk, as those of the merged run.
func (c *source) take(chunk uint64, data []byte) error {
	old := c.run.placeBits()
	for at := c.run.begin(chunk); len(data) > 0; {
		d, n := binary.Uvarint(data)
		if n <= 0 {
			return fmt.Errorf("run %d: %w", c.run.id, segment.ErrDamaged)
		}
		at, data = at+d, data[n:]
		c.entries = append(c.entries, at>>old<<c.bits|(at&(1<<old-1)+c.place))
	}
	return nil
}

// replaceRuns stores the last chunks of the merged run, and makes it known in the place
// of the others.
func (s *Store) replaceRuns(ctx context.Context, p *partition, f *file, merged run, rows []chunkRow, group []run) error {
	s.log.writer.Lock()
	defer s.log.writer.Unlock()
	err := f.tx(ctx, func(tx *sql.Tx) error {
		if err := errors.Join(insertChunks(ctx, tx, rows), merged.insertRow(ctx, tx)); err != nil {
			return err
		}
		for i := range group {
			if _, err := tx.ExecContext(ctx, "DELETE FROM run WHERE id = ?", group[i].id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	i := slices.IndexFunc(p.runs, func(r run) bool { return r.id == group[0].id })
	p.runs = slices.Concat(p.runs[:i], []run{merged}, p.runs[i+len(group):])
	return nil
}

// sweep deletes what a merge that was cut off has left: chunks of no run.
func (s *Store) sweep(ctx context.Context, p *partition) error {
	if p.swept {
		return nil
	}
	f, err := p.db(ctx)
	if err != nil {
		return err
	}
	s.log.mu.RLock()
	known := []int64{0, 1 << (62 - maxChunks - 2)}
	for i := range p.runs {
		known = append(known, p.runs[i].id)
	}
	s.log.mu.RUnlock()
	slices.Sort(known)
	for i, id := range known[1:] {
		if err := s.deleteChunks(ctx, f, known[i]+1, id); err != nil {
			return wrap(err, "%s: sweep the index", p.path)
		}
	}
	p.swept = true
	return nil
}

// deleteChunks deletes the chunks of the runs from an id to before another one.
func (s *Store) deleteChunks(ctx context.Context, f *file, from, to int64) error {
	for {
		var last sql.NullInt64 // of the next few
		err := f.r.QueryRowContext(ctx, "SELECT max(id) FROM (SELECT id FROM chunk WHERE id >= ? AND id < ? ORDER BY id LIMIT ?)",
			chunkID(from, 0, 0), chunkID(to, 0, 0), sliceChunks).Scan(&last)
		if err != nil || !last.Valid {
			return err
		}
		s.log.writer.Lock()
		err = f.exec(ctx, "DELETE FROM chunk WHERE id >= ? AND id <= ?", chunkID(from, 0, 0), last.Int64)
		s.log.writer.Unlock()
		if err != nil {
			return err
		}
	}
}
