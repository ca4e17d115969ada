package storetest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

// Memory is a metrics.Store that keeps everything in memory in the plainest way:
// the reference that other stores are compared with, and a store for tests.
type Memory struct {
	mu         sync.RWMutex
	closed     bool
	begin      metrics.Position
	events     []metrics.Event
	position   metrics.Position
	cells      map[metrics.Level]map[metrics.Series]map[int64]*sketch.Cell
	blobs      map[string][]byte
	conflicts  map[string]metrics.Conflict
	violations map[string]metrics.Violation
	exemplars  map[exemplarKey]metrics.Exemplar
	spilled    map[metrics.WriteName]metrics.OpenWrite
	heard      map[heardKey]metrics.Heard
	units      map[unitKey]metrics.TrialUnit
	quarantine quarantine
}

var _ metrics.Store = (*Memory)(nil)

type exemplarKey struct {
	feature, replica string
	start            int64
	octave           int32
}

type unitKey struct {
	trial, unit string
	step        int
}

type heardKey struct{ feature, service, replica, region string }

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	m := &Memory{blobs: map[string][]byte{}, cells: map[metrics.Level]map[metrics.Series]map[int64]*sketch.Cell{}}
	for _, l := range metrics.Levels {
		m.cells[l] = map[metrics.Series]map[int64]*sketch.Cell{}
	}
	m.quarantine.held = map[int64]metrics.Held{}
	m.clearRows()
	return m
}

func (m *Memory) clearRows() {
	m.conflicts = map[string]metrics.Conflict{}
	m.violations = map[string]metrics.Violation{}
	m.exemplars = map[exemplarKey]metrics.Exemplar{}
	m.spilled = map[metrics.WriteName]metrics.OpenWrite{}
	m.heard = map[heardKey]metrics.Heard{}
	m.units = map[unitKey]metrics.TrialUnit{}
}

// read runs fn while nothing is written.
func (m *Memory) read(ctx context.Context, fn func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return metrics.ErrClosed
	}
	return fn()
}

// write runs fn alone.
func (m *Memory) write(ctx context.Context, fn func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return metrics.ErrClosed
	}
	return fn()
}

// Append implements metrics.Log.
func (m *Memory) Append(ctx context.Context, batches ...[]metrics.Event) (first metrics.Position, err error) {
	err = m.write(ctx, func() error {
		first = m.end()
		for _, batch := range batches {
			for i := range batch {
				m.events = append(m.events, CloneEvent(&batch[i]))
			}
		}
		return nil
	})
	return first, err
}

func (m *Memory) end() metrics.Position { return m.begin + metrics.Position(len(m.events)) }

// Begin implements metrics.Log.
func (m *Memory) Begin() metrics.Position {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.begin
}

// End implements metrics.Log.
func (m *Memory) End() metrics.Position {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.end()
}

// scanRun is how many events one call of a scan's fn gets at most.
const scanRun = 1000

// Scan implements metrics.Log. It sees the events that were there when it began.
func (m *Memory) Scan(ctx context.Context, from metrics.Position, fn func(metrics.Position, []metrics.Event) error) error {
	var events []metrics.Event
	err := m.read(ctx, func() error {
		from = min(max(from, m.begin), m.end())
		events = slices.Clone(m.events[from-m.begin:])
		return nil
	})
	for err == nil && len(events) > 0 {
		n := min(len(events), scanRun)
		if err = ctx.Err(); err == nil {
			err = fn(from, events[:n])
		}
		events, from = events[n:], from+metrics.Position(n)
	}
	return err
}

// CloneEvent returns a copy that shares no memory with e.
func CloneEvent(e *metrics.Event) metrics.Event {
	c := *e
	for _, s := range []*string{
		&c.EventID, &c.WriteID, &c.Feature, &c.Key, &c.Entity, &c.Service, &c.Replica, &c.Region,
		&c.ClockID, &c.Version.Text, &c.SessionID, &c.TraceID, &c.SpanID, &c.Actor, &c.Delta,
		&c.BeforeHash, &c.AfterHash, &c.Owner, &c.Flag, &c.Variant, &c.Model, &c.Unit, &c.Mechanism,
		&c.ConflictID, &c.Rule, &c.RuleVersion, &c.Winner, &c.Outcome, &c.Reason, &c.Attributes,
	} {
		*s = strings.Clone(*s)
	}
	for _, l := range []*[]string{&c.Parents, &c.Labels, &c.Expect, &c.With} {
		*l = slices.Clone(*l)
		for i := range *l {
			(*l)[i] = strings.Clone((*l)[i])
		}
	}
	return c
}

// Commit implements metrics.Rollups.
func (m *Memory) Commit(ctx context.Context, c *metrics.Checkpoint) error {
	return m.write(ctx, func() error {
		if c.Position < m.position || c.Position > m.end() {
			return fmt.Errorf("commit: position %d is not between the last checkpoint %d and the end of the log %d",
				c.Position, m.position, m.end())
		}
		m.position = c.Position
		for k, d := range c.Deltas {
			for _, l := range metrics.Levels {
				m.merge(l, *k.Series, l.Start(k.Start*int64(time.Second)), d)
			}
		}
		m.commitRows(c)
		for name, b := range c.Blobs {
			m.blobs[name] = slices.Clone(b)
		}
		for _, name := range c.BlobsGone {
			delete(m.blobs, name)
		}
		return nil
	})
}

