package report_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidemark/metrics"
	"tidemark/metrics/report"
	"tidemark/metrics/report/reporttest"
)

func good(value time.Duration) metrics.Series {
	s := series(metrics.MetricGood)
	s.Scope, s.Param = metrics.ScopeAll, int64(value)
	return s
}

// Attainment from exact cells equals counting the writes one by one.
func TestAttainmentAgreesWithCounting(t *testing.T) {
	t.Parallel()
	const threshold = 2 * time.Second
	rapid.Check(t, func(t *rapid.T) {
		r := cart()
		span := rapid.SampledFrom([]time.Duration{10 * time.Minute, time.Hour, 5 * time.Hour, 50 * time.Hour}).Draw(t, "span")
		var wantGood, wantEligible int64
		for range rapid.IntRange(1, 80).Draw(t, "n") {
			age := time.Duration(rapid.Int64Range(1, int64(span)).Draw(t, "age"))
			lag := time.Duration(rapid.Int64Range(1, int64(4*time.Second)).Draw(t, "lag"))
			if lag > age || rapid.IntRange(0, 9).Draw(t, "lost") == 0 {
				lag = never
			}
			write(r, -age, lag, lag)
			kept := int64(0)
			if lag <= threshold {
				kept = 1
			}
			r.Count(good(threshold), ns(-age), 1, kept)
			window := metrics.Level10s.Start(ns(-age)) + 10
			if window*int64(time.Second)+int64(threshold) <= ns(0) {
				wantEligible++
				wantGood += kept
			}
		}
		a, err := report.New(r, now).Attainment(t.Context(), report.AttainmentQuery{
			Query: report.Query{Feature: "cart", From: noon.Add(-span), To: noon}, Threshold: threshold,
		})
		if err != nil {
			t.Fatal(err)
		}
		if a.Good.Numerator != wantGood || a.Good.Denominator != wantEligible || a.Estimated != 0 {
			t.Fatalf("%+v, %d estimated; want %d of %d", a.Good, a.Estimated, wantGood, wantEligible)
		}
		var sum int64
		for _, p := range a.Points {
			sum += p.Good.Denominator
		}
		if sum != wantEligible {
			t.Fatalf("points add up to %d, want %d", sum, wantEligible)
		}
	})
}

