package rollup

import (
	"math"
	"math/bits"
	"slices"
	"strings"

	"tidemark/metrics"
)

// Times that stand for "not known". A join takes the minimum of times, so noTime
// is its identity.
const (
	noTime  = math.MaxInt64
	minTime = math.MinInt64
)

func cloneString(s string) string { return strings.Clone(s) }

// stamp is a time with the clock that told it. The lesser time wins, whichever clock told
// it first: no number hangs on the clock but the offsets that are measured meanwhile.
type stamp struct {
	t     int64
	clock uint32 // among those of the feature
}

var noStamp = stamp{t: noTime}

func (s stamp) known() bool { return s.t != noTime }

func (s *stamp) join(b stamp) {
	if b.t < s.t {
		*s = b
	}
}

// write is the state of one write: the join of its events.
type write struct {
	node   node
	entity metrics.Entity
	next   *write // another write with the same entity hash
	id     string
	f      *feature

	initiated, committed, published stamp

	model, variant, mechanism, region, origin, publisher uint32

	version metrics.Version
	key     *keyState
	session *sessionState
	seq     int64

	expect []uint16 // explicit; sorted
	reps   []rep
	labels []string  // sorted
	others []carrier // services at replicas, beside the first of each; see carry

	// Its neighbours among the feature's open writes; listed says that it is one.
	openNext, openPrev *write
	listed             bool

	said    said      // what is told of it by its origin
	trial   *trialRef // its part in a trial; nil when none
	weight  int32     // see weigh
	young   bool      // it is among its trial's young writes
	dirty   bool
	counted bool    // what it adds is in the series
	row     bool    // it may have a row among the open writes that were put down
	readers []*read // reads that returned this write's version

	few fewOfWrite // where reps, expect and readers begin
}

// fewOfWrite has room for what most writes have, so that it is neither allocated nor
// looked for apart. What outgrows it moves.
type fewOfWrite struct {
	reps    [2]rep
	expect  [4]uint16
	readers [1]*read
}

// rep is what happened to a write at one replica.
type rep struct {
	replica                    uint16
	region                     uint32
	service                    uint32 // that reported a hop here; others are in write.others
	received, applied, visible stamp
	// sat is when the write or, at a state-based replica, a later version of its key
	// became visible: the minimum over both.
	sat      int64
	attempts uint64 // bit i: attempt i+2 was reported
	failed   uint64 // bit i: attempt i+1 failed
}

// origin is when the user acted: initiated, else the earliest later stage at the
// origin that is known. ok is false when none is.
func (w *write) begun() (t int64, ok bool) {
	switch {
	case w.initiated.known():
		return w.initiated.t, true
	case w.committed.known():
		return w.committed.t, true
	}
	return w.published.t, w.published.known()
}

// rep returns the state at a replica, making it when it is not there.
func (w *write) rep(r uint16) *rep {
	for i := range w.reps {
		if w.reps[i].replica == r {
			return &w.reps[i]
		}
	}
	w.reps = append(w.reps, rep{
		replica: r, received: noStamp, applied: noStamp, visible: noStamp, sat: noTime,
	})
	return &w.reps[len(w.reps)-1]
}

func (w *write) peek(r uint16) *rep {
	for i := range w.reps {
		if w.reps[i].replica == r {
			return &w.reps[i]
		}
	}
	return nil
}

// own is when the write itself became visible at the replica (applied, where the
// replica reports no visibility).
func (w *write) own(p *rep) int64 {
	if p.visible.known() || w.config().reportsVisible(p.replica) {
		return p.visible.t
	}
	return p.applied.t
}

// appliedAt is when the replica had applied the write, visible implying applied.
func (p *rep) appliedAt() int64 { return min(p.applied.t, p.visible.t) }

// expected returns the replicas that the write must reach.
func (w *write) expected() []uint16 {
	if len(w.expect) > 0 {
		return w.expect
	}
	t, ok := w.begun()
	if !ok {
		return nil
	}
	if c := w.f.configAt(t); c != nil {
		return c.expect
	}
	return nil
}

// open reports whether some expected replica has not satisfied the write.
func (w *write) open() bool {
	for _, r := range w.expected() {
		if p := w.peek(r); p == nil || p.sat == noTime {
			return true
		}
	}
	return false
}

// lastTime is the latest time known of the write.
func (w *write) lastTime() int64 {
	t := int64(minTime)
	see := func(v int64) {
		if v != noTime && v > t {
			t = v
		}
	}
	see(w.initiated.t)
	see(w.committed.t)
	see(w.published.t)
	for i := range w.reps {
		p := &w.reps[i]
		see(p.received.t)
		see(p.applied.t)
		see(p.visible.t)
		see(p.sat)
	}
	return t
}

