package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"tidemark/metrics"
	"tidemark/metrics/sqlite/segment"
)

// rawLog is the list of partitions. Appending holds writer; the fields below mu are
// only changed with both held.
type rawLog struct {
	writer sync.Mutex
	torn   bool // an append failed while committing: see repair

	mu         sync.RWMutex
	partitions []*partition // ascending; the last is appended to
	decoders   sync.Pool    // of *segment.Decoder
}

func (l *rawLog) last() *partition {
	if len(l.partitions) == 0 {
		return nil
	}
	return l.partitions[len(l.partitions)-1]
}

func (l *rawLog) lastPath() string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if p := l.last(); p != nil {
		return p.path
	}
	return "the log"
}

func (l *rawLog) close() error {
	var errs []error
	for _, p := range l.partitions {
		errs = append(errs, p.close())
	}
	return errors.Join(errs...)
}

func (l *rawLog) decoder() (*segment.Decoder, error) {
	if d, ok := l.decoders.Get().(*segment.Decoder); ok {
		return d, nil
	}
	return segment.NewDecoder()
}

// Begin implements metrics.Log.
func (s *Store) Begin() metrics.Position {
	s.log.mu.RLock()
	defer s.log.mu.RUnlock()
	if len(s.log.partitions) == 0 {
		return 0
	}
	return s.log.partitions[0].first
}

// End implements metrics.Log.
func (s *Store) End() metrics.Position {
	s.log.mu.RLock()
	defer s.log.mu.RUnlock()
	return s.log.end()
}

func (l *rawLog) end() metrics.Position {
	if p := l.last(); p != nil {
		return p.past()
	}
	return 0
}

// openLog lists the partitions. The catalogue has the figures of sealed ones; the
// others, at most two, are opened and counted.
func (s *Store) openLog(ctx context.Context) error {
	numbers, err := partitionNumbers(s.opts.Dir)
	if err != nil {
		return err
	}
	known, err := s.catalogue(ctx)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		p := known[n]
		if p == nil {
			p = &partition{first: s.log.end()}
		}
		delete(known, n)
		p.path = partitionPath(s.opts.Dir, n)
		unlisted := p.number == 0 // not in the catalogue
		p.number, p.trip = n, s.trip
		if err := s.openPartition(ctx, p); err != nil {
			return errors.Join(err, p.close())
		}
		if unlisted && len(s.log.partitions) == 0 && p.first != 0 && !s.opts.AllowGap {
			return errors.Join(fmt.Errorf("%s: %w: it begins at position %d, and no retention has deleted the file before it",
				p.path, metrics.ErrDamaged, p.first), p.close())
		}
		s.log.partitions = append(s.log.partitions, p)
	}
	for n := range known {
		return fmt.Errorf("%s: %w: the file is missing", partitionPath(s.opts.Dir, n), metrics.ErrDamaged)
	}
	return nil
}

func (s *Store) openPartition(ctx context.Context, p *partition) error {
	if !p.sealed {
		if err := s.loadTail(ctx, p); err != nil {
			return err
		}
	} else if st, err := os.Stat(p.path); err != nil || st.Size() == 0 {
		return errors.Join(fmt.Errorf("%s: %w: the file is empty", p.path, metrics.ErrDamaged), err)
	}
	if len(s.log.partitions) > 0 && p.first != s.log.end() {
		return fmt.Errorf("%s: %w: it begins at position %d, but the file before it ends at %d",
			p.path, metrics.ErrDamaged, p.first, s.log.end())
	}
	return nil
}

// catalogue reads what telemetry.db knows of partitions.
func (s *Store) catalogue(ctx context.Context) (map[int64]*partition, error) {
	rows, err := s.main.r.QueryContext(ctx, "SELECT number, first, sealed, events, segments, oldest, newest FROM partition")
	if err != nil {
		return nil, wrap(err, "%s: list partitions", s.main.path)
	}
	defer rows.Close()
	found := map[int64]*partition{}
	for rows.Next() {
		p := &partition{}
		if err := rows.Scan(&p.number, &p.first, &p.sealed, &p.events, &p.segments, &p.oldest, &p.newest); err != nil {
			return nil, wrap(err, "%s: list partitions", s.main.path)
		}
		found[p.number] = p
	}
	return found, wrap(rows.Err(), "%s: list partitions", s.main.path)
}

// loadTail counts the segments of a partition and reads the entities of those that
// no index run covers.
func (s *Store) loadTail(ctx context.Context, p *partition) error {
	f, err := p.db(ctx)
	if err != nil {
		return err
	}
	if err := s.loadRuns(ctx, p, f.r); err != nil {
		return err
	}
	rows, err := f.r.QueryContext(ctx, "SELECT first, count, oldest, newest FROM segment ORDER BY first")
	if err != nil {
		return wrap(err, "%s: list segments", p.path)
	}
	defer rows.Close()
	for rows.Next() {
		var t tailSegment
		if err := rows.Scan(&t.first, &t.count, &t.oldest, &t.newest); err != nil {
			return wrap(err, "%s: list segments", p.path)
		}
		if err := p.count(&t); err != nil {
			return err
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return wrap(err, "%s: list segments", p.path)
	}
	return s.loadEntities(ctx, p, f)
}

// count adds a segment to the figures, and to the tail when no run covers it.
func (p *partition) count(t *tailSegment) error {
	if p.segments == 0 && p.events == 0 && p.first == 0 {
		p.first = t.first
	}
	if t.first != p.past() {
		return fmt.Errorf("%s: %w: the segment at position %d is missing, the next one begins at %d",
			p.path, metrics.ErrDamaged, p.past(), t.first)
	}
	p.add(t)
	if n := len(p.runs); n == 0 || t.first >= p.runs[n-1].past {
		p.tail = append(p.tail, *t)
	}
	return nil
}

func (p *partition) add(t *tailSegment) {
	if p.segments == 0 {
		p.oldest, p.newest = t.oldest, t.newest
	}
	p.events += t.count
	p.segments++
	p.oldest, p.newest = min(p.oldest, t.oldest), max(p.newest, t.newest)
}

func (s *Store) loadEntities(ctx context.Context, p *partition, f *file) error {
	d, err := s.log.decoder()
	if err != nil {
		return err
	}
	defer s.log.decoders.Put(d)
	for i := range p.tail {
		t := &p.tail[i]
		seg, ok, err := p.holding(ctx, f.r, t.first)
		if err == nil && !ok {
			err = fmt.Errorf("%s: %w: the segment at position %d is missing", p.path, metrics.ErrDamaged, t.first)
		}
		if err == nil {
			err = p.open(d, &seg)
		}
		if err != nil {
			return err
		}
		t.entities = d.Entities()
	}
	return nil
}
