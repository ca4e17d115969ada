// Package session checks the four session guarantees of Terry et al. (PDIS 1994):
// read-your-writes, monotonic reads, monotonic writes and writes-follow-reads.
//
// The checks are pure: a session's operations in, verdicts out. Operations are
// ordered by the session's own sequence, never by arrival.
package session

import (
	"math"

	"tidemark/metrics"
)

// Verdict is the outcome of one check.
type Verdict uint8

// The verdicts. None means that there was nothing to check: no earlier operation
// that the guarantee speaks of.
const (
	None Verdict = iota
	OK
	Older        // the version read is older than one that had to be included
	Concurrent   // the version read neither includes it nor is included by it
	Violated     // a write overtook one that had to come first
	Pending      // the one that had to come first is not there yet
	Unverifiable // no sequence, or no comparable version
)

var verdictNames = [...]string{"", "ok", "older", "concurrent", "violated", "pending", "unverifiable"}

// String returns the word that series and API use.
func (v Verdict) String() string { return verdictNames[v] }

// IsViolation reports whether the guarantee was broken.
func (v Verdict) IsViolation() bool { return v == Older || v == Concurrent || v == Violated }

// Write is a write as far as the checks need it.
type Write interface {
	// Replicas calls yield once with each replica that applied the write, and when,
	// and with each that must still get it (neither it nor a version that stands for
	// it has arrived) and Unapplied.
	Replicas(yield func(replica uint32, applied int64))
}

// Unapplied is the applied time of a write at a replica that still awaits it.
const Unapplied = math.MaxInt64

// Op is one operation of a session.
type Op struct {
	Seq     int64 // 0 = none
	Key     metrics.Entity
	Version metrics.Version
	Write   Write // nil for a read
	Source  Write // for a read: the write whose version it returned; nil when that is long done
}

// Finding is one verdict about one operation.
type Finding struct {
	Op        int // index into the operations given
	Guarantee metrics.Metric
	Replica   uint32 // for mw and wfr
	Verdict   Verdict
	Wanted    metrics.Version // for ryw and mr: what had to be included
	Earlier   Write           // for mw and wfr: the write that was overtaken or is missing
}

// Check calls yield with the verdicts on a session's operations, which must be
// sorted by Seq. Operations without a sequence come out unverifiable.
func Check(ops []Op, yield func(Finding)) { new(Checker).Check(ops, yield) }

// Checker checks one session after another without taking new memory for each. The
// zero Checker is ready; it is for one caller at a time.
type Checker struct {
	written, read frontiers
	writes        trail // earlier writes of the session
	sources       trail // writes that the session has read

	// The write that is being checked, for applied, which is made once.
	at      int
	now     *Op
	yield   func(Finding)
	applied func(replica uint32, applied int64)
}

// Check is the function Check.
func (c *Checker) Check(ops []Op, yield func(Finding)) {
	if c.applied == nil {
		c.applied = c.appliedAt
		c.writes.applied, c.sources.applied = c.writes.appliedAt, c.sources.appliedAt
	}
	defer func() { c.now, c.yield = nil, nil }()
	for i := range ops {
		c.op(i, &ops[i], yield)
	}
	c.written.reset()
	c.read.reset()
	c.writes.reset()
	c.sources.reset()
}

// frontiers holds the frontier of each key. Sessions touch few keys, so the list
// is searched; index takes over once it is long.
type frontiers struct {
	list  []keyFrontier
	index map[metrics.Entity]int
}

type keyFrontier struct {
	key metrics.Entity
	frontier
}

// manyKeys is when a list of keys is indexed.
const manyKeys = 16

func (fs *frontiers) find(key metrics.Entity) *frontier {
	if fs.index != nil {
		if i, ok := fs.index[key]; ok {
			return &fs.list[i].frontier
		}
		return nil
	}
	for i := range fs.list {
		if fs.list[i].key == key {
			return &fs.list[i].frontier
		}
	}
	return nil
}

// add joins a version into the frontier of a key.
func (fs *frontiers) add(key metrics.Entity, v metrics.Version) {
	f := fs.find(key)
	if f == nil {
		if len(fs.list) == manyKeys {
			fs.index = make(map[metrics.Entity]int, 2*manyKeys)
			for i := range fs.list {
				fs.index[fs.list[i].key] = i
			}
		}
		if fs.index != nil {
			fs.index[key] = len(fs.list)
		}
		fs.list = append(fs.list, keyFrontier{key: key})
		f = &fs.list[len(fs.list)-1].frontier
	}
	*f = f.with(v)
}

func (fs *frontiers) reset() {
	clear(fs.list)
	fs.list, fs.index = fs.list[:0], nil
}

