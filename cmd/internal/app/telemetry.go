package app

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidemark/flags/flagset"
	"tidemark/metrics"
	"tidemark/metrics/ingest"
	"tidemark/metrics/provenance"
	"tidemark/metrics/report"
	"tidemark/metrics/rollup"
	telemetry "tidemark/metrics/sqlite"
)

// Retention says how long telemetry is kept. The zero value of a field is its
// default.
type Retention struct {
	Raw    time.Duration // events; default 7 d
	Fine   time.Duration // windows of 10 s; default 48 h
	Minute time.Duration // windows of 1 min; default 30 d
	Hour   time.Duration // windows of 1 h, and rows; default 13 months
	Held   time.Duration // events in quarantine; default 30 d
}

func (r Retention) withDefaults() Retention {
	const day = 24 * time.Hour
	set := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&r.Raw, 7*day)
	set(&r.Fine, 2*day)
	set(&r.Minute, 30*day)
	set(&r.Hour, 396*day)
	set(&r.Held, 30*day)
	return r
}

// Validate refuses periods that would leave coarser windows shorter than finer ones.
func (r Retention) Validate() error {
	r = r.withDefaults()
	switch {
	case r.Raw < time.Hour:
		return fmt.Errorf("retain-raw: %s: at least 1h is needed", r.Raw)
	case r.Held < time.Hour:
		return fmt.Errorf("retain-quarantine: %s: at least 1h is needed", r.Held)
	case r.Fine < time.Hour:
		return fmt.Errorf("retain-10s: %s: at least 1h is needed", r.Fine)
	case r.Minute < r.Fine:
		return fmt.Errorf("retain-1m: %s: must not be shorter than retain-10s (%s)", r.Minute, r.Fine)
	case r.Hour < r.Minute:
		return fmt.Errorf("retain-1h: %s: must not be shorter than retain-1m (%s)", r.Hour, r.Minute)
	}
	return nil
}

func (r Retention) metrics() metrics.Retention {
	r = r.withDefaults()
	return metrics.Retention{
		Raw: r.Raw, Rows: r.Hour,
		Cells: map[metrics.Level]time.Duration{metrics.Level10s: r.Fine, metrics.Level1m: r.Minute, metrics.Level1h: r.Hour},
	}
}

// folding is what events are folded by: what each feature promises, and which services
// may carry which labels.
func (a *App) folding(ctx context.Context) ([]metrics.FeatureConfig, rollup.Options, error) {
	o := rollup.Options{Now: a.o.Now, Resident: a.o.Resident}
	configs, err := a.catalogue.FeatureConfigs(ctx)
	if err != nil {
		return nil, o, err
	}
	o.Labels, err = flagset.LabelRules(ctx, a.control)
	return configs, o, err
}

// openTelemetry opens the events and what they add up to, and starts the pipeline.
func (a *App) openTelemetry(ctx context.Context) error {
	store, err := telemetry.Open(ctx, telemetry.Options{Dir: a.o.Data, Logger: a.log, Registerer: a.o.Registry})
	if err != nil {
		return err
	}
	a.telemetry = store
	a.onStop("telemetry store", func(context.Context) error { return store.Close() })
	configs, o, err := a.folding(ctx)
	if err != nil {
		return err
	}
	if a.engine, err = rollup.Open(ctx, store, configs, o); err != nil {
		return err
	}
	series, err := a.engine.ListSeries(ctx, "")
	if err != nil {
		return err
	}
	heard, err := a.engine.Heard(ctx)
	if err != nil {
		return err
	}
	in := a.o.Ingest
	in.Now = a.o.Now
	in.Quarantine.Store = store
	in.Folded = func(batches [][]metrics.Event) {
		for _, b := range batches {
			a.feed.Folded(b)
		}
	}
	a.pipeline = ingest.New(store, a.engine, series, heard, in)
	a.pipeline.SetLabels(metrics.NewVocabulary(o.Labels))
	if err := a.remember(ctx); err != nil {
		return err
	}
	a.pipeline.Start()
	a.started = a.o.Now()
	a.onStop("pipeline", a.pipeline.Stop)
	a.report = report.New(a.engine, a.o.Now, report.WithRetention(a.o.Retention.metrics().Cells))
	a.teller = provenance.New(a.engine, a.report, a.o.Now)
	a.o.Registry.MustRegister(newPipelineCollector(a.pipeline, a.engine), newPolicyCollector(a.report, a.log))
	return nil
}

// remembered is how many of the newest events a restarted pipeline knows as
// duplicates when they are sent again; clients repeat what they got no answer to.
const remembered = 500_000

