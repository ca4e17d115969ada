package rollup

import (
	"context"
	"fmt"

	"tidemark/metrics"
)

// Rebuild makes the rollups anew from the raw events that are kept, and stores
// them. Windows that begin before the oldest raw event are left as they are: what
// they count is nowhere else. progress is told how many of total events are folded;
// it may be nil. Nobody else may use the store meanwhile.
func Rebuild(ctx context.Context, store metrics.Store, configs []metrics.FeatureConfig, opts Options, progress func(done, total uint64)) (*Engine, error) {
	stats, err := store.Stats(ctx)
	if err != nil {
		return nil, fmt.Errorf("rebuild: %w", err)
	}
	r := &rebuilding{
		Store: store, since: firstWhole(stats, store.Begin()), written: map[string]bool{},
		progress: progress, begin: store.Begin(), end: store.End(),
	}
	if err := store.ResetRollups(ctx, r.since, store.Begin()); err != nil {
		return nil, fmt.Errorf("rebuild: %w", err)
	}
	opts.ReloadShare = 1 // Nobody waits: every late event is counted.
	e, err := Open(ctx, r, configs, opts)
	if err != nil {
		return nil, fmt.Errorf("rebuild: %w", err)
	}
	if err := e.Checkpoint(ctx); err != nil {
		return nil, fmt.Errorf("rebuild: %w", err)
	}
	return e, nil
}

// firstWhole is the start (Unix seconds) of the first window of every level whose
// events are all kept: 0 when nothing was ever pruned.
func firstWhole(stats metrics.StoreStats, begin metrics.Position) int64 {
	if begin == 0 || stats.OldestRaw == 0 {
		return 0
	}
	hour := int64(metrics.Level1h)
	return metrics.Level1h.Start(stats.OldestRaw-1) + hour
}

// rebuilding is a store as the fold must see it during a rebuild: without what the
// fold that is being replaced knew, and closed to windows that were not reset.
type rebuilding struct {
	metrics.Store

	since      int64
	written    map[string]bool
	progress   func(done, total uint64)
	begin, end metrics.Position
}

// Blob hides what the replaced fold had stored, but for which trials it followed.
func (r *rebuilding) Blob(ctx context.Context, name string) ([]byte, error) {
	if name == trialsBlob && !r.written[name] {
		return onlyTrials(r.Store.Blob(ctx, name))
	}
	if !r.written[name] {
		return nil, fmt.Errorf("blob %q: %w", name, metrics.ErrNotFound)
	}
	return r.Store.Blob(ctx, name)
}

// Commit drops differences to windows that were not reset: they count those events
// already.
func (r *rebuilding) Commit(ctx context.Context, c *metrics.Checkpoint) error {
	for k := range c.Deltas {
		if k.Start < r.since {
			delete(c.Deltas, k)
		}
	}
	for name := range c.Blobs {
		r.written[name] = true
	}
	return r.Store.Commit(ctx, c)
}

// Scan tells the progress.
func (r *rebuilding) Scan(ctx context.Context, from metrics.Position, fn func(first metrics.Position, events []metrics.Event) error) error {
	return r.Store.Scan(ctx, from, func(first metrics.Position, events []metrics.Event) error {
		if err := fn(first, events); err != nil {
			return err
		}
		if r.progress != nil {
			r.progress(uint64(first-r.begin)+uint64(len(events)), uint64(r.end-r.begin))
		}
		return nil
	})
}
