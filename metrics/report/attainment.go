package report

import (
	"context"
	"fmt"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

// AttainmentQuery asks how many writes kept a threshold of time to visibility.
type AttainmentQuery struct {
	Query                   // Replica is required for ScopeReplica
	Scope     string        // all, first or replica; "" = all
	Threshold time.Duration // > 0
}

// Attainment is good ÷ eligible. A write is eligible when its window has had the
// threshold to pass; it is good when it was visible within the threshold; still
// invisible is bad.
type Attainment struct {
	Span
	Feature     string `json:"feature"`
	Scope       string `json:"scope"`
	Replica     string `json:"replica,omitempty"`
	ThresholdNS int64  `json:"threshold_ns"`
	Good        Ratio  `json:"good"`
	// Estimated is how many of the eligible writes were judged by percentile buckets
	// (exact within 1 % of the threshold) because the threshold was not counted
	// exactly when they became visible.
	Estimated int64             `json:"estimated"`
	Points    []AttainmentPoint `json:"points"`
}

// AttainmentPoint is one step of the history.
type AttainmentPoint struct {
	Start     int64 `json:"start"` // Unix ns
	Good      Ratio `json:"good"`
	Estimated int64 `json:"estimated"`
}

// BurnWindow is a pair of windows over which a burn rate is judged.
type BurnWindow struct {
	Name        string        // page, ticket, …
	Long, Short time.Duration // both must exceed
	Factor      float64
}

// DefaultBurnWindows is the multiwindow rule: page at 14.4× over 1 h and 5 min and
// at 6× over 6 h and 30 min, ticket at 1× over 3 d and 6 h.
func DefaultBurnWindows() []BurnWindow {
	return []BurnWindow{
		{"page", time.Hour, 5 * time.Minute, 14.4},
		{"page", 6 * time.Hour, 30 * time.Minute, 6},
		{"ticket", 72 * time.Hour, 6 * time.Hour, 1},
	}
}

// Burn is the burn rate over one pair of windows: (bad ÷ eligible) ÷ (1 − target).
// Rates are nil when nothing was eligible.
type Burn struct {
	Name      string   `json:"name"`
	LongNS    int64    `json:"long_ns"`
	ShortNS   int64    `json:"short_ns"`
	Factor    float64  `json:"factor"`
	LongBad   Ratio    `json:"long_bad"`
	ShortBad  Ratio    `json:"short_bad"`
	LongRate  *float64 `json:"long_rate"`
	ShortRate *float64 `json:"short_rate"`
	Exceeded  bool     `json:"exceeded"` // both rates are above the factor
}

func (q *AttainmentQuery) validate() error {
	if err := needFeature(q.Query); err != nil {
		return err
	}
	switch q.Scope {
	case "":
		q.Scope = metrics.ScopeAll
	case metrics.ScopeAll, metrics.ScopeFirst:
	case metrics.ScopeReplica:
		if q.Replica == "" {
			return &QueryError{"replica", "is required with scope replica"}
		}
	default:
		return &QueryError{"scope", fmt.Sprintf("%q is not known; allowed: all, first, replica", q.Scope)}
	}
	if q.Threshold <= 0 || q.Threshold > MaxRange {
		return &QueryError{"threshold", fmt.Sprintf("must be above 0 and at most %s", MaxRange)}
	}
	if q.Scope != metrics.ScopeReplica {
		q.Replica = ""
	}
	return nil
}

// visible is the metric whose buckets answer where nothing was counted exactly.
func (q *AttainmentQuery) visible() metrics.Metric {
	switch q.Scope {
	case metrics.ScopeFirst:
		return metrics.MetricVisibleFirst
	case metrics.ScopeReplica:
		return metrics.MetricVisible
	}
	return metrics.MetricVisibleAll
}

// tally is what one window counts: exactly, and by buckets.
type tally struct {
	exactN, exactGood, n, within int64
}

// judge returns the window's eligible and good writes and how many were estimated.
// Writes that were counted exactly are; the others are the difference to what the
// buckets count.
func (t *tally) judge() (good, eligible, estimated int64) {
	rest := max(0, t.n-t.exactN)
	guess := min(max(0, t.within-t.exactGood), rest)
	return t.exactGood + guess, t.exactN + rest, rest
}

// Attainment counts good and eligible writes over q's range and for each step.
func (r *Reporter) Attainment(ctx context.Context, q AttainmentQuery) (*Attainment, error) {
	if err := q.validate(); err != nil {
		return nil, err
	}
	p, err := r.plan(q.Query, autoPoints)
	if err != nil {
		return nil, err
	}
	tallies, err := r.tallies(ctx, p, &q)
	if err != nil {
		return nil, err
	}
	out := &Attainment{
		Span: p.span(), Feature: p.Feature, Scope: q.Scope, Replica: q.Replica, ThresholdNS: int64(q.Threshold),
		Points: make([]AttainmentPoint, p.points),
	}
	good, eligible := make([]int64, p.points), make([]int64, p.points)
	var sumGood, sumEligible int64
	for start, t := range tallies {
		g, e, est := t.judge()
		i := p.index(start)
		good[i] += g
		eligible[i] += e
		out.Points[i].Estimated += est
		sumGood, sumEligible, out.Estimated = sumGood+g, sumEligible+e, out.Estimated+est
	}
	for i := range out.Points {
		out.Points[i].Start, out.Points[i].Good = p.start(i), NewRatio(good[i], eligible[i])
	}
	out.Good = NewRatio(sumGood, sumEligible)
	return out, nil
}

// tallies reads the windows that had the threshold to pass, by start.
func (r *Reporter) tallies(ctx context.Context, p *plan, q *AttainmentQuery) (map[int64]*tally, error) {
	out := map[int64]*tally{}
	at := func(w window) *tally {
		t, ok := out[w.start]
		if !ok {
			t = &tally{}
			out[w.start] = t
		}
		return t
	}
	match := p.match()
	match.Replica = q.Replica
	names := []metrics.Metric{metrics.MetricGood, q.visible()}
	err := r.cells(ctx, r.segments(p, q.Threshold+metrics.Level10s.Duration()), match, names,
		func(s *metrics.Series, w window, c *sketch.Cell) error {
			if w.endNS()+int64(q.Threshold) > p.now || p.index(w.start) >= p.points {
				return nil
			}
			switch {
			case s.Metric != metrics.MetricGood:
				t := at(w)
				t.n += c.N
				t.within += c.Within(float64(q.Threshold))
			case s.Scope == q.Scope && s.Param == int64(q.Threshold):
				t := at(w)
				t.exactN += c.N
				t.exactGood += c.Hits
			}
			return nil
		})
	return out, err
}

// BurnRate judges each pair of windows, which end where eligibility ends: now less
// the threshold. Target is the share that has to be good, 0 < target < 1.
func (r *Reporter) BurnRate(ctx context.Context, q AttainmentQuery, target float64, pairs []BurnWindow) ([]Burn, error) {
	if !(target > 0 && target < 1) {
		return nil, &QueryError{"target", fmt.Sprintf("%v is not between 0 and 1", target)}
	}
	out := make([]Burn, 0, len(pairs))
	for _, w := range pairs {
		b := Burn{Name: w.Name, LongNS: int64(w.Long), ShortNS: int64(w.Short), Factor: w.Factor}
		var err error
		if b.LongBad, err = r.bad(ctx, q, w.Long); err != nil {
			return nil, err
		}
		if b.ShortBad, err = r.bad(ctx, q, w.Short); err != nil {
			return nil, err
		}
		b.LongRate, b.ShortRate = burn(b.LongBad, target), burn(b.ShortBad, target)
		b.Exceeded = b.LongRate != nil && b.ShortRate != nil && *b.LongRate > w.Factor && *b.ShortRate > w.Factor
		out = append(out, b)
	}
	return out, nil
}

func (r *Reporter) bad(ctx context.Context, q AttainmentQuery, d time.Duration) (Ratio, error) {
	q.To = r.now().Add(-q.Threshold)
	q.From = q.To.Add(-d)
	q.Step = 0
	a, err := r.Attainment(ctx, q)
	if err != nil {
		return Ratio{}, err
	}
	return NewRatio(a.Good.Denominator-a.Good.Numerator, a.Good.Denominator), nil
}

func burn(bad Ratio, target float64) *float64 {
	if bad.Value == nil {
		return nil
	}
	return new(*bad.Value / (1 - target))
}
