package guardrail

import (
	"math"
	"slices"
	"sort"

	"tidemark/metrics"
)

const (
	// tunedUnits and tunedAlpha are where the sequence of a quantile is tightest.
	tunedUnits = 1000
	tunedAlpha = 0.05
)

// mixture is the beta-binomial mixture for the quantile p: the likelihood of k of n
// values at or below it, averaged over Beta(a, b) with mean p, against p itself
// (arXiv:1906.09712, theorem 1b; arXiv:1810.08240, proposition 7, at v = p(1−p)t).
type mixture struct {
	p, a, b float64
	norm    float64 // ln B(a, b)
	less    float64 // ln of the mixture's weight on shares less than p
	more    float64 // and on those greater than p
}

func newMixture(p float64) mixture {
	x := -2 * math.Log(tunedAlpha)
	v := p * (1 - p)
	r := max(v*tunedUnits/(x+math.Log(1+x))-v, 1e-3*v)
	m := mixture{p: p, a: r / (1 - p), b: r / p}
	m.norm = lnBeta(m.a, m.b)
	m.less, m.more = lnIncomplete(p, m.a, m.b), lnIncomplete(1-p, m.b, m.a)
	return m
}

// logE is the e-value against "this is the quantile", when k of n values are at or
// below it.
func (m mixture) logE(k, n float64) float64 {
	return lnBeta(m.a+k, m.b+n-k) - m.norm - k*math.Log(m.p) - (n-k)*math.Log1p(-m.p)
}

// above is the e-value against "the quantile is at or below this": it grows as k
// falls short of pn. The mixture is over shares less than p, and so it holds for
// every share from p on.
func (m mixture) above(k, n float64) float64 {
	return m.logE(k, n) + lnIncomplete(m.p, m.a+k, m.b+n-k) - m.less
}

// below is the e-value against "the quantile is at or above this".
func (m mixture) below(k, n float64) float64 {
	return m.logE(k, n) + lnIncomplete(1-m.p, m.b+n-k, m.a+k) - m.more
}

// RankRange returns the range of ranks, as shares of n, in which the quantile p lies
// among n independent values: at every n at once, but for a chance of alpha.
func RankRange(p float64, n int64, alpha float64) (lower, upper float64) {
	m, size := newMixture(p), float64(n)
	inside := func(k float64) bool { return m.logE(k, size) < -math.Log(alpha) }
	if n <= 0 || inside(0) {
		lower = 0
	} else {
		lower = bisect(0, p*size, inside) / size
	}
	if n <= 0 || inside(size) {
		return lower, 1
	}
	return lower, bisect(p*size, size, inside) / size
}

// longest is the greatest lag, ns, that is told apart from a greater one: 36 years.
const longest = 1 << 60

// histogram is a sample in buckets, in increasing order.
type histogram struct {
	buckets []metrics.LagBucket
	upTo    []int64 // values in the buckets before i; one more than buckets
}

func newHistogram(sample []metrics.LagBucket) histogram {
	h := histogram{buckets: make([]metrics.LagBucket, 0, len(sample))}
	for _, b := range sample {
		if b.Count > 0 {
			b.Lower, b.Upper = min(b.Lower, longest), min(b.Upper, longest)
			h.buckets = append(h.buckets, b)
		}
	}
	slices.SortFunc(h.buckets, func(x, y metrics.LagBucket) int { return int(min(max(x.Upper-y.Upper, -1), 1)) })
	h.upTo = make([]int64, len(h.buckets)+1)
	for i, b := range h.buckets {
		h.upTo[i+1] = h.upTo[i] + b.Count
	}
	return h
}

func (h histogram) n() int64 { return h.upTo[len(h.buckets)] }

// at is the bucket that holds the value of a rank, 1 for the least.
func (h histogram) at(rank int64) metrics.LagBucket {
	i := sort.Search(len(h.buckets), func(i int) bool { return h.upTo[i+1] >= rank })
	return h.buckets[i]
}

// value is what stands for a bucket: within the sketch's accuracy of all it holds.
func value(b metrics.LagBucket) float64 {
	lo, hi := float64(b.Lower), float64(b.Upper)
	if lo <= 0 {
		return hi
	}
	return 2 * lo * hi / (lo + hi)
}

// estimate is the sample's quantile; NaN when there is none.
func (h histogram) estimate(p float64) float64 {
	if h.n() == 0 {
		return math.NaN()
	}
	return value(h.at(min(int64(p*float64(h.n()-1))+1, h.n())))
}

