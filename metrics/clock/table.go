package clock

import (
	"cmp"
	"slices"

	"tidemark/metrics"
)

// Pair is what the events of one feature tell of two clocks. The offset is B's reading less A's; names
// are in order, so that each pair has one row.
type Pair struct {
	Feature     string `json:"feature"`
	A           string `json:"a"`
	B           string `json:"b"`
	Known       Known  `json:"known"`
	OffsetNS    *int64 `json:"offset_ns"` // nil unless both directions were measured
	ErrorNS     *int64 `json:"error_ns"`  // half-width of the offset
	LowNS       *int64 `json:"low_ns"`    // the offset is at least that
	HighNS      *int64 `json:"high_ns"`   // and at most that
	Samples     int64  `json:"samples"`
	Negative    int64  `json:"negative"`     // lags below 0, both ways
	WindowStart int64  `json:"window_start"` // Unix seconds, of the window that the estimate is of
	// Explained is false when lags were negative although no offset within the
	// interval makes them so: a clock stepped, or times are wrong.
	Explained bool `json:"explained"`
}

// Significant reports whether the clocks are known to differ: the interval excludes 0.
func (p *Pair) Significant() bool {
	return p.LowNS != nil && *p.LowNS > 0 || p.HighNS != nil && *p.HighNS < 0
}

type pairKey struct{ feature, a, b string }

// direction is the least difference of one direction in one window.
type direction struct {
	diff int64
	seen bool
}

func (d *direction) take(diff int64) {
	if !d.seen || diff < d.diff {
		d.diff, d.seen = diff, true
	}
}

type pairAcc struct {
	samples, negative int64
	windows           map[int64]*[2]direction // [0] A→B, [1] B→A
}

// Table combines what was measured into one row for each pair of clocks of a feature. The
// estimate is that of the window with the least error in which both directions were
// seen; without one, of the least differences of each direction over all windows. A
// clock paired with itself has no row.
func Table(pairs []metrics.ClockPair) []Pair {
	acc := map[pairKey]*pairAcc{}
	for i := range pairs {
		p := &pairs[i]
		if p.From == p.To || p.Samples <= 0 {
			continue
		}
		k, dir := pairKey{p.Feature, p.From, p.To}, 0
		if p.From > p.To {
			k, dir = pairKey{p.Feature, p.To, p.From}, 1
		}
		if acc[k] == nil {
			acc[k] = &pairAcc{windows: map[int64]*[2]direction{}}
		}
		acc[k].add(p, dir)
	}
	out := make([]Pair, 0, len(acc))
	for k, a := range acc {
		out = append(out, a.pair(k))
	}
	slices.SortFunc(out, func(x, y Pair) int {
		return cmp.Or(cmp.Compare(x.Feature, y.Feature), cmp.Compare(x.A, y.A), cmp.Compare(x.B, y.B))
	})
	return out
}

func (a *pairAcc) add(p *metrics.ClockPair, dir int) {
	a.samples += p.Samples
	a.negative += p.Negative
	w, ok := a.windows[p.Start]
	if !ok {
		w = &[2]direction{}
		a.windows[p.Start] = w
	}
	w[dir].take(p.MinDiff)
}

func (a *pairAcc) pair(k pairKey) Pair {
	e, start := a.estimate()
	p := Pair{
		Feature: k.feature, A: k.a, B: k.b, Known: e.Known, LowNS: e.Low, HighNS: e.High,
		Samples: a.samples, Negative: a.negative, WindowStart: start,
	}
	if e.Known == Both {
		p.OffsetNS, p.ErrorNS = &e.Offset, &e.Error
	}
	p.Explained = a.negative == 0 || e.Known != Inconsistent
	return p
}

func (a *pairAcc) estimate() (best Estimate, start int64) {
	var all [2]direction
	clash := false
	for at, w := range a.windows {
		for i := range w {
			if w[i].seen {
				all[i].take(w[i].diff)
			}
		}
		e := estimate(w)
		clash = clash || e.Known == Inconsistent
		// Later windows win ties: they say more about now.
		if e.Known == Both && (best.Known != Both || e.Error < best.Error || e.Error == best.Error && at > start) {
			best, start = e, at
		}
	}
	if best.Known == Both {
		return best, start
	}
	for at := range a.windows {
		start = max(start, at)
	}
	if clash {
		return Estimate{Known: Inconsistent}, start
	}
	return estimate(&all), start
}

func estimate(w *[2]direction) Estimate {
	switch {
	case w[0].seen && w[1].seen:
		return FromBoth(w[0].diff, w[1].diff)
	case w[0].seen:
		return FromAToB(w[0].diff)
	case w[1].seen:
		return FromBToA(w[1].diff)
	}
	return Estimate{}
}

// Worst is the pair whose clocks are surely the furthest apart: the greatest |offset|
// − error among pairs known from both directions; nil when there is none.
func Worst(pairs []Pair) *Pair {
	var worst *Pair
	var by int64
	for i := range pairs {
		p := &pairs[i]
		if p.OffsetNS == nil {
			continue
		}
		d := max(*p.OffsetNS, -*p.OffsetNS) - *p.ErrorNS
		if worst == nil || d > by {
			worst, by = p, d
		}
	}
	return worst
}
