package rollup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

var _ metrics.Reader = (*Engine)(nil)

// levelCell is the key of a cell at the level that was asked for.
type levelCell struct {
	s     metrics.Series
	start int64
}

// Cells implements metrics.Reader: what is stored, with what was folded since.
func (e *Engine) Cells(ctx context.Context, q metrics.CellQuery, fn metrics.CellFunc) error {
	stored, extra, err := e.snapshot(ctx, &q)
	if err != nil {
		return err
	}
	keys := make([]levelCell, 0, len(stored)+len(extra))
	for k := range extra {
		if c, ok := stored[k]; ok {
			c.Merge(extra[k])
		} else {
			stored[k] = extra[k]
		}
	}
	for k := range stored {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b levelCell) int {
		return cmp.Or(compareSeries(&a.s, &b.s), cmp.Compare(a.start, b.start))
	})
	for i := range keys {
		c := stored[keys[i]]
		if c.IsZero() {
			continue
		}
		if err := fn(&keys[i].s, keys[i].start, c); err != nil {
			return err
		}
	}
	return nil
}

// snapshot reads the store and what is pending such that nothing is counted twice:
// a checkpoint that lands in between makes it start again.
func (e *Engine) snapshot(ctx context.Context, q *metrics.CellQuery) (stored, extra map[levelCell]*sketch.Cell, err error) {
	for {
		before, err := e.store.Checkpointed(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("read cells: %w", err)
		}
		stored = map[levelCell]*sketch.Cell{}
		err = e.store.Cells(ctx, *q, func(s *metrics.Series, start int64, c *sketch.Cell) error {
			stored[levelCell{*s, start}] = c.Clone()
			return nil
		})
		if err != nil {
			return nil, nil, fmt.Errorf("read cells: %w", err)
		}
		e.mu.RLock()
		after, err := e.store.Checkpointed(ctx)
		if err == nil && after == before && (e.flushing != nil || e.flushed.Load() == uint64(after)) {
			extra = e.collect(q, after)
			e.mu.RUnlock()
			return stored, extra, nil
		}
		e.mu.RUnlock()
		if err != nil {
			return nil, nil, fmt.Errorf("read cells: %w", err)
		}
	}
}

// collect returns what is pending for a query, at its level. The caller holds mu.
func (e *Engine) collect(q *metrics.CellQuery, at metrics.Position) map[levelCell]*sketch.Cell {
	extra := map[levelCell]*sketch.Cell{}
	e.pending(at, func(s *metrics.Series, start int64, c *sketch.Cell) {
		at := q.Level.Start(start * 1e9)
		if at < q.From || at >= q.To || !q.Matches(s) {
			return
		}
		k := levelCell{*s, at}
		if have, ok := extra[k]; ok {
			have.Merge(c)
		} else {
			extra[k] = c.Clone()
		}
	})
	return extra
}

func compareSeries(a, b *metrics.Series) int {
	return cmp.Or(
		strings.Compare(a.Feature, b.Feature), strings.Compare(string(a.Metric), string(b.Metric)),
		strings.Compare(a.Replica, b.Replica), strings.Compare(a.Region, b.Region),
		strings.Compare(a.Model, b.Model), strings.Compare(a.Variant, b.Variant),
		strings.Compare(a.Mechanism, b.Mechanism),
		strings.Compare(a.FromStage, b.FromStage), strings.Compare(a.FromPlace, b.FromPlace),
		strings.Compare(a.ToStage, b.ToStage), strings.Compare(a.ToPlace, b.ToPlace),
		strings.Compare(a.Scope, b.Scope), cmp.Compare(a.Param, b.Param),
		strings.Compare(a.Rule, b.Rule), strings.Compare(a.Verdict, b.Verdict),
	)
}

