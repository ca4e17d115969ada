package report_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/report"
	"tidemark/metrics/report/reporttest"
	"tidemark/metrics/sketch"
)

// list is a Reader that hands out prepared cells, so that a benchmark measures the
// report and not the store.
type list struct {
	*reporttest.Reader
	series []metrics.Series
	cell   *sketch.Cell
}

func (l *list) Cells(_ context.Context, q metrics.CellQuery, fn metrics.CellFunc) error {
	for i := range l.series {
		if !q.Matches(&l.series[i]) {
			continue
		}
		for at := q.From; at < q.To; at += int64(q.Level) {
			if err := fn(&l.series[i], at, l.cell); err != nil {
				return err
			}
		}
	}
	return nil
}

func benchReader(features []string) *list {
	l := &list{Reader: reporttest.New(), cell: &sketch.Cell{}}
	for i := range 1000 {
		l.cell.N++
		l.cell.Hits++
		l.cell.Observe(int64(i+1)*int64(time.Millisecond), 1)
	}
	for _, f := range features {
		l.Configs[f] = metrics.FeatureConfig{Feature: f}
		for _, m := range []metrics.Metric{metrics.MetricWrites, metrics.MetricVisibleAll, metrics.MetricVisibleFirst} {
			l.series = append(l.series, metrics.Series{Feature: f, Metric: m})
		}
		for _, r := range []string{"eu", "us", "ap"} {
			l.series = append(l.series, metrics.Series{Feature: f, Metric: metrics.MetricVisible, Replica: r})
		}
	}
	return l
}

func BenchmarkLag24h(b *testing.B) {
	rep := report.New(benchReader([]string{"cart"}), now)
	q := report.Query{Feature: "cart", From: noon.Add(-24 * time.Hour), To: noon, By: report.ByReplica}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rep.Lag(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFeatures1h(b *testing.B) {
	rep := report.New(benchReader([]string{"cart", "feed", "invoices", "profile", "search"}), now)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rep.Features(b.Context(), report.Query{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFeaturesOfMany is a list of 2,000 features, each heard from four sources, of which
// some writes are open.
func BenchmarkFeaturesOfMany(b *testing.B) {
	l := &list{Reader: reporttest.New()}
	for i := range 2000 {
		f := fmt.Sprintf("feature-%04d", i)
		l.Configs[f] = metrics.FeatureConfig{Feature: f}
		for _, replica := range []string{"eu", "us", "ap", ""} {
			l.HeardRows = append(l.HeardRows, metrics.Heard{Feature: f, Service: "s", Replica: replica, Last: noon.UnixNano()})
		}
		l.OpenRows = append(l.OpenRows, metrics.OpenWrite{Feature: f, WriteID: "w", Initiated: noon.Add(-time.Minute).UnixNano(), Missing: []string{"eu"}})
	}
	rep := report.New(l, now)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rep.Features(b.Context(), report.Query{}); err != nil {
			b.Fatal(err)
		}
	}
}
