package storetest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

// someSeries returns n distinct series of four features.
func someSeries(n int) []*metrics.Series {
	list := make([]*metrics.Series, n)
	for i := range list {
		list[i] = &metrics.Series{
			Feature: fmt.Sprintf("feature-%d", i%4), Metric: [...]metrics.Metric{metrics.MetricVisible, metrics.MetricHop}[i/4%2],
			Replica: fmt.Sprintf("replica-%d", i/8), Model: "causal", FromStage: "published", Param: int64(i % 3), Rule: `"quoted" & <odd>`,
		}
	}
	return list
}

func cellOf(r *rand.Rand) *sketch.Cell {
	c := &sketch.Cell{N: 1 + r.Int64N(5), Hits: r.Int64N(3)}
	for range r.IntN(4) {
		c.Observe(r.Int64N(int64(10*time.Second))-1000, 1)
	}
	return c
}

// checkpoint makes up what a fold may have learnt.
func checkpoint(r *rand.Rand, series []*metrics.Series, pos metrics.Position) *metrics.Checkpoint {
	c := &metrics.Checkpoint{Position: pos, Deltas: map[metrics.CellKey]*sketch.Cell{}, Blobs: map[string][]byte{}}
	for range 60 {
		start := metrics.Level10s.Start(Start + r.Int64N(int64(30*time.Hour)))
		c.Deltas[metrics.CellKey{Series: series[r.IntN(len(series))], Start: start}] = cellOf(r)
	}
	for range 10 {
		n := r.IntN(40)
		at := Start + int64(n/2)*int64(time.Minute)
		c.Conflicts = append(c.Conflicts, metrics.Conflict{
			ID: fmt.Sprintf("conflict-%d", n), Feature: fmt.Sprintf("feature-%d", n%3), Key: fmt.Sprintf("key-%d", n%5),
			Writes: []string{"a", "b"}, DetectedAt: at * int64(min(n%7, 1)), ResolvedAt: (at + 5) * int64(n%2),
			Rule: fmt.Sprintf("rule-%d", n%2), Auto: metrics.Tri(r.IntN(3)), Labels: []string{"pii"}, Reason: "ü",
		})
		c.Violations = append(c.Violations, metrics.Violation{
			ID: fmt.Sprintf("violation-%d", n), Feature: fmt.Sprintf("feature-%d", n%3), At: at,
			Guarantee: [...]metrics.Metric{metrics.MetricRYW, metrics.MetricMR}[n%2], Session: "s", Seq: int64(n), Service: [...]string{"", "mirror"}[n%5%2],
		})
		c.Exemplars = append(c.Exemplars, metrics.Exemplar{
			Feature: "feature-0", Replica: [...]string{"", "search"}[n%2], Start: Start / 1e9, Octave: int32(n) - 1,
			Lag: r.Int64N(1e9), WriteID: fmt.Sprintf("write-%d", r.Int64()), Key: "key",
		})
		c.Spilled = append(c.Spilled, metrics.OpenWrite{
			WriteID: fmt.Sprintf("write-%d", n), Feature: fmt.Sprintf("feature-%d", r.IntN(3)), Key: "key",
			KeyEntity: metrics.Entity(math.MaxUint64 - uint64(n%4)), Initiated: at, Missing: []string{"cache", "search"}[:n%3%2+1],
		})
		c.Heard = append(c.Heard, metrics.Heard{Feature: "f", Service: fmt.Sprint(n % 6), Replica: "r", First: 1, Last: at, Events: int64(n)})
		c.TrialUnits = append(c.TrialUnits, metrics.TrialUnit{
			Trial: fmt.Sprintf("trial-%d", n%3), Step: n % 4, Unit: fmt.Sprintf("unit ü %d", n%9), Data: []byte{byte(n), 0, byte(r.Uint32())},
		})
		c.Blobs[fmt.Sprintf("blob-%d", n)] = []byte{byte(r.Uint32()), byte(n)}
	}
	c.ViolationsGone = []string{fmt.Sprintf("violation-%d", r.IntN(40)), "violation-none"}
	c.SpilledGone = []metrics.WriteName{{Feature: fmt.Sprintf("feature-%d", r.IntN(3)), ID: fmt.Sprintf("write-%d", r.IntN(40))}}
	if r.IntN(4) == 0 {
		c.TrialsGone = []string{"trial-1"}
	}
	c.BlobsGone = []string{"blob-99"}
	return c
}

