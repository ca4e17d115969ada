package rollup

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"tidemark/metrics"
)

// keyState holds the resident writes and reads of one key of one feature.
type keyState struct {
	entity metrics.Entity
	next   *keyState // another key with the same entity hash
	f      *feature
	key    string

	ordered []*write // versions with a total order, by kind and version
	loose   []*write // the others, in the same way by text
	reads   []*read  // by time

	// complete says that nothing of the key was put down. When it is false,
	// putDown is the greatest version that was, if known.
	complete bool
	putDown  metrics.Version

	back openBack // which open writes that were put down are back

	stale *staleIndex // while reads of it are settled; see there
	busy  *busyKey    // of one of which there is much

	few struct { // where ordered and reads begin: most keys have one of each at a time
		ordered [1]*write
		reads   [1]*read
	}
}

// covers reports whether everything that decides the staleness of a read is
// resident: what was put down is not newer than the version read. A write that
// began after everything put down is newer than that.
func (k *keyState) covers(r *read) bool {
	v := r.version
	switch {
	case k.complete || v.IsZero():
		return true
	case v.Kind.TotalOrder() && !k.putDown.IsZero() && metrics.Dominates(v, k.putDown):
		return true
	case r.source == nil || r.source.key != k:
		return false
	}
	t, ok := r.source.begun()
	return ok && t > k.f.evictedMax
}

func (k *keyState) empty() bool { return len(k.ordered)+len(k.loose)+len(k.reads) == 0 }

// orderWrites sorts writes of a key: by kind of version, version, then id.
func orderWrites(a, b *write) int {
	if c := orderVersions(a.version, b.version); c != 0 {
		return c
	}
	return strings.Compare(a.id, b.id)
}

func orderVersions(a, b metrics.Version) int {
	if a.Kind != b.Kind {
		return cmp.Compare(a.Kind, b.Kind)
	}
	if a.Kind == metrics.VersionSeq {
		return cmp.Compare(a.Seq, b.Seq)
	}
	switch metrics.Compare(a, b) {
	case metrics.Before:
		return -1
	case metrics.After:
		return 1
	}
	return 0
}

// orderLoose sorts writes of a key whose versions have no total order.
func orderLoose(a, b *write) int {
	return cmp.Or(cmp.Compare(a.version.Kind, b.version.Kind), strings.Compare(a.version.Text, b.version.Text), strings.Compare(a.id, b.id))
}

func (k *keyState) position(w *write) (int, bool) {
	if n := len(k.ordered); n > 0 && orderWrites(k.ordered[n-1], w) < 0 {
		return n, false
	}
	return slices.BinarySearchFunc(k.ordered, w, orderWrites)
}

// insert places a write among those of its key and settles what it satisfies.
func (e *Engine) insert(k *keyState, w *write) {
	w.key = k
	if !w.version.Kind.TotalOrder() {
		i, _ := slices.BinarySearchFunc(k.loose, w, orderLoose)
		k.loose = slices.Insert(k.loose, i, w)
		e.linkReads(k, w)
		return
	}
	if w.f.stateBased && len(satisfiedAt(w)) > 0 {
		e.recallOpen(k)
	}
	i, _ := k.position(w)
	k.ordered = slices.Insert(k.ordered, i, w)
	e.inherit(k, i)
	if w.f.stateBased {
		for _, r := range satisfiedAt(w) {
			e.propagate(k, i, r.replica, r.at)
		}
	}
	e.linkReads(k, w)
}

type satisfaction struct {
	replica uint16
	at      int64
}

func satisfiedAt(w *write) []satisfaction {
	var out []satisfaction
	for i := range w.reps {
		if w.reps[i].sat != noTime {
			out = append(out, satisfaction{w.reps[i].replica, w.reps[i].sat})
		}
	}
	return out
}

// inherit takes over what later versions of the key satisfy at state-based replicas. For
// a replica it ends at the first one under the same config that takes over there too, and
// so holds all that is beyond it.
func (e *Engine) inherit(k *keyState, i int) {
	w := k.ordered[i]
	cfg := w.config()
	if cfg == nil || !w.f.stateBased || e.postpones(k) {
		return
	}
	taken, left := e.taken(w, cfg)
	steps := 0
	defer func() { e.walked(k, steps) }()
	for _, later := range k.ordered[i+1:] {
		if steps++; left == 0 || later.version.Kind != w.version.Kind {
			return
		}
		for j := range later.reps {
			if s := &later.reps[j]; s.sat != noTime && int(s.replica) < len(taken) && taken[s.replica] {
				p := w.rep(s.replica)
				p.sat = min(p.sat, s.sat)
			}
		}
		if later.config() != cfg {
			continue
		}
		if len(later.expect) == 0 {
			return
		}
		for _, r := range later.expect {
			if int(r) < len(taken) && taken[r] {
				taken[r] = false
				left--
			}
		}
	}
}

