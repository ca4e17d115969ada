package part

import (
	"math"
	"time"

	"tidemark/views/format"
)

// Heat counts writes by the time they began and how long they took.
type Heat struct {
	Label   string
	Bands   []Band // fastest first
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
	URL     string // the pending writes of this step
}

// HeatCell counts the writes of one band.
type HeatCell struct {
	Band  int
	Count int64
	URL   string // example writes
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

// bucket is the colour of a count, on a logarithmic scale so that a few slow
// writes are seen beside thousands of fast ones.
func (h Heat) bucket(n int64) string {
	if h.Max <= 1 {
		return "b5"
	}
	v := math.Log1p(float64(n)) / math.Log1p(float64(h.Max))
	return "b" + string(rune('0'+min(5, int(v*6))))
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

func (h Heat) cellTitle(c HeatColumn, cell HeatCell) string {
	b := h.Bands[cell.Band]
	return format.Plural(cell.Count, "write", "writes") + ", " + b.Text() + ", begun at " + c.Start.UTC().Format("15:04:05 UTC")
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
