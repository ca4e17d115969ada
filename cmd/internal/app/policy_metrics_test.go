package app

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidemark/metrics"
	"tidemark/metrics/report"
	"tidemark/metrics/report/reporttest"
)

type brokenCells struct {
	*reporttest.Reader
	err error
}

func (b *brokenCells) Cells(ctx context.Context, q metrics.CellQuery, fn metrics.CellFunc) error {
	if b.err != nil {
		return b.err
	}
	return b.Reader.Cells(ctx, q, fn)
}

// A scrape gets all else, and the hops as they were, when these cannot be read in time.
func TestAScrapeOutlivesHopsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	r := &brokenCells{Reader: reporttest.New()}
	r.Count(metrics.Series{Feature: "cart", Metric: metrics.MetricPolicy, Replica: "eu"}, now.Add(-time.Minute).UnixNano(), 7, 2)
	c := newPolicyCollector(report.New(r, func() time.Time { return now }), slog.New(slog.DiscardHandler))
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(c)
	for _, unread := range []float64{0, 1, 2} {
		got, err := reg.Gather()
		if err != nil {
			t.Fatalf("%g scrapes could not read: %v", unread, err)
		}
		all := map[string]float64{}
		for _, m := range got {
			all[m.GetName()] = m.GetMetric()[0].GetGauge().GetValue() + m.GetMetric()[0].GetCounter().GetValue()
		}
		if all["tidemark_policy_hops_judged"] != 7 || all["tidemark_policy_hops_against"] != 2 || all["tidemark_policy_hops_unread_total"] != unread {
			t.Errorf("%v; want 7 judged, 2 against, %g unread", all, unread)
		}
		r.err = errors.New("took too long")
	}
}