// taken marks the replicas at which a later version satisfies the write, until it is called
// again, and says how many they are.
func (e *Engine) taken(w *write, cfg *config) (taken []bool, n int) {
	taken = append(e.takenAt[:0], cfg.stateBased...)
	e.takenAt = taken
	if len(w.expect) > 0 {
		clear(taken)
		for _, r := range w.expect {
			if cfg.isStateBased(r) {
				taken[r] = true
			}
		}
	}
	for _, t := range taken {
		if t {
			n++
		}
	}
	return taken, n
}

// takesLater reports whether a later version satisfies the write at a replica: it is
// expected there, and the replica is state-based.
func (w *write) takesLater(r uint16) bool {
	if !w.config().isStateBased(r) {
		return false
	}
	if len(w.expect) > 0 {
		_, ok := slices.BinarySearch(w.expect, r)
		return ok
	}
	return true
}

// propagate satisfies the versions before position i at a state-based replica.
// Satisfaction never comes later for an older version, so the walk ends at the
// first one that was satisfied as early.
func (e *Engine) propagate(k *keyState, i int, r uint16, at int64) {
	if e.postpones(k) {
		return
	}
	kind := k.ordered[i].version.Kind
	j := i - 1
	for ; j >= 0 && k.ordered[j].version.Kind == kind; j-- {
		w := k.ordered[j]
		if !w.takesLater(r) {
			continue
		}
		if p := w.peek(r); p != nil && p.sat <= at {
			break
		}
		e.touchWrite(w)
		w.rep(r).sat = at
	}
	e.walked(k, i-j)
}

// settle recomputes when a write is satisfied at a replica after its own times
// there have changed, and what that means for older versions.
func (e *Engine) settle(w *write, r uint16) {
	p := w.rep(r)
	own := w.own(p)
	if own > p.sat && p.applied.t == p.sat { // visible at last, after applied stood for it
		e.retract(w, r, own)
		return
	}
	if own >= p.sat {
		return
	}
	if w.key == nil || !w.version.Kind.TotalOrder() || !w.f.stateBased {
		p.sat = own
		return
	}
	e.recallOpen(w.key) // as they are now, before this satisfies them
	if p = w.rep(r); own >= p.sat {
		return // settled by what came back
	}
	if e.postpones(w.key) {
		w.key.outdate(w, satisfaction{r, p.sat})
	}
	p.sat = own
	if i, ok := w.key.position(w); ok {
		e.propagate(w.key, i, r, own)
	}
}

// retract moves a write's satisfaction at a replica to a later time, and that of the
// older versions which had it from this one.
func (e *Engine) retract(w *write, r uint16, own int64) {
	old := w.rep(r).sat
	k := w.key
	if k == nil || !w.f.stateBased || !w.version.Kind.TotalOrder() {
		w.rep(r).sat = own
		return
	}
	if old <= w.f.evictedMax { // one that was put down may have it from this write too
		e.wantKey(k)
	}
	i, ok := k.position(w)
	if !ok {
		return
	}
	w.rep(r).sat = own
	if e.postpones(k) {
		k.outdate(w, satisfaction{r, old})
		return
	}
	e.inherit(k, i)
	j := i - 1
	defer func() { e.walked(k, i-j) }()
	for ; j >= 0 && k.ordered[j].version.Kind == w.version.Kind; j-- {
		u := k.ordered[j]
		if !u.takesLater(r) {
			continue
		}
		q := u.peek(r)
		if q == nil || q.sat < old {
			return
		}
		if q.sat == old {
			e.touchWrite(u)
			q.sat = u.own(q)
			e.inherit(k, j)
		}
	}
}

// unsettle settles a write anew whose config changed.
func (e *Engine) unsettle(w *write) {
	if w.key != nil && w.f.stateBased {
		e.resettle(w.key)
	} else {
		w.resettleOwn()
	}
}

// reroute settles a write anew of which an event said, after others of it had come, where
// it has to arrive: at those replicas alone does it take what later versions satisfy. What
// older versions take from it is what it did itself, which is as it was, so that nothing
// else of the key is needed. Events are often out of order in this way.
func (e *Engine) reroute(w *write) {
	w.resettleOwn()
	if i, ok := w.key.position(w); ok {
		e.inherit(w.key, i)
	}
}