// pair is a store and the reference that it must agree with.
type pair struct{ ref, s metrics.Store }

func (p pair) both(t *testing.T, fn func(metrics.Store) error) {
	t.Helper()
	must(t, fn(p.ref))
	must(t, fn(p.s))
}

func (p pair) fill(t *testing.T, seed uint64) []*metrics.Series {
	r := rand.New(rand.NewPCG(seed, 0))
	series := someSeries(30)
	events := NewTraffic(seed, Start).Events(100)
	p.both(t, func(s metrics.Store) error { _, err := s.Append(t.Context(), events); return err })
	for i := range 12 {
		c := checkpoint(r, series, metrics.Position(i*8))
		p.both(t, func(s metrics.Store) error { return s.Commit(t.Context(), c) })
	}
	return series
}

func collect(t *testing.T, s metrics.Store, q metrics.CellQuery) (found []foundCell) {
	t.Helper()
	must(t, s.Cells(t.Context(), q, func(s *metrics.Series, start int64, c *sketch.Cell) error {
		found = append(found, foundCell{*s, start, c.Clone()})
		return nil
	}))
	return found
}

// agree compares all rollups of both stores.
func (p pair) agree(t *testing.T) {
	t.Helper()
	all := []metrics.Metric{metrics.MetricVisible, metrics.MetricHop}
	from := Start / 1e9
	for _, l := range metrics.Levels {
		for _, q := range []metrics.CellQuery{
			{Level: l, From: math.MinInt64, To: math.MaxInt64, Metrics: all, AllFeatures: true},
			{Level: l, From: from, To: from + 40*3600, Metrics: all[:1], Match: metrics.Series{Feature: "feature-1"}},
			{Level: l, From: from + 3600, To: from + 7200, Metrics: all, AllFeatures: true, Match: metrics.Series{Replica: "replica-1"}},
			{Level: l, From: from + 3605, To: from + 17*3600 + 7, Metrics: all[1:], Match: metrics.Series{Feature: "feature-2", Param: 2}},
			{Level: l, From: from, To: from, Metrics: all, AllFeatures: true},
			{Level: l, From: 0, To: from, Metrics: all, AllFeatures: true},
			{Level: l, From: from, To: from + 3600, Metrics: all, Match: metrics.Series{Feature: "none"}},
		} {
			same(t, fmt.Sprintf("cells %+v", q), collect(t, p.ref, q), collect(t, p.s, q))
		}
	}
	for _, feature := range []string{"", "feature-1", "none"} {
		check(t, p, "series of "+feature, func(s metrics.Store) (any, error) { return s.ListSeries(t.Context(), feature) })
	}
	check(t, p, "position", func(s metrics.Store) (any, error) { return s.Checkpointed(t.Context()) })
	check(t, p, "heard", func(s metrics.Store) (any, error) { return s.Heard(t.Context()) })
	for _, trial := range []string{"trial-0", "trial-1", "trial-2", "none"} {
		check(t, p, "units of "+trial, func(s metrics.Store) (any, error) { return unitsOf(t, s, trial) })
	}
	p.agreeRows(t)
}

func unitsOf(t *testing.T, s metrics.Store, trial string) (found []string, err error) {
	err = s.TrialUnits(t.Context(), trial, func(u metrics.TrialUnit) error {
		found = append(found, fmt.Sprintf("%s %d %s %x", u.Trial, u.Step, u.Unit, u.Data))
		return nil
	})
	slices.Sort(found)
	return found, err
}