// frontier is the join of versions; unclear once two could not be compared.
type frontier struct {
	v       metrics.Version
	unclear bool
}

func (f frontier) with(v metrics.Version) frontier {
	if v.IsZero() {
		f.unclear = true
		return f
	}
	j, ok := metrics.Join(f.v, v)
	if !ok {
		f.unclear = true
		return f
	}
	f.v = j
	return f
}

func (c *Checker) op(i int, op *Op, yield func(Finding)) {
	if op.Write != nil {
		c.write(i, op, yield)
		return
	}
	if op.Seq == 0 {
		yield(Finding{Op: i, Guarantee: metrics.MetricRYW, Verdict: Unverifiable})
		yield(Finding{Op: i, Guarantee: metrics.MetricMR, Verdict: Unverifiable})
		return
	}
	c.readOp(i, op, yield)
}

func (c *Checker) readOp(i int, op *Op, yield func(Finding)) {
	if w := c.written.find(op.Key); w != nil {
		yield(Finding{Op: i, Guarantee: metrics.MetricRYW, Verdict: compare(op.Version, *w), Wanted: w.v})
	}
	if r := c.read.find(op.Key); r != nil {
		yield(Finding{Op: i, Guarantee: metrics.MetricMR, Verdict: compare(op.Version, *r), Wanted: r.v})
	}
	if !op.Version.IsZero() {
		c.sources.any = true
		c.read.add(op.Key, op.Version)
	}
	if op.Source != nil {
		c.sources.add(op.Source)
	}
}

func compare(got metrics.Version, want frontier) Verdict {
	if want.unclear || got.IsZero() {
		return Unverifiable
	}
	switch metrics.Compare(got, want.v) {
	case metrics.Same, metrics.After:
		return OK
	case metrics.Before:
		return Older
	case metrics.Concurrent:
		return Concurrent
	}
	return Unverifiable
}

func (c *Checker) write(i int, op *Op, yield func(Finding)) {
	c.at, c.now, c.yield = i, op, yield
	op.Write.Replicas(c.applied)
	if op.Seq == 0 {
		return
	}
	c.writes.add(op.Write)
	c.written.add(op.Key, op.Version)
}

// appliedAt gives the verdicts on the write being checked at one replica.
func (c *Checker) appliedAt(r uint32, at int64) {
	switch {
	case at == Unapplied:
	case c.now.Seq == 0:
		c.yield(Finding{Op: c.at, Guarantee: metrics.MetricMW, Replica: r, Verdict: Unverifiable})
		c.yield(Finding{Op: c.at, Guarantee: metrics.MetricWFR, Replica: r, Verdict: Unverifiable})
	default:
		c.writes.follow(c.at, metrics.MetricMW, r, at, c.yield)
		c.sources.follow(c.at, metrics.MetricWFR, r, at, c.yield)
	}
}

// trail sums up the writes that a later one must come after, by replica: when the
// last of them was applied there, and one that is still missing.
type trail struct {
	any bool
	at  []mark

	adding  Write // for applied, which is made once
	applied func(replica uint32, applied int64)
}

type mark struct {
	replica uint32
	last    int64
	by      Write // applied at last
	missing Write
}

func (t *trail) add(w Write) {
	t.any, t.adding = true, w
	w.Replicas(t.applied)
}

func (t *trail) appliedAt(r uint32, at int64) {
	m := t.mark(r)
	switch {
	case at == Unapplied && m.missing == nil:
		m.missing = t.adding
	case at != Unapplied && (m.by == nil || at > m.last):
		m.last, m.by = at, t.adding
	}
}

func (t *trail) reset() {
	clear(t.at)
	t.any, t.at, t.adding = false, t.at[:0], nil
}

func (t *trail) mark(r uint32) *mark {
	for i := range t.at {
		if t.at[i].replica == r {
			return &t.at[i]
		}
	}
	t.at = append(t.at, mark{replica: r})
	return &t.at[len(t.at)-1]
}

// follow yields the verdict on a write at a replica that must come after the trail:
// violated when one of it came later, else pending when one is missing, else ok.
func (t *trail) follow(i int, g metrics.Metric, r uint32, at int64, yield func(Finding)) {
	if !t.any {
		return
	}
	f := Finding{Op: i, Guarantee: g, Replica: r, Verdict: OK}
	for j := range t.at {
		m := &t.at[j]
		switch {
		case m.replica != r:
			continue
		case m.by != nil && m.last > at:
			f.Verdict, f.Earlier = Violated, m.by
		case m.missing != nil:
			f.Verdict, f.Earlier = Pending, m.missing
		}
	}
	yield(f)
}
