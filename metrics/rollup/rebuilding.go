package rollup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"tidemark/metrics"
)

// rebuilding is a store as the fold must see it during a rebuild: without what the
// fold that is being replaced knew, and closed to what begins before since.
type rebuilding struct {
	metrics.Store

	since      int64 // Unix seconds; 0 when all is made anew
	written    map[string]bool
	progress   func(done, total uint64)
	begin, end metrics.Position
	done       bool // the next checkpoint is the last

	// What is kept, when something is.
	kept       bool
	counted    metrics.Position                        // sources heard include events before it
	again      map[source]int64                        // those of them that were counted again
	open       map[metrics.WriteName]metrics.OpenWrite // begun before since, and not in the log
	trials     []storedTrial
	violations map[string]bool // ids from before since that the fold came upon
}

// source is a natural key of metrics.Heard.
type source struct{ feature, service, replica, region string }

// rebuildBlob marks a rebuild that keeps something and is not finished: its value is
// the position up to which what is kept includes the log. Folding on from there
// would count twice.
const rebuildBlob = "rebuild"

var errCutOff = fmt.Errorf("%w: a rebuild of the rollups was cut off; run it again", metrics.ErrDamaged)

// keep finds what is kept, and brings it up to date. Rollups that were made without the
// events that were pruned, as those of a file that was lost, have nothing to keep.
func (r *rebuilding) keep(ctx context.Context, configs []metrics.FeatureConfig, opts Options) error {
	mark, err := r.Store.Blob(ctx, rebuildBlob)
	switch {
	case err == nil:
		n, err := strconv.ParseUint(string(mark), 10, 64)
		if err != nil {
			return fmt.Errorf("%w: blob %q: %w", metrics.ErrDamaged, rebuildBlob, err)
		}
		r.counted = metrics.Position(n)
	case !errors.Is(err, metrics.ErrNotFound):
		return err
	default:
		if r.counted, err = r.catchUp(ctx, configs, opts); err != nil {
			return err
		}
	}
	if r.counted < r.begin {
		return nil
	}
	r.kept, r.again, r.violations = true, map[source]int64{}, map[string]bool{}
	if err := r.keepTrials(ctx); err != nil {
		return err
	}
	gone, err := r.keepOpen(ctx)
	if err != nil {
		return err
	}
	pos, err := r.Store.Checkpointed(ctx)
	if err != nil {
		return err
	}
	return r.Store.Commit(ctx, &metrics.Checkpoint{
		Position: pos, SpilledGone: gone, Blobs: map[string][]byte{rebuildBlob: strconv.AppendUint(nil, uint64(r.counted), 10)},
	})
}

// catchUp folds the end of the log into what is there, and returns the position that it
// then includes.
func (r *rebuilding) catchUp(ctx context.Context, configs []metrics.FeatureConfig, opts Options) (metrics.Position, error) {
	pos, err := r.Store.Checkpointed(ctx)
	if err != nil || pos < r.begin || pos >= r.end {
		return pos, err
	}
	// The state of the fold may be what is damaged: that is no reason not to rebuild.
	e, err := Open(ctx, r.Store, configs, opts)
	if err == nil {
		err = e.Checkpoint(ctx)
	}
	if err != nil && ctx.Err() != nil {
		return pos, err
	}
	return r.Store.Checkpointed(ctx)
}

// keepTrials keeps the trials whose first step began before the windows made anew: what
// a unit experienced in a step is one row.
func (r *rebuilding) keepTrials(ctx context.Context) error {
	stored, err := readTrials(r.Store.Blob(ctx, trialsBlob))
	for _, t := range stored {
		if len(t.Trial.Steps) > 0 && t.Trial.Steps[0].From < r.sinceNS() {
			r.trials = append(r.trials, t)
		}
	}
	return err
}

func (r *rebuilding) sinceNS() int64 { return r.since * 1e9 }

func (r *rebuilding) trialIDs() (ids []string) {
	for _, t := range r.trials {
		ids = append(ids, t.Trial.ID)
	}
	return ids
}

// keepOpen keeps the open writes whose beginning is not in the log, and names the
// others: the fold finds out anew whether they are open.
func (r *rebuilding) keepOpen(ctx context.Context) (again []metrics.WriteName, err error) {
	rows, err := r.Store.Spilled(ctx, metrics.SpilledQuery{})
	if err != nil {
		return nil, err
	}
	r.open = map[metrics.WriteName]metrics.OpenWrite{}
	for _, o := range rows {
		if o.Initiated >= r.sinceNS() {
			continue
		}
		events, _, err := metrics.FindWrite(ctx, r.Store, o.Feature, o.WriteID, 50)
		if err != nil {
			return nil, err
		}
		begins := func(e metrics.Event) bool { return e.Kind.AtOrigin() }
		if slices.ContainsFunc(events, begins) {
			again = append(again, o.Name())
		} else {
			r.open[o.Name()] = o
		}
	}
	return again, nil
}

