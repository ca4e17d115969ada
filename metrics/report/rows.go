package report

import (
	"cmp"
	"context"
	"slices"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
)

// featureAcc gathers what one feature's row is made of.
type featureAcc struct {
	FeatureRow
	begun      int64
	committed  int64
	first, all sketch.Cell
	spark      []sketch.Cell
	conflicts  int64
	judged     int64         // hops of labelled writes
	against    int64         // those at a service without clearance
	expected   groups[int64] // pairs per replica
	checks     checks
	ratios
	stall
}

// stall finds where writes stopped converging: the start of the last run of
// windows, up to now, in which writes began and none converged.
type stall struct {
	windows map[int64]*stallWindow // by start, Unix s
}

type stallWindow struct {
	n, hits int64
	end     int64 // Unix s
}

func (s *stall) add(w window, c *sketch.Cell) {
	if s.windows == nil {
		s.windows = map[int64]*stallWindow{}
	}
	x, ok := s.windows[w.start]
	if !ok {
		x = &stallWindow{end: w.start + w.width}
		s.windows[w.start] = x
	}
	x.n += c.N
	x.hits += c.Hits
}

// patience is how long every write must have been invisible everywhere before a
// feature is said to have stopped converging, unless twice its p99 is longer.
const patience = time.Minute

// since is when the first write began after which none converged (Unix ns), and
// how many have not; ok is false when the newest writes converge, or are younger
// than patience. Usual is the 99th percentile of time to visibility.
func (s *stall) since(now, usual int64) (at, n int64, ok bool) {
	starts := sortedKeys(s.windows)
	for _, start := range slices.Backward(starts) {
		x := s.windows[start]
		if x.n == 0 {
			continue
		}
		if x.hits > 0 {
			break
		}
		at, n = start*int64(time.Second), n+x.n
	}
	return at, n, n > 0 && now-at >= max(int64(patience), 2*usual)
}

// rowMetrics is what a feature's row is made of.
func rowMetrics() []metrics.Metric {
	return append([]metrics.Metric{
		metrics.MetricWrites, metrics.MetricVisibleAll, metrics.MetricVisibleFirst, metrics.MetricVisible,
		metrics.MetricConflicts, metrics.MetricPolicy,
	}, Guarantees()...)
}

