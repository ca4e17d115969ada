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

// Unapplied is the applied time of a write at a replica that has not applied it.
const Unapplied = math.MaxInt64

// Write is a write as far as the checks need it.
type Write interface {
	// Replicas calls yield with each replica that applied the write, and when.
	Replicas(yield func(replica uint32, applied int64))
	// AppliedAt is when a replica applied the write, or Unapplied.
	AppliedAt(replica uint32) int64
	// Awaits reports whether the write must reach the replica and neither it nor a
	// version that stands for it has.
	Awaits(replica uint32) bool
}

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
func Check(ops []Op, yield func(Finding)) {
	var c checker
	for i := range ops {
		c.op(i, &ops[i], yield)
	}
}

type checker struct {
	written, read map[metrics.Entity]frontier
	writes        []Write // earlier writes of the session
	sources       []Write // writes that the session has read and that may be overtaken
	hasRead       bool    // some version was read
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

func (c *checker) op(i int, op *Op, yield func(Finding)) {
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

func (c *checker) readOp(i int, op *Op, yield func(Finding)) {
	if w, ok := c.written[op.Key]; ok {
		yield(Finding{Op: i, Guarantee: metrics.MetricRYW, Verdict: compare(op.Version, w), Wanted: w.v})
	}
	if r, ok := c.read[op.Key]; ok {
		yield(Finding{Op: i, Guarantee: metrics.MetricMR, Verdict: compare(op.Version, r), Wanted: r.v})
	}
	if !op.Version.IsZero() {
		c.hasRead = true
		if c.read == nil {
			c.read = map[metrics.Entity]frontier{}
		}
		c.read[op.Key] = c.read[op.Key].with(op.Version)
	}
	if op.Source != nil {
		c.sources = append(c.sources, op.Source)
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

func (c *checker) write(i int, op *Op, yield func(Finding)) {
	op.Write.Replicas(func(r uint32, at int64) {
		if op.Seq == 0 {
			yield(Finding{Op: i, Guarantee: metrics.MetricMW, Replica: r, Verdict: Unverifiable})
			yield(Finding{Op: i, Guarantee: metrics.MetricWFR, Replica: r, Verdict: Unverifiable})
			return
		}
		follow(i, metrics.MetricMW, r, at, c.writes, false, yield)
		follow(i, metrics.MetricWFR, r, at, c.sources, c.hasRead, yield)
	})
	if op.Seq == 0 {
		return
	}
	c.writes = append(c.writes, op.Write)
	if c.written == nil {
		c.written = map[metrics.Entity]frontier{}
	}
	c.written[op.Key] = c.written[op.Key].with(op.Version)
}

// follow yields the verdict on a write at a replica that must come after others:
// violated when one came later, else pending when one is missing, else ok. some says
// that there are others beside those, all long done.
func follow(i int, g metrics.Metric, r uint32, at int64, before []Write, some bool, yield func(Finding)) {
	f := Finding{Op: i, Guarantee: g, Replica: r}
	if some {
		f.Verdict = OK
	}
	for _, w := range before {
		a := w.AppliedAt(r)
		switch {
		case a == Unapplied && !w.Awaits(r):
			if f.Verdict == None {
				f.Verdict = OK
			}
		case a == Unapplied && f.Verdict < Violated:
			f.Verdict, f.Earlier = Pending, w
		case a != Unapplied && a > at:
			f.Verdict, f.Earlier = Violated, w
			yield(f)
			return
		case f.Verdict == None:
			f.Verdict = OK
		}
	}
	if f.Verdict != None {
		yield(f)
	}
}
