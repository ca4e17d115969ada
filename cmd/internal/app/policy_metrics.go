package app

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidemark/metrics/report"
)

// policyCollector shows hops of labelled writes of the last hour to Prometheus. They are
// levels: a label that changes may judge a hop anew.
type policyCollector struct {
	report                  *report.Reporter
	log                     *slog.Logger
	judged, against, unread *prometheus.Desc

	mu     sync.Mutex
	last   map[string]report.Ratio // by feature, as they were read last
	failed float64                 // how often they could not be read
}

func newPolicyCollector(r *report.Reporter, log *slog.Logger) *policyCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("tidemark_policy_hops_"+name, help, labels, nil)
	}
	return &policyCollector{
		report: r, log: log,
		judged:  desc("judged", "Hops of labelled writes in the last hour that a label's rule decided about.", "feature"),
		against: desc("against", "Hops of labelled writes in the last hour at a service without clearance.", "feature"),
		unread:  desc("unread_total", "Scrapes that could not read these hops in time and were told those of before."),
	}
}

// Describe implements prometheus.Collector.
func (c *policyCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.judged
	ch <- c.against
	ch <- c.unread
}

// policyTimeout bounds how long a scrape waits for the numbers.
const policyTimeout = 5 * time.Second

// Collect implements prometheus.Collector. A feature without labelled writes has none.
// What cannot be read leaves the rest of the scrape as it is.
func (c *policyCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), policyTimeout)
	defer cancel()
	hops, err := c.report.PolicyHops(ctx, report.Query{})
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.log.WarnContext(ctx, "cannot read hops of labelled writes for a scrape", "error", err)
		c.failed++
	} else {
		c.last = hops
	}
	for feature, r := range c.last {
		ch <- prometheus.MustNewConstMetric(c.judged, prometheus.GaugeValue, float64(r.Denominator), feature)
		ch <- prometheus.MustNewConstMetric(c.against, prometheus.GaugeValue, float64(r.Numerator), feature)
	}
	ch <- prometheus.MustNewConstMetric(c.unread, prometheus.CounterValue, c.failed)
}