// resettle computes every satisfaction of a key anew, after something changed that
// may also move one to a later time: a version, a config, or that a replica turned
// out to report visibility.
func (e *Engine) resettle(k *keyState) {
	e.wantKey(k)
	if e.postpones(k) {
		k.busy.anew, k.busy.stale = true, nil
		return
	}
	e.walked(k, len(k.ordered)+len(k.loose))
	for _, list := range [][]*write{k.ordered, k.loose} {
		for _, w := range list {
			e.touchWrite(w)
			w.resettleOwn()
		}
	}
	for i := range slices.Backward(k.ordered) {
		e.inherit(k, i)
	}
}

func (w *write) resettleOwn() {
	for i := range w.reps {
		w.reps[i].sat = w.own(&w.reps[i])
	}
}

// remove takes a write out of its key.
func (e *Engine) remove(k *keyState, w *write) {
	if w.version.Kind.TotalOrder() {
		if i, ok := k.position(w); ok {
			k.ordered = without(k.ordered, i)
		}
	} else if i, ok := slices.BinarySearchFunc(k.loose, w, orderLoose); ok {
		k.loose = without(k.loose, i)
	}
	w.key = nil
}

// without takes an item out of a list. The first one, which is put down most often, goes
// without moving the others.
func without[T any](list []*T, i int) []*T {
	if i == 0 {
		list[0] = nil
		return list[1:]
	}
	return slices.Delete(list, i, i+1)
}

// linkReads tells reads of the key that returned w's version which write it was.
func (e *Engine) linkReads(k *keyState, w *write) {
	if w.version.IsZero() {
		return
	}
	if e.loaded.depth > 0 { // sessions may be counted by it only when it is whole
		e.loaded.unlinked = append(e.loaded.unlinked, w)
		return
	}
	if len(k.reads) > e.opts.busy.reads {
		b := e.linksLater(k)
		b.unlinked = append(b.unlinked, w)
		return
	}
	for _, r := range k.reads {
		if r.version == w.version {
			e.offer(r, w)
		}
	}
}

// offer links a read to a write whose version it returned, unless there is a better one.
func (e *Engine) offer(r *read, w *write) {
	switch {
	case r.source == nil:
		e.link(r, w)
	case r.source.id == w.id && r.source != w: // w was put down and is back
		r.linkTo(w)
	case w.id < r.source.id: // two writes of one version: as find has it
		r.unlink()
		e.link(r, w)
	}
}

func (e *Engine) link(r *read, w *write) {
	e.touchRead(r)
	r.linkTo(w)
}

func (r *read) linkTo(w *write) {
	r.source, r.place = w, int32(len(w.readers)) //nolint:gosec // far fewer
	w.readers = append(w.readers, r)
}

// find returns the resident write with that version; the least id when several.
func (k *keyState) find(v metrics.Version) *write {
	if v.IsZero() {
		return nil
	}
	if v.Kind.TotalOrder() {
		i := sort.Search(len(k.ordered), func(i int) bool { return orderVersions(k.ordered[i].version, v) >= 0 })
		if i < len(k.ordered) && k.ordered[i].version == v {
			return k.ordered[i]
		}
		return nil
	}
	i := sort.Search(len(k.loose), func(i int) bool {
		at := k.loose[i].version
		return cmp.Or(cmp.Compare(at.Kind, v.Kind), strings.Compare(at.Text, v.Text)) >= 0
	})
	if i < len(k.loose) && k.loose[i].version == v {
		return k.loose[i]
	}
	return nil
}

// newer returns how many committed writes are newer than version v at time at, and
// when the first of them was committed.
func (k *keyState) newer(v metrics.Version, at int64) (n int64, first int64) {
	first = noTime
	see := func(w *write) {
		if w.committed.t <= at && metrics.Compare(w.version, v) == metrics.After {
			n++
			first = min(first, w.committed.t)
		}
	}
	if v.Kind.TotalOrder() {
		i := sort.Search(len(k.ordered), func(i int) bool { return orderVersions(k.ordered[i].version, v) > 0 })
		for ; i < len(k.ordered); i++ {
			see(k.ordered[i])
		}
		return n, first
	}
	for _, w := range k.loose {
		see(w)
	}
	return n, first
}

// config is the config in force when the write began; the latest while that is
// not known.
func (w *write) config() *config {
	if t, ok := w.begun(); ok {
		return w.f.configAt(t)
	}
	if n := len(w.f.configs); n > 0 {
		return &w.f.configs[n-1]
	}
	return nil
}
