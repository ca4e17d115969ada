package part

import (
	"math"
	"slices"
	"time"
)

// Series is a drawing of lines over time, with its numbers for scripts and its
// table for everyone.
type Series struct {
	ID      string // unique on the page
	Label   string // says in words what is drawn
	Unit    string
	At      []time.Time // one a step
	Lines   []Line
	Promise *Level // a line across; nil = none
	Marks   []Mark
	Table   Table
	Get     Downloads
	None    Empty // shown when no line has a point
}

// Line is one line of a Series: a value a step, nil = unknown.
type Line struct {
	Name   string
	Values []*float64
}

// Level is a value across the whole drawing.
type Level struct {
	Value float64
	Text  string
}

// Mark is a moment at which something was changed.
type Mark struct {
	At   time.Time
	Text string
}

// The drawing's box, in its own units.
const (
	seriesW, seriesH = 760.0, 280.0
	seriesL, seriesR = 58.0, 96.0
	seriesT, seriesB = 14.0, 26.0
)

// Empty reports whether nothing can be drawn.
func (s Series) Empty() bool {
	for _, l := range s.Lines {
		for _, v := range l.Values {
			if v != nil {
				return false
			}
		}
	}
	return true
}

// plot is a Series with its scales worked out.
type plot struct {
	Series
	ticks    []float64
	top      float64
	from, to time.Time
	ends     []end
}

// end is where a line's name stands: beside its last point, moved apart from others.
type end struct {
	tone string
	name string
	y    float64
}

func (s Series) plot() *plot {
	p := &plot{Series: s}
	top := 0.0
	for _, l := range s.Lines {
		for _, v := range l.Values {
			if v != nil {
				top = max(top, *v)
			}
		}
	}
	if s.Promise != nil {
		top = max(top, s.Promise.Value)
	}
	p.ticks = ticks(s.Unit, top)
	p.top = p.ticks[len(p.ticks)-1]
	if n := len(s.At); n > 0 {
		p.from, p.to = s.At[0], s.At[n-1]
	}
	p.ends = p.names()
	return p
}

func (p *plot) x(t time.Time) float64 {
	span := p.to.Sub(p.from)
	if span <= 0 {
		return seriesL
	}
	return seriesL + float64(t.Sub(p.from))/float64(span)*(seriesW-seriesL-seriesR)
}

func (p *plot) y(v float64) float64 {
	return seriesH - seriesB - v/p.top*(seriesH-seriesT-seriesB)
}

func (p *plot) path(l Line) string {
	var d pen
	for i, v := range l.Values {
		if v == nil || i >= len(p.At) {
			d.lift()
			continue
		}
		d.to(p.x(p.At[i]), p.y(*v))
	}
	return d.String()
}

func (p *plot) names() []end {
	var out []end
	for i, l := range p.Lines {
		for _, v := range slices.Backward(l.Values) {
			if v != nil {
				out = append(out, end{tone: tone(i), name: l.Name, y: p.y(*v)})
				break
			}
		}
	}
	spread(out, 13, seriesT, seriesH-seriesB)
	return out
}

// spread moves names apart so that none covers another, from the top down, then
// back up where that left the drawing.
func spread(ends []end, gap, top, bottom float64) {
	order := make([]*end, len(ends))
	for i := range ends {
		order[i] = &ends[i]
	}
	for i := 1; i < len(order); i++ {
		for j := i; j > 0 && order[j].y < order[j-1].y; j-- {
			order[j], order[j-1] = order[j-1], order[j]
		}
	}
	for i, e := range order {
		e.y = max(e.y, top)
		if i > 0 {
			e.y = max(e.y, order[i-1].y+gap)
		}
	}
	for i, o := range slices.Backward(order) {
		limit := bottom
		if i < len(order)-1 {
			limit = order[i+1].y - gap
		}
		o.y = min(o.y, limit)
	}
}

// tone is the class of the i-th line: a hue and a dash.
func tone(i int) string { return "t" + string(rune('0'+i%8)) }

// data is what scripts draw from: seconds, and a column a line.
func (s Series) data() seriesData {
	out := seriesData{Unit: s.Unit, At: make([]int64, len(s.At))}
	for i, t := range s.At {
		out.At[i] = t.Unix()
	}
	for _, l := range s.Lines {
		out.Lines = append(out.Lines, seriesLine{l.Name, finite(l.Values)})
	}
	if s.Promise != nil {
		out.Promise = &s.Promise.Value
	}
	for _, m := range s.Marks {
		out.Marks = append(out.Marks, seriesMark{m.At.Unix(), m.Text})
	}
	return out
}

type seriesData struct {
	Unit    string       `json:"unit"`
	At      []int64      `json:"at"`
	Lines   []seriesLine `json:"lines"`
	Promise *float64     `json:"promise,omitempty"`
	Marks   []seriesMark `json:"marks,omitempty"`
}

type seriesMark struct {
	At   int64  `json:"at"`
	Text string `json:"text"`
}

type seriesLine struct {
	Name   string     `json:"name"`
	Values []*float64 `json:"values"`
}

func finite(vs []*float64) []*float64 {
	out := make([]*float64, len(vs))
	for i, v := range vs {
		if v != nil && !math.IsNaN(*v) && !math.IsInf(*v, 0) {
			out[i] = v
		}
	}
	return out
}

// short is a name that fits beside the drawing.
func short(name string) string {
	r := []rune(name)
	if len(r) <= 13 {
		return name
	}
	return string(r[:12]) + "…"
}