func TestAttainmentEstimatesWhatWasNotCounted(t *testing.T) {
	t.Parallel()
	r := cart()
	for i := range 10 { // before the promise: no exact cells
		write(r, -40*time.Minute, time.Second, time.Second+time.Duration(i/5)*5*time.Second)
	}
	for i := range 10 {
		write(r, -20*time.Minute, time.Second, time.Second)
		r.Count(good(2*time.Second), ns(-20*time.Minute), 1, int64(i%2))
	}
	write(r, -20*time.Minute, never, never)
	r.Count(good(2*time.Second), ns(-20*time.Minute), 1, 0)
	a, err := report.New(r, now).Attainment(t.Context(), report.AttainmentQuery{Query: report.Query{Feature: "cart"}, Threshold: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	mustRatio(t, "good", a.Good, 5+5, 21)
	if a.Estimated != 10 {
		t.Errorf("%d estimated, want 10", a.Estimated)
	}
}

func TestAttainmentRefusesNonsense(t *testing.T) {
	t.Parallel()
	q := report.Query{Feature: "cart"}
	for field, a := range map[string]report.AttainmentQuery{
		"threshold": {Query: q}, "scope": {Query: q, Scope: "some", Threshold: 1}, "replica": {Query: q, Scope: "replica", Threshold: 1},
	} {
		_, err := report.New(cart(), now).Attainment(t.Context(), a)
		var bad *report.QueryError
		if !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("got %v, want an error about %s", err, field)
		}
	}
}

func TestBurnRateNeedsBothWindows(t *testing.T) {
	t.Parallel()
	r := cart()
	for i := range 600 { // an hour, one write each 6 s; those of the last 10 minutes are late
		at := -time.Duration(i)*6*time.Second - time.Second
		lag := time.Second
		if at > -10*time.Minute {
			lag = 3 * time.Second
		}
		write(r, at, lag, lag)
	}
	q := report.AttainmentQuery{Query: report.Query{Feature: "cart"}, Threshold: 2 * time.Second}
	list, err := report.New(r, now).BurnRate(t.Context(), q, 0.99, report.DefaultBurnWindows()[:1])
	if err != nil {
		t.Fatal(err)
	}
	b := list[0]
	if b.ShortRate == nil || *b.ShortRate < 99 || b.LongRate == nil || *b.LongRate < 15 || *b.LongRate > 18 || !b.Exceeded {
		t.Errorf("burn %+v; want about 100× over 5 min and 16.7× over 1 h", b)
	}
	quiet, err := report.New(cart(), now).BurnRate(t.Context(), q, 0.99, report.DefaultBurnWindows())
	if err != nil || quiet[0].LongRate != nil || quiet[0].Exceeded {
		t.Errorf("without writes: %+v, %v; want unknown, not exceeded", quiet, err)
	}
}

func TestSilentReplicaIsUnknownNeverZero(t *testing.T) {
	t.Parallel()
	r := cart()
	r.HeardRows[1].Last = ns(-18 * time.Minute) // us
	for i := range 60 {
		write(r, -time.Hour+time.Duration(i)*30*time.Second, time.Second, time.Second)
	}
	for i := range 10 {
		write(r, -18*time.Minute+time.Duration(i+1)*time.Minute, time.Second, never)
	}
	r.OpenRows = []metrics.OpenWrite{{WriteID: "w1", Feature: "cart", Initiated: ns(-17 * time.Minute), Missing: []string{"us"}}}
	f, err := report.New(r, now).Features(t.Context(), report.Query{})
	if err != nil {
		t.Fatal(err)
	}
	row := f.Features[0]
	if b := row.Backlog; b.Count != nil || b.OldestAgeNS != nil || !slices.Equal(b.Silent, []string{"us"}) || b.Unconfirmed != 10 {
		t.Errorf("backlog %+v; want unknown, us silent, 10 unconfirmed", b)
	}
	if want := "cart stopped converging at 09:43 UTC, after replica us fell silent at 09:42 UTC."; row.Answer != want || row.State != report.StateStopped {
		t.Errorf("%s: %q, want %q", row.State, row.Answer, want)
	}
	b, err := report.New(r, now).Backlog(t.Context(), report.Query{Feature: "cart"})
	if err != nil || len(b.Replicas) != 2 {
		t.Fatalf("%+v, %v", b, err)
	}
	if us := b.Replicas[1]; us.State != report.BacklogUnknown || us.Count != nil || us.ETANS != nil || us.Unconfirmed != 10 {
		t.Errorf("us: %+v; want unknown with 10 unconfirmed", us)
	}
	if eu := b.Replicas[0]; eu.State != report.BacklogNone || eu.Count == nil || *eu.Count != 0 {
		t.Errorf("eu: %+v; want none", eu)
	}
}

func TestBacklogDrainsOrDiverges(t *testing.T) {
	t.Parallel()
	build := func(pendingEach int) *report.Backlog {
		r := cart()
		for i := range 600 { // two writes a second for five minutes
			write(r, -5*time.Minute+time.Duration(i)*time.Second/2, 10*time.Millisecond, 10*time.Millisecond)
		}
		for i := range 1200 { // satisfied lately, begun 20 min ago
			if i%1200 < pendingEach {
				write(r, -20*time.Minute, 10*time.Millisecond, never)
			} else {
				write(r, -20*time.Minute, 10*time.Millisecond, 18*time.Minute)
			}
		}
		r.OpenRows = []metrics.OpenWrite{{WriteID: "w", Feature: "cart", Initiated: ns(-20 * time.Minute), Missing: []string{"us"}}}
		b, err := report.New(r, now).Backlog(t.Context(), report.Query{Feature: "cart", Replica: "us"})
		if err != nil || len(b.Replicas) != 1 {
			t.Fatalf("%+v, %v", b, err)
		}
		return b
	}
	drain := build(600).Replicas[0]
	if drain.State != report.BacklogDraining || drain.Count == nil || *drain.Count != 600 || drain.ETANS == nil {
		t.Fatalf("got %+v, want draining with 600", drain)
	}
	near(t, "age", drain.OldestAgeNS, 20*time.Minute)
	// 600 satisfied above arrival in 300 s: 2/s net, 300 s for the rest.
	if eta := time.Duration(*drain.ETANS); eta < 280*time.Second || eta > 320*time.Second {
		t.Errorf("eta %s, want about 5 min", eta)
	}
	if stuck := build(1200).Replicas[0]; stuck.State != report.BacklogDiverging || stuck.ETANS != nil {
		t.Errorf("got %+v, want diverging without an ETA", stuck)
	}
}

func hop(fromStage, from, toStage, to string) metrics.Series {
	s := series(metrics.MetricHop)
	s.FromStage, s.FromPlace, s.ToStage, s.ToPlace = fromStage, from, toStage, to
	return s
}

func TestHopsBlameTheSlowestEdge(t *testing.T) {
	t.Parallel()
	r := cart()
	edges := []struct {
		s   metrics.Series
		lag time.Duration
	}{
		{hop("received", "us", "applied", "us"), 1480 * time.Millisecond},
		{hop("initiated", "web", "committed", "web"), 8 * time.Millisecond},
		{hop("published", "relay", "received", "us"), 22 * time.Millisecond},
		{hop("committed", "web", "published", "relay"), 41 * time.Millisecond},
		{hop("published", "relay", "received", "eu"), 20 * time.Millisecond},
		{hop("applied", "us", "visible", "us"), 310 * time.Millisecond},
	}
	for i := range 100 {
		at := -20*time.Minute + time.Duration(i)*time.Second
		for _, e := range edges {
			r.Sample(e.s, ns(at), int64(e.lag))
		}
		write(r, at, 70*time.Millisecond, 2500*time.Millisecond)
	}
	r.Sample(edges[2].s, ns(-time.Minute), -5)
	rep := report.New(r, now)
	h, err := rep.Hops(t.Context(), report.Query{Feature: "cart"})
	if err != nil || len(h.Edges) != 6 || len(h.Paths) != 2 {
		t.Fatalf("%+v, %v", h, err)
	}
	got := []string{}
	for _, i := range h.Paths[0].Edges {
		got = append(got, h.Edges[i].ToStage)
	}
	if want := []string{"committed", "published", "received", "applied", "visible"}; !slices.Equal(got, want) || h.Paths[0].Place != "us" {
		t.Errorf("slowest path %v to %s, want %v to us", got, h.Paths[0].Place, want)
	}
	near(t, "path p95", &h.Paths[0].P95, 1861*time.Millisecond)
	applied := h.Edges[h.Paths[0].Edges[3]]
	if applied.Share == nil || *applied.Share < 0.78 || *applied.Share > 0.81 {
		t.Errorf("share %v, want 0.795", applied.Share)
	}
	near(t, "start of the bar", applied.StartNS, 71*time.Millisecond)
	if e := h.Edges[h.Paths[0].Edges[2]]; e.Negative != 1 || e.Count != 100 {
		t.Errorf("published → us: %+v, want the negative lag apart", e.Quantiles)
	}
	f, err := rep.Feature(t.Context(), report.Query{Feature: "cart"})
	if err != nil {
		t.Fatal(err)
	}
	if want := "cart is slow at one hop: us takes 1.5 s of the 1.9 s at p95."; f.Answer != want {
		t.Errorf("%q, want %q", f.Answer, want)
	}
	only, err := rep.Hops(t.Context(), report.Query{Feature: "cart", Replica: "eu"})
	if err != nil || len(only.Edges) != 3 || len(only.Paths) != 1 || !slices.Equal(only.Paths[0].Edges, []int{0, 1, 2}) {
		t.Errorf("only eu: %+v, %v", only, err)
	}
	if _, err := rep.Feature(t.Context(), report.Query{Feature: "nope"}); !errors.Is(err, metrics.ErrNotFound) {
		t.Errorf("unknown feature: %v", err)
	}
	topo, err := rep.Topology(t.Context(), report.Query{})
	if err != nil || len(topo.Edges) != 3 || topo.Edges[0].From != "relay" || topo.Edges[0].To != "eu" {
		t.Fatalf("topology %+v, %v", topo, err)
	}
	i := slices.IndexFunc(topo.Nodes, func(n report.TopologyNode) bool { return n.ID == "web" })
	if i < 0 || topo.Nodes[i].Kind != report.NodeService || !topo.Nodes[i].Silent {
		t.Errorf("nodes %+v; want web, a service never heard", topo.Nodes)
	}
}

func TestViolationsCountOverduePending(t *testing.T) {
	t.Parallel()
	r := cart()
	add := func(m metrics.Metric, verdict string, at time.Duration, n int64) {
		s := series(m)
		s.Verdict = verdict
		r.Count(s, ns(at), n, 0)
	}
	add(metrics.MetricRYW, report.VerdictOK, -10*time.Minute, 90)
	add(metrics.MetricRYW, report.VerdictOlder, -10*time.Minute, 3)
	add(metrics.MetricRYW, report.VerdictConcurrent, -10*time.Minute, 2)
	add(metrics.MetricRYW, report.VerdictUnverifiable, -10*time.Minute, 25)
	add(metrics.MetricMW, report.VerdictPending, -10*time.Minute, 5)
	add(metrics.MetricMW, report.VerdictPending, -10*time.Second, 7)
	add(metrics.MetricMW, report.VerdictOK, -10*time.Minute, 5)
	v, err := report.New(r, now).Violations(t.Context(), report.Query{Feature: "cart"})
	if err != nil || len(v.Guarantees) != 4 {
		t.Fatalf("%+v, %v", v, err)
	}
	mustRatio(t, "ryw rate", v.Guarantees[0].Rate, 5, 95)
	mustRatio(t, "ryw coverage", v.Guarantees[0].Coverage, 95, 120)
	mustRatio(t, "mw rate", v.Guarantees[2].Rate, 5, 10)
	if mw := v.Guarantees[2]; mw.Overdue != 5 || mw.Pending != 7 {
		t.Errorf("mw: %+v, want 5 overdue and 7 not due", mw)
	}
	mustRatio(t, "wfr rate", v.Guarantees[3].Rate, 0, 0)
}

// TestHopsAgainstPolicyOfAFeature: those in the range count, and the replicas at which
// there were any are named.
func TestHopsAgainstPolicyOfAFeature(t *testing.T) {
	t.Parallel()
	r := cart()
	add := func(replica string, ago time.Duration, hops, against int64) {
		s := series(metrics.MetricPolicy)
		s.Replica = replica
		r.Count(s, ns(-ago), hops, against)
	}
	add("us", 10*time.Minute, 20, 2)
	add("us", 20*time.Minute, 20, 1)
	add("eu", 10*time.Minute, 30, 0)
	add("ap", 25*time.Hour, 9, 9)
	f, err := report.New(r, now).Features(t.Context(), report.Query{})
	if err != nil {
		t.Fatal(err)
	}
	row := f.Features[0]
	mustRatio(t, "against policy", row.Policy, 3, 70)
	if row.State != report.StatePolicy || !slices.Equal(row.AgainstPolicy, []string{"us"}) {
		t.Errorf("%s at %v: %s", row.State, row.AgainstPolicy, row.Answer)
	}
}

func TestConflictSummary(t *testing.T) {
	t.Parallel()
	r := cart()
	r.Count(series(metrics.MetricWrites), ns(-10*time.Minute), 1000, 990)
	add := func(rule, verdict string, n int) {
		s := series(metrics.MetricConflicts)
		s.Rule, s.Verdict = rule, verdict
		for range n {
			if verdict == report.ConflictOpen {
				r.Count(s, ns(-10*time.Minute), 1, 0)
			} else {
				r.Sample(s, ns(-10*time.Minute), int64(time.Second))
			}
		}
	}
	add("lww", report.ConflictAuto, 6)
	add("lww", report.ConflictManual, 2)
	add("", report.ConflictOpen, 1)
	r.ConflictRows = []metrics.Conflict{{ID: "c1", Feature: "cart", DetectedAt: ns(-10*time.Minute + 3*time.Second)}}
	c, err := report.New(r, now).ConflictSummary(t.Context(), report.Query{Feature: "cart"})
	if err != nil || len(c.Rules) != 2 {
		t.Fatalf("%+v, %v", c, err)
	}
	mustRatio(t, "rate", c.Rate, 9, 990)
	mustRatio(t, "auto", c.Auto, 6, 8)
	mustRatio(t, "manual", c.Manual, 2, 8)
	near(t, "resolution", c.Rules[1].Resolution.P50, time.Second)
	if c.Open != 1 || c.OldestAgeNS == nil || *c.OldestAgeNS != int64(10*time.Minute-3*time.Second) {
		t.Errorf("open %d, oldest %v", c.Open, c.OldestAgeNS)
	}
}

func TestPhiNeedsEveryReplica(t *testing.T) {
	t.Parallel()
	r := cart()
	v := metrics.SeqVersion
	r.Keys["cart"] = []metrics.KeyVersions{
		{Key: "a", Versions: map[string]metrics.Version{"eu": v(3), "us": v(3), "old": v(1)}},
		{Key: "b", Versions: map[string]metrics.Version{"eu": v(3), "us": v(2)}},
		{Key: "c", Versions: map[string]metrics.Version{"eu": v(3)}},
	}
	p, err := report.New(r, now).Phi(t.Context(), "cart")
	if err != nil {
		t.Fatal(err)
	}
	mustRatio(t, "same", p.Same, 1, 3)
	if len(p.Differ) != 2 || p.Differ[1].Versions["us"] != nil {
		t.Errorf("differ: %+v", p.Differ)
	}
}

func TestStaleness(t *testing.T) {
	t.Parallel()
	r := cart()
	k, st := series(metrics.MetricStaleVersions), series(metrics.MetricStaleTime)
	for i := range 100 {
		missed := int64(0)
		if i >= 90 {
			missed = int64(i - 89)
		}
		r.Sample(k, ns(-time.Minute), missed)
		r.Sample(st, ns(-time.Minute), missed*int64(time.Second))
	}
	s, err := report.New(r, now).Staleness(t.Context(), report.Query{Feature: "cart"})
	if err != nil || len(s.Groups) != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	g := s.Groups[0]
	mustRatio(t, "fresh", g.Fresh, 90, 100)
	if *g.K.P50 != 0 || *g.K.P99 != 9 || len(g.K.Bins) != 5 || g.K.Bins[2] != (report.KBin{Low: 2, High: 3, Reads: 2}) {
		t.Errorf("k: p50 %d, p99 %d, bins %+v", *g.K.P50, *g.K.P99, g.K.Bins)
	}
	near(t, "t p99", g.Time.P99, 9*time.Second)
}

func TestHeatmapCountsEveryWriteOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := cart()
		n := rapid.IntRange(1, 100).Draw(t, "n")
		for range n {
			lag := time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "lag"))
			write(r, -time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "age")), lag, lag)
		}
		h, err := report.New(r, now).Heatmap(t.Context(), report.Query{Feature: "cart"})
		if err != nil {
			t.Fatal(err)
		}
		var sum int64
		for _, c := range h.Columns {
			if len(c.Counts) != len(h.Rows) {
				t.Fatalf("%d counts, %d rows", len(c.Counts), len(h.Rows))
			}
			for _, k := range c.Counts {
				sum += k
			}
		}
		for i := 1; i < len(h.Rows); i++ {
			if h.Rows[i].LowNS != h.Rows[i-1].HighNS {
				t.Fatalf("rows leave a gap: %+v", h.Rows)
			}
		}
		if sum != int64(n) {
			t.Fatalf("%d counted, want %d", sum, n)
		}
	})
}

