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

// finding is one Find under way: it goes from the newest segment to the oldest, or
// with q.Earliest from the oldest to the newest.
type finding struct {
	s     *Store
	q     metrics.FindQuery
	dec   *segment.Decoder
	first metrics.Position // what was looked at begins here …
	past  metrics.Position // … and ends before this
	since metrics.Position // of this partition: what is before is too old
	rows  []int
	found []metrics.Event // in the order in which they were found
	other int             // events of other features that were passed over
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
	if q.Pass <= 0 {
		q.Pass = metrics.MaxPassed
	}
	if q.Before == 0 {
		q.Before = s.End()
	}
	d, err := s.log.decoder()
	if err != nil {
		return nil, false, err
	}
	defer s.log.decoders.Put(d)
	f := finding{s: s, q: q, dec: d, first: math.MaxUint64}
	for _, p := range f.partitions() {
		if f.more {
			break
		}
		if _, err := p.read(ctx, func(db *sql.DB) error { return f.partition(ctx, p, db) }); err != nil {
			return nil, false, err
		}
	}
	if !q.Earliest {
		slices.Reverse(f.found)
	}
	return f.found, f.more, nil
}

// partitions are those that may hold what is looked for, in the order of the search.
func (f *finding) partitions() []*partition {
	f.s.log.mu.RLock()
	defer f.s.log.mu.RUnlock()
	var some []*partition
	for _, p := range f.s.log.partitions {
		if p.first < f.q.Before && p.past() > f.q.From && p.newest >= f.q.Since {
			some = append(some, p)
		}
	}
	if !f.q.Earliest {
		slices.Reverse(some)
	}
	return some
}

func (f *finding) partition(ctx context.Context, p *partition, db *sql.DB) error {
	if err := f.s.loadRuns(ctx, p, db); err != nil {
		return err
	}
	f.s.log.mu.RLock()
	tail, runs := p.tail, p.runs // both are replaced or appended to, never changed
	f.s.log.mu.RUnlock()
	for len(runs) > 0 && runs[len(runs)-1].segments[0] >= f.q.Before {
		runs = runs[:len(runs)-1]
	}
	f.since = 0
	for len(runs) > 0 {
		if f.since = max(runs[0].since(f.q.Since), runs[0].from(f.q.From)); f.since < runs[0].past {
			break
		}
		runs = runs[1:]
	}
	parts := []func() error{
		func() error { return f.tail(ctx, p, db, tail) },
		func() error { return f.runs(ctx, p, db, runs) },
	}
	if f.q.Earliest {
		slices.Reverse(parts)
	}
	for _, part := range parts {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// tail looks into the segments that no run covers yet.
func (f *finding) tail(ctx context.Context, p *partition, db *sql.DB, tail []tailSegment) error {
	for n := range tail {
		t := &tail[n]
		if !f.q.Earliest {
			t = &tail[len(tail)-1-n]
		}
		if t.first < f.q.Before && t.past() > f.q.From && t.newest >= f.q.Since && t.entities.Has(f.q.Kind, f.q.Entity) {
			if err := f.segment(ctx, p, db, t.first); err != nil {
				return err
			}
		}
	}
	return nil
}

// runs looks into the segments that runs name.
func (f *finding) runs(ctx context.Context, p *partition, db *sql.DB, runs []run) error {
	for len(runs) > 0 && !f.more {
		n := min(lookupRuns, len(runs))
		some, rest := runs[len(runs)-n:], runs[:len(runs)-n]
		if f.q.Earliest {
			some, rest = runs[:n], runs[n:]
		}
		runs = rest
		segments, err := f.s.lookup(ctx, db, some, f.q.Kind, f.q.Entity)
		if err != nil {
			return wrap(err, "%s: look up in %d index runs", p.path, n)
		}
		if f.q.Earliest {
			slices.Reverse(segments)
		}
		for _, first := range segments {
			if err := f.segment(ctx, p, db, first); err != nil {
				return err
			}
		}
	}
	return nil
}

// segment takes the events of the segment that holds a position.
func (f *finding) segment(ctx context.Context, p *partition, db *sql.DB, at metrics.Position) error {
	if f.more || at >= f.q.Before || at < f.since {
		return nil
	}
	seg, ok, err := p.holding(ctx, db, at)
	if err != nil || !ok {
		return err
	}
	// A segment merged meanwhile may hold what was looked at already.
	from, to := f.unseen(max(seg.first, f.q.From), min(seg.first+metrics.Position(seg.count), f.q.Before))
	if from >= to {
		return nil
	}
	f.s.inst.foundIn(&seg)
	if err := p.open(f.dec, &seg); err != nil {
		return err
	}
	f.rows = f.dec.Rows(f.rows[:0], f.q.Kind, f.q.Entity, int(to-seg.first))
	if f.q.Feature != "" {
		all := len(f.rows)
		f.rows = f.dec.OfFeature(f.rows, f.q.Feature)
		f.other += all - len(f.rows)
	}
	if !f.q.Earliest {
		slices.Reverse(f.rows)
	}
	for _, row := range f.rows {
		if row < int(from-seg.first) {
			continue
		}
		if err := f.take(row); err != nil || f.more {
			return wrap(err, "%s: segment at position %d", p.path, seg.first)
		}
	}
	f.more = f.more || f.other > f.q.Pass
	return nil
}

// unseen is the part of a range that was not looked at yet, and notes that it was.
func (f *finding) unseen(from, to metrics.Position) (_, _ metrics.Position) {
	if f.q.Earliest {
		from = max(from, f.past)
	} else {
		to = min(to, f.first)
	}
	f.first, f.past = min(f.first, from), max(f.past, to)
	return from, to
}

// take adds the event of a row of the open segment.
func (f *finding) take(row int) error {
	e, err := f.dec.Event(row)
	if err != nil {
		return err
	}
	switch {
	case e.ObservedAt < f.q.Since:
	case len(f.found) == f.q.Limit:
		f.more = true
	default:
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
