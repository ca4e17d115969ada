package rollup

import (
	"time"

	"tidemark/metrics"
)

// Options configure an Engine. The zero value of a field means its default.
type Options struct {
	// Now is the clock; time.Now by default.
	Now func() time.Time
	// Resident is how many writes and reads are kept in memory (default 100,000,
	// about 1 kB each with their sessions). One that takes more counts for as many as take
	// its room. Older ones are read back from the log when needed.
	Resident int
	// ReloadShare is the share of time that may go into reading states back; beyond
	// it, late events are kept in the log but counted only by a rebuild. Default
	// 0.3; 1 or more is no limit.
	ReloadShare float64
	// MaxSeries bounds the number of series (default 200,000). Samples of further
	// ones are dropped and counted.
	MaxSeries int
	// FeatureSeries bounds the series of one feature (default a tenth of MaxSeries), so
	// that what is sent of one feature leaves room for the others.
	FeatureSeries int
	// CheckpointEvery and CheckpointEvents say when a checkpoint is due (defaults 2 s
	// and 1,000,000 events).
	CheckpointEvery  time.Duration
	CheckpointEvents int

	// Labels are the rules by which hops of labelled writes are judged.
	Labels []metrics.LabelRule
	// TrialUnits bounds the units of all trials that are followed (default MaxTrialUnits);
	// the trials of one feature have half of it at most.
	TrialUnits int

	seen seenSize // smaller in tests
	busy busySize
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Resident <= 0 {
		o.Resident = 100_000
	}
	if o.ReloadShare <= 0 {
		o.ReloadShare = 0.3
	}
	if o.MaxSeries <= 0 {
		o.MaxSeries = 200_000
	}
	if o.FeatureSeries <= 0 {
		o.FeatureSeries = max(o.MaxSeries/10, 1)
	}
	if o.TrialUnits <= 0 {
		o.TrialUnits = MaxTrialUnits
	}
	if o.busy == (busySize{}) {
		o.busy = defaultBusySize
	}
	if o.seen.mark == 0 {
		o.seen = defaultSeenSize
	}
	if o.CheckpointEvery <= 0 {
		o.CheckpointEvery = 2 * time.Second
	}
	if o.CheckpointEvents <= 0 {
		o.CheckpointEvents = 1_000_000
	}
	return o
}
