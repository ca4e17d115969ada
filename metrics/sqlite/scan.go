package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"tidemark/metrics"
)

// Scan implements metrics.Log. It sees what was appended before it began.
func (s *Store) Scan(ctx context.Context, from metrics.Position, fn func(metrics.Position, []metrics.Event) error) error {
	done, err := s.use(ctx)
	if err != nil {
		return err
	}
	defer done()
	d, err := s.log.decoder()
	if err != nil {
		return err
	}
	defer s.log.decoders.Put(d)
	from = max(from, s.Begin())
	for end := s.End(); from < end; {
		p := s.log.at(from)
		if p == nil { // retention has passed by
			from = max(from, s.Begin())
			continue
		}
		seg, err := s.segmentAt(ctx, p, from)
		if err != nil {
			return err
		}
		if seg == nil {
			continue
		}
		if err := p.open(d, seg); err != nil {
			return err
		}
		events, err := d.Events()
		if err != nil {
			return wrap(err, "%s: segment at position %d", p.path, seg.first)
		}
		past := min(seg.first+metrics.Position(seg.count), end)
		if err := fn(from, events[from-seg.first:past-seg.first]); err != nil {
			return err
		}
		from = past
	}
	return nil
}

// at returns the partition that holds a position.
func (l *rawLog) at(pos metrics.Position) *partition {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, p := range slices.Backward(l.partitions) {
		if pos >= p.first && pos < p.past() {
			return p
		}
	}
	return nil
}

// segmentAt reads the segment that holds a position; nil when the partition has gone.
func (s *Store) segmentAt(ctx context.Context, p *partition, pos metrics.Position) (*stored, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var seg stored
	there, err := p.read(ctx, func(db *sql.DB) (err error) {
		var ok bool
		if seg, ok, err = p.holding(ctx, db, pos); err == nil && !ok {
			err = fmt.Errorf("%s: %w: no segment holds position %d", p.path, metrics.ErrDamaged, pos)
		}
		return err
	})
	if err != nil || !there {
		return nil, err
	}
	return &seg, nil
}
