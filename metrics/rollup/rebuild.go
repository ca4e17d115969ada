package rollup

import (
	"context"
	"fmt"

	"tidemark/metrics"
)

// Rebuild makes the rollups anew from the raw events that are kept, and stores them.
// What begins before the events that are kept, with an hour to spare, is left as it is,
// because it is nowhere else: cells, conflicts, violations, exemplars, open writes,
// sources heard, and all of a trial whose first step began before. progress is told
// how many of total events are folded; it may be nil. Nobody else may use the store
// meanwhile. The engine knows what was made anew: open the store again to serve.
func Rebuild(ctx context.Context, store metrics.Store, configs []metrics.FeatureConfig, opts Options, progress func(done, total uint64)) (*Engine, error) {
	opts.ReloadShare = 1 // Nobody waits: every late event is counted.
	r := &rebuilding{Store: store, written: map[string]bool{}, progress: progress, begin: store.Begin(), end: store.End()}
	stats, err := store.Stats(ctx)
	if err == nil {
		if r.since = firstWhole(stats, r.begin); r.since != 0 {
			err = r.keep(ctx, configs, opts)
		}
	}
	if err == nil {
		err = store.ResetRollups(ctx, metrics.Reset{Since: r.since, Position: r.begin, Trials: r.trialIDs()})
	}
	if err != nil {
		return nil, fmt.Errorf("rebuild: %w", err)
	}
	e, err := Open(ctx, r, configs, opts)
	if err != nil {
		return nil, fmt.Errorf("rebuild: %w", err)
	}
	r.done = true
	if err := e.Checkpoint(ctx); err != nil {
		return nil, fmt.Errorf("rebuild: %w", err)
	}
	return e, nil
}

// history is the time at the beginning of the kept log whose windows are not made anew:
// sessions that were going on there, and what they had seen, are not known whole.
const history = metrics.Level1h

// firstWhole is the start (Unix seconds) of the first windows that are made anew: those
// that begin at least an hour after the oldest event that is kept. It is 0 when nothing
// was ever pruned.
func firstWhole(stats metrics.StoreStats, begin metrics.Position) int64 {
	if begin == 0 || stats.OldestRaw == 0 {
		return 0
	}
	return metrics.Level1h.Start(stats.OldestRaw-1) + int64(metrics.Level1h) + int64(history)
}
