// Package reporttest is a small metrics.Reader in memory for tests of what is built
// on reports. It keeps what a test puts in, at every level, and nothing else.
package reporttest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

// Reader is a metrics.Reader whose rows are its exported fields. The zero value is
// not ready; use New.
type Reader struct {
	OpenRows      []metrics.OpenWrite
	ConflictRows  []metrics.Conflict
	ViolationRows []metrics.Violation
	ExemplarRows  []metrics.Exemplar
	HeardRows     []metrics.Heard
	Events        []metrics.Event
	Keys          map[string][]metrics.KeyVersions
	Configs       map[string]metrics.FeatureConfig
	Pairs         []metrics.ClockPair
	Held          map[string][]metrics.HeldWrite // by write id

	cells map[metrics.Level]map[cellKey]*sketch.Cell
}

type cellKey struct {
	series metrics.Series
	start  int64
}

// New returns an empty Reader.
func New() *Reader {
	r := &Reader{
		Keys: map[string][]metrics.KeyVersions{}, Configs: map[string]metrics.FeatureConfig{},
		cells: map[metrics.Level]map[cellKey]*sketch.Cell{},
	}
	for _, l := range metrics.Levels {
		r.cells[l] = map[cellKey]*sketch.Cell{}
	}
	return r
}

// Change calls fn with the cell of a series at a time (Unix ns), at every level.
func (r *Reader) Change(s metrics.Series, at int64, fn func(*sketch.Cell)) {
	for _, l := range metrics.Levels {
		k := cellKey{s, l.Start(at)}
		if r.cells[l][k] == nil {
			r.cells[l][k] = &sketch.Cell{}
		}
		fn(r.cells[l][k])
	}
}

// Count adds to N and Hits of a series at a time.
func (r *Reader) Count(s metrics.Series, at, n, hits int64) {
	r.Change(s, at, func(c *sketch.Cell) { c.N += n; c.Hits += hits })
}

// Sample adds one that came true with a measured value.
func (r *Reader) Sample(s metrics.Series, at, value int64) {
	r.Change(s, at, func(c *sketch.Cell) { c.N++; c.Hits++; c.Observe(value, 1) })
}

// Drop removes every cell of a level, as retention does.
func (r *Reader) Drop(l metrics.Level) { r.cells[l] = map[cellKey]*sketch.Cell{} }

// Cells implements metrics.Reader.
func (r *Reader) Cells(ctx context.Context, q metrics.CellQuery, fn metrics.CellFunc) error {
	if len(q.Metrics) == 0 || (q.Match.Feature == "") != q.AllFeatures {
		return fmt.Errorf("cell query %+v breaks the contract", q)
	}
	keys := []cellKey{}
	for k := range r.cells[q.Level] {
		if k.start >= q.From && k.start < q.To && q.Matches(&k.series) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b cellKey) int {
		return cmp.Or(strings.Compare(fmt.Sprint(a.series), fmt.Sprint(b.series)), cmp.Compare(a.start, b.start))
	})
	for _, k := range keys {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := fn(&k.series, k.start, r.cells[q.Level][k]); err != nil {
			return err
		}
	}
	return nil
}

// ListSeries implements metrics.Reader.
func (r *Reader) ListSeries(_ context.Context, feature string) ([]metrics.Series, error) {
	seen := map[metrics.Series]bool{}
	out := []metrics.Series{}
	for k := range r.cells[metrics.Level1h] {
		if (feature == "" || k.series.Feature == feature) && !seen[k.series] {
			seen[k.series] = true
			out = append(out, k.series)
		}
	}
	return out, nil
}

// Conflict implements metrics.Reader.
func (r *Reader) Conflict(_ context.Context, id string) (*metrics.Conflict, error) {
	for i := range r.ConflictRows {
		if r.ConflictRows[i].ID == id {
			c := r.ConflictRows[i]
			return &c, nil
		}
	}
	return nil, fmt.Errorf("conflict %q: %w", id, metrics.ErrNotFound)
}

