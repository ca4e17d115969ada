package simulate

import (
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidemark/metrics"
)

// write is one write on its way.
type write struct {
	id, trace, keyName string
	key                int32
	origin             *place
	stamp              stamp
	version            metrics.Version
	stamped            int64 // the origin's clock at initiation, Unix ns
	committed          int64 // ns after the start; never until then
	labels             []string
	fields             map[string]string // what it sets, by JSON pointer
	arm                *Arm
	told               told
	deps               []*write
	seen               uint64 // bits of the places that hold it
	acks               int
	waiters            []waiter
	onCommit           func()
}

// waiter is something that waits until a write is held by a place.
type waiter struct {
	bit uint64
	do  func()
}

// author says who writes and what they had seen.
type author struct {
	session *session // nil for a merge
	actor   string
	labels  []string
	arm     *Arm
	context stamp
	deps    []*write
	fields  map[string]string // of a merge; nil draws one
}

// write begins a write at an origin; onCommit is called when it is committed.
func (f *feature) write(o *place, key int32, by author, onCommit func()) *write {
	context := join(by.context, o.cell(key).stamp)
	w := &write{
		id: uuidV7(f.r, f.sim.start+f.sim.now), trace: traceID(f.r), key: key, keyName: f.keyName(key),
		origin: o, labels: by.labels, arm: by.arm, deps: by.deps, committed: never, onCommit: onCommit,
		stamped: o.clock(f.sim.now), stamp: f.nextStamp(o, key, context),
	}
	if by.session != nil {
		w.told = by.session.told
	}
	w.version = f.version(w.stamp)
	w.fields = f.change()
	if by.fields != nil {
		w.fields = by.fields
	}
	o.report(f.initiated(w, by, context))
	if f.WriteQuorum > 0 {
		f.sendAll(w)
	} else {
		f.sim.after(draw(f.Commit, f.r), func() { f.commit(w) })
	}
	return w
}

// nextStamp is the stamp of a new write at o, after everything in context.
func (f *feature) nextStamp(o *place, key int32, context stamp) stamp {
	s := context
	o.issued[key] = max(o.issued[key], context.vec[o.node]) + 1
	s.vec[o.node] = o.issued[key]
	s.wall, s.logical = o.tick(context)
	s.node = o.node
	f.seqs[key]++
	s.seq = f.seqs[key]
	return s
}

func (f *feature) initiated(w *write, by author, before stamp) *metrics.Event {
	e := w.origin.stage(metrics.KindInitiated, w, 0)
	e.Actor, e.Owner, e.Expect, e.Delta = by.actor, f.ownerOf(w.key), f.expect, delta(w.fields)
	e.BeforeHash, e.AfterHash = digest(f.version(before).String()), digest(w.version.String()+e.Delta)
	for _, d := range w.deps {
		e.Parents = append(e.Parents, d.id)
	}
	if s := by.session; s != nil {
		e.SessionID, e.SessionSeq = s.id, s.seq
	}
	w.told.stamp(e)
	return e
}

// ownerOf is who owns a key: where owners win, the origin that is its home.
func (f *feature) ownerOf(key int32) string {
	if f.Rule.Kind == OwnerWins {
		return f.origins[int(key)%len(f.origins)].Name
	}
	return f.Owner
}

// change draws what a user changes.
func (f *feature) change() map[string]string {
	if len(f.Fields) == 0 {
		return nil
	}
	field := f.Fields[f.r.IntN(len(f.Fields))]
	return map[string]string{"/" + field: `"v` + strconv.Itoa(f.r.IntN(100000)) + `"`}
}

// delta is a change as a JSON Patch.
func delta(fields map[string]string) string {
	if len(fields) == 0 {
		return ""
	}
	ops := make([]string, 0, len(fields))
	for _, path := range slices.Sorted(maps.Keys(fields)) {
		ops = append(ops, `{"op":"replace","path":"`+path+`","value":`+fields[path]+`}`)
	}
	return "[" + strings.Join(ops, ",") + "]"
}

func digest(s string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // a hash never fails to write
	return hex64(h.Sum64())
}

// commit makes w durable at its origin and sends it on its way.
func (f *feature) commit(w *write) {
	o := w.origin
	w.committed = f.sim.now
	o.report(o.stage(metrics.KindCommitted, w, 0))
	if f.WriteQuorum == 0 {
		if !o.hidden {
			o.report(o.stage(metrics.KindApplied, w, 1))
			if o.Visible != nil {
				o.report(o.stage(metrics.KindVisible, w, 1))
			}
		}
		o.store(w)
		f.publish(w)
	}
	if w.onCommit != nil {
		w.onCommit()
		w.onCommit = nil
	}
}

func (f *feature) publish(w *write) {
	if f.Publish == nil {
		f.sendAll(w)
		return
	}
	f.sim.after(draw(f.Publish, f.r), func() {
		w.origin.report(w.origin.stage(metrics.KindPublished, w, 0))
		f.sendAll(w)
	})
}

func (f *feature) sendAll(w *write) {
	for _, p := range f.replicas {
		if p != w.origin || f.WriteQuorum > 0 {
			p.send(w)
		}
	}
}

