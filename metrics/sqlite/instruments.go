package sqlite

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// instruments are the store's own metrics.
type instruments struct {
	reg            prometheus.Registerer
	appendSeconds  prometheus.Histogram
	commitSeconds  prometheus.Histogram
	appendEvents   prometheus.Counter
	appendBytes    prometheus.Counter
	appendFailures prometheus.Counter
	commitFailures prometheus.Counter
	upkeepFailures prometheus.Counter
	merged         prometheus.Counter
	findChunks     prometheus.Counter
	findSegments   prometheus.Counter
	findBytes      prometheus.Counter
	all            []prometheus.Collector
}

func newInstruments(s *Store) (*instruments, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "tidemark_store_" + name, Help: help})
	}
	seconds := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tidemark_store_" + name, Help: help, Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		})
	}
	gauge := func(name, help string, fn func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tidemark_store_" + name, Help: help}, fn)
	}
	i := &instruments{
		reg:            s.opts.Registerer,
		appendSeconds:  seconds("append_seconds", "Time to make a group of events durable."),
		commitSeconds:  seconds("commit_seconds", "Time to store a checkpoint."),
		appendEvents:   counter("append_events_total", "Events appended."),
		appendBytes:    counter("append_bytes_total", "Bytes of the segments appended."),
		appendFailures: counter("append_failures_total", "Appends that failed; nothing of them was stored."),
		commitFailures: counter("commit_failures_total", "Checkpoints that failed; nothing of them was stored."),
		upkeepFailures: counter("upkeep_failures_total", "Failed attempts to merge, index or seal."),
		merged:         counter("merged_segments_total", "Small segments that were merged into larger ones."),
		findChunks:     counter("find_chunks_total", "Chunks of the index that look-ups of a write, key or session read."),
		findSegments:   counter("find_segments_total", "Segments that look-ups of a write, key or session read."),
		findBytes:      counter("find_bytes_total", "Bytes of the chunks and segments that look-ups read."),
	}
	i.all = []prometheus.Collector{
		i.appendSeconds, i.commitSeconds, i.appendEvents, i.appendBytes, i.appendFailures, i.commitFailures,
		i.upkeepFailures, i.merged, i.findChunks, i.findSegments, i.findBytes,
		gauge("unsynced", "1 after a write that may not have reached the disk: nothing more is stored until a restart.", func() float64 {
			if s.trip.err() != nil {
				return 1
			}
			return 0
		}),
		gauge("segments", "Segments of raw events.", func() float64 { return float64(s.figures().Segments) }),
		gauge("partitions", "Files of raw events.", func() float64 { return float64(s.figures().Partitions) }),
		gauge("raw_bytes", "What raw events take on the disk.", func() float64 { return float64(s.rawBytes()) }),
		gauge("rollup_bytes", "What rollups and rows take on the disk.", func() float64 { return float64(s.main.size()) }),
		gauge("events", "Raw events kept.", func() float64 { return float64(s.figures().Events) }),
	}
	if i.reg == nil {
		return i, nil
	}
	for n, c := range i.all {
		if err := i.reg.Register(c); err != nil {
			i.all = i.all[:n]
			i.unregister()
			return nil, fmt.Errorf("register store metrics: %w", err)
		}
	}
	return i, nil
}

func (i *instruments) unregister() {
	if i.reg == nil {
		return
	}
	for _, c := range i.all {
		i.reg.Unregister(c)
	}
}

func (i *instruments) appended(b *Encoded, took time.Duration) {
	i.appendSeconds.Observe(took.Seconds())
	i.appendEvents.Add(float64(b.Events))
	i.appendBytes.Add(float64(len(b.data)))
}

// lookedUp counts a chunk of the index that was read.
func (i *instruments) lookedUp(data []byte) {
	i.findChunks.Inc()
	i.findBytes.Add(float64(len(data)))
}

// foundIn counts a segment that was read to find something.
func (i *instruments) foundIn(s *stored) {
	i.findSegments.Inc()
	i.findBytes.Add(float64(len(s.data)))
}
