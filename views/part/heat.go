package part

import (
	"math"
	"time"

	"tidemark/views/format"
)

// Heat counts writes by the time they began and how long they took.
type Heat struct {
	Label   string
	URL     string        // where examples are; a cell adds from, to, min_lag and max_lag
	Step    time.Duration // of a column
	Bands   []Band        // fastest first
	Columns []HeatColumn
	Max     int64
	Promise *Level // a time, ns
	Table   Table
	Get     Downloads
	None    Empty
}

// Band is a stretch of lags: Low < lag ≤ High, ns.
type Band struct{ Low, High int64 }

// HeatColumn is a step of time. Cells are those that are not empty.
type HeatColumn struct {
	Start   time.Time
	Cells   []HeatCell
	Pending int64
}

// HeatCell counts the writes of one band.
type HeatCell struct {
	Band  int
	Count int64
}

const (
	heatW          = 760.0
	heatL, heatR   = 58.0, 10.0
	heatT, heatB   = 8.0, 24.0
	heatPendingH   = 14.0
	heatRowH       = 13.0
	heatPendingGap = 5.0
)

// Empty reports whether there is no write.
func (h Heat) Empty() bool {
	for _, c := range h.Columns {
		if len(c.Cells) > 0 || c.Pending > 0 {
			return false
		}
	}
	return true
}

func (h Heat) pendingAny() bool {
	for _, c := range h.Columns {
		if c.Pending > 0 {
			return true
		}
	}
	return false
}

func (h Heat) pendingHeight() float64 {
	if h.pendingAny() {
		return heatPendingH + heatPendingGap
	}
	return 0
}

func (h Heat) height() float64 {
	return heatT + h.pendingHeight() + float64(len(h.Bands))*heatRowH + heatB
}

func (h Heat) colW() float64 {
	return (heatW - heatL - heatR) / float64(max(1, len(h.Columns)))
}

func (h Heat) x(i int) float64 { return heatL + float64(i)*h.colW() }

// y is the top of a band: the slowest is on top.
func (h Heat) y(band int) float64 {
	return heatT + h.pendingHeight() + float64(len(h.Bands)-1-band)*heatRowH
}

// heatTones is how many colours there are.
const heatTones = 6

// bucket is the colour of a count, on a logarithmic scale so that a few slow
// writes are seen beside thousands of fast ones.
func (h Heat) bucket(n int64) int {
	if h.Max <= 1 {
		return heatTones - 1
	}
	v := math.Log1p(float64(n)) / math.Log1p(float64(h.Max))
	return min(heatTones-1, int(v*heatTones))
}

// tones draws all cells of a colour as one path: a page with a thousand cells stays
// small, and quick to make and to exchange.
func (h Heat) tones() [heatTones]string {
	var out [heatTones][]byte
	w := h.colW()
	for i, c := range h.Columns {
		for _, k := range c.Cells {
			b := h.bucket(k.Count)
			out[b] = appendBox(out[b], h.x(i)+0.5, h.y(k.Band)+0.5, w-1, heatRowH-1)
		}
	}
	var text [heatTones]string
	for i := range out {
		text[i] = string(out[i])
	}
	return text
}

func (h Heat) pendingPath() string {
	var out []byte
	w := h.colW()
	for i, c := range h.Columns {
		if c.Pending > 0 {
			out = appendBox(out, h.x(i)+0.5, heatT+0.5, w-1, heatPendingH-1)
		}
	}
	return string(out)
}

func appendBox(b []byte, x, y, w, height float64) []byte {
	b = append(b, 'M')
	b = appendFixed(b, x)
	b = append(b, ' ')
	b = appendFixed(b, y)
	b = append(b, 'h')
	b = appendFixed(b, w)
	b = append(b, 'v')
	b = appendFixed(b, height)
	b = append(b, 'h')
	b = appendFixed(b, -w)
	return append(b, 'Z')
}

// data is what scripts need to say what is under the pointer, and to lead there.
func (h Heat) data() heatData {
	d := heatData{
		URL: h.URL, Step: int64(h.Step / time.Second), Bands: make([][2]int64, len(h.Bands)),
		Columns: make([][]int64, len(h.Columns)), Pending: make([]int64, len(h.Columns)),
		Box: [4]float64{heatL, heatW - heatR, heatT + h.pendingHeight(), heatRowH}, Top: heatT,
	}
	for i, b := range h.Bands {
		d.Bands[i] = [2]int64{b.Low, b.High}
	}
	for i, c := range h.Columns {
		if i == 0 {
			d.From = c.Start.Unix()
		}
		cells := make([]int64, 0, 2*len(c.Cells))
		for _, k := range c.Cells {
			cells = append(cells, int64(k.Band), k.Count)
		}
		d.Columns[i], d.Pending[i] = cells, c.Pending
	}
	return d
}

type heatData struct {
	URL     string     `json:"url"`
	From    int64      `json:"from"` // Unix s
	Step    int64      `json:"step"` // s
	Bands   [][2]int64 `json:"bands"`
	Columns [][]int64  `json:"columns"` // band, count, band, count …
	Pending []int64    `json:"pending"`
	Box     [4]float64 `json:"box"` // left, right, top, height of a row
	Top     float64    `json:"top"` // of the pending row
}

// bandTicks are the bands to label: about six.
func (h Heat) bandTicks() []int {
	step := max(1, (len(h.Bands)+5)/6)
	var out []int
	for i := 0; i < len(h.Bands); i += step {
		out = append(out, i)
	}
	return out
}

// Text is the band in words.
func (b Band) Text() string {
	if b.Low <= 0 {
		return "up to " + format.Duration(b.High)
	}
	return format.Duration(b.Low) + " to " + format.Duration(b.High)
}

// promiseY is where the promised time lies between the bands; NaN outside.
func (h Heat) promiseY() float64 {
	if h.Promise == nil {
		return math.NaN()
	}
	for i, b := range h.Bands {
		v := h.Promise.Value
		if v > float64(b.Low) && v <= float64(b.High) && b.Low > 0 {
			part := math.Log(v/float64(b.Low)) / math.Log(float64(b.High)/float64(b.Low))
			return h.y(i) + heatRowH*(1-part)
		}
	}
	return math.NaN()
}

func (h Heat) times() (at []time.Time, layout string) {
	if len(h.Columns) < 2 {
		return nil, ""
	}
	return timeTicks(h.Columns[0].Start, h.Columns[len(h.Columns)-1].Start, 6)
}

func (h Heat) timeX(t time.Time) float64 {
	from := h.Columns[0].Start
	step := h.Columns[1].Start.Sub(from)
	return heatL + float64(t.Sub(from))/float64(step)*h.colW()
}
