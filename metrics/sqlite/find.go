package sqlite

import (
	"context"
	"database/sql"
	"math"
	"slices"
	"strings"

	"tidemark/metrics"
	"tidemark/metrics/sqlite/segment"
)

// defaultFind is how many events a Find without a limit returns.
const defaultFind = 10_000

// finding is one Find under way: it goes from the newest segment to the oldest.
type finding struct {
	s     *Store
	q     metrics.FindQuery
	dec   *segment.Decoder
	last  metrics.Position // first of the segment that was looked at last
	rows  []int
	found []metrics.Event // newest first
	more  bool
}

// Find implements metrics.Log.
func (s *Store) Find(ctx context.Context, q metrics.FindQuery) ([]metrics.Event, bool, error) {
	done, err := s.use(ctx)
	if err != nil {
		return nil, false, err
	}
	defer done()
	if q.Limit <= 0 {
		q.Limit = defaultFind
	}
	if q.Before == 0 {
		q.Before = s.End()
	}
	d, err := s.log.decoder()
	if err != nil {
		return nil, false, err
	}
	defer s.log.decoders.Put(d)
	f := finding{s: s, q: q, dec: d, last: math.MaxUint64}
	s.log.mu.RLock()
	partitions := slices.Clone(s.log.partitions)
	s.log.mu.RUnlock()
	for _, p := range slices.Backward(partitions) {
		if p.first < q.Before && !f.more {
			if _, err := p.read(ctx, func(db *sql.DB) error { return f.partition(ctx, p, db) }); err != nil {
				return nil, false, err
			}
		}
	}
	slices.Reverse(f.found)
	return f.found, f.more, nil
}

func (f *finding) partition(ctx context.Context, p *partition, db *sql.DB) error {
	if err := f.s.loadRuns(ctx, p, db); err != nil {
		return err
	}
	f.s.log.mu.RLock()
	tail, runs := p.tail, p.runs // both are replaced or appended to, never changed
	f.s.log.mu.RUnlock()
	for i := len(tail) - 1; i >= 0 && !f.more; i-- {
		if t := &tail[i]; t.first < f.q.Before && t.entities.Has(f.q.Kind, f.q.Entity) {
			if err := f.segment(ctx, p, db, t.first); err != nil {
				return err
			}
		}
	}
	for len(runs) > 0 && runs[len(runs)-1].segments[0] >= f.q.Before {
		runs = runs[:len(runs)-1]
	}
	for len(runs) > 0 && !f.more {
		some := runs[max(0, len(runs)-lookupRuns):]
		runs = runs[:len(runs)-len(some)]
		segments, err := lookup(ctx, db, some, f.q.Kind, f.q.Entity)
		if err != nil {
			return wrap(err, "%s: look up in %d index runs", p.path, len(some))
		}
		for _, first := range segments {
			if err := f.segment(ctx, p, db, first); err != nil {
				return err
			}
		}
	}
	return nil
}

// segment takes the events of one segment, the latest first.
func (f *finding) segment(ctx context.Context, p *partition, db *sql.DB, first metrics.Position) error {
	if f.more || first >= f.q.Before {
		return nil
	}
	seg, ok, err := p.holding(ctx, db, first)
	if err != nil || !ok || seg.first >= f.last { // merged meanwhile, and looked at already
		return err
	}
	// A segment merged meanwhile may hold what was taken already, from f.last on.
	before := min(f.q.Before, f.last)
	f.last = seg.first
	if err := p.open(f.dec, &seg); err != nil {
		return err
	}
	end := int(min(uint64(before-seg.first), uint64(seg.count)))
	f.rows = f.dec.Rows(f.rows[:0], f.q.Kind, f.q.Entity, end)
	for _, row := range slices.Backward(f.rows) {
		if len(f.found) == f.q.Limit {
			f.more = true
			return nil
		}
		e, err := f.dec.Event(row)
		if err != nil {
			return wrap(err, "%s: segment at position %d", p.path, seg.first)
		}
		own(&e)
		f.found = append(f.found, e)
	}
	return nil
}

// own gives an event strings of its own, in one piece of memory.
func own(e *metrics.Event) {
	fields := []*string{
		&e.EventID, &e.WriteID, &e.Feature, &e.Key, &e.Entity, &e.Service, &e.Replica, &e.Region, &e.ClockID,
		&e.Version.Text, &e.SessionID, &e.TraceID, &e.SpanID, &e.Actor, &e.Delta, &e.BeforeHash, &e.AfterHash,
		&e.Owner, &e.Flag, &e.Variant, &e.Model, &e.Unit, &e.Mechanism, &e.ConflictID, &e.Rule, &e.RuleVersion,
		&e.Winner, &e.Outcome, &e.Reason, &e.Attributes,
	}
	for _, l := range []*[]string{&e.Parents, &e.Labels, &e.Expect, &e.With} {
		*l = slices.Clone(*l)
		for i := range *l {
			fields = append(fields, &(*l)[i])
		}
	}
	var b strings.Builder
	for _, f := range fields {
		b.WriteString(*f)
	}
	all := b.String()
	for _, f := range fields {
		*f, all = all[:len(*f)], all[len(*f):]
	}
}
