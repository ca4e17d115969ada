package storetest

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

type foundCell struct {
	series metrics.Series
	start  int64
	cell   *sketch.Cell
}

// Cells implements metrics.Rollups.
func (m *Memory) Cells(ctx context.Context, q metrics.CellQuery, fn metrics.CellFunc) error {
	var found []foundCell
	err := m.read(ctx, func() error {
		if q.At != nil {
			if err := q.At(m.position); err != nil {
				return err
			}
		}
		for s, byStart := range m.cells[q.Level] {
			if !q.Matches(&s) {
				continue
			}
			for start, c := range byStart {
				if start >= q.From && start < q.To {
					found = append(found, foundCell{s, start, c.Clone()})
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(found, func(a, b foundCell) int {
		return cmp.Or(metrics.CompareSeries(&a.series, &b.series), cmp.Compare(a.start, b.start))
	})
	for i := range found {
		if err := fn(&found[i].series, found[i].start, found[i].cell); err != nil {
			return err
		}
	}
	return nil
}

// ListSeries implements metrics.Rollups.
func (m *Memory) ListSeries(ctx context.Context, feature string) (list []metrics.Series, err error) {
	err = m.read(ctx, func() error {
		all := map[metrics.Series]bool{}
		for _, bySeries := range m.cells {
			for s := range bySeries {
				if feature == "" || s.Feature == feature {
					all[s] = true
				}
			}
		}
		list = slices.SortedFunc(maps.Keys(all), func(a, b metrics.Series) int { return metrics.CompareSeries(&a, &b) })
		return nil
	})
	return list, err
}

// Conflict implements metrics.Rollups.
func (m *Memory) Conflict(ctx context.Context, id string) (c *metrics.Conflict, err error) {
	err = m.read(ctx, func() error {
		row, ok := m.conflicts[id]
		if !ok {
			return fmt.Errorf("conflict %q: %w", id, metrics.ErrNotFound)
		}
		row = row.Clone()
		c = &row
		return nil
	})
	return c, err
}

// conflictAt is when a conflict was detected or, when nobody reported that, resolved.
func conflictAt(c *metrics.Conflict) int64 {
	if c.DetectedAt == 0 {
		return c.ResolvedAt
	}
	return c.DetectedAt
}

// conflictState is open, auto (resolved, and said to be automatic) or manual.
func conflictState(c *metrics.Conflict) string {
	switch {
	case c.ResolvedAt == 0:
		return "open"
	case c.Auto == metrics.No:
		return "manual"
	}
	return "auto"
}

func is(want, got string) bool { return want == "" || want == got }

func within(from, to, at int64) bool { return (from == 0 || at >= from) && (to == 0 || at < to) }

// Conflicts implements metrics.Rollups.
func (m *Memory) Conflicts(ctx context.Context, q metrics.ConflictQuery) (page []metrics.Conflict, next string, err error) {
	err = m.read(ctx, func() error {
		for id := range m.conflicts {
			c := m.conflicts[id]
			if is(q.Feature, c.Feature) && is(q.Key, c.Key) && is(q.Rule, c.Rule) &&
				is(q.State, conflictState(&c)) && within(q.From, q.To, conflictAt(&c)) {
				page = append(page, c.Clone())
			}
		}
		if q.Oldest {
			slices.SortFunc(page, func(a, b metrics.Conflict) int {
				return cmp.Or(cmp.Compare(conflictAt(&a), conflictAt(&b)), strings.Compare(a.ID, b.ID))
			})
			page = page[:min(len(page), clampLimit(q.Limit))]
			return nil
		}
		page, next, err = newest(page, q.Cursor, q.Limit, func(c *metrics.Conflict) (int64, string) {
			return conflictAt(c), c.ID
		})
		return err
	})
	return page, next, err
}

// Violations implements metrics.Rollups.
func (m *Memory) Violations(ctx context.Context, q metrics.ViolationQuery) (page []metrics.Violation, next string, err error) {
	err = m.read(ctx, func() error {
		for id := range m.violations {
			v := m.violations[id]
			if is(q.Feature, v.Feature) && is(string(q.Guarantee), string(v.Guarantee)) && is(q.Service, v.Service) && within(q.From, q.To, v.At) {
				page = append(page, v)
			}
		}
		page, next, err = newest(page, q.Cursor, q.Limit, func(v *metrics.Violation) (int64, string) {
			return v.At, v.ID
		})
		return err
	})
	return page, next, err
}

func clampLimit(n int) int {
	if n <= 0 {
		return 50
	}
	return min(n, 500)
}

// newest sorts rows by time, newest first, then id, and cuts out one page.
func newest[T any](rows []T, cursor string, limit int, key func(*T) (int64, string)) (page []T, next string, err error) {
	slices.SortFunc(rows, func(a, b T) int {
		at, aid := key(&a)
		bt, bid := key(&b)
		return cmp.Or(cmp.Compare(bt, at), strings.Compare(aid, bid))
	})
	if cursor != "" {
		at, id, err := parseCursor(cursor)
		if err != nil {
			return nil, "", err
		}
		i := slices.IndexFunc(rows, func(r T) bool {
			t, rid := key(&r)
			return t < at || (t == at && rid > id)
		})
		if i < 0 {
			i = len(rows)
		}
		rows = rows[i:]
	}
	limit = clampLimit(limit)
	if len(rows) > limit {
		rows = rows[:limit]
		at, id := key(&rows[limit-1])
		next = base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(at, 10) + " " + id))
	}
	return rows, next, nil
}

func parseCursor(s string) (at int64, id string, err error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return 0, "", fmt.Errorf("%w %q", metrics.ErrCursor, s)
	}
	num, id, ok := strings.Cut(string(b), " ")
	at, err = strconv.ParseInt(num, 10, 64)
	if !ok || err != nil {
		return 0, "", fmt.Errorf("%w %q", metrics.ErrCursor, s)
	}
	return at, id, nil
}

// Exemplars implements metrics.Rollups.
func (m *Memory) Exemplars(ctx context.Context, q metrics.ExemplarQuery) (found []metrics.Exemplar, err error) {
	err = m.read(ctx, func() error {
		for _, e := range m.exemplars {
			if e.Feature == q.Feature && e.Replica == q.Replica && within(q.From, q.To, e.Start) &&
				(q.MinLag == 0 || e.Lag >= q.MinLag) && (q.MaxLag == 0 || e.Lag <= q.MaxLag) {
				found = append(found, e)
			}
		}
		slices.SortFunc(found, func(a, b metrics.Exemplar) int {
			return cmp.Or(cmp.Compare(b.Lag, a.Lag), cmp.Compare(a.Start, b.Start), strings.Compare(a.WriteID, b.WriteID))
		})
		found = found[:min(len(found), clampLimit(q.Limit))]
		return nil
	})
	return found, err
}

// Spilled implements metrics.Rollups.
func (m *Memory) Spilled(ctx context.Context, q metrics.SpilledQuery) (found []metrics.OpenWrite, err error) {
	err = m.read(ctx, func() error {
		for _, w := range m.spilled {
			if q.Wants(&w) {
				w.Missing = slices.Clone(w.Missing)
				found = append(found, w)
			}
		}
		slices.SortFunc(found, func(a, b metrics.OpenWrite) int {
			return cmp.Or(cmp.Compare(a.Initiated, b.Initiated), strings.Compare(a.WriteID, b.WriteID), strings.Compare(a.Feature, b.Feature))
		})
		if q.Limit > 0 {
			found = found[:min(len(found), q.Limit)]
		}
		return nil
	})
	return found, err
}

// SpilledOf implements metrics.Rollups.
func (m *Memory) SpilledOf(ctx context.Context, key metrics.Entity, after string, limit int) (found []string, err error) {
	err = m.read(ctx, func() error {
		for _, w := range m.spilled {
			if w.KeyEntity == key && w.WriteID > after {
				found = append(found, w.WriteID)
			}
		}
		slices.Sort(found)
		found = found[:min(len(found), limit)]
		return nil
	})
	return found, err
}

// SpilledKeys implements metrics.Rollups.
func (m *Memory) SpilledKeys(ctx context.Context, fn func(key metrics.Entity)) error {
	return m.read(ctx, func() error {
		seen := map[metrics.Entity]bool{0: true}
		for _, w := range m.spilled {
			if !seen[w.KeyEntity] {
				seen[w.KeyEntity] = true
				fn(w.KeyEntity)
			}
		}
		return nil
	})
}

// TrialUnits implements metrics.Rollups.
func (m *Memory) TrialUnits(ctx context.Context, trial string, fn func(metrics.TrialUnit) error) error {
	return m.read(ctx, func() error {
		for k, u := range m.units {
			if k.trial == trial {
				if err := fn(u); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Heard implements metrics.Rollups.
func (m *Memory) Heard(ctx context.Context) (found []metrics.Heard, err error) {
	err = m.read(ctx, func() error {
		found = slices.SortedFunc(maps.Values(m.heard), func(a, b metrics.Heard) int {
			return cmp.Or(strings.Compare(a.Feature, b.Feature), strings.Compare(a.Service, b.Service),
				strings.Compare(a.Replica, b.Replica), strings.Compare(a.Region, b.Region))
		})
		return nil
	})
	return found, err
}
