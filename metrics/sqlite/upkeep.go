package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"sync"

	"tidemark/metrics"
)

// upkeep is the goroutine that merges, indexes and seals.
type upkeep struct {
	wake   chan struct{}
	cancel context.CancelFunc
	done   sync.WaitGroup
	one    sync.Mutex // one pass at a time
	enc    *Encoder   // of merging, guarded by one
}

func (s *Store) startUpkeep() {
	ctx, cancel := context.WithCancel(context.Background())
	s.upkeep.wake, s.upkeep.cancel = make(chan struct{}, 1), cancel
	s.wakeUpkeep() // for what an earlier process left
	s.upkeep.done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-s.upkeep.wake:
			}
			// What fails is tried again after the next append; nothing is lost meanwhile.
			if err := s.maintain(ctx); err != nil && ctx.Err() == nil {
				s.inst.upkeepFailures.Inc()
				s.opts.Logger.Warn("store upkeep failed; it will be tried again", "error", err)
			}
		}
	})
}

func (s *Store) wakeUpkeep() {
	select {
	case s.upkeep.wake <- struct{}{}:
	default:
	}
}

func (s *Store) stopUpkeep() {
	s.upkeep.cancel()
	s.upkeep.done.Wait()
}

// maintain does everything that is due.
func (s *Store) maintain(ctx context.Context) error {
	s.upkeep.one.Lock()
	defer s.upkeep.one.Unlock()
	s.log.mu.RLock()
	open := slices.DeleteFunc(slices.Clone(s.log.partitions), func(p *partition) bool { return p.sealed })
	s.log.mu.RUnlock()
	for i, p := range open {
		if err := s.merge(ctx, p); err != nil {
			return err
		}
		sealing := i < len(open)-1
		if err := s.index(ctx, p, sealing); err != nil {
			return err
		}
		if sealing {
			if err := s.seal(ctx, p, open[i+1]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) tailLen(p *partition) int {
	s.log.mu.RLock()
	defer s.log.mu.RUnlock()
	return len(p.tail)
}

// seal writes the figures of a partition that is no longer appended to into the
// catalogue, so that it need not be opened at start.
func (s *Store) seal(ctx context.Context, p, next *partition) error {
	s.log.mu.RLock()
	number, first, events, segments, oldest, newest := p.number, p.first, p.events, p.segments, p.oldest, p.newest
	s.log.mu.RUnlock()
	s.commits.Lock()
	defer s.commits.Unlock()
	err := s.main.tx(ctx, func(tx *sql.Tx) error {
		const put = `INSERT OR REPLACE INTO partition (number, first, sealed, events, segments, oldest, newest)
			VALUES (?, ?, ?, ?, ?, ?, ?)`
		if _, err := tx.ExecContext(ctx, put, number, int64(first), true, events, segments, oldest, newest); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, put, next.number, int64(next.first), false, 0, 0, 0, 0)
		return err
	})
	if err != nil {
		return wrap(err, "%s: seal partition %d", s.main.path, number)
	}
	s.log.mu.Lock()
	p.sealed = true
	s.log.mu.Unlock()
	p.opening.Lock()
	defer p.opening.Unlock()
	return wrap(p.file.w.Close(), "%s: close the writer", p.path)
}

// Merging: a segment belongs to the tier of its size; as soon as enough neighbours
// of the low tiers stand together they become one, so an event is written again at
// most twice. A segment that holds what a busy second brings in one transaction is
// left as it is: merging it again would save 4 bytes an event and cost a quarter of
// the time that storing takes.
const (
	tierSmall  = 64
	closedSize = 384
	mergeCount = 16
)

func tier(count int64) int {
	switch {
	case count < tierSmall:
		return 0
	case count < closedSize:
		return 1
	}
	return 2
}

// mergeable finds neighbours to merge: tail[from:to].
func mergeable(tail []tailSegment) (from, to int, ok bool) {
	for highest := range 2 {
		from, sum := 0, int64(0)
		for i := range tail {
			if tier(tail[i].count) > highest {
				from, sum = i+1, 0
				continue
			}
			if sum+tail[i].count > segmentEvents && i > from {
				return from, i, true
			}
			sum += tail[i].count
			if i+1-from >= mergeCount {
				return from, i + 1, true
			}
		}
	}
	return 0, 0, false
}

func (s *Store) merge(ctx context.Context, p *partition) error {
	for {
		s.log.mu.RLock()
		from, to, ok := mergeable(p.tail)
		group := slices.Clone(p.tail[from:to])
		s.log.mu.RUnlock()
		if !ok {
			return nil
		}
		if err := s.mergeGroup(ctx, p, group); err != nil {
			return err
		}
	}
}

// mergeGroup replaces neighbouring segments by one. Only this goroutine changes
// segments, so they can be read before the log is held up.
func (s *Store) mergeGroup(ctx context.Context, p *partition, group []tailSegment) error {
	if s.upkeep.enc == nil {
		enc, err := NewEncoder()
		if err != nil {
			return err
		}
		s.upkeep.enc = enc
	}
	var batches [][]metrics.Event
	for i := range group {
		d, err := s.log.decoder()
		if err != nil {
			return err
		}
		defer s.log.decoders.Put(d)
		seg, err := s.segmentAt(ctx, p, group[i].first)
		if err != nil || seg == nil {
			return err
		}
		if err := p.open(d, seg); err != nil {
			return err
		}
		events, err := d.Events()
		if err != nil {
			return wrap(err, "%s: segment at position %d", p.path, seg.first)
		}
		batches = append(batches, events)
	}
	b, err := s.upkeep.enc.Encode(batches...)
	if err != nil {
		return err
	}
	return s.replace(ctx, p, group, b)
}

func (s *Store) replace(ctx context.Context, p *partition, group []tailSegment, b *Encoded) error {
	s.log.writer.Lock()
	defer s.log.writer.Unlock()
	merged := b.segments[0].tailSegment
	merged.first = group[0].first
	past := merged.first + metrics.Position(merged.count)
	err := p.file.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM segment WHERE first >= ? AND first < ?", int64(merged.first), int64(past)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, insertSegment, int64(merged.first), merged.count, merged.oldest, merged.newest, b.data)
		return err
	})
	if err != nil {
		return wrap(err, "%s: merge %d segments at position %d", p.path, len(group), merged.first)
	}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	i := slices.IndexFunc(p.tail, func(t tailSegment) bool { return t.first == merged.first })
	p.tail = slices.Concat(p.tail[:i], []tailSegment{merged}, p.tail[i+len(group):])
	p.segments -= int64(len(group) - 1)
	s.inst.merged.Add(float64(len(group)))
	return nil
}