func check(t *testing.T, p pair, what string, read func(metrics.Store) (any, error)) {
	t.Helper()
	want, err := read(p.ref)
	must(t, err)
	got, err := read(p.s)
	must(t, err)
	same(t, what, want, got)
}

func (p pair) agreeRows(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	from := Start + 3*int64(time.Minute)
	for _, q := range []metrics.ConflictQuery{
		{Limit: 500},
		{Feature: "feature-1"},
		{State: "open"},
		{State: "auto"},
		{State: "manual", Feature: "feature-2"},
		{Key: "key-3"},
		{Rule: "rule-1"},
		{From: from},
		{To: from},
		{From: from, To: from + int64(5*time.Minute), Limit: 3},
		{State: "open", Oldest: true},
		{Feature: "feature-1", Oldest: true, Limit: 2},
	} {
		check(t, p, fmt.Sprintf("conflicts %+v", q), func(s metrics.Store) (any, error) {
			page, _, err := s.Conflicts(ctx, q)
			return page, err
		})
	}
	for _, q := range []metrics.ViolationQuery{{Limit: 500}, {Feature: "feature-1"}, {Guarantee: metrics.MetricMR}, {Service: "mirror"}, {From: from, To: from + int64(time.Hour)}} {
		check(t, p, fmt.Sprintf("violations %+v", q), func(s metrics.Store) (any, error) {
			page, _, err := s.Violations(ctx, q)
			return page, err
		})
	}
	for _, q := range []metrics.ExemplarQuery{
		{Feature: "feature-0"},
		{Feature: "feature-0", Replica: "search", Limit: 3},
		{Feature: "feature-0", MinLag: 1e8, MaxLag: 7e8},
		{Feature: "feature-0", From: Start / 1e9, To: Start/1e9 + 60},
		{Feature: "feature-0", From: Start/1e9 + 60},
	} {
		check(t, p, fmt.Sprintf("exemplars %+v", q), func(s metrics.Store) (any, error) { return s.Exemplars(ctx, q) })
	}
	for _, q := range []metrics.SpilledQuery{{}, {Limit: 4}, {Feature: "feature-1"}, {Replica: "search"}, {KeyEntity: math.MaxUint64 - 2}} {
		check(t, p, fmt.Sprintf("open writes %+v", q), func(s metrics.Store) (any, error) { return s.Spilled(ctx, q) })
	}
	for _, key := range []metrics.Entity{0, 1, math.MaxUint64 - 2} {
		for _, after := range []string{"", "write-2"} {
			check(t, p, fmt.Sprintf("open writes of %x after %q", key, after), func(s metrics.Store) (any, error) { return s.SpilledOf(ctx, key, after, 2) })
		}
	}
	check(t, p, "keys of open writes", func(s metrics.Store) (any, error) {
		var keys []metrics.Entity
		err := s.SpilledKeys(ctx, func(key metrics.Entity) { keys = append(keys, key) })
		slices.Sort(keys)
		return keys, err
	})
	for n := range 40 {
		check(t, p, "blob and conflict", func(s metrics.Store) (any, error) {
			b, err := s.Blob(ctx, fmt.Sprintf("blob-%d", n))
			c, cerr := s.Conflict(ctx, fmt.Sprintf("conflict-%d", n))
			if errors.Is(err, metrics.ErrNotFound) || errors.Is(cerr, metrics.ErrNotFound) {
				return []any{b, c, errors.Is(err, metrics.ErrNotFound)}, nil
			}
			return []any{b, c}, errors.Join(err, cerr)
		})
	}
}

func testRollups(t *testing.T, s metrics.Store) {
	p := pair{NewMemory(), s}
	p.fill(t, 1)
	p.agree(t)
}

