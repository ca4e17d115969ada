package rollup

import (
	"slices"
	"sort"

	"tidemark/metrics"
)

// busySize says from when on what events change of one key is settled once, with their
// batch: or each of them could cost as much as all that is in memory of the key.
type busySize struct {
	few   int // steps from one write of the key to the next that are not counted
	many  int // counted ones in one batch, beyond as many as the key has writes
	reads int // of the key, or of one version of it
}

var defaultBusySize = busySize{few: 32, many: 1024, reads: 64}

// busyKey is what is kept beside a key of which there is much.
type busyKey struct {
	batch metrics.Position // that steps is of
	steps int

	postponed bool // its satisfactions are settled with the batch
	anew      bool // from what each write did itself
	// stale are satisfactions that a write no longer has, by the latest version that had
	// it: earlier ones may have it of that one.
	stale map[satisfaction]*write

	unlinked []*write // to be linked with the batch to the reads that returned their versions
	orphans  bool     // some reads lost the write whose version they returned

	// All reads from touchedFrom on were touched since the settling with this number.
	settled     uint64
	touchedFrom int64
}

func (k *keyState) makeBusy() *busyKey {
	if k.busy == nil {
		k.busy = &busyKey{touchedFrom: noTime}
	}
	return k.busy
}

// walked counts the steps that an event cost in a key.
func (e *Engine) walked(k *keyState, steps int) {
	if steps <= e.opts.busy.few {
		return
	}
	b := k.makeBusy()
	if b.batch != e.base {
		b.batch, b.steps = e.base, 0
	}
	b.steps += steps
}

// postpones reports whether the satisfactions of a key are settled with the batch only.
func (e *Engine) postpones(k *keyState) bool {
	b := k.busy
	switch {
	case b == nil:
		return false
	case b.postponed:
		return true
	case b.batch != e.base || b.steps <= e.opts.busy.many+len(k.ordered)+len(k.loose):
		return false
	}
	b.postponed = true
	e.postponed = append(e.postponed, k)
	return true
}

// outdate notes that a write of a key whose satisfactions are postponed no longer has one.
func (k *keyState) outdate(w *write, s satisfaction) {
	if s.at == noTime || k.busy.anew {
		return
	}
	if k.busy.stale == nil {
		k.busy.stale = map[satisfaction]*write{}
	}
	if last := k.busy.stale[s]; last == nil || orderWrites(last, w) < 0 {
		k.busy.stale[s] = w
	}
}

// settlePostponed does what was postponed.
func (e *Engine) settlePostponed() {
	for _, k := range e.postponed {
		e.settleKey(k)
	}
	clear(e.postponed)
	e.postponed = e.postponed[:0]
}

// settleKey settles the postponed satisfactions of a key, from its last version to its
// first, and touches only the writes of which some change.
func (e *Engine) settleKey(k *keyState) {
	b := k.busy
	if b == nil || !b.postponed {
		return
	}
	if b.anew {
		for _, w := range k.loose {
			e.resat(w, func(p *rep) int64 { return w.own(p) })
		}
	}
	later := laterVersions{kind: metrics.VersionNone}
	for _, w := range slices.Backward(k.ordered) {
		later.of(w.version.Kind)
		e.resat(w, func(p *rep) int64 {
			sat, takes := p.sat, w.takesLater(p.replica)
			if b.anew || takes && b.outdated(w, p) {
				sat = w.own(p)
			}
			if takes {
				sat = min(sat, later.at(p.replica))
			}
			return sat
		})
		for _, r := range later.known {
			if w.takesLater(r) && w.peek(r) == nil {
				e.touchWrite(w)
				w.rep(r).sat = later.at(r)
			}
		}
		later.see(w)
	}
	b.postponed, b.anew, b.stale = false, false, nil
}

func (b *busyKey) outdated(w *write, p *rep) bool {
	last, ok := b.stale[satisfaction{p.replica, p.sat}]
	return ok && orderWrites(w, last) < 0
}

// resat gives a write the satisfactions that a function tells.
func (e *Engine) resat(w *write, sat func(p *rep) int64) {
	for i := range w.reps {
		if at := sat(&w.reps[i]); at != w.reps[i].sat {
			e.touchWrite(w)
			w.reps[i].sat = at
		}
	}
}

// laterVersions are the earliest satisfactions by the versions that were seen, of one kind.
type laterVersions struct {
	kind  metrics.VersionKind
	known []uint16
	least []int64 // by replica
}

func (l *laterVersions) of(kind metrics.VersionKind) {
	if l.kind != kind {
		l.kind, l.known, l.least = kind, l.known[:0], l.least[:0]
	}
}

func (l *laterVersions) at(r uint16) int64 {
	if int(r) >= len(l.least) {
		return noTime
	}
	return l.least[r]
}

func (l *laterVersions) see(w *write) {
	for i := range w.reps {
		p := &w.reps[i]
		if p.sat == noTime {
			continue
		}
		for int(p.replica) >= len(l.least) {
			l.least = append(l.least, noTime)
		}
		if l.least[p.replica] == noTime {
			l.known = append(l.known, p.replica)
		}
		l.least[p.replica] = min(l.least[p.replica], p.sat)
	}
}

// linksLater notes that reads of a key are to be linked with the batch: to a write that
// came, or because they lost theirs.
func (e *Engine) linksLater(k *keyState) *busyKey {
	b := k.makeBusy()
	if len(b.unlinked) == 0 && !b.orphans {
		e.unlinked = append(e.unlinked, k)
	}
	return b
}

// linkPostponed links the reads of keys that have many of them to the writes that came in
// the meantime.
func (e *Engine) linkPostponed() {
	for _, k := range e.unlinked {
		e.linkKey(k)
	}
	clear(e.unlinked)
	e.unlinked = e.unlinked[:0]
}

func (e *Engine) linkKey(k *keyState) {
	b := k.busy
	if b == nil || len(b.unlinked) == 0 && !b.orphans {
		return
	}
	came := make(map[metrics.Version]*write, len(b.unlinked)) // the least id of each version
	for _, w := range b.unlinked {
		if w.key != k || w.version.IsZero() {
			continue // it moved on
		}
		if least := came[w.version]; least == nil || w.id < least.id {
			came[w.version] = w
		}
	}
	for _, r := range k.reads {
		if r.source == nil && b.orphans {
			if w := k.find(r.version); w != nil {
				e.link(r, w)
			}
			continue
		}
		if w := came[r.version]; w != nil {
			e.offer(r, w)
		}
	}
	b.unlinked, b.orphans = nil, false
}

// touchReads marks the reads that a commit at a time may make stale.
func (e *Engine) touchReads(k *keyState, committed int64) {
	b, i := k.busy, len(k.reads)
	if b != nil && b.settled == e.settled { // later ones are touched
		if committed >= b.touchedFrom {
			return
		}
		i = sort.Search(i, func(i int) bool { return k.reads[i].at.t >= b.touchedFrom })
	}
	from := i
	for ; i > 0 && k.reads[i-1].at.t >= committed; i-- {
		e.touchRead(k.reads[i-1])
	}
	if from-i > e.opts.busy.few {
		b = k.makeBusy()
		b.settled, b.touchedFrom = e.settled, committed
	}
}
