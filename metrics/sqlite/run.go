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

// run is an index over a range of segments. A new one covers a few of them; several
// of one size are merged into one, so that a look-up reads a number of chunks that
// grows with the logarithm of the segments.
type run struct {
	id       int64
	past     metrics.Position // after the last event of its segments
	bits     int
	segments []metrics.Position // first positions; an entry names one by its place here
	// newest is the latest time of observation in each segment and those before it.
	newest []int64
}

// An entry of a run is the leading 32 bits of a hash and the segment's place in the
// run, in as many bits as the run needs. A chunk holds the entries that share their
// leading bits, as differences.
const (
	hashBits     = 32
	minPlaceBits = 8
	chunkTarget  = 512
	maxChunks    = 20 // bits
)

// kinds are what is indexed.
func kinds() []metrics.EntityKind {
	return []metrics.EntityKind{metrics.EntityWrite, metrics.EntityKey, metrics.EntitySession}
}

// placeBits is how many bits the place of a segment takes.
func (r *run) placeBits() int { return max(minPlaceBits, bits.Len(uint(len(r.segments)-1))) }

// entry is the least that a run may hold for an entity: that of its first segment.
func (r *run) entry(e metrics.Entity) uint64 { return uint64(e) >> hashBits << r.placeBits() }

// chunkID packs a run, a kind and the number of a chunk.
func chunkID(id int64, kind metrics.EntityKind, chunk uint64) int64 {
	return id<<(maxChunks+2) | int64(kind)<<maxChunks | int64(chunk)
}

func (r *run) chunk(e uint64) uint64 { return e >> (hashBits + r.placeBits() - r.bits) }

// begin is the least entry that a chunk may hold.
func (r *run) begin(chunk uint64) uint64 { return chunk << (hashBits + r.placeBits() - r.bits) }

// since is the first of its segments that is not, with all before it, older than a
// time (Unix ns); past the last one when all are. Only what all came before is left
// out: the server's clock may have been set back.
func (r *run) since(t int64) metrics.Position {
	n, _ := slices.BinarySearch(r.newest, t)
	if n == len(r.segments) {
		return r.past
	}
	return r.segments[n]
}

// from is the first of its segments that does not end before a position; past the last
// one when all do.
func (r *run) from(pos metrics.Position) metrics.Position {
	if pos >= r.past {
		return r.past
	}
	n, ok := slices.BinarySearch(r.segments, pos)
	if !ok && n > 0 {
		n--
	}
	return r.segments[n]
}

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
	rows, err := db.QueryContext(ctx, "SELECT id, past, bits, segments, newest FROM run ORDER BY past")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r run
		var segments, newest []byte
		if err := rows.Scan(&r.id, &r.past, &r.bits, &segments, &newest); err != nil {
			return nil, err
		}
		r.segments, err = ascending[metrics.Position](segments)
		if err == nil && newest != nil {
			r.newest, err = ascending[int64](newest)
		}
		if err != nil || newest != nil && len(r.newest) != len(r.segments) {
			return nil, errors.Join(fmt.Errorf("run %d: %w", r.id, segment.ErrDamaged), err)
		}
		runs = append(runs, r)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	for i := range runs {
		if runs[i].newest == nil {
			if err := runs[i].date(ctx, db); err != nil {
				return nil, err
			}
		}
	}
	return runs, nil
}

// date sets the times of a run that was stored without them.
func (r *run) date(ctx context.Context, db *sql.DB) error {
	var newest int64
	err := db.QueryRowContext(ctx, "SELECT newest FROM segment WHERE first < ? ORDER BY first DESC LIMIT 1", int64(r.past)).Scan(&newest)
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("run %d: %w: it has no segments", r.id, segment.ErrDamaged)
	}
	for range r.segments {
		r.newest = append(r.newest, newest)
	}
	return err
}

// ascending reads numbers that do not fall, stored as differences.
func ascending[T ~int64 | ~uint64](b []byte) (list []T, err error) {
	for at := T(0); len(b) > 0; {
		d, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, segment.ErrDamaged
		}
		at, b = at+T(d), b[n:]
		list = append(list, at)
	}
	return list, nil
}

func appendAscending[T ~int64 | ~uint64](b []byte, list []T) []byte {
	prev := T(0)
	for _, v := range list {
		b, prev = binary.AppendUvarint(b, uint64(v-prev)), v
	}
	return b
}

// lookupRuns is how many runs one statement looks into: a statement costs several
// times what a look-up does.
const lookupRuns = 16

// selectChunks reads the chunks of lookupRuns runs.
var selectChunks = "SELECT id, data FROM chunk WHERE id IN (?" + strings.Repeat(", ?", lookupRuns-1) + ")"

// lookup returns the segments of at most lookupRuns runs that may hold an entity,
// latest first.
func (s *Store) lookup(ctx context.Context, db *sql.DB, runs []run, kind metrics.EntityKind, e metrics.Entity) ([]metrics.Position, error) {
	ids := make([]any, lookupRuns)
	for i := range runs {
		ids[i] = chunkID(runs[i].id, kind, runs[i].chunk(runs[i].entry(e)))
	}
	rows, err := db.QueryContext(ctx, selectChunks, ids...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	places := make([][]metrics.Position, len(runs))
	var data sql.RawBytes
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id, &data); err != nil {
			return nil, err
		}
		s.inst.lookedUp(data)
		i := slices.Index(ids, any(id))
		if places[i], err = runs[i].places(data, e); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	slices.Reverse(places)
	return slices.Concat(places...), nil
}

// places returns the segments that a chunk of the run names for an entity, latest first.
func (r *run) places(data []byte, e metrics.Entity) (found []metrics.Position, err error) {
	from := r.entry(e)
	to := from + 1<<r.placeBits() - 1
	for at := r.begin(r.chunk(from)); len(data) > 0; {
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
	slices.Reverse(found)
	return found, nil
}
