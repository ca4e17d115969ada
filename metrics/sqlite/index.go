package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"tidemark/metrics"
)

// indexing says how large the runs of an index are.
type indexing struct {
	segments int // of a new run, at most 1 << minPlaceBits
	fan      int // so many runs of one size become one
}

func defaultIndexing() indexing { return indexing{segments: 256, fan: 8} }

// level is how often a run was merged.
func (x indexing) level(r *run) (level int) {
	for n := len(r.segments) / x.segments; n >= x.fan; n /= x.fan {
		level++
	}
	return level
}

// due finds runs to merge: runs[from:to], neighbours of one level.
func (x indexing) due(runs []run) (from, to int, ok bool) {
	for i := range runs {
		if x.level(&runs[i]) != x.level(&runs[from]) {
			from = i
		}
		if i+1-from == x.fan {
			return from, i + 1, true
		}
	}
	return 0, 0, false
}

// index brings the index of a partition up to date: a run for each so many segments
// of the tail, and runs merged. Of a partition that is no longer appended to all of
// the tail is indexed, in one run.
func (s *Store) index(ctx context.Context, p *partition, whole bool) error {
	if err := s.sweep(ctx, p); err != nil {
		return err
	}
	size := s.opts.index.segments
	for n := s.tailLen(p); n >= size*3/2 || whole && n > 0; n = s.tailLen(p) {
		if err := s.buildRun(ctx, p, min(n, size)); err != nil {
			return err
		}
	}
	for {
		s.log.mu.RLock()
		runs := p.runs
		s.log.mu.RUnlock()
		from, to, ok := s.opts.index.due(runs)
		if whole {
			from, to, ok = 0, len(runs), len(runs) > 1
		}
		if !ok {
			return nil
		}
		if err := s.mergeRuns(ctx, p, runs[from:to]); err != nil {
			return err
		}
	}
}

// nextRun is an id that no run of the partition has. The caller is the upkeep.
func (p *partition) nextRun() int64 {
	id := int64(0)
	for i := range p.runs {
		id = max(id, p.runs[i].id)
	}
	return id + 1
}

// buildRun indexes the first n segments of the tail.
func (s *Store) buildRun(ctx context.Context, p *partition, n int) error {
	s.log.mu.RLock()
	tail := slices.Clone(p.tail[:n])
	r := run{id: p.nextRun()}
	s.log.mu.RUnlock()
	r.past = tail[n-1].first + metrics.Position(tail[n-1].count)
	newest := int64(math.MinInt64)
	for i := range tail {
		newest = max(newest, tail[i].newest)
		r.segments, r.newest = append(r.segments, tail[i].first), append(r.newest, newest)
	}
	entries := make([][]uint64, len(kinds()))
	most := 0
	for k, kind := range kinds() {
		for place, t := range tail {
			for _, e := range t.entities.Of(kind) {
				entries[k] = append(entries[k], r.entry(e)|uint64(place))
			}
		}
		slices.Sort(entries[k])
		most = max(most, len(entries[k]))
	}
	r.bits = min(bits.Len(uint(most/chunkTarget)), maxChunks)
	s.log.writer.Lock() // appends wait from here on
	defer s.log.writer.Unlock()
	f, err := p.db(ctx)
	if err == nil {
		err = f.tx(ctx, func(tx *sql.Tx) error { return r.insert(ctx, tx, entries) })
	}
	if err != nil {
		return wrap(err, "%s: index %d segments", p.path, n)
	}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	p.runs, p.tail = append(p.runs, r), slices.Clone(p.tail[n:])
	return nil
}

// insert stores a run with its entries, those of each kind ascending.
func (r *run) insert(ctx context.Context, tx *sql.Tx, entries [][]uint64) error {
	if err := r.insertRow(ctx, tx); err != nil {
		return err
	}
	var rows []chunkRow
	for k, kind := range kinds() {
		c := chunker{run: r, kind: kind}
		for _, e := range entries[k] {
			rows = c.add(rows, e)
		}
		rows = c.finish(rows)
	}
	return insertChunks(ctx, tx, rows)
}

func (r *run) insertRow(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO run (id, past, bits, segments, newest) VALUES (?, ?, ?, ?, ?)",
		r.id, int64(r.past), r.bits, appendAscending(nil, r.segments), appendAscending(nil, r.newest))
	return err
}

// chunkRow is a chunk to store.
type chunkRow struct {
	id   int64
	data []byte
}

func insertChunks(ctx context.Context, tx *sql.Tx, rows []chunkRow) error {
	ins, err := tx.PrepareContext(ctx, "INSERT INTO chunk (id, data) VALUES (?, ?)")
	if err != nil {
		return err
	}
	defer ins.Close()
	for i := range rows {
		if _, err := ins.ExecContext(ctx, rows[i].id, rows[i].data); err != nil {
			return err
		}
	}
	return nil
}

// chunker cuts ascending entries of one kind into chunks.
type chunker struct {
	run   *run
	kind  metrics.EntityKind
	chunk uint64
	at    uint64 // the last entry
	data  []byte
}

// add takes the next entry, and appends the chunk before when that is complete.
func (c *chunker) add(rows []chunkRow, e uint64) []chunkRow {
	if chunk := c.run.chunk(e); len(c.data) == 0 || chunk != c.chunk {
		rows = c.finish(rows)
		c.chunk, c.at = chunk, c.run.begin(chunk)
	}
	c.data, c.at = binary.AppendUvarint(c.data, e-c.at), e
	return rows
}

// finish appends the chunk that was begun.
func (c *chunker) finish(rows []chunkRow) []chunkRow {
	if len(c.data) == 0 {
		return rows
	}
	rows = append(rows, chunkRow{chunkID(c.run.id, c.kind, c.chunk), c.data})
	c.data = make([]byte, 0, len(c.data))
	return rows
}
