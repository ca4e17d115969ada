package report

import (
	"context"
	"math"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

// Staleness is how old what reads returned was. Windows are by the read's time.
type Staleness struct {
	Span
	Feature string           `json:"feature"`
	By      string           `json:"by"`
	Groups  []StalenessGroup `json:"groups"`
}

// StalenessGroup is one distribution pair: k versions, t time.
type StalenessGroup struct {
	Key   string    `json:"key"`
	Reads int64     `json:"reads"` // with a comparable version
	Fresh Ratio     `json:"fresh"` // reads with no newer committed write ÷ reads
	Time  Quantiles `json:"time"`  // how long the newest missed write had been committed
	K     KDist     `json:"versions"`
}

// KDist is the distribution of k, the committed writes newer than the one read.
type KDist struct {
	P50  *int64   `json:"p50"`
	P95  *int64   `json:"p95"`
	P99  *int64   `json:"p99"`
	Bins []KBin   `json:"bins"`
	Mean *float64 `json:"mean"`
}

// KBin counts the reads that missed Low to High versions (both inclusive).
type KBin struct {
	Low   int64 `json:"low"`
	High  int64 `json:"high"`
	Reads int64 `json:"reads"`
}

type staleAcc struct{ k, t sketch.Cell }

// Staleness returns the distributions of k and t over q's range, split by q.By.
func (r *Reporter) Staleness(ctx context.Context, q Query) (*Staleness, error) {
	if err := needFeature(q); err != nil {
		return nil, err
	}
	p, err := r.plan(q, autoPoints)
	if err != nil {
		return nil, err
	}
	acc := groups[staleAcc]{}
	err = r.cells(ctx, []segment{{p.level, p.from, p.to}}, p.match(),
		[]metrics.Metric{metrics.MetricStaleVersions, metrics.MetricStaleTime},
		func(s *metrics.Series, _ window, c *sketch.Cell) error {
			a := acc.at(group(p.By, s))
			if s.Metric == metrics.MetricStaleTime {
				a.t.Merge(c)
			} else {
				a.k.Merge(c)
			}
			return nil
		})
	if err != nil {
		return nil, err
	}
	out := &Staleness{Span: p.span(), Feature: p.Feature, By: p.By, Groups: []StalenessGroup{}}
	for _, key := range acc.keys() {
		a := acc[key]
		out.Groups = append(out.Groups, StalenessGroup{
			Key: key, Reads: a.k.Measured(), Fresh: NewRatio(a.k.Zero, a.k.Measured()),
			Time: quantiles(&a.t), K: kDist(&a.k),
		})
	}
	return out, nil
}

// kDist reads k from a cell. Buckets are exact for k up to 50, where a bucket holds
// one integer at most; above, within 1 %.
func kDist(c *sketch.Cell) KDist {
	d := KDist{P50: quantile(c, 0.50), P95: quantile(c, 0.95), P99: quantile(c, 0.99), Bins: []KBin{}}
	n := c.Measured()
	if n <= 0 {
		return d
	}
	d.Mean = new(float64(c.Sum) / float64(n))
	if c.Zero > 0 {
		d.Bins = append(d.Bins, KBin{0, 0, c.Zero})
	}
	for b, reads := range c.Buckets {
		k := int64(math.Round(sketch.Value(b)))
		// Bins double: 1, 2–3, 4–7, …
		low := int64(1) << int(math.Log2(float64(k)))
		if last := len(d.Bins) - 1; last >= 0 && d.Bins[last].Low == low {
			d.Bins[last].Reads += reads
			continue
		}
		d.Bins = append(d.Bins, KBin{low, 2*low - 1, reads})
	}
	return d
}
