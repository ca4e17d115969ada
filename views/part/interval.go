package part

import "math"

// Interval is a difference with its bounds on a line: how much worse a candidate is
// than its control. Right is worse. What is not known is not drawn.
type Interval struct {
	Label  string   // for those who do not see it: all of it in words
	Point  *float64 // the difference
	Lower  *float64 // nil = the method gives none: open to the left
	Upper  *float64 // nil = the method gives none: open to the right
	Margin float64  // from here on it is too much
	// Low, Zero and MarginText are what stands below the line.
	Zero, MarginText string
	Tone             string
}

const (
	intervalW, intervalH = 340.0, 74.0
	intervalL, intervalR = 14.0, 326.0
	intervalTop          = 6.0
	intervalDeep         = 40.0
	intervalY            = intervalTop + intervalDeep/2
)

// Empty reports whether there is nothing to draw.
func (i Interval) Empty() bool { return i.Point == nil && i.Lower == nil && i.Upper == nil }

// intervalPlot is an Interval with its scale.
type intervalPlot struct {
	Interval
	low, high float64
}

// plot makes room for zero, the margin, the point and both bounds, with zero not
// at the edge. A bound that is far out is cut off, so that the rest stays readable.
func (i Interval) plot() *intervalPlot {
	p := &intervalPlot{Interval: i, low: math.Min(0, -i.Margin), high: math.Max(0, i.Margin)}
	near := 3 * math.Max(i.Margin, math.Abs(orZero(i.Point)))
	for _, v := range []*float64{i.Point, i.Lower, i.Upper} {
		if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
			continue
		}
		at := *v
		if near > 0 {
			at = math.Max(-near, math.Min(near, at))
		}
		p.low, p.high = math.Min(p.low, at), math.Max(p.high, at)
	}
	if p.high-p.low <= 0 {
		p.low, p.high = -1, 1
	}
	room := (p.high - p.low) * 0.12
	p.low, p.high = p.low-room, p.high+room
	return p
}

func orZero(v *float64) float64 {
	if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
		return 0
	}
	return *v
}

func (p *intervalPlot) x(v float64) float64 {
	share := (v - p.low) / (p.high - p.low)
	return intervalL + clamp(share)*(intervalR-intervalL)
}

// left and right are where the shaded interval begins and ends: at the edge where
// the method gives no bound.
func (p *intervalPlot) left() float64 {
	if p.Lower == nil {
		return intervalL
	}
	return p.x(*p.Lower)
}

func (p *intervalPlot) right() float64 {
	if p.Upper == nil {
		return intervalR
	}
	return p.x(*p.Upper)
}

// wide is the width of the shade: a sliver at least, so that it can be seen.
func (p *intervalPlot) wide() float64 { return math.Max(4, p.right()-p.left()) }

// shaded reports whether there is an interval at all.
func (p *intervalPlot) shaded() bool { return p.Lower != nil || p.Upper != nil }

// zeroAnchor keeps the words for zero inside the drawing.
func (p *intervalPlot) zeroAnchor() string {
	if p.x(0) < 96 {
		return "start"
	}
	return "end"
}

// apart reports whether the words for zero and for the margin fit side by side.
func (p *intervalPlot) apart() bool {
	return p.zeroAnchor() == "end" && p.x(p.Margin)-p.x(0) > 40
}

// marginAnchor keeps the margin's words inside the drawing.
func (p *intervalPlot) marginAnchor() string {
	if p.x(p.Margin) > intervalW-120 {
		return "end"
	}
	return "start"
}

func (p *intervalPlot) marginX() float64 {
	if p.marginAnchor() == "end" {
		return intervalR
	}
	return p.x(p.Margin)
}

// marginY puts the margin's words a line lower where both would overlap.
func (p *intervalPlot) marginY() float64 {
	if p.marginAnchor() == "end" || !p.apart() {
		return intervalH - 1
	}
	return intervalH - 14
}

// Stage is one step of a plan on its way.
type Stage struct {
	Name  string // "25%"
	Text  string // "now · 19 h of 24 h"
	State string // done, now, next, off
	Share float64
	Known bool // Share says how much of the step's time is done
}
