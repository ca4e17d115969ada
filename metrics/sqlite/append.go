package sqlite

import (
	"context"
	"database/sql"
	"math"
	"os"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/sqlite/segment"
)

// segmentEvents is how many events a full segment holds at most, and what merging
// small ones aims at.
const segmentEvents = 8192

// Encoded is events made ready for AppendEncoded. It is reused by the Encoder that
// made it.
type Encoded struct {
	Events   int
	segments []encodedSegment
	data     []byte
}

type encodedSegment struct {
	tailSegment     // first is relative to the batch
	from, to    int // in data
}

// Encoder prepares appends: it may work on the next batch while the last one is
// being made durable. It is for one caller at a time.
type Encoder struct {
	enc    *segment.Encoder
	out    Encoded
	chunks [][]metrics.Event
}

// NewEncoder returns an Encoder.
func NewEncoder() (*Encoder, error) {
	enc, err := segment.NewEncoder()
	return &Encoder{enc: enc}, err
}

// Encode returns the events of all batches, in order, ready to append. The result
// keeps nothing of the events; it is valid until the next call.
func (e *Encoder) Encode(batches ...[]metrics.Event) (*Encoded, error) {
	out := &e.out
	out.Events, out.segments, out.data = 0, out.segments[:0], out.data[:0]
	total := 0
	for _, b := range batches {
		total += len(b)
	}
	if total == 0 {
		return out, nil
	}
	n := (total + segmentEvents - 1) / segmentEvents
	size := (total + n - 1) / n
	room := size
	for _, b := range batches {
		for len(b) > 0 {
			k := min(room, len(b))
			e.chunks = append(e.chunks, b[:k])
			b, room = b[k:], room-k
			if room == 0 {
				if err := e.segment(); err != nil {
					return nil, err
				}
				room = size
			}
		}
	}
	if err := e.segment(); err != nil {
		return nil, err
	}
	return out, nil
}

// segment encodes the collected chunks as one segment.
func (e *Encoder) segment() (err error) {
	chunks := e.chunks
	defer func() { clear(chunks); e.chunks = chunks[:0] }()
	if len(chunks) == 0 {
		return nil
	}
	s := encodedSegment{from: len(e.out.data)}
	s.first = metrics.Position(e.out.Events)
	s.oldest, s.newest = math.MaxInt64, math.MinInt64
	for _, c := range chunks {
		s.count += int64(len(c))
		for i := range c {
			s.oldest, s.newest = min(s.oldest, c[i].ObservedAt), max(s.newest, c[i].ObservedAt)
		}
	}
	if e.out.data, err = e.enc.Encode(e.out.data, chunks...); err != nil {
		return wrap(err, "encode %d events", s.count)
	}
	s.to, s.entities = len(e.out.data), e.enc.Entities()
	e.out.Events += int(s.count)
	e.out.segments = append(e.out.segments, s)
	return nil
}

// Append implements metrics.Log.
func (s *Store) Append(ctx context.Context, batches ...[]metrics.Event) (metrics.Position, error) {
	var e *Encoder
	select {
	case e = <-s.encoder:
	default:
		var err error
		if e, err = NewEncoder(); err != nil {
			return 0, err
		}
	}
	defer func() {
		select {
		case s.encoder <- e:
		default:
		}
	}()
	b, err := e.Encode(batches...)
	if err != nil {
		return 0, err
	}
	return s.AppendEncoded(ctx, b)
}

// AppendEncoded is Append for events that are already encoded.
func (s *Store) AppendEncoded(ctx context.Context, b *Encoded) (metrics.Position, error) {
	done, err := s.use(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	s.log.writer.Lock()
	defer s.log.writer.Unlock()
	if b.Events == 0 {
		return s.End(), nil
	}
	began := time.Now()
	ctx = context.WithoutCancel(ctx) // from here on it is carried through
	p, err := s.writable(ctx)
	if err != nil {
		s.inst.appendFailures.Inc()
		return 0, s.trip.note(err)
	}
	first := p.past()
	if err := s.insert(ctx, p, first, b); err != nil {
		s.inst.appendFailures.Inc()
		return 0, wrap(err, "%s: append %d events at position %d", p.path, b.Events, first)
	}
	s.appended(p, first, b)
	s.inst.appended(b, time.Since(began))
	s.wakeUpkeep()
	return first, nil
}

// writable returns the partition to append to: the last one, or a new one when that
// is full.
func (s *Store) writable(ctx context.Context) (*partition, error) {
	if err := s.trip.err(); err != nil {
		return nil, err
	}
	p := s.log.last()
	if p != nil && !s.isFull(p) {
		_, err := p.db(ctx)
		return p, err
	}
	number := int64(1)
	if p != nil {
		number = p.number + 1
	}
	next := &partition{number: number, trip: s.trip, first: s.log.end(), runsLoaded: true, swept: true, path: partitionPath(s.opts.Dir, number)}
	if _, err := next.db(ctx); err != nil {
		// What is left of a file that could not be made would stand in the way.
		_ = os.Remove(next.path)
		return nil, err
	}
	s.log.mu.Lock()
	s.log.partitions = append(s.log.partitions, next)
	s.log.mu.Unlock()
	return next, nil
}

// isFull reports whether a partition is to be followed by the next one.
func (s *Store) isFull(p *partition) bool {
	if p.sealed || p.newest-p.oldest >= int64(s.opts.PartitionSpan) {
		return true
	}
	p.opening.Lock()
	defer p.opening.Unlock()
	return p.file != nil && p.segments > 0 && p.file.size() >= s.opts.PartitionBytes
}

const insertSegment = "INSERT INTO segment (first, count, oldest, newest, data) VALUES (?, ?, ?, ?, ?)"

func (s *Store) insert(ctx context.Context, p *partition, first metrics.Position, b *Encoded) error {
	torn := s.log.torn
	s.log.torn = true
	err := p.file.tx(ctx, func(tx *sql.Tx) error {
		if torn {
			// A commit that was reported as failed must not have happened.
			if _, err := tx.ExecContext(ctx, "DELETE FROM segment WHERE first >= ?", int64(first)); err != nil {
				return err
			}
		}
		for i := range b.segments {
			g := &b.segments[i]
			if _, err := tx.ExecContext(ctx, insertSegment,
				int64(first+g.first), g.count, g.oldest, g.newest, b.data[g.from:g.to]); err != nil {
				return err
			}
		}
		return nil
	})
	s.log.torn = err != nil
	return err
}

// appended makes the stored events visible to readers.
func (s *Store) appended(p *partition, first metrics.Position, b *Encoded) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	for i := range b.segments {
		t := b.segments[i].tailSegment
		t.first += first
		p.add(&t)
		p.tail = append(p.tail, t)
	}
}