// ListSeries implements metrics.Reader.
func (e *Engine) ListSeries(ctx context.Context, feature string) ([]metrics.Series, error) {
	stored, err := e.store.ListSeries(ctx, feature)
	if err != nil {
		return nil, err
	}
	have := map[metrics.Series]bool{}
	for _, s := range stored {
		have[s] = true
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	for k := range e.book.byKey {
		if (feature == "" || k.Feature == feature) && !have[k] {
			stored = append(stored, k)
		}
	}
	slices.SortFunc(stored, func(a, b metrics.Series) int { return compareSeries(&a, &b) })
	return stored, nil
}

// Conflict implements metrics.Reader.
func (e *Engine) Conflict(ctx context.Context, id string) (*metrics.Conflict, error) {
	e.mu.RLock()
	if c, ok := e.conflict[id]; ok {
		row := c.row
		e.mu.RUnlock()
		return &row, nil
	}
	e.mu.RUnlock()
	return e.store.Conflict(ctx, id)
}

// Conflicts implements metrics.Reader.
func (e *Engine) Conflicts(ctx context.Context, q metrics.ConflictQuery) ([]metrics.Conflict, string, error) {
	return e.store.Conflicts(ctx, q)
}

// Violations implements metrics.Reader.
func (e *Engine) Violations(ctx context.Context, q metrics.ViolationQuery) ([]metrics.Violation, string, error) {
	return e.store.Violations(ctx, q)
}

// Exemplars implements metrics.Reader.
func (e *Engine) Exemplars(ctx context.Context, q metrics.ExemplarQuery) ([]metrics.Exemplar, error) {
	return e.store.Exemplars(ctx, q)
}

// Heard implements metrics.Reader.
func (e *Engine) Heard(context.Context) ([]metrics.Heard, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	out := make([]metrics.Heard, 0, len(e.heard))
	for k, h := range e.heard {
		out = append(out, e.heardRow(k, h))
	}
	slices.SortFunc(out, func(a, b metrics.Heard) int {
		return cmp.Or(strings.Compare(a.Feature, b.Feature), strings.Compare(a.Service, b.Service),
			strings.Compare(a.Replica, b.Replica), strings.Compare(a.Region, b.Region))
	})
	return out, nil
}

// Find implements metrics.Reader.
func (e *Engine) Find(ctx context.Context, q metrics.FindQuery) ([]metrics.Event, bool, error) {
	return e.store.Find(ctx, q)
}

// OpenWrites implements metrics.Reader.
func (e *Engine) OpenWrites(ctx context.Context, q metrics.SpilledQuery) ([]metrics.OpenWrite, error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	e.mu.RLock()
	resident := map[string]bool{}
	var out []metrics.OpenWrite
	for _, w := range e.writes {
		for ; w != nil; w = w.next {
			if q.Feature != "" && w.f.name != q.Feature || !w.open() {
				continue
			}
			row := w.openRow()
			if q.Replica == "" || slices.Contains(row.Missing, q.Replica) {
				out = append(out, row)
			}
		}
	}
	for id := range e.spilledGone {
		resident[id] = true
	}
	e.mu.RUnlock()
	for i := range out {
		resident[out[i].WriteID] = true
	}
	stored, err := e.store.Spilled(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("open writes: %w", err)
	}
	for _, o := range stored {
		if !resident[o.WriteID] {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b metrics.OpenWrite) int {
		return cmp.Or(cmp.Compare(a.Initiated, b.Initiated), strings.Compare(a.WriteID, b.WriteID))
	})
	return out[:min(len(out), q.Limit)], nil
}

// KeyVersions implements metrics.Reader.
func (e *Engine) KeyVersions(_ context.Context, feature string, limit int) ([]metrics.KeyVersions, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	var out []metrics.KeyVersions
	for _, k := range e.keys {
		for ; k != nil && len(out) < limit; k = k.next {
			if k.f.name != feature {
				continue
			}
			if v := k.versions(); len(v) > 0 {
				out = append(out, metrics.KeyVersions{Key: k.key, Versions: v})
			}
		}
	}
	return out, nil
}

// versions returns the latest version that each replica shows of the key.
func (k *keyState) versions() map[string]metrics.Version {
	out := map[string]metrics.Version{}
	for _, list := range [][]*write{k.ordered, k.loose} {
		for _, w := range list {
			for i := range w.reps {
				name := k.f.repNames[w.reps[i].replica]
				if w.reps[i].sat == noTime || w.version.IsZero() {
					continue
				}
				if have, ok := out[name]; !ok || metrics.Compare(w.version, have) == metrics.After {
					out[name] = w.version
				}
			}
		}
	}
	return out
}

// Config implements metrics.Reader.
func (e *Engine) Config(feature string, at int64) (metrics.FeatureConfig, bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if f := e.features[feature]; f != nil {
		if c := f.configAt(at); c != nil {
			return c.src, true
		}
	}
	return metrics.FeatureConfig{}, false
}

// Features implements metrics.Reader.
func (e *Engine) Features() []string {
	e.mu.RLock()
	defer e.mu.RUnlock()
	out := make([]string, 0, len(e.features))
	for name := range e.features {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// ClockPairs implements metrics.Reader.
func (e *Engine) ClockPairs() []metrics.ClockPair {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.clockPairs()
}
