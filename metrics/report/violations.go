package report

import (
	"context"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

// Verdicts of a session check, as in the series of the session metrics.
const (
	VerdictOK           = "ok"
	VerdictOlder        = "older"
	VerdictConcurrent   = "concurrent"
	VerdictViolated     = "violated"
	VerdictPending      = "pending"
	VerdictUnverifiable = "unverifiable"
)

// Guarantees lists the session guarantees in the order in which they are shown.
func Guarantees() []metrics.Metric {
	return []metrics.Metric{metrics.MetricRYW, metrics.MetricMR, metrics.MetricMW, metrics.MetricWFR}
}

// Violations is the rate of each session guarantee's violations over q's range.
type Violations struct {
	Span
	Feature    string           `json:"feature"`
	By         string           `json:"by"`
	Guarantees []GuaranteeCheck `json:"guarantees"`
}

// GuaranteeCheck counts the checks of one guarantee.
type GuaranteeCheck struct {
	Guarantee metrics.Metric `json:"guarantee"` // ryw, mr, mw, wfr
	Key       string         `json:"key"`       // value of the compared dimension
	Rate      Ratio          `json:"rate"`      // violating ÷ checkable
	Coverage  Ratio          `json:"coverage"`  // checkable ÷ all that are due
	OK        int64          `json:"ok"`
	Older     int64          `json:"older"`      // an older version was seen
	Conc      int64          `json:"concurrent"` // a concurrent version was seen
	Violated  int64          `json:"violated"`   // a later write overtook an earlier one
	// Overdue were pending longer than the grace period: they count as violated.
	Overdue      int64 `json:"overdue"`
	Pending      int64 `json:"pending"` // not due yet: in neither rate nor coverage
	Unverifiable int64 `json:"unverifiable"`
}

func (g *GuaranteeCheck) add(verdict string, n int64, due bool) {
	switch verdict {
	case VerdictOK:
		g.OK += n
	case VerdictOlder:
		g.Older += n
	case VerdictConcurrent:
		g.Conc += n
	case VerdictViolated:
		g.Violated += n
	case VerdictUnverifiable:
		g.Unverifiable += n
	case VerdictPending:
		if due {
			g.Overdue += n
		} else {
			g.Pending += n
		}
	}
}

// Violating is how many checks failed.
func (g *GuaranteeCheck) Violating() int64 { return g.Older + g.Conc + g.Violated + g.Overdue }

func (g *GuaranteeCheck) sum() {
	checkable := g.OK + g.Violating()
	g.Rate = NewRatio(g.Violating(), checkable)
	g.Coverage = NewRatio(checkable, checkable+g.Unverifiable)
}

// checks accumulates the four guarantees.
type checks map[metrics.Metric]*GuaranteeCheck

func (c checks) add(p *plan, grace time.Duration, s *metrics.Series, w window, cell *sketch.Cell) {
	g, ok := c[s.Metric]
	if !ok {
		g = &GuaranteeCheck{Guarantee: s.Metric}
		c[s.Metric] = g
	}
	g.add(s.Verdict, cell.N, w.endNS()+int64(grace) <= p.now)
}

// list returns the guarantees that had any check, or all when every is set.
func (c checks) list(key string, every bool) []GuaranteeCheck {
	out := []GuaranteeCheck{}
	for _, m := range Guarantees() {
		g, ok := c[m]
		if !ok {
			if !every {
				continue
			}
			g = &GuaranteeCheck{Guarantee: m}
		}
		g.Key = key
		g.sum()
		out = append(out, *g)
	}
	return out
}

// Violations returns the rates of the four session guarantees with their coverage,
// each split by q.By. Reads count by the read's time, writes by initiation.
func (r *Reporter) Violations(ctx context.Context, q Query) (*Violations, error) {
	if err := needFeature(q); err != nil {
		return nil, err
	}
	p, err := r.plan(q, autoPoints)
	if err != nil {
		return nil, err
	}
	acc := map[string]checks{}
	err = r.cells(ctx, r.segments(p, r.grace+metrics.Level10s.Duration()), p.match(), Guarantees(),
		func(s *metrics.Series, w window, c *sketch.Cell) error {
			k := group(p.By, s)
			if acc[k] == nil {
				acc[k] = checks{}
			}
			acc[k].add(p, r.grace, s, w, c)
			return nil
		})
	if err != nil {
		return nil, err
	}
	out := &Violations{Span: p.span(), Feature: p.Feature, By: p.By, Guarantees: []GuaranteeCheck{}}
	if p.By == ByNone && acc[""] == nil {
		acc[""] = checks{}
	}
	for _, k := range sortedKeys(acc) {
		out.Guarantees = append(out.Guarantees, acc[k].list(k, p.By == ByNone)...)
	}
	return out, nil
}

// ViolationList returns the broken checks themselves, newest first; next is the
// cursor of the following page, "" at the end.
func (r *Reporter) ViolationList(ctx context.Context, q metrics.ViolationQuery) (page []metrics.Violation, next string, err error) {
	return r.r.Violations(ctx, q)
}