// Blob hides what the replaced fold had stored, but for which trials it followed.
func (r *rebuilding) Blob(ctx context.Context, name string) ([]byte, error) {
	if name == trialsBlob && !r.written[name] {
		stored, err := readTrials(r.Store.Blob(ctx, name))
		if err != nil {
			return nil, err
		}
		return json.Marshal(r.followed(stored))
	}
	if !r.written[name] {
		return nil, fmt.Errorf("blob %q: %w", name, metrics.ErrNotFound)
	}
	return r.Store.Blob(ctx, name)
}

// followed are the trials whose evidence is gathered again, without their counts.
func (r *rebuilding) followed(stored []storedTrial) []storedTrial {
	out := []storedTrial{}
	for _, t := range stored {
		if !slices.Contains(r.trialIDs(), t.Trial.ID) {
			out = append(out, storedTrial{Trial: t.Trial})
		}
	}
	return out
}

// readTrials reads what cutTrials wrote; nothing was written is no error.
func readTrials(b []byte, err error) (stored []storedTrial, _ error) {
	if errors.Is(err, metrics.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load trials: %w", err)
	}
	if err := json.Unmarshal(b, &stored); err != nil {
		return nil, fmt.Errorf("load trials: %w: %w", metrics.ErrDamaged, err)
	}
	return stored, nil
}

// Commit drops differences to windows that were not reset, and rows from before them:
// they count those events already.
func (r *rebuilding) Commit(ctx context.Context, c *metrics.Checkpoint) error {
	for k := range c.Deltas {
		if k.Start < r.since {
			delete(c.Deltas, k)
		}
	}
	if r.kept {
		r.closeTo(c)
		if err := r.addTrials(c); err != nil {
			return err
		}
	}
	for name := range c.Blobs {
		r.written[name] = true
	}
	if r.kept && r.done {
		c.BlobsGone = append(c.BlobsGone, rebuildBlob)
	}
	return r.Store.Commit(ctx, c)
}

// closeTo takes rows from before since out of a checkpoint. Conflicts are not: the fold
// joined them to the rows that were kept.
func (r *rebuilding) closeTo(c *metrics.Checkpoint) {
	c.Violations = slices.DeleteFunc(c.Violations, func(v metrics.Violation) bool {
		old := v.At < r.sinceNS()
		if old {
			r.violations[v.ID] = true
		}
		return old
	})
	c.ViolationsGone = slices.DeleteFunc(c.ViolationsGone, func(id string) bool { return r.violations[id] })
	c.Exemplars = slices.DeleteFunc(c.Exemplars, func(x metrics.Exemplar) bool { return x.Start < r.since })
	for i := range c.Heard {
		h := &c.Heard[i]
		h.Events -= r.again[source{h.Feature, h.Service, h.Replica, h.Region}]
	}
	r.narrow(c)
}

// narrow joins the open writes that were kept with what the fold makes of them. Neither
// knows every arrival: what one of them knows counts.
func (r *rebuilding) narrow(c *metrics.Checkpoint) {
	for i := range c.Spilled {
		old, ok := r.open[c.Spilled[i].Name()]
		if !ok {
			continue
		}
		found := c.Spilled[i].Missing
		c.Spilled[i] = old
		c.Spilled[i].Missing = slices.DeleteFunc(slices.Clone(old.Missing), func(name string) bool { return !slices.Contains(found, name) })
		if len(c.Spilled[i].Missing) == 0 {
			c.SpilledGone = append(c.SpilledGone, old.Name())
		}
	}
	c.Spilled = slices.DeleteFunc(c.Spilled, func(o metrics.OpenWrite) bool { return len(o.Missing) == 0 })
}

// addTrials puts the trials that were kept beside those that are followed.
func (r *rebuilding) addTrials(c *metrics.Checkpoint) error {
	b, ok := c.Blobs[trialsBlob]
	if !ok || len(r.trials) == 0 {
		return nil
	}
	stored, err := readTrials(b, nil)
	if err == nil {
		c.Blobs[trialsBlob], err = json.Marshal(append(stored, r.trials...))
	}
	return err
}

// Scan counts what sources had sent before, and tells the progress.
func (r *rebuilding) Scan(ctx context.Context, from metrics.Position, fn func(first metrics.Position, events []metrics.Event) error) error {
	return r.Store.Scan(ctx, from, func(first metrics.Position, events []metrics.Event) error {
		for i := range events {
			if e := &events[i]; r.kept && first+metrics.Position(i) < r.counted {
				r.countAgain(e)
			}
		}
		if err := fn(first, events); err != nil {
			return err
		}
		if r.progress != nil {
			r.progress(uint64(first-r.begin)+uint64(len(events)), uint64(r.end-r.begin))
		}
		return nil
	})
}

func (r *rebuilding) countAgain(e *metrics.Event) {
	k := source{e.Feature, e.Service, e.Replica, e.Region}
	if _, ok := r.again[k]; !ok { // the event's strings do not outlive the call
		k = source{cloneString(e.Feature), cloneString(e.Service), cloneString(e.Replica), cloneString(e.Region)}
	}
	r.again[k]++
}
