package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"tidemark/metrics"
	"tidemark/metrics/sqlite/segment"
)

// run is an index over a range of segments.
type run struct {
	id       int64
	past     metrics.Position // after the last event of its segments
	newest   int64            // when the last of them were observed
	bits     int
	segments []metrics.Position // first positions; an entry names one by its place here
}

// An entry of a run is the leading 32 bits of a hash and the segment's place in the
// run. A chunk holds the entries that share their leading bits, as differences.
const (
	placeBits   = 8
	runSegments = 256 // at most 1 << placeBits
	chunkTarget = 512
	maxChunks   = 20 // bits
)

func entry(e metrics.Entity, place int) uint64 {
	return uint64(e)>>32<<placeBits | uint64(place)
}

// chunkID packs a run, a kind and the number of a chunk.
func chunkID(id int64, kind metrics.EntityKind, chunk uint64) int64 {
	return id<<(maxChunks+2) | int64(kind)<<maxChunks | int64(chunk)
}

func (r *run) chunk(e uint64) uint64 { return e >> (32 + placeBits - r.bits) }

// loadRuns reads which runs a partition has.
func (s *Store) loadRuns(ctx context.Context, p *partition, db *sql.DB) error {
	s.log.mu.RLock()
	loaded := p.runsLoaded
	s.log.mu.RUnlock()
	if loaded {
		return nil
	}
	runs, err := readRuns(ctx, db)
	if err != nil {
		return wrap(err, "%s: list index runs", p.path)
	}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if !p.runsLoaded {
		p.runs, p.runsLoaded = runs, true
	}
	return nil
}

func readRuns(ctx context.Context, db *sql.DB) (runs []run, err error) {
	const newest = "(SELECT newest FROM segment WHERE first < past ORDER BY first DESC LIMIT 1)"
	rows, err := db.QueryContext(ctx, "SELECT id, past, bits, segments, ifnull("+newest+", 0) FROM run ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r run
		var list []byte
		if err := rows.Scan(&r.id, &r.past, &r.bits, &list, &r.newest); err != nil {
			return nil, err
		}
		for pos := uint64(0); len(list) > 0; {
			d, n := binary.Uvarint(list)
			if n <= 0 {
				return nil, fmt.Errorf("run %d: %w", r.id, segment.ErrDamaged)
			}
			pos, list = pos+d, list[n:]
			r.segments = append(r.segments, metrics.Position(pos))
		}
		runs = append(runs, r)
	}
	return runs, rows.Err()
}

// lookupRuns is how many runs one statement looks into: a statement costs several
// times what a look-up does.
const lookupRuns = 64

// selectChunks reads the chunks of lookupRuns runs, the latest run first.
var selectChunks = "SELECT id, data FROM chunk WHERE id IN (?" + strings.Repeat(", ?", lookupRuns-1) + ") ORDER BY id DESC"

// lookup returns the segments of at most lookupRuns runs that may hold an entity,
// latest first.
func lookup(ctx context.Context, db *sql.DB, runs []run, kind metrics.EntityKind, e metrics.Entity) ([]metrics.Position, error) {
	ids := make([]any, lookupRuns)
	by := make(map[int64]*run, len(runs))
	for i := range runs {
		r := &runs[i]
		id := chunkID(r.id, kind, r.chunk(entry(e, 0)))
		ids[i], by[id] = id, r
	}
	rows, err := db.QueryContext(ctx, selectChunks, ids...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []metrics.Position
	var data sql.RawBytes
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id, &data); err != nil {
			return nil, err
		}
		if found, err = by[id].appendPlaces(found, data, e); err != nil {
			return nil, err
		}
	}
	return found, errors.Join(rows.Err(), rows.Close())
}

// appendPlaces appends the segments that a chunk of the run names for an entity,
// latest first.
func (r *run) appendPlaces(found []metrics.Position, data []byte, e metrics.Entity) ([]metrics.Position, error) {
	from, to := entry(e, 0), entry(e, 1<<placeBits-1)
	begin := len(found)
	for at := r.chunk(from) << (32 + placeBits - r.bits); len(data) > 0; {
		d, n := binary.Uvarint(data)
		if n <= 0 {
			return nil, fmt.Errorf("run %d: %w", r.id, segment.ErrDamaged)
		}
		at, data = at+d, data[n:]
		if at > to {
			break
		}
		if at >= from && int(at-from) < len(r.segments) {
			found = append(found, r.segments[at-from])
		}
	}
	slices.Reverse(found[begin:])
	return found, nil
}

// buildRun indexes the first n segments of the tail.
func (s *Store) buildRun(ctx context.Context, p *partition, n int) error {
	s.log.mu.RLock()
	tail := slices.Clone(p.tail[:n])
	r := run{id: int64(len(p.runs)) + 1}
	s.log.mu.RUnlock()
	last := &tail[n-1]
	r.past, r.newest = last.first+metrics.Position(last.count), last.newest
	kinds := []metrics.EntityKind{metrics.EntityWrite, metrics.EntityKey, metrics.EntitySession}
	entries := make([][]uint64, len(kinds))
	most := 0
	for i, t := range tail {
		r.segments = append(r.segments, t.first)
		for k, kind := range kinds {
			for _, e := range t.entities.Of(kind) {
				entries[k] = append(entries[k], entry(e, i))
			}
			most = max(most, len(entries[k]))
		}
	}
	r.bits = min(bits.Len(uint(most/chunkTarget)), maxChunks)
	for _, all := range entries {
		slices.Sort(all)
	}
	s.log.writer.Lock() // appends wait from here on
	defer s.log.writer.Unlock()
	f, err := p.db(ctx)
	if err == nil {
		err = f.tx(ctx, func(tx *sql.Tx) error { return r.insert(ctx, tx, kinds, entries) })
	}
	if err != nil {
		return wrap(err, "%s: index %d segments", p.path, n)
	}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	p.runs, p.tail = append(p.runs, r), slices.Clone(p.tail[n:])
	return nil
}

func (r *run) insert(ctx context.Context, tx *sql.Tx, kinds []metrics.EntityKind, entries [][]uint64) error {
	var list []byte
	prev := metrics.Position(0)
	for _, pos := range r.segments {
		list = binary.AppendUvarint(list, uint64(pos-prev))
		prev = pos
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO run (id, past, bits, segments) VALUES (?, ?, ?, ?)",
		r.id, int64(r.past), r.bits, list); err != nil {
		return err
	}
	ins, err := tx.PrepareContext(ctx, "INSERT INTO chunk (id, data) VALUES (?, ?)")
	if err != nil {
		return err
	}
	defer ins.Close()
	var data []byte
	for k, all := range entries {
		for len(all) > 0 {
			chunk := r.chunk(all[0])
			data = data[:0]
			at := chunk << (32 + placeBits - r.bits)
			for len(all) > 0 && r.chunk(all[0]) == chunk {
				data = binary.AppendUvarint(data, all[0]-at)
				at, all = all[0], all[1:]
			}
			if _, err := ins.ExecContext(ctx, chunkID(r.id, kinds[k], chunk), data); err != nil {
				return err
			}
		}
	}
	return nil
}