func (a *App) remember(ctx context.Context) error {
	from := a.telemetry.Begin()
	if end := a.telemetry.End(); end > from+remembered {
		from = end - remembered
	}
	err := a.telemetry.Scan(ctx, from, func(_ metrics.Position, events []metrics.Event) error {
		a.pipeline.Remember(events)
		return nil
	})
	if err != nil {
		return fmt.Errorf("remember recent events: %w", err)
	}
	return nil
}

// settleRetention is how long a clock that was set ahead must go on steadily before
// anything is deleted by it: what is gone does not come back with the right time.
const settleRetention = 24 * time.Hour

// prune deletes what retention does not keep.
func (a *App) prune(ctx context.Context) error {
	clock := a.o.Now()
	now := a.steady.Earlier(clock)
	if now.Before(clock) {
		a.log.WarnContext(ctx, "the clock was set ahead; until it went on steadily for a day nothing is deleted by it", "by", clock.Round(0).Sub(now.Round(0)).Round(time.Second))
	}
	if err := a.expireQuarantine(ctx, now); err != nil {
		return err
	}
	return a.telemetry.Prune(ctx, now, a.o.Retention.metrics())
}

// pipelineCollector shows the pipeline's counts to Prometheus.
type pipelineCollector struct {
	pipeline *ingest.Pipeline
	engine   *rollup.Engine
	descs    []gauge
}

type gauge struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(ingest.Stats, rollup.Stats) float64
}

func newPipelineCollector(p *ingest.Pipeline, e *rollup.Engine) *pipelineCollector {
	const counter, level = prometheus.CounterValue, prometheus.GaugeValue
	show := func(name, help string, kind prometheus.ValueType, read func(ingest.Stats, rollup.Stats) float64) gauge {
		return gauge{prometheus.NewDesc("tidemark_"+name, help, nil, nil), kind, read}
	}
	return &pipelineCollector{pipeline: p, engine: e, descs: []gauge{
		show("queue_events", "Events waiting to be stored.", level, func(s ingest.Stats, _ rollup.Stats) float64 { return float64(s.Queued) }),
		show("queue_limit_events", "Events that may wait to be stored.", level, func(s ingest.Stats, _ rollup.Stats) float64 { return float64(s.QueueLimit) }),
		show("quarantine_events", "Events kept apart, because nobody declared a label of theirs.", level, func(s ingest.Stats, _ rollup.Stats) float64 { return float64(s.Quarantine.Events) }),
		show("quarantine_limit_events", "Events that may be kept apart.", level, func(s ingest.Stats, _ rollup.Stats) float64 { return float64(s.Quarantine.Most.Events) }),
		show("quarantine_bytes", "Size of the events kept apart, as JSON.", level, func(s ingest.Stats, _ rollup.Stats) float64 { return float64(s.Quarantine.Bytes) }),
		show("fold_behind_groups", "Stored groups waiting to be folded.", level, func(s ingest.Stats, _ rollup.Stats) float64 { return float64(s.FoldBehind) }),
		show("store_groups_total", "Transactions of events.", counter, func(s ingest.Stats, _ rollup.Stats) float64 { return float64(s.Groups) }),
		show("store_failures_total", "Transactions of events that failed.", counter, func(s ingest.Stats, _ rollup.Stats) float64 { return float64(s.Failures) }),
		show("folded_events_total", "Events counted.", counter, func(_ ingest.Stats, f rollup.Stats) float64 { return float64(f.Folded) }),
		show("unfolded_events_total", "Late events that only a rebuild counts, since the last one.", counter, func(_ ingest.Stats, f rollup.Stats) float64 { return float64(f.Unfolded) }),
		show("series", "Series kept.", level, func(_ ingest.Stats, f rollup.Stats) float64 { return float64(f.Series) }),
		show("dropped_samples_total", "Samples not counted since the start, because there were too many series.", counter, func(_ ingest.Stats, f rollup.Stats) float64 { return float64(f.DroppedSamples) }),
		show("resident_writes", "Writes and reads kept in memory, large ones counted for as many.", level, func(_ ingest.Stats, f rollup.Stats) float64 { return float64(f.Resident) }),
		show("uncheckpointed_events", "Events counted in memory alone.", level, func(_ ingest.Stats, f rollup.Stats) float64 { return float64(f.Position - f.Checkpointed) }),
	}}
}

// Describe implements prometheus.Collector.
func (c *pipelineCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, g := range c.descs {
		ch <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (c *pipelineCollector) Collect(ch chan<- prometheus.Metric) {
	p, f := c.pipeline.Stats(), c.engine.Stats()
	for _, g := range c.descs {
		ch <- prometheus.MustNewConstMetric(g.desc, g.kind, g.read(p, f))
	}
}