// Conflicts implements metrics.Reader, in one page.
func (r *Reader) Conflicts(_ context.Context, q metrics.ConflictQuery) (page []metrics.Conflict, next string, err error) {
	for i := range r.ConflictRows {
		c := r.ConflictRows[i]
		open := c.ResolvedAt == 0
		if c.Feature == q.Feature && (q.Key == "" || c.Key == q.Key) && c.DetectedAt >= q.From && (q.To == 0 || c.DetectedAt < q.To) && (q.State != "open" || open) {
			page = append(page, c)
		}
	}
	slices.SortFunc(page, func(a, b metrics.Conflict) int { return cmp.Compare(b.DetectedAt, a.DetectedAt) })
	return page, "", nil
}

// Violations implements metrics.Reader, in one page.
func (r *Reader) Violations(_ context.Context, q metrics.ViolationQuery) (page []metrics.Violation, next string, err error) {
	for i := range r.ViolationRows {
		if r.ViolationRows[i].Feature == q.Feature {
			page = append(page, r.ViolationRows[i])
		}
	}
	return page, "", nil
}

// Exemplars implements metrics.Reader.
func (r *Reader) Exemplars(_ context.Context, q metrics.ExemplarQuery) ([]metrics.Exemplar, error) {
	out := []metrics.Exemplar{}
	for _, e := range r.ExemplarRows {
		if e.Feature == q.Feature && e.Replica == q.Replica && e.Start >= q.From && e.Start < q.To &&
			e.Lag >= q.MinLag && (q.MaxLag == 0 || e.Lag <= q.MaxLag) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b metrics.Exemplar) int { return cmp.Compare(b.Lag, a.Lag) })
	return out[:min(len(out), q.Limit)], nil
}

// Heard implements metrics.Reader.
func (r *Reader) Heard(context.Context) ([]metrics.Heard, error) { return r.HeardRows, nil }

// OpenWrites implements metrics.Reader.
func (r *Reader) OpenWrites(_ context.Context, q metrics.SpilledQuery) ([]metrics.OpenWrite, error) {
	out := []metrics.OpenWrite{}
	for _, w := range r.OpenRows {
		if (q.Feature == "" || w.Feature == q.Feature) && (q.Replica == "" || slices.Contains(w.Missing, q.Replica)) {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b metrics.OpenWrite) int { return cmp.Compare(a.Initiated, b.Initiated) })
	return out[:min(len(out), cmp.Or(q.Limit, 100))], nil
}

// End implements metrics.Reader.
func (r *Reader) End() metrics.Position { return metrics.Position(len(r.Events)) }

// HeldWrites implements metrics.Reader.
func (r *Reader) HeldWrites(id string) (found []metrics.HeldWrite) { return r.Held[id] }

// Find implements metrics.Reader.
func (r *Reader) Find(_ context.Context, q metrics.FindQuery) (events []metrics.Event, more bool, err error) {
	for i := range r.Events {
		r.Events[i].Entities(func(kind metrics.EntityKind, e metrics.Entity) {
			if metrics.Position(i) >= q.From && kind == q.Kind && e == q.Entity && (q.Since == 0 || r.Events[i].ObservedAt >= q.Since) && (q.Feature == "" || r.Events[i].Feature == q.Feature) {
				events = append(events, r.Events[i])
			}
		})
	}
	limit := cmp.Or(q.Limit, 10_000)
	switch {
	case len(events) <= limit:
		return events, false, nil
	case q.Earliest:
		return events[:limit], true, nil
	}
	return events[len(events)-limit:], true, nil
}

// KeyVersions implements metrics.Reader.
func (r *Reader) KeyVersions(_ context.Context, feature string, limit int) ([]metrics.KeyVersions, error) {
	return r.Keys[feature][:min(limit, len(r.Keys[feature]))], nil
}

// Config implements metrics.Reader; one config a feature.
func (r *Reader) Config(feature string, at int64) (metrics.FeatureConfig, bool) {
	c, ok := r.Configs[feature]
	return c, ok && at >= c.From
}

// Features implements metrics.Reader.
func (r *Reader) Features() []string {
	set := map[string]bool{}
	for k := range r.cells[metrics.Level1h] {
		set[k.series.Feature] = true
	}
	for f := range r.Configs {
		set[f] = true
	}
	for i := range r.HeardRows {
		set[r.HeardRows[i].Feature] = true
	}
	out := []string{}
	for f := range set {
		out = append(out, f)
	}
	slices.Sort(out)
	return out
}

// ClockPairs implements metrics.Reader.
func (r *Reader) ClockPairs() []metrics.ClockPair { return r.Pairs }