// rows makes the rows of the named features (all those that were seen, when names
// is every feature) in one pass over their cells.
func (r *Reporter) rows(ctx context.Context, p *plan, names []string) ([]*featureAcc, error) {
	h, err := r.heard(ctx, p.now)
	if err != nil {
		return nil, err
	}
	if len(names) > 1 {
		h.sort()
	}
	open, err := r.open(ctx, p.Feature)
	if err != nil {
		return nil, err
	}
	acc := groups[featureAcc]{}
	for _, n := range names {
		acc.at(n)
	}
	err = r.cells(ctx, r.segments(p, tauTail), p.match(), rowMetrics(), func(s *metrics.Series, w window, c *sketch.Cell) error {
		acc.at(s.Feature).add(p, r.grace, s, w, c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]*featureAcc, 0, len(acc))
	for _, name := range acc.keys() {
		a := acc[name]
		a.Feature = name
		if err := r.finish(ctx, p, h, open, a); err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

func (a *featureAcc) add(p *plan, grace time.Duration, s *metrics.Series, w window, c *sketch.Cell) {
	switch s.Metric {
	case metrics.MetricWrites:
		a.begun += c.N
		a.committed += c.Hits
	case metrics.MetricVisibleFirst:
		a.first.Merge(c)
	case metrics.MetricVisibleAll:
		a.visible(p, w, c)
	case metrics.MetricVisible:
		if a.expected == nil {
			a.expected = groups[int64]{}
		}
		*a.expected.at(s.Replica) += c.N
	case metrics.MetricConflicts:
		a.conflicts += c.N
	case metrics.MetricPolicy:
		a.judged += c.N
		a.against += c.Hits
		if c.Hits > 0 && !slices.Contains(a.AgainstPolicy, s.Replica) {
			a.AgainstPolicy = append(a.AgainstPolicy, s.Replica)
		}
	default:
		if a.checks == nil {
			a.checks = checks{}
		}
		a.checks.add(p, grace, s, w, c)
	}
}

func (a *featureAcc) visible(p *plan, w window, c *sketch.Cell) {
	a.ratios.add(p.now, w, c)
	a.stall.add(w, c)
	if a.spark == nil {
		a.spark = make([]sketch.Cell, p.points)
	}
	if i := p.index(w.start); i >= 0 && i < len(a.spark) {
		a.spark[i].Merge(c)
	}
}

func (r *Reporter) finish(ctx context.Context, p *plan, h *heard, open *openList, a *featureAcc) error {
	for i := range a.spark {
		a.all.Merge(&a.spark[i])
	}
	a.Writes = a.begun
	a.Committed = NewRatio(a.committed, a.begun)
	a.First, a.All, a.Pending = quantiles(&a.first), quantiles(&a.all), pending(&a.all)
	a.Converged = a.ratios.list()
	a.Conflicts = NewRatio(a.conflicts, a.committed)
	a.Violations = a.checks.list("", false)
	a.Policy = NewRatio(a.against, a.judged)
	a.AgainstPolicy = append([]string{}, a.AgainstPolicy...)
	slices.Sort(a.AgainstPolicy)
	a.LastHeard = h.last(a.Feature)
	a.Routed = a.all.N > 0
	a.Spark = make([]SparkPoint, p.points)
	for i := range a.Spark {
		a.Spark[i].Start = p.start(i)
		if a.spark != nil {
			a.Spark[i].P99 = quantile(&a.spark[i], 0.99)
		}
	}
	states := r.replicas(h, a.Feature, a.expecting())
	if err := r.summarise(ctx, p.now, states, open, a); err != nil {
		return err
	}
	a.State, a.Answer = Judge(r.facts(p, a))
	return nil
}

// expecting lists the replicas that writes of the range had to reach.
func (a *featureAcc) expecting() []string {
	out := []string{}
	for _, name := range a.expected.keys() {
		if *a.expected[name] > 0 {
			out = append(out, name)
		}
	}
	return out
}

// summarise sets the backlog: all pairs open now, also those begun before the range.
func (r *Reporter) summarise(ctx context.Context, now int64, states []ReplicaState, open *openList, a *featureAcc) error {
	b := BacklogSummary{Silent: silentNames(states)}
	oldest, exact := open.oldest(a.Feature, "")
	n, first, err := r.unconfirmed(ctx, a.Feature, now, oldest)
	if err != nil {
		return err
	}
	switch b.Unconfirmed = n; {
	case n > 0 && exact:
		b.UnconfirmedSince = oldest
	case n > 0:
		b.UnconfirmedSince = new(min(first, now))
	}
	for i := range states {
		if s := &states[i]; s.Expected && s.Silent && s.LastHeard != nil && (b.SilentSince == nil || *s.LastHeard < *b.SilentSince) {
			b.SilentSince = s.LastHeard
		}
	}
	for i := range states {
		s := &states[i]
		if !s.Expected || s.Silent {
			continue
		}
		if at, ok := open.oldest(a.Feature, s.Replica); ok && at != nil && (b.WorstSince == nil || *at < *b.WorstSince) {
			b.Worst, b.WorstSince = s.Replica, at
		}
	}
	// A feature with no route and no expectation has nothing to be behind with.
	if len(b.Silent) == 0 && slices.ContainsFunc(states, func(s ReplicaState) bool { return s.Expected }) {
		b.Count, b.OldestAgeNS = new(n), since(b.UnconfirmedSince, now)
	}
	a.Backlog = b
	return nil
}

// unconfirmed counts the open pairs begun at or after a time, and says when the
// window of the first of them starts (Unix ns).
func (r *Reporter) unconfirmed(ctx context.Context, feature string, now int64, oldest *int64) (n, first int64, err error) {
	if oldest == nil || *oldest >= now {
		return 0, 0, nil
	}
	from := max(*oldest, now-int64(MaxRange)+int64(time.Hour), 0)
	p, err := r.plan(Query{Feature: feature, From: time.Unix(0, from), To: time.Unix(0, now)}, MaxPoints)
	if err != nil {
		return 0, 0, err
	}
	err = r.cells(ctx, []segment{{p.level, p.from, p.to}}, p.match(), []metrics.Metric{metrics.MetricVisible},
		func(_ *metrics.Series, w window, c *sketch.Cell) error {
			if k := pending(c); k > 0 {
				n += k
				if at := w.start * int64(time.Second); first == 0 || at < first {
					first = at
				}
			}
			return nil
		})
	return n, first, err
}

// facts is what Judge needs of a row.
func (r *Reporter) facts(p *plan, a *featureAcc) Facts {
	f := Facts{
		Row: &a.FeatureRow, Now: p.now, Quiet: quiet(a.LastHeard, p.now),
	}
	if at, n, ok := a.stall.since(p.now, deref(a.All.P99)); ok {
		f.StoppedAt, f.StoppedWrites = at, n
	}
	config, ok := r.r.Config(a.Feature, p.now)
	if !ok {
		return f
	}
	for _, t := range config.Thresholds {
		if t.Scope == metrics.ScopeAll && (f.Threshold == 0 || t.Value < f.Threshold) {
			f.Threshold = t.Value
		}
	}
	return f
}

// troubleOrder puts the worst first.
func troubleOrder() []string {
	return []string{StateStopped, StatePolicy, StateBehind, StateSlow, StateUnknown, StateNoData, StateHealthy}
}

func sortByTrouble(rows []FeatureRow) {
	rank := troubleOrder()
	slices.SortStableFunc(rows, func(a, b FeatureRow) int {
		return cmp.Or(
			cmp.Compare(slices.Index(rank, a.State), slices.Index(rank, b.State)),
			cmp.Compare(a.Feature, b.Feature),
		)
	})
}

// Feature returns one feature's row, its replicas, and its slowest path;
// metrics.ErrNotFound when it was neither seen nor declared.
func (r *Reporter) Feature(ctx context.Context, q Query) (*FeatureReport, error) {
	if err := needFeature(q); err != nil {
		return nil, err
	}
	q.By = ByNone
	p, err := r.plan(q, sparkPoints)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(r.r.Features(), q.Feature) {
		return nil, notFound("feature", q.Feature)
	}
	rows, err := r.rows(ctx, p, []string{q.Feature})
	if err != nil {
		return nil, err
	}
	h, err := r.heard(ctx, p.now)
	if err != nil {
		return nil, err
	}
	hops, err := r.Hops(ctx, q)
	if err != nil {
		return nil, err
	}
	a := rows[0]
	out := &FeatureReport{Span: p.span(), Replicas: r.replicas(h, q.Feature, a.expecting())}
	out.Path, out.Slowest = hops.slowest()
	f := r.facts(p, a)
	f.Slowest, f.Path = out.Slowest, out.Path
	a.State, a.Answer = Judge(f)
	out.FeatureRow = a.FeatureRow
	return out, nil
}

// slowest is the slowest path and its greatest edge; nil when there is no path.
func (h *Hops) slowest() (*HopPath, *Hop) {
	if len(h.Paths) == 0 {
		return nil, nil
	}
	p := &h.Paths[0]
	var worst *Hop
	for _, i := range p.Edges {
		if e := &h.Edges[i]; worst == nil || deref(e.P95) > deref(worst.P95) {
			worst = e
		}
	}
	return p, worst
}
