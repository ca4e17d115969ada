package part

import (
	"math"
	"slices"
	"time"
)

// Curve is the share of writes that are visible within a time, one line a group,
// with its 95 % interval. The time axis is logarithmic.
type Curve struct {
	Label   string
	Groups  []CurveGroup
	Promise *Level // a time, ns
	Table   Table
	Get     Downloads
	None    Empty
}

// CurveGroup is one line; Points are in order of time.
type CurveGroup struct {
	Name   string
	Note   string // "n 12,480, 31 pending"
	Points []CurvePoint
}

// CurvePoint is a step of the curve.
type CurvePoint struct {
	T                time.Duration
	Share, Low, High float64
}

const (
	curveW, curveH = 460.0, 250.0
	curveL, curveR = 44.0, 14.0
	curveT, curveB = 12.0, 26.0
)

// Empty reports whether no group has a point.
func (c Curve) Empty() bool {
	for _, g := range c.Groups {
		if len(g.Points) > 0 {
			return false
		}
	}
	return true
}

// curvePlot is a Curve with its time axis: whole decades around all points.
type curvePlot struct {
	Curve
	low, high float64 // log10 ns
}

func (c Curve) plot() *curvePlot {
	p := &curvePlot{Curve: c, low: math.Inf(1), high: math.Inf(-1)}
	see := func(t time.Duration) {
		l := math.Log10(max(float64(t), 1e5))
		p.low, p.high = min(p.low, l), max(p.high, l)
	}
	for _, g := range c.Groups {
		for _, pt := range g.Points {
			if pt.T > 0 {
				see(pt.T)
			}
		}
	}
	if c.Promise != nil {
		see(time.Duration(c.Promise.Value))
	}
	if math.IsInf(p.low, 0) {
		p.low, p.high = 6, 9
	}
	p.low, p.high = math.Floor(p.low*2)/2, math.Ceil(p.high*2+0.01)/2
	if p.high-p.low < 1 {
		p.high = p.low + 1
	}
	return p
}

func (p *curvePlot) x(t float64) float64 {
	l := math.Log10(max(t, math.Pow(10, p.low)))
	return curveL + (l-p.low)/(p.high-p.low)*(curveW-curveL-curveR)
}

func (p *curvePlot) y(share float64) float64 {
	return curveH - curveB - clamp(share)*(curveH-curveT-curveB)
}

// line is a staircase: the share holds until the next point.
func (p *curvePlot) line(g CurveGroup) string {
	var d pen
	last := 0.0
	d.to(curveL, p.y(0))
	for _, pt := range p.seen(g.Points) {
		x := p.x(float64(pt.T))
		d.to(x, p.y(last))
		d.to(x, p.y(pt.Share))
		last = pt.Share
	}
	d.to(curveW-curveR, p.y(last))
	return d.String()
}

// seen leaves out points that nobody could tell from the one before: less than a
// pixel away both ways. The last one stays.
func (p *curvePlot) seen(points []CurvePoint) []CurvePoint {
	out := make([]CurvePoint, 0, len(points))
	for i, pt := range points {
		if n := len(out); n > 0 && i < len(points)-1 {
			before := out[n-1]
			near := math.Abs(p.x(float64(pt.T))-p.x(float64(before.T))) < 1.5 && math.Abs(p.y(pt.Share)-p.y(before.Share)) < 1.5
			if near {
				continue
			}
		}
		out = append(out, pt)
	}
	return out
}

// band is the interval: up along its upper bound, back along the lower.
func (p *curvePlot) band(g CurveGroup) string {
	if len(g.Points) == 0 {
		return ""
	}
	points := p.seen(g.Points)
	var d pen
	for _, pt := range points {
		d.to(p.x(float64(pt.T)), p.y(pt.High))
	}
	for _, v := range slices.Backward(points) {
		d.to(p.x(float64(v.T)), p.y(v.Low))
	}
	return d.String() + "Z"
}

// decades are the labelled times of the axis, at most six.
func (p *curvePlot) decades() []float64 {
	var all []float64
	marks := []float64{1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 6e10, 6e11, 3.6e12, 3.6e13, 8.64e13, 8.64e14}
	for _, m := range marks {
		if l := math.Log10(m); l >= p.low-1e-9 && l <= p.high+1e-9 {
			all = append(all, m)
		}
	}
	for len(all) > 6 {
		kept := all[:0]
		for i := 0; i < len(all); i += 2 {
			kept = append(kept, all[i])
		}
		all = kept
	}
	return all
}
