package rollup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

var _ metrics.Reader = (*Engine)(nil)

// Cells implements metrics.Reader: what is stored, merged with what was folded since.
func (e *Engine) Cells(ctx context.Context, q metrics.CellQuery, fn metrics.CellFunc) error {
	for range viewTries {
		if err := e.cells(ctx, q, fn); !errors.Is(err, errMoved) {
			return err
		}
	}
	// Checkpoints at every try, or one that moves no position: this one waits.
	e.committing.RLock()
	defer e.committing.RUnlock()
	v := e.view(&q)
	v.addCut(&q)
	return e.merge(ctx, q, &merger{extra: v.sorted(), fn: fn})
}

const viewTries = 8

// errMoved says that a checkpoint was stored between looking at what is pending and
// reading what is stored.
var errMoved = errors.New("the checkpoint moved")

// cells reads without keeping checkpoints from being stored: which one the store's
// cells come from tells whether the one being stored is to be added to them.
func (e *Engine) cells(ctx context.Context, q metrics.CellQuery, fn metrics.CellFunc) error {
	v := e.view(&q)
	if v.cut != nil && v.cut.Position == v.stored {
		return errMoved
	}
	m := &merger{fn: fn}
	q.At = func(p metrics.Position) error {
		switch {
		case e.again.Load() != v.again:
			return errMoved
		case p == v.stored:
			v.addCut(&q)
		case v.cut == nil || p != v.cut.Position:
			return errMoved
		}
		m.extra = v.sorted()
		return nil
	}
	return e.merge(ctx, q, m)
}

func (e *Engine) merge(ctx context.Context, q metrics.CellQuery, m *merger) error {
	if err := e.store.Cells(ctx, q, m.stored); err != nil {
		return fmt.Errorf("read cells: %w", err)
	}
	return m.finish()
}

// extraSeries is what is pending of one series, by start.
type extraSeries struct {
	series metrics.Series
	cells  []cellAt
}

// view is what is pending for a query, and which checkpoint it goes on from.
type view struct {
	stored metrics.Position    // of the last checkpoint known to be stored
	again  uint64              // checkpoints so far that moved no position
	cut    *metrics.Checkpoint // being stored, or nil; it does not change any more
	by     map[metrics.Series]*series
}

// view returns what was folded since the last cut, for a query and at its level.
func (e *Engine) view(q *metrics.CellQuery) *view {
	e.mu.RLock()
	defer e.mu.RUnlock()
	v := &view{stored: metrics.Position(e.flushed.Load()), again: e.again.Load(), cut: e.flushing, by: map[metrics.Series]*series{}}
	for _, s := range e.book.touched {
		for _, c := range s.cells {
			v.add(q, &s.Series, c.start, c.cell)
		}
	}
	return v
}

func (v *view) addCut(q *metrics.CellQuery) {
	if v.cut == nil {
		return
	}
	for k, c := range v.cut.Deltas {
		v.add(q, k.Series, k.Start, c)
	}
}

func (v *view) add(q *metrics.CellQuery, s *metrics.Series, start int64, c *sketch.Cell) {
	start = q.Level.Start(start * int64(time.Second))
	if start < q.From || start >= q.To || !q.Matches(s) {
		return
	}
	x, ok := v.by[*s]
	if !ok {
		x = &series{Series: *s}
		v.by[*s] = x
	}
	x.at(start).Merge(c)
}

// sorted returns the pending cells in the order of Cells.
func (v *view) sorted() []extraSeries {
	out := make([]extraSeries, 0, len(v.by))
	for k, x := range v.by {
		slices.SortFunc(x.cells, func(a, b cellAt) int { return cmp.Compare(a.start, b.start) })
		out = append(out, extraSeries{k, x.cells})
	}
	slices.SortFunc(out, func(a, b extraSeries) int { return metrics.CompareSeries(&a.series, &b.series) })
	return out
}

// merger merges pending cells into the stored ones as these stream by.
type merger struct {
	extra   []extraSeries // what is still to come, in order
	current *metrics.Series
	cells   []cellAt // pending cells of the current series still to come
	fn      metrics.CellFunc
}

func (m *merger) stored(s *metrics.Series, start int64, c *sketch.Cell) error {
	if m.current == nil || (s != m.current && *s != *m.current) {
		if err := m.next(s); err != nil {
			return err
		}
	}
	for len(m.cells) > 0 && m.cells[0].start < start {
		if err := m.emit(m.current, m.cells[0].start, m.cells[0].cell); err != nil {
			return err
		}
		m.cells = m.cells[1:]
	}
	if len(m.cells) > 0 && m.cells[0].start == start {
		m.cells[0].cell.Merge(c)
		c, m.cells = m.cells[0].cell, m.cells[1:]
	}
	return m.emit(s, start, c)
}

