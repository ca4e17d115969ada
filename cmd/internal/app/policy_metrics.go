package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidemark/metrics/report"
)

// policyCollector shows hops of labelled writes of the last hour to Prometheus. They are
// levels: a label that changes may judge a hop anew.
type policyCollector struct {
	report          *report.Reporter
	judged, against *prometheus.Desc
}

func newPolicyCollector(r *report.Reporter) *policyCollector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("tidemark_policy_hops_"+name, help, []string{"feature"}, nil)
	}
	return &policyCollector{
		r,
		desc("judged", "Hops of labelled writes in the last hour that a label's rule decided about."),
		desc("against", "Hops of labelled writes in the last hour at a service without clearance."),
	}
}

// Describe implements prometheus.Collector.
func (c *policyCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.judged; ch <- c.against }

// policyTimeout bounds how long a scrape waits for the numbers.
const policyTimeout = 5 * time.Second

// Collect implements prometheus.Collector. A feature without labelled writes has none.
func (c *policyCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), policyTimeout)
	defer cancel()
	all, err := c.report.Features(ctx, report.Query{})
	if err != nil {
		ch <- prometheus.NewInvalidMetric(c.judged, err)
		return
	}
	for i := range all.Features {
		f := &all.Features[i]
		if f.Policy.Denominator > 0 {
			ch <- prometheus.MustNewConstMetric(c.judged, prometheus.GaugeValue, float64(f.Policy.Denominator), f.Feature)
			ch <- prometheus.MustNewConstMetric(c.against, prometheus.GaugeValue, float64(f.Policy.Numerator), f.Feature)
		}
	}
}
