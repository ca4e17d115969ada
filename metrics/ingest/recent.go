package ingest

import (
	"slices"

	"github.com/zeebo/xxh3"

	"tidemark/metrics"
)

// recent is the exact set of the ids of the newest events, in two generations of
// open addressing: when the younger is full, the older is dropped. An id takes 12
// bytes of which 96 bits tell it apart: one false duplicate in 10^22 pairs.
type recent struct {
	young, old *generation
	limit      int
	warmth     uint64 // keeps warm from being optimised away
}

type generation struct {
	hi   []uint64
	lo   []uint32
	n    int
	mask uint64
}

// fingerprint is 96 bits of the hash of a feature, a kind and an event id; hi is never 0.
type fingerprint struct {
	hi uint64
	lo uint32
}

// fingerprintOf tells ids apart within a feature and a kind: whoever reports about another
// one, or may not report such events, cannot use up their ids.
func fingerprintOf(feature string, kind metrics.Kind, id string) fingerprint {
	h := xxh3.HashString128Seed(id, xxh3.HashStringSeed(feature, uint64(kind)))
	return fingerprint{hi: h.Hi | 1<<63, lo: uint32(h.Lo)}
}

// newRecent remembers at least limit ids and at most twice as many.
func newRecent(limit int) *recent {
	return &recent{young: newGeneration(limit), old: newGeneration(limit), limit: limit}
}

func newGeneration(limit int) *generation {
	size := 16
	for size < 2*limit {
		size *= 2
	}
	return &generation{hi: make([]uint64, size), lo: make([]uint32, size), mask: uint64(size - 1)}
}

// add returns false when the id is known.
func (r *recent) add(f fingerprint) bool {
	if r.old.has(f) {
		return false
	}
	return r.young.add(f)
}

// warmAhead is how many ids are looked up side by side.
const warmAhead = 16

// warm loads the places of ids into the processor's cache, all at once rather than
// one after the other as add would.
func (r *recent) warm(fs []fingerprint) {
	var sum uint64
	for _, f := range fs {
		sum += r.old.hi[r.old.home(f)&r.old.mask] ^ r.young.hi[r.young.home(f)&r.young.mask]
	}
	r.warmth = sum
}

// turn starts a new generation when the younger is full. It must not be called
// between add and undo.
func (r *recent) turn() {
	if r.young.n < r.limit {
		return
	}
	r.young, r.old = r.old, r.young
	clear(r.young.hi)
	r.young.n = 0
}

// undo forgets ids that were added last, in the reverse order of their adding.
func (r *recent) undo(fs []fingerprint) {
	for _, f := range slices.Backward(fs) {
		r.young.remove(f)
	}
}

// home is where an id would best be, beyond the size of the table.
func (g *generation) home(f fingerprint) uint64 { return uint64(f.lo)*0x9e3779b97f4a7c15>>20 ^ f.hi }

// slot is where an id is, or where it would go.
func (g *generation) slot(f fingerprint) (i uint64, found bool) {
	for i = g.home(f); ; i++ {
		i &= g.mask
		switch {
		case g.hi[i] == 0:
			return i, false
		case g.hi[i] == f.hi && g.lo[i] == f.lo:
			return i, true
		}
	}
}

func (g *generation) has(f fingerprint) bool {
	_, found := g.slot(f)
	return found
}

func (g *generation) add(f fingerprint) bool {
	if g.n >= len(g.hi)*3/4 { // a group larger than a generation: forget the rest of it
		clear(g.hi)
		g.n = 0
	}
	i, found := g.slot(f)
	if found {
		return false
	}
	g.hi[i], g.lo[i] = f.hi, f.lo
	g.n++
	return true
}

func (g *generation) remove(f fingerprint) {
	if i, found := g.slot(f); found {
		g.hi[i] = 0
		g.n--
	}
}
