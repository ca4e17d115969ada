package part

import (
	"math"
	"slices"
	"strconv"
)

// Spark is a small line without axes. A nil point is unknown and leaves a gap.
type Spark struct {
	Points  []*float64
	Promise float64 // same unit; 0 = none
	Tone    string  // Good, Warn or Bad
	Label   string  // says in words what is drawn
	None    string  // what to say when there is no point
}

const (
	sparkW = 116.0
	sparkH = 30.0
)

// Empty reports whether nothing can be drawn.
func (s Spark) Empty() bool {
	for _, p := range s.Points {
		if p != nil {
			return false
		}
	}
	return true
}

func (s Spark) top() float64 {
	top := s.Promise
	for _, p := range s.Points {
		if p != nil {
			top = max(top, *p)
		}
	}
	if top <= 0 {
		return 1
	}
	return top
}

func (s Spark) y(v float64) float64 { return sparkH - 3 - v/s.top()*(sparkH-6) }

func (s Spark) x(i int) float64 {
	if len(s.Points) < 2 {
		return sparkW - 3
	}
	return 3 + float64(i)/float64(len(s.Points)-1)*(sparkW-6)
}

func (s Spark) path() string {
	var p pen
	for i, v := range s.Points {
		if v == nil {
			p.lift()
			continue
		}
		p.to(s.x(i), s.y(*v))
	}
	return p.String()
}

// last is the end of the line: where it stands now.
func (s Spark) last() (x, y string) {
	for i, v := range slices.Backward(s.Points) {
		if v != nil {
			return fixed(s.x(i)), fixed(s.y(*v))
		}
	}
	return "-9", "-9"
}

func (s Spark) lastX() string { x, _ := s.last(); return x }
func (s Spark) lastY() string { _, y := s.last(); return y }

// pen writes the path data of an SVG line, to a tenth of a pixel.
type pen struct {
	buf  []byte
	down bool
	run  int // points of the stretch
}

// lift ends a stretch. A stretch of one point is drawn as a dot.
func (p *pen) lift() {
	if p.down && p.run == 1 {
		p.buf = append(p.buf, "h0"...)
	}
	p.down = false
}

func (p *pen) to(x, y float64) {
	if math.IsNaN(x) || math.IsNaN(y) {
		p.lift()
		return
	}
	op := byte('L')
	p.run++
	if !p.down {
		op, p.run = 'M', 1
	}
	p.down = true
	p.buf = append(p.buf, op)
	p.buf = appendFixed(p.buf, x)
	p.buf = append(p.buf, ' ')
	p.buf = appendFixed(p.buf, y)
}

func (p *pen) String() string {
	p.lift()
	return string(p.buf)
}

// appendFixed writes a number to a tenth. Drawings are made of thousands of them, so
// it does without strconv's search for the shortest form.
func appendFixed(b []byte, v float64) []byte {
	n := int64(math.Round(v * 10))
	if n < 0 {
		b, n = append(b, '-'), -n
	}
	b = strconv.AppendInt(b, n/10, 10)
	if n%10 != 0 {
		b = append(b, '.', byte('0'+n%10))
	}
	return b
}
