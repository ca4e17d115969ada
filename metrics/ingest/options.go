package ingest

import (
	"time"

	"tidemark/metrics"
)

// Options configure a Pipeline. The zero value of a field means its default.
type Options struct {
	Now func() time.Time
	// QueueEvents is how many events may wait to be stored (default 100,000); beyond
	// it Submit returns ErrOverloaded.
	QueueEvents int
	// GroupEvents is how many events one transaction takes at most (default 4,096,
	// though one request is never split).
	GroupEvents int
	// RecentIDs is how many event ids are remembered at least, to drop duplicates
	// before they are stored (default 500,000, 12 MB). Older duplicates are stored
	// again and counted once.
	RecentIDs int
	// FoldBehind is how many stored groups may wait to be folded (default 8).
	FoldBehind int
	// Cardinality bounds distinct names.
	Cardinality Cardinality
	// Quarantine keeps events with unknown labels apart.
	Quarantine Quarantine
	// Folded is called after events were folded, in log order; it must not keep them.
	Folded func(batches [][]metrics.Event)
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&o.QueueEvents, 100_000)
	set(&o.GroupEvents, 4_096)
	set(&o.RecentIDs, 500_000)
	set(&o.FoldBehind, 8)
	o.Cardinality = o.Cardinality.withDefaults()
	o.Quarantine = o.Quarantine.withDefaults()
	return o
}
