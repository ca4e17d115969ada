package app

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/clock"
	"tidemark/metrics/ingest"
	"tidemark/metrics/rollup"
	"tidemark/web/api"
)

// PipelineReport says whether the telemetry itself is sound.
type PipelineReport struct {
	Now       int64    `json:"now"`        // Unix ns
	Since     int64    `json:"since"`      // when counting began, Unix ns
	PerSecond *float64 `json:"per_second"` // accepted events, lately; null before it was measured
	Error     string   `json:"error,omitempty"`

	Ingest  ingest.Stats       `json:"ingest"`
	Fold    FoldReport         `json:"fold"`
	Store   metrics.StoreStats `json:"store"`
	Sources []metrics.Heard    `json:"sources"`
	Clocks  []clock.Pair       `json:"clocks"`
	Live    LiveReport         `json:"live"`
}

// FoldReport is what the fold has done since the start.
type FoldReport struct {
	Folded         uint64 `json:"folded"`
	Unfolded       uint64 `json:"unfolded"` // late events that only a rebuild counts, since the last one
	Reloads        uint64 `json:"reloads"`
	Evicted        uint64 `json:"evicted"`
	Resident       int    `json:"resident"`
	Series         int    `json:"series"`
	DroppedSamples int64  `json:"dropped_samples"`
	Behind         uint64 `json:"behind"` // events counted in memory alone
}

// LiveReport is who listens.
type LiveReport struct {
	Subscribers int    `json:"subscribers"`
	Dropped     uint64 `json:"dropped"`
}

func foldReport(s rollup.Stats) FoldReport {
	return FoldReport{
		Folded: s.Folded, Unfolded: s.Unfolded, Reloads: s.Reloads, Evicted: s.Evicted, Resident: s.Resident,
		Series: s.Series, DroppedSamples: s.DroppedSamples, Behind: uint64(s.Position - s.Checkpointed),
	}
}

// PipelineReport describes the telemetry itself.
func (a *App) PipelineReport(ctx context.Context) (*PipelineReport, error) {
	store, err := a.telemetry.Stats(ctx)
	if err != nil {
		return nil, err
	}
	heard, err := a.engine.Heard(ctx)
	if err != nil {
		return nil, err
	}
	if heard == nil {
		heard = []metrics.Heard{}
	}
	subscribers, dropped := a.hub.Stats()
	r := &PipelineReport{
		Now: a.o.Now().UnixNano(), Since: a.started.UnixNano(), PerSecond: a.rate.perSecond(),
		Ingest: a.pipeline.Stats(), Fold: foldReport(a.engine.Stats()), Store: store, Sources: heard,
		Clocks: clock.Table(a.engine.ClockPairs()), Live: LiveReport{subscribers, dropped},
	}
	if err := a.trouble(); err != nil {
		r.Error = err.Error()
	}
	return r, nil
}

// Table is one of the report's tables, for CSV.
func (r *PipelineReport) Table(name string) (header []string, rows [][]string) {
	switch name {
	case api.TableClocks:
		return clockTable(r.Clocks)
	case api.TableRejected:
		header = []string{"code", "events"}
		for _, code := range slices.Sorted(maps.Keys(r.Ingest.Rejected)) {
			rows = append(rows, []string{code, strconv.FormatInt(r.Ingest.Rejected[code], 10)})
		}
		return header, rows
	}
	header = []string{"feature", "service", "replica", "region", "first", "last", "events"}
	stamp := func(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }
	for i := range r.Sources {
		h := &r.Sources[i]
		rows = append(rows, []string{h.Feature, h.Service, h.Replica, h.Region, stamp(h.First), stamp(h.Last), strconv.FormatInt(h.Events, 10)})
	}
	return header, rows
}

func clockTable(pairs []clock.Pair) (header []string, rows [][]string) {
	known := func(ns *int64) string {
		if ns == nil {
			return ""
		}
		return strconv.FormatInt(*ns, 10)
	}
	header = []string{"feature", "a", "b", "offset_ns", "error_ns", "low_ns", "high_ns", "samples", "negative", "explained"}
	for i := range pairs {
		p := &pairs[i]
		rows = append(rows, []string{
			p.Feature, p.A, p.B, known(p.OffsetNS), known(p.ErrorNS), known(p.LowNS), known(p.HighNS),
			strconv.FormatInt(p.Samples, 10), strconv.FormatInt(p.Negative, 10), strconv.FormatBool(p.Explained),
		})
	}
	return header, rows
}

// rate measures how fast a counter grows, over the last few readings.
type rate struct {
	mu    sync.Mutex
	times []time.Time
	sums  []int64
}

// rateReadings is how many readings are kept; with one each 5 s, half a minute.
const rateReadings = 7

func (r *rate) read(now time.Time, sum int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.times) == rateReadings {
		r.times, r.sums = append(r.times[:0], r.times[1:]...), append(r.sums[:0], r.sums[1:]...)
	}
	r.times, r.sums = append(r.times, now), append(r.sums, sum)
}

// perSecond is nil until two readings are known.
func (r *rate) perSecond() *float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.times)
	if n < 2 {
		return nil
	}
	took := r.times[n-1].Sub(r.times[0]).Seconds()
	if took <= 0 {
		return nil
	}
	return new(float64(r.sums[n-1]-r.sums[0]) / took)
}