// send draws the W leg of w to p: when it arrives, and at which attempt.
func (p *place) send(w *write) {
	f, attempt := p.f, int32(1)
	at := f.sim.now + p.wLeg(w)
	for f.chance(f.Drop + w.arm.Lose) {
		if f.Retry == nil {
			return
		}
		at, attempt = at+draw(f.Retry, f.r), attempt+1
	}
	if p.Order == KeyOrder {
		c := p.cell(w.key)
		at = max(at, c.arrival+1)
		c.arrival = at
	}
	f.sim.at(at, func() { p.arrive(w, attempt) })
	if f.chance(f.Redeliver) {
		f.sim.at(at+draw(f.Retry, f.r)+p.wLeg(w), func() { p.arrive(w, attempt+1) })
	}
}

func (p *place) wLeg(w *write) int64 {
	factor := p.slow(p.f.sim.now)
	if w.arm.Slow > 0 {
		factor *= w.arm.Slow
	}
	return int64(float64(p.leg(p.Legs.W, w.origin)) * factor)
}

// arrive takes w, unless p is still busy with what it missed.
func (p *place) arrive(w *write, attempt int32) {
	if p.busy[w.origin.node] > p.f.sim.now {
		p.hold(w, attempt, 0)
		return
	}
	p.take(w, attempt)
}

// hold puts w at the end of the backlog of its origin, which p works off from
// the given time at its CatchUp rate.
func (p *place) hold(w *write, attempt int32, from int64) {
	if from == never {
		return
	}
	b := &p.busy[w.origin.node]
	*b = max(*b, from) + int64(float64(time.Second)/p.CatchUp)
	p.f.sim.at(*b, func() { p.take(w, attempt) })
}

func (p *place) take(w *write, attempt int32) {
	f := p.f
	until, held := p.fault(Down, f.sim.now)
	if cut, on := p.cut(w.origin, f.sim.now); on {
		until, held = max(until, cut), true
	}
	if stuck, on := p.fault(Stuck, f.sim.now); on {
		if p.poisoned != stuck {
			p.poisoned = stuck
			p.choke(w, attempt, stuck)
			return
		}
		until, held = max(until, stuck), true
	}
	if held {
		p.hold(w, attempt, until)
		return
	}
	if !p.NoReceived {
		p.report(p.stage(metrics.KindReceived, w, attempt))
	}
	p.tryApply(w, attempt)
}

// choke fails on w again and again, waiting longer each time, until the fault ends.
func (p *place) choke(w *write, attempt int32, until int64) {
	now := p.f.sim.now
	if now >= until {
		p.take(w, attempt)
		return
	}
	p.fail(w, attempt, "the consumer cannot apply this write")
	wait := min(int64(time.Second)<<min(attempt, 5), int64(30*time.Second))
	p.f.sim.at(min(now+wait, until), func() { p.choke(w, attempt+1, until) })
}

func (p *place) fail(w *write, attempt int32, reason string) {
	e := p.stage(metrics.KindFailed, w, attempt)
	e.Reason = reason
	p.report(e)
}

func (p *place) tryApply(w *write, attempt int32) {
	f := p.f
	if f.chance(f.Fail) {
		p.fail(w, attempt, "timeout while applying")
		if f.Retry != nil {
			f.sim.after(draw(f.Retry, f.r), func() { p.tryApply(w, attempt+1) })
		}
		return
	}
	if w.arm.Model == Causal {
		for _, d := range w.deps {
			if d.seen&p.bit == 0 && d.origin != p {
				d.waiters = append(d.waiters, waiter{p.bit, func() { p.tryApply(w, attempt) }})
				return
			}
		}
	}
	f.sim.after(draw(p.Apply, f.r), func() { p.apply(w, attempt) })
}

func (p *place) apply(w *write, attempt int32) {
	if w.seen&p.bit != 0 {
		p.report(p.stage(metrics.KindApplied, w, attempt)) // a replay: reported, changes nothing
		return
	}
	if p.Kind == metrics.StateBased && p.cell(w.key).stamp.dominates(w.stamp) {
		p.mark(w) // superseded: a state-based replica has nothing to do
		return
	}
	p.report(p.stage(metrics.KindApplied, w, attempt))
	if p.Visible == nil {
		p.store(w)
		return
	}
	p.f.sim.after(draw(p.Visible, p.f.r), func() {
		if w.seen&p.bit == 0 {
			p.report(p.stage(metrics.KindVisible, w, attempt))
			p.store(w)
		}
	})
}

// store makes w readable at p, finds its conflicts, and acknowledges it.
func (p *place) store(w *write) {
	c := p.cell(w.key)
	p.f.settle(p, c, w)
	c.stamp = join(c.stamp, w.stamp)
	p.mark(w)
	if f := p.f; f.WriteQuorum > 0 {
		f.sim.after(p.leg(p.Legs.A, w.origin), func() {
			if w.acks++; w.acks == f.WriteQuorum {
				f.commit(w)
			}
		})
	}
}

// mark notes that p holds w, and lets those go who waited for that.
func (p *place) mark(w *write) {
	w.seen |= p.bit
	waiting := w.waiters
	w.waiters = nil
	for _, x := range waiting {
		if x.bit == p.bit {
			x.do()
		} else {
			w.waiters = append(w.waiters, x)
		}
	}
	if all := uint64(1)<<len(p.f.replicas) - 1; w.seen&all == all {
		w.deps = nil // so that a chain of causes can be forgotten
	}
}
