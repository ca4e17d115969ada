package report

import (
	"context"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

// PolicyHops returns, by feature, the hops of labelled writes at services without
// clearance ÷ those that were judged, over q's range. It reads nothing else, and leaves
// out features without any; q.Feature is not used.
func (r *Reporter) PolicyHops(ctx context.Context, q Query) (map[string]Ratio, error) {
	q.Feature, q.By = "", ByNone
	p, err := r.plan(q, sparkPoints)
	if err != nil {
		return nil, err
	}
	type hops struct{ judged, against int64 }
	acc := groups[hops]{}
	names := []metrics.Metric{metrics.MetricPolicy}
	err = r.cells(ctx, r.segments(p, tauTail), p.match(), names, func(s *metrics.Series, _ window, c *sketch.Cell) error {
		h := acc.at(s.Feature)
		h.judged += c.N
		h.against += c.Hits
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := map[string]Ratio{}
	for name, h := range acc {
		if h.judged > 0 {
			out[name] = NewRatio(h.against, h.judged)
		}
	}
	return out, nil
}