// contribute adds (sign +1) or takes away (−1) everything that the write's state
// adds to the series. It is a pure function of the state and of the configs.
func (e *Engine) contribute(w *write, sign int64) {
	if len(w.labels) > 0 && e.vocabulary != nil {
		e.contributePolicy(w, e.vocabulary, sign)
	}
	t0, ok := w.begun()
	if !ok {
		return
	}
	if w.trial != nil {
		e.contributeTrial(w, t0, sign)
	}
	f := w.f
	d := e.dimsOf(f, dimKey{w.model, w.variant, w.mechanism, w.region, w.origin, w.publisher})
	start := metrics.Level10s.Start(t0)
	committed := int64(0)
	if w.committed.known() {
		committed = sign
	}
	e.book.count(e.atOrigin(d, &d.writes, metrics.MetricWrites), start, sign, committed)
	e.originHops(w, d, start, sign)

	expect := w.expected()
	first, last := int64(noTime), int64(minTime)
	for _, r := range expect {
		sat := int64(noTime)
		p := w.peek(r)
		if p == nil {
			rs := e.rep(f, d, r, 0)
			e.book.count(e.atRep(f, d, rs, &rs.visible, metrics.MetricVisible), start, sign, 0)
		} else {
			sat = p.sat
		}
		first, last = min(first, sat), max(last, sat)
	}
	cfg := f.configAt(t0)
	if len(expect) > 0 {
		e.everywhere(d, start, t0, first, last, sign)
		e.goods(w, d, cfg, expect, start, t0, first, last, sign)
	}
	for i := range w.reps {
		p := &w.reps[i]
		_, isExpected := slices.BinarySearch(expect, p.replica)
		e.atReplica(w, d, p, isExpected, start, t0, sign)
	}
}

func (e *Engine) everywhere(d *dims, start, t0, first, last, sign int64) {
	if first == noTime {
		e.book.count(e.atOrigin(d, &d.first, metrics.MetricVisibleFirst), start, sign, 0)
	} else {
		e.book.sample(e.atOrigin(d, &d.first, metrics.MetricVisibleFirst), start, first-t0, sign)
	}
	if last == noTime {
		e.book.count(e.atOrigin(d, &d.all, metrics.MetricVisibleAll), start, sign, 0)
	} else {
		e.book.sample(e.atOrigin(d, &d.all, metrics.MetricVisibleAll), start, last-t0, sign)
	}
}

// goods counts the write against each objective, exactly at its threshold.
func (e *Engine) goods(w *write, d *dims, cfg *config, expect []uint16, start, t0, first, last, sign int64) {
	if cfg == nil {
		return
	}
	hit := func(at int64, value int64) int64 {
		if at != noTime && at-t0 <= value {
			return sign
		}
		return 0
	}
	for _, t := range cfg.thresholds {
		switch t.scope {
		case metrics.ScopeAll:
			e.book.count(e.good(d, t), start, sign, hit(last, t.value))
		case metrics.ScopeFirst:
			e.book.count(e.good(d, t), start, sign, hit(first, t.value))
		default:
			if _, ok := slices.BinarySearch(expect, t.replica); !ok {
				continue
			}
			sat, region := int64(noTime), uint32(0)
			if p := w.peek(t.replica); p != nil {
				sat, region = p.sat, p.region
			}
			rs := e.rep(w.f, d, t.replica, region)
			e.book.count(e.goodAt(w.f, d, rs, t.replica, t.value), start, sign, hit(sat, t.value))
		}
	}
}

func (e *Engine) originHops(w *write, d *dims, start, sign int64) {
	if w.initiated.known() && w.committed.known() {
		e.book.sample(e.originHop(d, &d.commitHop, "initiated", "committed", d.origin), start, w.committed.t-w.initiated.t, sign)
	}
	if !w.published.known() {
		return
	}
	switch {
	case w.committed.known():
		e.book.sample(e.originHop(d, &d.publishHop, "committed", "published", d.publisher), start, w.published.t-w.committed.t, sign)
	case w.initiated.known():
		e.book.sample(e.originHop(d, &d.publishDirect, "initiated", "published", d.publisher), start, w.published.t-w.initiated.t, sign)
	}
}

// atReplica counts what is known of one replica: satisfaction, hops, replays.
func (e *Engine) atReplica(w *write, d *dims, p *rep, expected bool, start, t0, sign int64) {
	f := w.f
	rs := e.rep(f, d, p.replica, p.region)
	switch {
	case p.sat != noTime:
		e.book.sample(e.atRep(f, d, rs, &rs.visible, metrics.MetricVisible), start, p.sat-t0, sign)
	case expected:
		e.book.count(e.atRep(f, d, rs, &rs.visible, metrics.MetricVisible), start, sign, 0)
	}
	if p.received.known() || p.applied.known() || p.visible.known() || p.attempts != 0 {
		e.book.count(e.atRep(f, d, rs, &rs.replays, metrics.MetricReplays), start, sign, sign*int64(bits.OnesCount64(p.attempts)))
	}
	if p.failed != 0 || p.applied.known() {
		e.book.count(e.atRep(f, d, rs, &rs.failed, metrics.MetricFailed), start, sign, sign*int64(bits.OnesCount64(p.failed)))
	}
	e.replicaHops(w, d, rs, p, start, sign)
}

// replicaHops counts the edges into the replica's stages: each stage is reached
// from the latest earlier one that is known.
func (e *Engine) replicaHops(w *write, d *dims, rs *repSeries, p *rep, start, sign int64) {
	from, at, initiated := -1, int64(0), false
	switch {
	case w.published.known():
		from, at = fromPublished, w.published.t
	case w.committed.known():
		from, at = fromOrigin, w.committed.t
	case w.initiated.known():
		from, at, initiated = fromOrigin, w.initiated.t, true
	}
	for to, s := range [...]stamp{1: p.received, 2: p.applied, 3: p.visible} {
		if to == 0 || !s.known() {
			continue
		}
		if from >= 0 {
			e.book.sample(e.hop(w.f, d, rs, p.replica, from, to, initiated), start, s.t-at, sign)
		}
		from, at, initiated = to+1, s.t, false // fromReceived, fromApplied, …
	}
}