// next moves on to a stored series: pending cells of those before it come first.
func (m *merger) next(s *metrics.Series) error {
	if err := m.rest(); err != nil {
		return err
	}
	for len(m.extra) > 0 && metrics.CompareSeries(&m.extra[0].series, s) < 0 {
		m.current, m.cells = &m.extra[0].series, m.extra[0].cells
		m.extra = m.extra[1:]
		if err := m.rest(); err != nil {
			return err
		}
	}
	own := *s
	m.current = &own
	if len(m.extra) > 0 && m.extra[0].series == own {
		m.cells, m.extra = m.extra[0].cells, m.extra[1:]
	}
	return nil
}

// rest emits what is left of the current series.
func (m *merger) rest() error {
	for _, c := range m.cells {
		if err := m.emit(m.current, c.start, c.cell); err != nil {
			return err
		}
	}
	m.cells = nil
	return nil
}

func (m *merger) finish() error {
	if err := m.rest(); err != nil {
		return err
	}
	for i := range m.extra {
		m.current, m.cells = &m.extra[i].series, m.extra[i].cells
		if err := m.rest(); err != nil {
			return err
		}
	}
	return nil
}

func (m *merger) emit(s *metrics.Series, start int64, c *sketch.Cell) error {
	if c.IsZero() {
		return nil
	}
	return m.fn(s, start, c)
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
	slices.SortFunc(stored, func(a, b metrics.Series) int { return metrics.CompareSeries(&a, &b) })
	return stored, nil
}

// Conflict implements metrics.Reader. What a checkpoint is just storing is looked for
// there: it is no longer pending and not yet in the store.
func (e *Engine) Conflict(ctx context.Context, id string) (*metrics.Conflict, error) {
	row, ok := e.unstoredConflict(id)
	if !ok {
		var err error
		if row, err = e.store.Conflict(ctx, id); err != nil {
			return nil, err
		}
	}
	row.Held = e.store.HeldConflict(row.Feature, row.ID)
	return row, nil
}

func (e *Engine) unstoredConflict(id string) (*metrics.Conflict, bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if c, ok := e.conflict[id]; ok {
		row := c.row.Clone() // The fold goes on with that one.
		return &row, true
	}
	if c, ok := e.storing[id]; ok {
		row := c.row.Clone()
		return &row, true
	}
	return nil, false
}

// Conflicts implements metrics.Reader.
func (e *Engine) Conflicts(ctx context.Context, q metrics.ConflictQuery) ([]metrics.Conflict, string, error) {
	page, next, err := e.store.Conflicts(ctx, q)
	for i := range page {
		page[i].Held = e.store.HeldConflict(page[i].Feature, page[i].ID)
	}
	return page, next, err
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

// End implements metrics.Reader.
func (e *Engine) End() metrics.Position { return e.store.End() }

// HeldWrites implements metrics.Reader.
func (e *Engine) HeldWrites(id string) []metrics.HeldWrite { return e.store.HeldWrites(id) }

// OpenWrites implements metrics.Reader.
func (e *Engine) OpenWrites(ctx context.Context, q metrics.SpilledQuery) ([]metrics.OpenWrite, error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	out, known := e.unstoredOpen(q)
	stored, err := e.opens.spilled(ctx, e.store, q)
	if err != nil {
		return nil, err
	}
	for i := range stored {
		if !known[stored[i].Name()] {
			out = append(out, stored[i])
		}
	}
	slices.SortFunc(out, func(a, b metrics.OpenWrite) int {
		return cmp.Or(cmp.Compare(a.Initiated, b.Initiated), strings.Compare(a.WriteID, b.WriteID))
	})
	return out[:min(len(out), q.Limit)], nil
}

// unstoredOpen returns the open writes in memory and those that were put down since the
// last checkpoint, and the names of all about which the store may say what is no longer so.
func (e *Engine) unstoredOpen(q metrics.SpilledQuery) (out []metrics.OpenWrite, known map[metrics.WriteName]bool) {
	known = map[metrics.WriteName]bool{}
	add := func(row metrics.OpenWrite) {
		if name := row.Name(); !known[name] {
			known[name] = true
			if q.Wants(&row) {
				out = append(out, row)
			}
		}
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	for name, f := range e.features {
		if q.Feature != "" && name != q.Feature {
			continue
		}
		for w := f.open; w != nil; w = w.openNext {
			add(w.openRow())
		}
	}
	for _, row := range e.spilledRows {
		add(row)
	}
	for name := range e.spilledGone {
		known[name] = true
	}
	if cp := e.flushing; cp != nil {
		for i := range cp.Spilled {
			add(cp.Spilled[i])
		}
		for _, name := range cp.SpilledGone {
			known[name] = true
		}
	}
	return out, known
}

// KeyVersions implements metrics.Reader.
func (e *Engine) KeyVersions(_ context.Context, feature string, limit int) ([]metrics.KeyVersions, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	var out []metrics.KeyVersions
	for k := range e.keys.all() {
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