func TestWritesPutPendingFirst(t *testing.T) {
	t.Parallel()
	r := cart()
	r.OpenRows = []metrics.OpenWrite{
		{WriteID: "new", Feature: "cart", Initiated: ns(-time.Second), Missing: []string{"us"}},
		{WriteID: "old", Feature: "cart", Initiated: ns(-time.Minute), Missing: []string{"eu", "us"}},
	}
	r.ExemplarRows = []metrics.Exemplar{
		{Feature: "cart", Start: noon.Unix() - 60, Lag: int64(3 * time.Second), WriteID: "slow"},
		{Feature: "cart", Start: noon.Unix() - 60, Lag: int64(time.Second), WriteID: "fast"},
		{Feature: "cart", Start: noon.Unix() - 60, Lag: int64(4 * time.Second), WriteID: "at-us", Replica: "us"},
	}
	rep := report.New(r, now)
	ids := func(q report.WriteQuery) string {
		q.Feature = "cart"
		w, err := rep.Writes(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		out := []string{}
		for _, row := range w.Writes {
			out = append(out, row.WriteID)
		}
		return strings.Join(out, " ")
	}
	for want, q := range map[string]report.WriteQuery{
		"old new slow fast": {},
		"old slow":          {MinLag: 2 * time.Second},
		"old new":           {Pending: true},
		"old new at-us":     {Replica: "us"},
		"old":               {Limit: 1},
	} {
		if got := ids(q); got != want {
			t.Errorf("%+v: %q, want %q", q, got, want)
		}
	}
	for _, q := range []report.WriteQuery{{}, {Feature: "cart", Limit: 501}, {Feature: "cart", MinLag: -1}, {Feature: "cart", MinLag: 5, MaxLag: 4}} {
		if _, err := rep.Writes(t.Context(), q); !errors.Is(err, report.ErrQuery) {
			t.Errorf("%+v: %v, want a query error", q, err)
		}
	}
}

func TestWritesOfAKey(t *testing.T) {
	t.Parallel()
	r := cart()
	ev := func(id string, kind metrics.Kind, replica string, at time.Duration, version uint64) {
		r.Events = append(r.Events, metrics.Event{
			EventID: id + kind.String() + replica, Kind: kind, WriteID: id, Feature: "cart", Key: "k", Replica: replica,
			OccurredAt: ns(at), Version: metrics.SeqVersion(version),
		})
	}
	ev("w1", metrics.KindVisible, "us", -50*time.Second, 1)
	ev("w1", metrics.KindApplied, "us", -55*time.Second, 1)
	ev("w1", metrics.KindVisible, "eu", -58*time.Second, 1)
	ev("w1", metrics.KindInitiated, "", -60*time.Second, 1)
	ev("w2", metrics.KindInitiated, "", -10*time.Second, 2)
	r.OpenRows = []metrics.OpenWrite{{WriteID: "w2", Feature: "cart", Key: "k", Initiated: ns(-10 * time.Second), Missing: []string{"eu", "us"}}}
	w, err := report.New(r, now).Writes(t.Context(), report.WriteQuery{Feature: "cart", Key: "k"})
	if err != nil || len(w.Writes) != 2 {
		t.Fatalf("%+v, %v", w, err)
	}
	if w2 := w.Writes[0]; w2.WriteID != "w2" || !w2.Pending || *w2.AgeNS != int64(10*time.Second) || w2.LagNS != nil {
		t.Errorf("w2: %+v", w2)
	}
	if w1 := w.Writes[1]; w1.Pending || w1.LagNS == nil || *w1.LagNS != int64(10*time.Second) || w1.Version != "seq:1" {
		t.Errorf("w1: %+v", w1)
	}
}

func TestConflictShowsSiblingsAndFields(t *testing.T) {
	t.Parallel()
	r := cart()
	ev := func(id, actor, delta string, at time.Duration) {
		r.Events = append(r.Events, metrics.Event{
			EventID: id, Kind: metrics.KindInitiated, WriteID: id, Feature: "cart", Key: "k", Actor: actor, Delta: delta, OccurredAt: ns(at),
		})
	}
	ev("a", "ann", `[{"op":"replace","path":"/qty","value":2},{"op":"add","path":"/note","value":"x"}]`, -time.Minute)
	ev("b", "bob", `{"qty": 3, "gift": {"wrap": true}}`, -59*time.Second)
	r.ConflictRows = []metrics.Conflict{{
		ID: "c", Feature: "cart", Key: "k", Writes: []string{"a", "b", "gone"}, DetectedAt: ns(-50 * time.Second), ResolvedAt: ns(-49 * time.Second),
		Rule: "lww", RuleVersion: "3", Winner: "b", Auto: metrics.Yes, Reason: "b has the later clock.", ResolvedBy: "svc",
	}}
	d, err := report.New(r, now).Conflict(t.Context(), "", "c")
	if err != nil || len(d.Siblings) != 3 {
		t.Fatalf("%+v, %v", d, err)
	}
	if !d.Siblings[1].Winner || d.Siblings[0].Actor != "ann" || d.Siblings[2].Known {
		t.Errorf("siblings %+v", d.Siblings)
	}
	paths := map[string]bool{}
	for _, f := range d.Fields {
		paths[f.Path] = f.Clash
	}
	if len(paths) != 3 || !paths["/qty"] || paths["/note"] || paths["/gift/wrap"] {
		t.Errorf("fields %v; want a clash at /qty only", paths)
	}
	if want := "Decided by the rule lww version 3 at svc in favour of b: b has the later clock."; d.Why != want {
		t.Errorf("%q, want %q", d.Why, want)
	}
	if _, err := report.New(r, now).Conflict(t.Context(), "", "nope"); !errors.Is(err, metrics.ErrNotFound) {
		t.Errorf("got %v, want not found", err)
	}
}

func TestEveryTableIsRectangular(t *testing.T) {
	t.Parallel()
	r := cart()
	write(r, -time.Minute, time.Second, time.Second)
	r.Sample(hop("initiated", "web", "applied", "eu"), ns(-time.Minute), 5)
	rep, q, ctx := report.New(r, now), report.Query{Feature: "cart"}, t.Context()
	must := func(v report.Tabler, err error) report.Tabler {
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	tables := map[string]report.Tabler{}
	add := func(name string, v report.Tabler) { tables[name] = v }
	features, err := rep.Features(ctx, q)
	add("features", must(features, err))
	lag, err := rep.Lag(ctx, q)
	add("lag", must(lag, err))
	heat, err := rep.Heatmap(ctx, q)
	add("heatmap", must(heat, err))
	conv, err := rep.Convergence(ctx, q)
	add("convergence", must(conv, err))
	hops, err := rep.Hops(ctx, q)
	add("hops", must(hops, err))
	backlog, err := rep.Backlog(ctx, q)
	add("backlog", must(backlog, err))
	topo, err := rep.Topology(ctx, q)
	add("topology", must(topo, err))
	for name, v := range tables {
		header, rows := v.Table()
		if len(rows) == 0 {
			t.Errorf("%s has no row", name)
		}
		for _, row := range rows {
			if len(row) != len(header) {
				t.Errorf("%s: %d cells under %d headings", name, len(row), len(header))
			}
		}
	}
}

var _ metrics.Reader = (*reporttest.Reader)(nil)
