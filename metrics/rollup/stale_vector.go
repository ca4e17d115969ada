package rollup

import (
	"cmp"
	"math/bits"
	"slices"
	"sort"

	"tidemark/metrics"
)

// manyVectors is from how many writes of a key with version vectors an index of them
// pays when more than one read is settled: two vectors are dear to compare.
const manyVectors = 8

// vectorIndex counts the writes whose vector includes another: those that have at least
// its number at each of its nodes. Sets of writes are bits, so that a read costs little
// more than reading as many bits for each of its nodes.
//
// A node has at most 64 marks, and a write 64 nodes: marks take at most 512 bytes a write.
type vectorIndex struct {
	times []int64            // when the writes were committed, sorted: the places of bits
	same  map[string][]int32 // places by version
	nodes map[string]*nodeIndex
	step  int // entries from mark to mark

	found, of []uint64 // while a read is looked at
}

// stepOf is for so many writes.
func stepOf(writes int) int { return max(256, writes/64) }

// nodeIndex are the writes whose vector has a node: the greatest number first.
type nodeIndex struct {
	entries []nodeEntry
	marks   [][]uint64 // of the first step, 2·step … entries
}

type nodeEntry struct {
	n     uint64
	place int32
}

func indexVectors(loose []*write, step int) *vectorIndex {
	sorted := slices.Clone(loose)
	sorted = slices.DeleteFunc(sorted, func(w *write) bool {
		return w.committed.t == noTime || w.version.Kind != metrics.VersionVV
	})
	slices.SortFunc(sorted, func(a, b *write) int { return cmp.Compare(a.committed.t, b.committed.t) })
	words := (len(sorted) + 63) / 64
	x := &vectorIndex{
		times: make([]int64, len(sorted)), same: map[string][]int32{}, nodes: map[string]*nodeIndex{},
		step:  step,
		found: make([]uint64, words), of: make([]uint64, words),
	}
	for i, w := range sorted {
		x.times[i] = w.committed.t
		x.same[w.version.Text] = append(x.same[w.version.Text], int32(i)) //nolint:gosec // far fewer
		w.version.Entries(func(node string, n uint64) bool {
			at := x.nodes[node]
			if at == nil {
				at = &nodeIndex{}
				x.nodes[node] = at
			}
			at.entries = append(at.entries, nodeEntry{n, int32(i)}) //nolint:gosec // far fewer
			return true
		})
	}
	for _, at := range x.nodes {
		at.mark(x.step, words)
	}
	return x
}

func (at *nodeIndex) mark(step, words int) {
	slices.SortFunc(at.entries, func(a, b nodeEntry) int { return cmp.Compare(b.n, a.n) })
	set := make([]uint64, words)
	for from := 0; from+step <= len(at.entries); from += step {
		for _, e := range at.entries[from : from+step] {
			set[e.place/64] |= 1 << (e.place % 64)
		}
		at.marks = append(at.marks, slices.Clone(set))
	}
}

// atLeast writes into set, up to its length, which writes have a number of at least n.
func (at *nodeIndex) atLeast(n uint64, step int, set []uint64) {
	many := sort.Search(len(at.entries), func(i int) bool { return at.entries[i].n < n })
	mark := min(many/step, len(at.marks))
	if mark == 0 {
		clear(set)
	} else {
		copy(set, at.marks[mark-1])
	}
	for _, e := range at.entries[mark*step : many] {
		if i := int(e.place / 64); i < len(set) {
			set[i] |= 1 << (e.place % 64)
		}
	}
}

// newer is keyState.newer for a version vector.
func (x *vectorIndex) newer(v metrics.Version, at int64) (n, first int64) {
	past := sort.Search(len(x.times), func(i int) bool { return x.times[i] > at })
	found := x.found[:(past+63)/64]
	for i := range found {
		found[i] = ^uint64(0)
	}
	if rest := past % 64; rest > 0 {
		found[len(found)-1] = 1<<rest - 1
	}
	of := x.of[:len(found)]
	v.Entries(func(node string, least uint64) bool {
		at := x.nodes[node]
		if at == nil {
			clear(found)
			return false
		}
		at.atLeast(least, x.step, of)
		some := uint64(0)
		for i := range found {
			found[i] &= of[i]
			some |= found[i]
		}
		return some != 0
	})
	for _, i := range x.same[v.Text] {
		if int(i) < past {
			found[i/64] &^= 1 << (i % 64)
		}
	}
	first = noTime
	for i, word := range found {
		if word != 0 && first == noTime {
			first = x.times[i*64+bits.TrailingZeros64(word)]
		}
		n += int64(bits.OnesCount64(word))
	}
	return n, first
}
