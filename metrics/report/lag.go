package report

import (
	"context"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

// Keys of the lag series when nothing is compared.
const (
	KeyAll   = "all"   // visible at the last expected replica
	KeyFirst = "first" // visible at the first expected replica
)

// Lag is time to visibility over time. Windows are by initiation.
type Lag struct {
	Span
	Feature string      `json:"feature"`
	By      string      `json:"by"`
	Series  []LagSeries `json:"series"` // in order of Key
}

// LagSeries is one line of the chart with its totals over the range.
type LagSeries struct {
	Key     string     `json:"key"` // a value of the compared dimension ("" = not said), or all, first, or the replica
	Total   Quantiles  `json:"total"`
	Writes  int64      `json:"writes"`  // expected writes or pairs
	Pending int64      `json:"pending"` // of those, not visible yet
	Points  []LagPoint `json:"points"`
}

// LagPoint is one step of a line: percentiles are nil where nothing was measured.
type LagPoint struct {
	Start   int64 `json:"start"` // Unix ns
	Partial bool  `json:"partial,omitempty"`
	Quantiles
	Writes  int64 `json:"writes"`
	Pending int64 `json:"pending"`
}

type lagAcc struct {
	total  sketch.Cell
	points []sketch.Cell
}

func (a *lagAcc) add(p *plan, w window, c *sketch.Cell) {
	if a.points == nil {
		a.points = make([]sketch.Cell, p.points)
	}
	if i := p.index(w.start); i >= 0 && i < len(a.points) {
		a.points[i].Merge(c)
	}
}

// Lag returns percentiles of time to visibility over time. Without By it has the
// lines "all" and "first", or the one of q.Replica; By replica has a line for each
// replica; By another dimension has a line for each of its values.
func (r *Reporter) Lag(ctx context.Context, q Query) (*Lag, error) {
	if err := needFeature(q); err != nil {
		return nil, err
	}
	p, err := r.plan(q, autoPoints)
	if err != nil {
		return nil, err
	}
	names := []metrics.Metric{p.visibility()}
	if p.By == ByNone && p.Replica == "" {
		names = append(names, metrics.MetricVisibleFirst)
	}
	acc := groups[lagAcc]{}
	segs := []segment{{p.level, p.from, p.to}}
	err = r.cells(ctx, segs, p.match(), names, func(s *metrics.Series, w window, c *sketch.Cell) error {
		acc.at(lagKey(p, s)).add(p, w, c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := &Lag{Span: p.span(), Feature: p.Feature, By: p.By, Series: []LagSeries{}}
	for _, k := range acc.keys() {
		out.Series = append(out.Series, lagSeries(p, k, acc[k]))
	}
	return out, nil
}

func lagKey(p *plan, s *metrics.Series) string {
	switch {
	case p.By != ByNone:
		return group(p.By, s)
	case p.Replica != "":
		return p.Replica
	case s.Metric == metrics.MetricVisibleFirst:
		return KeyFirst
	}
	return KeyAll
}

func lagSeries(p *plan, key string, a *lagAcc) LagSeries {
	for i := range a.points {
		a.total.Merge(&a.points[i])
	}
	s := LagSeries{Key: key, Total: quantiles(&a.total), Writes: a.total.N, Pending: pending(&a.total)}
	s.Points = make([]LagPoint, len(a.points))
	for i := range a.points {
		c := &a.points[i]
		s.Points[i] = LagPoint{
			Start: p.start(i), Partial: p.partial(i), Quantiles: quantiles(c), Writes: c.N, Pending: pending(c),
		}
	}
	return s
}
