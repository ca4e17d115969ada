package report

import (
	"context"
	"math"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

// Heatmap counts writes by initiation time and lag. Rows are half-octaves (factor
// √2), lowest first; Counts[column][row].
type Heatmap struct {
	Span
	Feature string          `json:"feature"`
	Replica string          `json:"replica,omitempty"` // "" = visible everywhere
	Rows    []HeatRow       `json:"rows"`
	Columns []HeatmapColumn `json:"columns"`
	Max     int64           `json:"max"` // greatest count, for the colour scale
}

// HeatRow is a band of lags: Low < lag ≤ High, within 1 %.
type HeatRow struct {
	LowNS  int64 `json:"low_ns"`
	HighNS int64 `json:"high_ns"`
}

// HeatmapColumn is a step of time. Counts has one number a row; what has no lag
// is counted apart.
type HeatmapColumn struct {
	Start    int64   `json:"start"` // Unix ns
	Partial  bool    `json:"partial,omitempty"`
	Counts   []int64 `json:"counts"`
	Zero     int64   `json:"zero"`
	Negative int64   `json:"negative"`
	Pending  int64   `json:"pending"`
}

// minHalfOctave is 2^19.5 ns ≈ 0.74 ms… the row below which lags are shown together.
const minHalfOctave = 39

// halfOctave is the row index of a lag: 2^(i/2) < v ≤ 2^((i+1)/2).
func halfOctave(v float64) int {
	return max(minHalfOctave, int(math.Ceil(2*math.Log2(v)))-1)
}

func halfOctaveBounds(i int) HeatRow {
	low := int64(math.Round(math.Pow(2, float64(i)/2)))
	if i == minHalfOctave {
		low = 0
	}
	return HeatRow{LowNS: low, HighNS: int64(math.Round(math.Pow(2, float64(i+1)/2)))}
}

// Heatmap returns counts of writes by lag and time: at q.Replica, else everywhere.
// By is not used. A cell's example writes are those of Writes with its bounds.
func (r *Reporter) Heatmap(ctx context.Context, q Query) (*Heatmap, error) {
	if err := needFeature(q); err != nil {
		return nil, err
	}
	q.By = ByNone
	p, err := r.plan(q, heatColumns)
	if err != nil {
		return nil, err
	}
	cols := make([]sketch.Cell, p.points)
	segs := []segment{{p.level, p.from, p.to}}
	err = r.cells(ctx, segs, p.match(), []metrics.Metric{p.visibility()},
		func(_ *metrics.Series, w window, c *sketch.Cell) error {
			if i := p.index(w.start); i >= 0 && i < len(cols) {
				cols[i].Merge(c)
			}
			return nil
		})
	if err != nil {
		return nil, err
	}
	return heatmap(p, cols), nil
}

func heatmap(p *plan, cols []sketch.Cell) *Heatmap {
	out := &Heatmap{Span: p.span(), Feature: p.Feature, Replica: p.Replica, Rows: []HeatRow{}}
	low, high := math.MaxInt, math.MinInt
	for i := range cols {
		for b := range cols[i].Buckets {
			h := halfOctave(sketch.Value(b))
			low, high = min(low, h), max(high, h)
		}
	}
	for h := low; h <= high; h++ {
		out.Rows = append(out.Rows, halfOctaveBounds(h))
	}
	out.Columns = make([]HeatmapColumn, len(cols))
	for i := range cols {
		c := &cols[i]
		col := HeatmapColumn{
			Start: p.start(i), Partial: p.partial(i), Counts: make([]int64, len(out.Rows)),
			Zero: c.Zero, Negative: c.Neg, Pending: pending(c),
		}
		for b, n := range c.Buckets {
			row := halfOctave(sketch.Value(b)) - low
			col.Counts[row] += n
			out.Max = max(out.Max, col.Counts[row])
		}
		out.Columns[i] = col
	}
	return out
}
