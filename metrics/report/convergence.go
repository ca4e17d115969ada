package report

import (
	"context"
	"math"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

// Taus are the times at which convergence ratios are shown.
func Taus() []time.Duration {
	return []time.Duration{time.Second, 10 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute}
}

// tauTail is how long before now pending writes are read at 10 s: the greatest τ
// and one window.
const tauTail = 11 * time.Minute

// Converged is the convergence ratio at one τ: writes satisfied everywhere within τ
// ÷ writes that had the time. Nines is −log10(1 − ratio); nil when the ratio is
// unknown or exactly 1 (see AllNines).
type Converged struct {
	TauNS    int64    `json:"tau_ns"`
	Ratio    Ratio    `json:"ratio"`
	Nines    *float64 `json:"nines"`
	AllNines bool     `json:"all_nines,omitempty"` // the ratio is exactly 1
}

// Convergence is the share of writes visible everywhere (or at a replica) within t.
type Convergence struct {
	Span
	Feature string             `json:"feature"`
	By      string             `json:"by"`
	Groups  []ConvergenceGroup `json:"groups"`
}

// ConvergenceGroup is one curve with the ratios at each τ.
type ConvergenceGroup struct {
	Key    string      `json:"key"`
	Curve  Curve       `json:"curve"`
	Ratios []Converged `json:"ratios"`
}

// ratios counts, for each τ, the writes that had τ to converge and those that did.
type ratios struct {
	within, eligible [5]int64
	limits           *[5]int32
}

// tauBuckets are, for each τ, the last bucket whose value is within it: what
// Cell.Within compares with, worked out once.
func tauBuckets() [5]int32 {
	var out [5]int32
	for i, tau := range Taus() {
		b := sketch.Bucket(int64(tau))
		for sketch.Value(b) > float64(tau) {
			b--
		}
		out[i] = b
	}
	return out
}

func (a *ratios) add(now int64, w window, c *sketch.Cell) {
	if a.limits == nil {
		a.limits = new(tauBuckets())
	}
	within, next := c.Neg+c.Zero, 0
	due := func(i int) bool { return w.endNS()+int64(Taus()[i]) <= now }
	settle := func(bucket int32) {
		for ; next < len(a.limits) && bucket > a.limits[next]; next++ {
			if due(next) {
				a.within[next] += within
				a.eligible[next] += c.N
			}
		}
	}
	for b, n := range c.Buckets {
		settle(b)
		within += n
	}
	settle(math.MaxInt32)
}

func (a *ratios) list() []Converged {
	out := make([]Converged, 0, len(a.within))
	for i, tau := range Taus() {
		out = append(out, converged(tau, min(a.within[i], a.eligible[i]), a.eligible[i]))
	}
	return out
}

func converged(tau time.Duration, within, eligible int64) Converged {
	c := Converged{TauNS: int64(tau), Ratio: NewRatio(within, eligible)}
	switch v := c.Ratio.Value; {
	case v == nil:
	case within == eligible:
		c.AllNines = true
	default:
		c.Nines = new(math.Abs(math.Log10(1 - *v))) // Abs: no −0 at ratio 0
	}
	return c
}

type curveAcc struct {
	seen sketch.Cell
	pend []Censored
	ratios
}

func (a *curveAcc) add(now int64, w window, c *sketch.Cell) {
	a.seen.Merge(c)
	if n := pending(c); n > 0 {
		a.pend = append(a.pend, Censored{AgeNS: w.age(now), N: n})
	}
	a.ratios.add(now, w, c)
}

// Convergence returns the curve and the ratios, one group for each value of By.
// With q.Replica, or By replica, visible means visible there; else everywhere.
func (r *Reporter) Convergence(ctx context.Context, q Query) (*Convergence, error) {
	if err := needFeature(q); err != nil {
		return nil, err
	}
	p, err := r.plan(q, autoPoints)
	if err != nil {
		return nil, err
	}
	acc := groups[curveAcc]{}
	err = r.cells(ctx, r.segments(p, tauTail), p.match(), []metrics.Metric{p.visibility()},
		func(s *metrics.Series, w window, c *sketch.Cell) error {
			acc.at(lagKey(p, s)).add(p.now, w, c)
			return nil
		})
	if err != nil {
		return nil, err
	}
	out := &Convergence{Span: p.span(), Feature: p.Feature, By: p.By, Groups: []ConvergenceGroup{}}
	for _, k := range acc.keys() {
		a := acc[k]
		out.Groups = append(out.Groups, ConvergenceGroup{Key: k, Curve: KaplanMeier(&a.seen, a.pend), Ratios: a.list()})
	}
	return out, nil
}

// Curve returns the convergence curve of a feature (at a replica, when one is
// named) over the last hour before now: what the ETA of one write is read from.
func (r *Reporter) Curve(ctx context.Context, feature, replica string) (*Curve, error) {
	c, err := r.Convergence(ctx, Query{Feature: feature, Replica: replica})
	if err != nil {
		return nil, err
	}
	if len(c.Groups) == 0 {
		return &Curve{Points: []CurvePoint{}}, nil
	}
	return &c.Groups[0].Curve, nil
}