func testZeroCellsGo(t *testing.T, s metrics.Store) {
	series := someSeries(1)[0]
	add, take := &sketch.Cell{N: 2, Hits: 1}, &sketch.Cell{}
	add.Observe(1e9, 1)
	take.Subtract(add)
	start := metrics.Level10s.Start(Start)
	for _, d := range []*sketch.Cell{add, take} {
		must(t, s.Commit(t.Context(), &metrics.Checkpoint{Deltas: map[metrics.CellKey]*sketch.Cell{{Series: series, Start: start}: d}}))
	}
	for _, l := range metrics.Levels {
		q := metrics.CellQuery{Level: l, From: 0, To: math.MaxInt64, Metrics: []metrics.Metric{series.Metric}, AllFeatures: true}
		if got := collect(t, s, q); len(got) != 0 {
			t.Fatalf("level %d has %+v after everything was taken back", l, got[0])
		}
	}
}

func testPages(t *testing.T, s metrics.Store) {
	p := pair{NewMemory(), s}
	p.fill(t, 2)
	want, _, err := p.ref.Conflicts(t.Context(), metrics.ConflictQuery{Limit: 500})
	must(t, err)
	var got []metrics.Conflict
	for cursor := ""; ; {
		page, next, err := s.Conflicts(t.Context(), metrics.ConflictQuery{Limit: 3, Cursor: cursor})
		must(t, err)
		got = append(got, page...)
		if next == "" {
			break
		}
		if len(page) != 3 || next == cursor {
			t.Fatalf("a page of %d, cursor %q after %q", len(page), next, cursor)
		}
		cursor = next
	}
	same(t, "conflicts page by page", want, got)
	for _, bad := range []string{"!", "AAAA"} {
		if _, _, err := s.Conflicts(t.Context(), metrics.ConflictQuery{Cursor: bad}); !errors.Is(err, metrics.ErrCursor) {
			t.Fatalf("cursor %q: %v", bad, err)
		}
		if _, _, err := s.Violations(t.Context(), metrics.ViolationQuery{Cursor: bad}); !errors.Is(err, metrics.ErrCursor) {
			t.Fatalf("cursor %q: %v", bad, err)
		}
	}
}

func testReset(t *testing.T, s metrics.Store) {
	p := pair{NewMemory(), s}
	p.fill(t, 3)
	for _, r := range []metrics.Reset{
		{Since: Start/1e9 + 7*3600 + 1800, Position: 3}, // all rows begin before
		{Since: Start/1e9 + 11*60, Position: 3, Trials: []string{"trial-0", "trial-2"}},
		{Since: Start/1e9 + 10*60, Position: 2, Trials: []string{"trial-0"}},
		{Since: Start / 1e9, Position: 1},
		{},
	} {
		p.both(t, func(s metrics.Store) error { return s.ResetRollups(t.Context(), r) })
		p.agree(t)
	}
	p.fill(t, 4)
	p.agree(t)
}

func testPrune(t *testing.T, s metrics.Store) {
	p := pair{NewMemory(), s}
	p.fill(t, 5)
	now := time.Unix(0, Start).Add(30 * time.Hour)
	r := metrics.Retention{
		Raw:   time.Hour,
		Cells: map[metrics.Level]time.Duration{metrics.Level10s: 2 * time.Hour, metrics.Level1m: 19*time.Hour + 90*time.Second},
		Rows:  30*time.Hour - 5*time.Minute,
	}
	p.both(t, func(s metrics.Store) error { return s.Prune(t.Context(), now, r) })
	p.agree(t)
	pos, err := s.Checkpointed(t.Context())
	must(t, err)
	if s.Begin() > pos || s.End() != 100 {
		t.Fatalf("the log goes from %d to %d; the checkpoint is at %d", s.Begin(), s.End(), pos)
	}
	if got := ScanAll(t, s, 0); len(got) != int(s.End()-s.Begin()) {
		t.Fatalf("%d events are left of %d to %d", len(got), s.Begin(), s.End())
	}
}
