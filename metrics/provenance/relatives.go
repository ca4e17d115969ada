package provenance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/report"
)

// relatives finds the causal parents that the write names, and the writes that name
// it: those among the events of its key and of its session that were read.
func (t *Teller) relatives(ctx context.Context, c *collected, s *Story) error {
	parents := []string{}
	for i := range c.events {
		for _, p := range c.events[i].Parents {
			if p != c.id && !slices.Contains(parents, p) && len(parents) < maxRelatives {
				parents = append(parents, p)
			}
		}
	}
	for _, id := range parents {
		events, err := t.parent(ctx, c.feature, id)
		if err != nil {
			return fmt.Errorf("find parent %q of write %q: %w", id, c.id, err)
		}
		s.Parents = append(s.Parents, relative(c.feature, id, events))
	}
	events := slices.Clone(c.ofKey)
	if s.SessionID != "" {
		for _, feature := range []string{c.feature, ""} { // Its own first: others may say very much of a session.
			found, _, err := t.following(ctx, c, feature, metrics.EntitySession, metrics.SessionEntity(s.SessionID))
			if err != nil {
				return fmt.Errorf("find session of write %q: %w", c.id, err)
			}
			events = append(events, found...)
		}
	}
	s.Children = children(c.feature, c.id, events)
	return nil
}

// parent reads the first events of a write of the feature, or when it has none, of others.
func (t *Teller) parent(ctx context.Context, feature, id string) ([]metrics.Event, error) {
	events, _, err := metrics.FindWrite(ctx, t.r, feature, id, maxOfParent)
	if err != nil || len(events) > 0 {
		return events, err
	}
	events, _, err = t.r.Find(ctx, metrics.FindQuery{
		Kind: metrics.EntityWrite, Entity: metrics.WriteEntity(id), Limit: maxOfParent, Earliest: true,
	})
	return events, err
}

// relative tells of a write what its events, in the order of the log, say: those of the
// asking write's feature when there are any, else of the feature that was first.
func relative(feature, id string, events []metrics.Event) Relative {
	r := Relative{WriteID: id}
	events = slices.DeleteFunc(slices.Clone(events), func(e metrics.Event) bool { return e.WriteID != id })
	if len(events) == 0 {
		return r
	}
	r.Known, r.Feature = true, feature
	if !slices.ContainsFunc(events, func(e metrics.Event) bool { return e.Feature == feature }) {
		r.Feature = events[0].Feature
	}
	metrics.SortEvents(events)
	for i := range events {
		e := &events[i]
		if e.Feature != r.Feature {
			continue
		}
		r.Key = cmp.Or(r.Key, e.Key)
		if e.Kind == metrics.KindInitiated && r.Initiated == nil {
			at := e.Corrected()
			r.Initiated = &at
		}
	}
	return r
}

// children are the writes that name one as their parent, each by an event of its own
// feature; those of the asking write's feature come first where there are many.
func children(feature, id string, events []metrics.Event) []Relative {
	names := []metrics.WriteName{}
	for i := range events {
		e := &events[i]
		n := metrics.WriteName{Feature: e.Feature, ID: e.WriteID}
		if n.ID != "" && n.ID != id && slices.Contains(e.Parents, id) && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	slices.SortStableFunc(names, func(a, b metrics.WriteName) int {
		return cmp.Compare(strangeness(a, feature), strangeness(b, feature))
	})
	out := []Relative{}
	for _, n := range names[:min(len(names), maxRelatives)] {
		out = append(out, relative(n.Feature, n.ID, events))
	}
	slices.SortFunc(out, func(a, b Relative) int {
		return cmp.Or(cmp.Compare(at(a.Initiated), at(b.Initiated)), strings.Compare(a.WriteID, b.WriteID))
	})
	return out
}

func strangeness(n metrics.WriteName, feature string) int {
	if n.Feature == feature {
		return 0
	}
	return 1
}

func at(p *int64) int64 {
	if p == nil {
		return 0
	}
	return *p
}

// conflicts finds the conflicts that the write's events, or those of its key, name, and
// those that were detected on the key soon after.
func (t *Teller) conflicts(ctx context.Context, c *collected, s *Story) error {
	s.Conflicts = []*report.ConflictDetail{}
	ids := []string{}
	add := func(id string) {
		if id = metrics.OwnConflict(c.feature, id); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	see := func(events []metrics.Event) {
		for i := range events {
			e := &events[i]
			if e.ConflictID != "" && (e.WriteID == c.id || slices.Contains(e.With, c.id)) {
				add(e.ConflictID)
			}
		}
	}
	see(c.events)
	see(c.ofKey)
	rows, err := t.conflictsNear(ctx, c)
	if err != nil {
		return fmt.Errorf("conflicts of write %q: %w", c.id, err)
	}
	for i := range rows {
		if slices.Contains(rows[i].Writes, c.id) {
			add(rows[i].ID)
		}
	}
	for _, id := range ids[:min(len(ids), maxRelatives)] {
		d, err := t.report.Conflict(ctx, c.feature, id)
		if errors.Is(err, metrics.ErrNotFound) {
			continue // its row lags by a checkpoint
		}
		if err != nil {
			return fmt.Errorf("conflict %q of write %q: %w", id, c.id, err)
		}
		s.Conflicts = append(s.Conflicts, d)
	}
	return nil
}

// conflictTime is how long after the last event of a write a conflict is looked for
// that no event which was read names.
const conflictTime = time.Hour

// conflictsNear reads the conflicts of the key from the time of the write.
func (t *Teller) conflictsNear(ctx context.Context, c *collected) ([]metrics.Conflict, error) {
	begun := c.begun()
	if c.key == "" || begun == nil {
		return nil, nil
	}
	last := &c.events[len(c.events)-1]
	rows, _, err := t.r.Conflicts(ctx, metrics.ConflictQuery{
		Feature: c.feature, Key: c.key, From: *begun - int64(clockRoom), To: last.Corrected() + int64(conflictTime), Limit: maxRelatives,
	})
	return rows, err
}

func openConflict(s *Story) bool {
	return slices.ContainsFunc(s.Conflicts, func(d *report.ConflictDetail) bool { return d.State == report.ConflictOpen })
}

func isUnknown(err error) bool { return errors.Is(err, ErrNotFound) }
