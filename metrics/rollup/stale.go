package rollup

import (
	"slices"
	"sort"

	"tidemark/metrics"
)

// manyWrites and manyReads are from how many writes of a key, and reads of it in one
// settling, an index pays.
const (
	manyWrites = 128
	manyReads  = 8
)

// staleIndex answers how stale reads of one key are while its writes do not change. One
// look at each write for each read would let a key with many of both hold up everything
// else.
type staleIndex struct {
	asked, askedVector int // of reads of versions with a total order, and of vectors
	// times are the commit times of k.ordered in runs of 1, 2, 4 … writes, each run sorted
	// (a merge sort tree); least is the earliest from a write to the end of its kind, and
	// past is that end.
	times [][]int64
	least []int64
	past  []int
	ready bool

	vectors *vectorIndex // of k.loose
}

// withStale calls fn, in which no write of any key changes.
func (e *Engine) withStale(fn func()) {
	fn()
	for _, k := range e.staleKeys {
		k.stale = nil
	}
	clear(e.staleKeys)
	e.staleKeys = e.staleKeys[:0]
}

// newer is keyState.newer, by an index where there is much to look at. It is for use
// within withStale.
func (e *Engine) newer(k *keyState, v metrics.Version, at int64) (n, first int64) {
	total := v.Kind.TotalOrder()
	if total && len(k.ordered) < manyWrites || !total && (len(k.loose) < manyVectors || v.IsZero()) {
		return k.newer(v, at)
	}
	x := k.stale
	if x == nil {
		x = &staleIndex{}
		k.stale = x
		e.staleKeys = append(e.staleKeys, k)
	}
	if !total {
		return x.newerVector(k, v, at)
	}
	if x.asked++; x.asked < manyReads {
		return k.newer(v, at)
	}
	if !x.ready {
		x.build(k)
	}
	i := sort.Search(len(k.ordered), func(i int) bool { return orderVersions(k.ordered[i].version, v) > 0 })
	if i == len(k.ordered) || k.ordered[i].version.Kind != v.Kind {
		return 0, noTime
	}
	if n = x.count(i, x.past[i], at); n > 0 {
		first = x.least[i]
	} else {
		first = noTime
	}
	return n, first
}

func (x *staleIndex) build(k *keyState) {
	x.ready = true
	n := len(k.ordered)
	run := make([]int64, n)
	x.least, x.past = make([]int64, n), make([]int, n)
	for i := n - 1; i >= 0; i-- {
		run[i] = k.ordered[i].committed.t
		x.least[i], x.past[i] = run[i], i+1
		if i+1 < n && k.ordered[i+1].version.Kind == k.ordered[i].version.Kind {
			x.least[i], x.past[i] = min(run[i], x.least[i+1]), x.past[i+1]
		}
	}
	x.times = [][]int64{run}
	for size := 2; size <= n; size *= 2 {
		run = slices.Clone(run)
		for from := 0; from+size <= n; from += size {
			slices.Sort(run[from : from+size])
		}
		x.times = append(x.times, run)
	}
}

// count is how many of the writes i to past were committed at or before a time.
func (x *staleIndex) count(i, past int, at int64) (n int64) {
	for i < past {
		level := 0
		for level+1 < len(x.times) && i%(2<<level) == 0 && i+2<<level <= past {
			level++
		}
		run := x.times[level][i : i+1<<level]
		n += int64(sort.Search(len(run), func(j int) bool { return run[j] > at }))
		i += 1 << level
	}
	return n
}

// newerVector is keyState.newer for a version vector: what one read costs without an
// index is about what the index costs.
func (x *staleIndex) newerVector(k *keyState, v metrics.Version, at int64) (n, first int64) {
	if x.askedVector++; x.askedVector == 1 {
		return k.newer(v, at)
	}
	if x.vectors == nil {
		x.vectors = indexVectors(k.loose, stepOf(len(k.loose)))
	}
	return x.vectors.newer(v, at)
}
