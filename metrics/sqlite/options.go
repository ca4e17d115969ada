package sqlite

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options says where and how a Store keeps its files.
type Options struct {
	Dir string // created when it does not exist
	// PartitionSpan and PartitionBytes bound a file of raw events by the time that
	// its events were observed in, and by size. 0 means 6 h and 1 GiB.
	PartitionSpan  time.Duration
	PartitionBytes int64
	// AllowGap opens a store whose log ends before its checkpoint, which is otherwise
	// damage: for a rebuild of the rollups, nothing else.
	AllowGap bool
	// Logger gets failures of upkeep, which is tried again; nil discards them.
	Logger *slog.Logger
	// Registerer gets the store's own metrics; nil registers none.
	Registerer prometheus.Registerer

	index indexing // of tests: smaller runs
}

const (
	defaultSpan  = 6 * time.Hour
	defaultBytes = 1 << 30
)

func (o *Options) fill() {
	if o.PartitionSpan <= 0 {
		o.PartitionSpan = defaultSpan
	}
	if o.PartitionBytes <= 0 {
		o.PartitionBytes = defaultBytes
	}
	if o.index == (indexing{}) {
		o.index = defaultIndexing()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}
