package rollup

import (
	"context"
	"errors"
	"fmt"

	"tidemark/metrics"
)

// conflictState is a conflict's row with what the fold needs beside it. It is kept
// from one checkpoint to the next; the row is the whole state, so it can be read back.
type conflictState struct {
	row     metrics.Conflict
	dirty   bool
	counted bool
}

// foldConflict joins an event into the conflict that it names. Rows are complete
// states, so a replay need not see the events again.
func (e *Engine) foldConflict(ctx context.Context, f *feature, ev *metrics.Event) error {
	if e.silent {
		return nil
	}
	id := metrics.OwnConflict(f.name, ev.ConflictID)
	c, err := e.conflictFor(ctx, f, id)
	if err == nil && c.row.Feature != f.name {
		// The id is that feature's, which nobody who reports about another takes over,
		// decides or uses up: it names one of their own.
		c, err = e.conflictFor(ctx, f, metrics.ForeignConflict(f.name, id))
	}
	if err != nil {
		return err
	}
	if c.row.Feature != f.name {
		return nil // An event of a log from before that id was refused used it up.
	}
	e.touchConflict(c)
	joinConflict(&c.row, ev)
	return nil
}

func (e *Engine) conflictFor(ctx context.Context, f *feature, id string) (*conflictState, error) {
	if c, ok := e.conflict[id]; ok {
		return c, nil
	}
	c := &conflictState{row: metrics.Conflict{ID: cloneString(id), Feature: f.name}}
	if cut, ok := e.storing[id]; ok {
		c.row, c.counted = cut.row.Clone(), true // The other one is being read.
		e.conflict[c.row.ID] = c
		return c, nil
	}
	row, err := e.store.Conflict(ctx, id)
	switch {
	case errors.Is(err, metrics.ErrNotFound):
	case err != nil:
		return nil, fmt.Errorf("read back conflict %q: %w", id, err)
	default:
		c.row, c.counted = *row, true
	}
	e.conflict[c.row.ID] = c
	return c, nil
}

func (e *Engine) touchConflict(c *conflictState) {
	if c.dirty {
		return
	}
	c.dirty = true
	e.dirtyConflicts = append(e.dirtyConflicts, c)
	if c.counted {
		e.contributeConflict(c, -1)
	}
	c.counted = true
}

// joinConflict merges an event into a conflict's row. The first detection by (time,
// event id) tells who detected it and when; the last resolution tells the decision
// in force, the first one when the conflict stopped being open.
func joinConflict(c *metrics.Conflict, ev *metrics.Event) {
	least := func(a *string, b string) {
		if b != "" && (*a == "" || b < *a) {
			*a = cloneString(b)
		}
	}
	least(&c.Key, ev.Key)
	least(&c.Entity, ev.Entity)
	least(&c.Model, ev.Model)
	least(&c.Variant, ev.Variant)
	if ev.Unit != "" {
		least(&c.Flag, ev.Flag)
		least(&c.Unit, ev.Unit)
	}
	c.MoreLabels = leastOf(&c.Labels, metrics.MaxConflictLabels, ev.Labels) || c.MoreLabels
	c.MoreWrites = leastOf(&c.Writes, metrics.MaxConflictWrites, ev.With, ev.WriteID) || c.MoreWrites
	at := ev.Corrected()
	tag := fmt.Sprintf("%020d:%s", at, ev.EventID)
	if ev.Kind == metrics.KindConflictDetected {
		if c.DetectedEvent == "" || tag < c.DetectedEvent {
			c.DetectedEvent, c.DetectedAt = tag, at
			c.DetectedBy, c.Replica = cloneString(ev.Service), cloneString(ev.Replica)
			if c.ResolvedEvent == "" {
				c.Rule, c.RuleVersion = cloneString(ev.Rule), cloneString(ev.RuleVersion)
			}
		}
		return
	}
	if c.ResolvedAt == 0 || at < c.ResolvedAt {
		c.ResolvedAt = at
	}
	if tag > c.ResolvedEvent {
		c.ResolvedEvent = tag
		c.ResolvedBy, c.Winner, c.Outcome = cloneString(ev.Service), cloneString(ev.Winner), cloneString(ev.Outcome)
		c.Rule, c.RuleVersion = cloneString(ev.Rule), cloneString(ev.RuleVersion)
		c.Auto, c.Reason = ev.Auto, cloneString(ev.Reason)
	}
}

// Verdicts of a conflict's series.
const (
	conflictOpen   = "open"
	conflictAuto   = "auto"
	conflictManual = "manual"
)

func (e *Engine) contributeConflict(c *conflictState, sign int64) {
	r := &c.row
	k := metrics.Series{
		Feature: r.Feature, Metric: metrics.MetricConflicts, Rule: r.Rule,
		Model: r.Model, Variant: r.Variant, Verdict: conflictOpen,
	}
	at := r.DetectedAt
	if r.DetectedEvent == "" {
		at = r.ResolvedAt
	}
	e.contributeConflictTrial(c, at, sign)
	start := metrics.Level10s.Start(at)
	if r.ResolvedEvent == "" {
		e.book.count(e.book.intern(k), start, sign, 0)
		return
	}
	if k.Verdict = conflictAuto; r.Auto == metrics.No {
		k.Verdict = conflictManual
	}
	s := e.book.intern(k)
	if r.DetectedEvent == "" {
		e.book.count(s, start, sign, sign)
		return
	}
	e.book.sample(s, start, r.ResolvedAt-r.DetectedAt, sign)
}