// Quantile bounds the quantile p of one sample, in nanoseconds: from the lower edge
// of the bucket with the lower rank to the upper edge of the one after the upper
// rank, which widens it by the sketch's error. Both bounds hold together at alpha.
func Quantile(sample []metrics.LagBucket, p, alpha float64) Interval {
	h := newHistogram(sample)
	n := h.n()
	i := nothing(h.estimate(p))
	lo, hi := RankRange(p, n, alpha)
	// The share at the quantile is a whole number of values within the range.
	if r := int64(math.Ceil(lo*float64(n) - 1e-9)); r >= 1 {
		i.Lower = float64(h.at(r).Lower)
	}
	if r := int64(math.Floor(hi*float64(n)+1e-9)) + 1; hi < 1 && r <= n {
		i.Upper = float64(h.at(r).Upper)
	}
	return i
}

// Quantiles bounds the difference candidate − control of the quantile p of two
// samples, in nanoseconds.
//
// When the candidate's quantile exceeds the control's by no more than d, there is a
// value x with the candidate's quantile at or below x+d and the control's at or above
// x. Each arm gives an e-value against its half; both being independent, their
// product is one against the whole, and the least product over all x is what can be
// said without knowing x (arXiv:1906.09712, section 5). The bound is the greatest d
// that is rejected. Values within a bucket are taken where they serve least.
func Quantiles(candidate, control []metrics.LagBucket, p float64, l Level) Interval {
	a, b := newHistogram(candidate), newHistogram(control)
	m := newMixture(p)
	lower, okL := newExcess(m, a, b).surely(l.Lower)
	upper, okU := newExcess(m, b, a).surely(l.Upper)
	i := nothing(a.estimate(p) - b.estimate(p))
	if okL {
		i.Lower = float64(lower)
	}
	if okU {
		i.Upper = -float64(upper)
	}
	return i
}

// excess asks by how much the quantile of one sample surely exceeds another's.
type excess struct {
	m          mixture
	slow, fast histogram
	isAbove    []float64 // e-values of slow after i buckets; NaN until asked for
	isBelow    []float64 // e-values of fast after i buckets
}

func newExcess(m mixture, slow, fast histogram) *excess {
	return &excess{m: m, slow: slow, fast: fast, isAbove: unknown(len(slow.upTo)), isBelow: unknown(len(fast.upTo))}
}

func unknown(n int) []float64 { return slices.Repeat([]float64{math.NaN()}, n) }

func (e *excess) above(i int) float64 {
	if math.IsNaN(e.isAbove[i]) {
		e.isAbove[i] = e.m.above(float64(e.slow.upTo[i]), float64(e.slow.n()))
	}
	return e.isAbove[i]
}

func (e *excess) below(j int) float64 {
	if math.IsNaN(e.isBelow[j]) {
		e.isBelow[j] = e.m.below(float64(e.fast.upTo[j]), float64(e.fast.n()))
	}
	return e.isBelow[j]
}

// under is how many of slow's buckets may hold values up to x+d when x lies below the
// upper edge of fast's bucket j; all of them when x lies beyond the last.
func (e *excess) under(j int, d int64) int {
	if j == len(e.fast.buckets) {
		return len(e.slow.buckets)
	}
	edge := e.fast.buckets[j].Upper + d
	return sort.Search(len(e.slow.buckets), func(i int) bool { return e.slow.buckets[i].Lower >= edge })
}

// rejects reports whether the product of the e-values reaches need for every x from
// fast's bucket from to bucket to. One grows with j and the other falls, so that the
// ends of a range bound what is between.
func (e *excess) rejects(d int64, need float64, from, to int) bool {
	if e.below(from)+e.above(e.under(to, d)) >= need {
		return true
	}
	if from == to {
		return false
	}
	mid := from + (to-from)/2
	return e.rejects(d, need, mid+1, to) && e.rejects(d, need, from, mid)
}

// surely is the greatest d that is rejected at alpha; ok is false when none is.
func (e *excess) surely(alpha float64) (d int64, ok bool) {
	slow, fast := e.slow.buckets, e.fast.buckets
	if len(slow) == 0 || len(fast) == 0 {
		return 0, false
	}
	rejected := func(d int64) bool { return e.rejects(d, -math.Log(alpha), 0, len(fast)) }
	lo := slow[0].Lower - fast[len(fast)-1].Upper
	hi := slow[len(slow)-1].Upper - fast[0].Upper + 1 // where nothing can be rejected
	if !rejected(lo) {
		return 0, false
	}
	for hi-lo > 1 {
		if mid := lo + (hi-lo)/2; rejected(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo, true
}