func (m *Memory) merge(l metrics.Level, s metrics.Series, start int64, d *sketch.Cell) {
	bySeries := m.cells[l]
	if bySeries[s] == nil {
		bySeries[s] = map[int64]*sketch.Cell{}
	}
	c := bySeries[s][start]
	if c == nil {
		c = &sketch.Cell{}
		bySeries[s][start] = c
	}
	c.Merge(d)
	if c.IsZero() {
		delete(bySeries[s], start)
	}
}

func (m *Memory) commitRows(c *metrics.Checkpoint) {
	for i := range c.Conflicts {
		m.conflicts[c.Conflicts[i].ID] = c.Conflicts[i].Clone()
	}
	for _, v := range c.Violations {
		m.violations[v.ID] = v
	}
	for _, e := range c.Exemplars {
		m.exemplars[exemplarKey{e.Feature, e.Replica, e.Start, e.Octave}] = e
	}
	for _, w := range c.Spilled {
		w.Missing = slices.Clone(w.Missing)
		m.spilled[w.Name()] = w
	}
	for _, h := range c.Heard {
		m.heard[heardKey{h.Feature, h.Service, h.Replica, h.Region}] = h
	}
	for _, id := range c.TrialsGone {
		maps.DeleteFunc(m.units, func(k unitKey, _ metrics.TrialUnit) bool { return k.trial == id })
	}
	for _, u := range c.TrialUnits {
		u.Data = slices.Clone(u.Data)
		m.units[unitKey{u.Trial, u.Unit, u.Step}] = u
	}
	for _, id := range c.ViolationsGone {
		delete(m.violations, id)
	}
	for _, id := range c.SpilledGone {
		delete(m.spilled, id)
	}
}

// Checkpointed implements metrics.Rollups.
func (m *Memory) Checkpointed(ctx context.Context) (p metrics.Position, err error) {
	err = m.read(ctx, func() error { p = m.position; return nil })
	return p, err
}

// Blob implements metrics.Rollups.
func (m *Memory) Blob(ctx context.Context, name string) (b []byte, err error) {
	err = m.read(ctx, func() error {
		v, ok := m.blobs[name]
		if !ok {
			return fmt.Errorf("blob %q: %w", name, metrics.ErrNotFound)
		}
		b = slices.Clone(v)
		return nil
	})
	return b, err
}

// ResetRollups implements metrics.Rollups.
func (m *Memory) ResetRollups(ctx context.Context, r metrics.Reset) error {
	return m.write(ctx, func() error {
		m.position = r.Position
		m.deleteCells(func(_ metrics.Level, start int64) bool { return start >= r.Since })
		if r.Since == 0 {
			m.clearRows()
			return nil
		}
		since := r.Since * int64(time.Second)
		maps.DeleteFunc(m.conflicts, func(_ string, c metrics.Conflict) bool { return cmp.Or(c.DetectedAt, c.ResolvedAt) >= since })
		maps.DeleteFunc(m.violations, func(_ string, v metrics.Violation) bool { return v.At >= since })
		maps.DeleteFunc(m.exemplars, func(k exemplarKey, _ metrics.Exemplar) bool { return k.start >= r.Since })
		maps.DeleteFunc(m.spilled, func(_ metrics.WriteName, o metrics.OpenWrite) bool { return o.Initiated >= since })
		maps.DeleteFunc(m.units, func(k unitKey, _ metrics.TrialUnit) bool { return !slices.Contains(r.Trials, k.trial) })
		return nil
	})
}

func (m *Memory) deleteCells(gone func(l metrics.Level, start int64) bool) {
	for l, bySeries := range m.cells {
		for s, byStart := range bySeries {
			for start := range byStart {
				if gone(l, start) {
					delete(byStart, start)
				}
			}
			if len(byStart) == 0 {
				delete(bySeries, s)
			}
		}
	}
}

// Prune implements metrics.Store.
func (m *Memory) Prune(ctx context.Context, now time.Time, r metrics.Retention) error {
	return m.write(ctx, func() error {
		if r.Raw > 0 {
			m.pruneRaw(now.Add(-r.Raw).UnixNano())
		}
		m.deleteCells(func(l metrics.Level, start int64) bool {
			keep := r.Cells[l]
			return keep > 0 && start+int64(l) <= now.Add(-keep).Unix()
		})
		if r.Rows > 0 {
			m.pruneRows(now.Add(-r.Rows))
		}
		return nil
	})
}

func (m *Memory) pruneRaw(cut int64) {
	n := 0
	for n < len(m.events) && m.begin+metrics.Position(n) < m.position && m.events[n].ObservedAt < cut {
		n++
	}
	m.events, m.begin = slices.Clone(m.events[n:]), m.begin+metrics.Position(n)
}

func (m *Memory) pruneRows(cut time.Time) {
	for id := range m.conflicts {
		c := m.conflicts[id]
		if conflictAt(&c) < cut.UnixNano() {
			delete(m.conflicts, id)
		}
	}
	for id := range m.violations {
		if m.violations[id].At < cut.UnixNano() {
			delete(m.violations, id)
		}
	}
	for k := range m.exemplars {
		if k.start < cut.Unix() {
			delete(m.exemplars, k)
		}
	}
}

// Stats implements metrics.Store. Nothing is on a disk, so sizes are 0.
func (m *Memory) Stats(ctx context.Context) (s metrics.StoreStats, err error) {
	err = m.read(ctx, func() error {
		s.Events = uint64(len(m.events))
		if len(m.events) > 0 {
			s.Segments, s.Partitions, s.OldestRaw = 1, 1, m.events[0].ObservedAt
		}
		return nil
	})
	return s, err
}

// Close implements metrics.Store; every later call returns metrics.ErrClosed.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
