package report

import (
	"cmp"
	"math"
	"slices"

	"tidemark/metrics/sketch"
)

// CurvePoint is a step of a Curve: from TNS on, Share of the writes are visible.
// Low and High are the 95 % interval.
type CurvePoint struct {
	TNS   int64   `json:"t_ns"`
	Share float64 `json:"share"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Curve is a Kaplan–Meier estimate of the share of writes that are visible within
// a time. Writes still pending count as censored at their age: they were not
// visible until then, and nothing is said about later.
type Curve struct {
	N        int64        `json:"n"`        // writes that the curve is made of
	Visible  int64        `json:"visible"`  // of those, seen to become visible
	Censored int64        `json:"censored"` // of those, pending
	Negative int64        `json:"negative"` // visible before their initiation by the clocks; counted at 0
	Points   []CurvePoint `json:"points"`
}

// Censored is how many writes are pending at an age.
type Censored struct {
	AgeNS int64
	N     int64
}

// maxCurvePoints bounds what a curve carries; between its points it is a step.
const maxCurvePoints = 240

// z95 is the two-sided 95 % point of the normal distribution.
const z95 = 1.959963984540054

// KaplanMeier estimates the curve from measured times and the ages of pending
// writes. A write pending at exactly t is at risk at t. The interval is
// Greenwood's variance on the log(−log) scale, so that it stays within [0,1].
func KaplanMeier(seen *sketch.Cell, pend []Censored) Curve {
	pend = slices.Clone(pend)
	slices.SortFunc(pend, func(a, b Censored) int { return cmp.Compare(a.AgeNS, b.AgeNS) })
	k := km{survival: 1, pend: pend}
	for _, c := range pend {
		k.curve.Censored += c.N
	}
	k.curve.Visible = max(0, seen.Measured())
	k.curve.Negative = seen.Neg
	k.curve.N = k.curve.Visible + k.curve.Censored
	k.risk = k.curve.N
	k.curve.Points = []CurvePoint{}
	if n := seen.Neg + seen.Zero; n > 0 {
		k.event(0, n)
	}
	for b, n := range seen.Buckets {
		if n > 0 {
			k.event(int64(math.Round(sketch.Value(b))), n)
		}
	}
	k.curve.Points = thin(k.curve.Points, maxCurvePoints)
	return k.curve
}

type km struct {
	survival, greenwood float64
	risk                int64
	pend                []Censored
	curve               Curve
}

// event takes d writes that became visible at t.
func (k *km) event(t, d int64) {
	for len(k.pend) > 0 && k.pend[0].AgeNS < t {
		k.risk -= k.pend[0].N
		k.pend = k.pend[1:]
	}
	if k.risk <= 0 {
		return
	}
	d = min(d, k.risk)
	n := float64(k.risk)
	k.survival *= 1 - float64(d)/n
	if k.risk > d {
		k.greenwood += float64(d) / (n * (n - float64(d)))
	}
	k.risk -= d
	low, high := k.interval()
	k.curve.Points = append(k.curve.Points, CurvePoint{TNS: t, Share: 1 - k.survival, Low: low, High: high})
}

func (k *km) interval() (low, high float64) {
	s := k.survival
	if s <= 0 {
		// Everything at risk became visible: the variance is not defined there, so
		// the lower bound of the step before is kept.
		if n := len(k.curve.Points); n > 0 {
			return k.curve.Points[n-1].Low, 1
		}
		return 0, 1
	}
	if s >= 1 {
		return 0, 1
	}
	ls := math.Log(s)
	half := z95 * math.Sqrt(k.greenwood) / math.Abs(ls)
	lo, hi := math.Exp(ls*math.Exp(half)), math.Exp(ls*math.Exp(-half))
	return 1 - hi, 1 - lo
}

// thin keeps at most limit points: the first, the last, and those that rise most
// evenly between.
func thin(p []CurvePoint, limit int) []CurvePoint {
	if len(p) <= limit {
		return p
	}
	out := make([]CurvePoint, 0, limit)
	for i := range limit {
		out = append(out, p[i*(len(p)-1)/(limit-1)])
	}
	return out
}

// At is the share visible within t; ok is false when the curve has no data.
func (c *Curve) At(t int64) (share float64, ok bool) {
	if c.N == 0 {
		return 0, false
	}
	i, found := slices.BinarySearchFunc(c.Points, t, func(p CurvePoint, t int64) int { return cmp.Compare(p.TNS, t) })
	if found {
		return c.Points[i].Share, true
	}
	if i == 0 {
		return 0, true
	}
	return c.Points[i-1].Share, true
}

// Quantile is the least time within which a share q of the writes is visible; ok
// is false when the curve does not reach q.
func (c *Curve) Quantile(q float64) (t int64, ok bool) {
	for _, p := range c.Points {
		if p.Share >= q {
			return p.TNS, true
		}
	}
	return 0, false
}

// Remaining is how much longer, with probability q, a write that is age old and
// not visible will take; ok is false when the curve does not say.
func (c *Curve) Remaining(age int64, q float64) (d int64, ok bool) {
	seen, ok := c.At(age)
	if !ok || seen >= 1 {
		return 0, false
	}
	t, ok := c.Quantile(1 - (1-q)*(1-seen))
	if !ok {
		return 0, false
	}
	return max(0, t-age), true
}
