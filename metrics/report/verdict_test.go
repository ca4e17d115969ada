package report_test

import (
	"testing"
	"time"

	"tidemark/metrics/report"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	p := func(d time.Duration) *int64 { v := int64(d); return &v }
	at := func(d time.Duration) *int64 { v := ns(d); return &v }
	within := func(num, den int64) []report.Converged {
		c := report.Converged{TauNS: int64(10 * time.Second), Ratio: report.NewRatio(num, den)}
		return []report.Converged{c, c}
	}
	row := func(change func(*report.FeatureRow)) *report.FeatureRow {
		r := &report.FeatureRow{
			Feature: "cart", Writes: 1200, Routed: true, LastHeard: at(-time.Second),
			All: report.Quantiles{P95: p(time.Second), Count: 1200}, Converged: within(1199, 1200),
		}
		change(r)
		return r
	}
	same := func(*report.FeatureRow) {}
	cases := []struct {
		name, state, answer string
		f                   report.Facts
	}{
		{
			"never heard", report.StateNoData, "cart has sent no event yet.",
			report.Facts{Row: &report.FeatureRow{Feature: "cart"}},
		},
		{
			"a replica behind", report.StateBehind, "cart is late at us: 397 writes wait to become visible, the oldest for 8 s.",
			report.Facts{Now: ns(0), Row: row(func(r *report.FeatureRow) {
				r.Backlog.Worst, r.Backlog.WorstSince, r.Backlog.Unconfirmed = "us", at(-8*time.Second), 397
			})},
		},
		{
			"not yet behind", report.StateHealthy,
			"cart is healthy: visible everywhere in 1 s at p95; 99.9% of 1,200 writes within 10 s.",
			report.Facts{Now: ns(0), Row: row(func(r *report.FeatureRow) {
				r.Backlog.Worst, r.Backlog.WorstSince, r.Backlog.Unconfirmed = "us", at(-2*time.Second), 397
			})},
		},
		{
			"no write lately", report.StateNoData, "cart had no write in this range.",
			report.Facts{Row: &report.FeatureRow{Feature: "cart", LastHeard: at(-time.Second)}},
		},
		{
			"quiet", report.StateUnknown, "cart is unknown: no event and no heartbeat for 14 min.",
			report.Facts{Row: row(func(r *report.FeatureRow) { r.LastHeard = at(-14 * time.Minute) }), Quiet: true},
		},
		{
			"silent replica", report.StateUnknown, "cart is unknown: replica us sent no event and no heartbeat for 3 min.",
			report.Facts{Row: row(func(r *report.FeatureRow) {
				r.Backlog.Silent, r.Backlog.SilentSince = []string{"us"}, at(-3*time.Minute)
			})},
		},
		{
			"never heard of replicas", report.StateUnknown, "cart is unknown: replicas eu and us never sent an event.",
			report.Facts{Row: row(func(r *report.FeatureRow) { r.Backlog.Silent = []string{"eu", "us"} })},
		},
		{
			"stopped without silence", report.StateStopped, "cart stopped converging at 09:42 UTC: 12 writes since then are not visible everywhere yet.",
			report.Facts{Row: row(same), StoppedAt: ns(-18 * time.Minute), StoppedWrites: 12},
		},
		{
			"stopped as a replica fell silent", report.StateStopped, "cart stopped converging at 09:42 UTC, when replica us fell silent.",
			report.Facts{Row: row(func(r *report.FeatureRow) {
				r.Backlog.Silent, r.Backlog.SilentSince = []string{"us"}, at(-18*time.Minute+5*time.Second)
			}), StoppedAt: ns(-18 * time.Minute), StoppedWrites: 12},
		},
		{
			"against policy, though a replica is silent", report.StatePolicy,
			"cart breaks policy: 3 hops of labelled writes in this range reached a service without clearance, at replicas eu and us.",
			report.Facts{Row: row(func(r *report.FeatureRow) {
				r.Policy, r.AgainstPolicy, r.Backlog.Silent = report.NewRatio(3, 40), []string{"eu", "us"}, []string{"us"}
			})},
		},
		{
			"labelled writes at services with clearance", report.StateHealthy,
			"cart is healthy: visible everywhere in 1 s at p95; 99.9% of 1,200 writes within 10 s.",
			report.Facts{Row: row(func(r *report.FeatureRow) { r.Policy = report.NewRatio(0, 40) })},
		},
		{
			"no route", report.StateHealthy, "cart took 1,200 writes; no route says where they must arrive, so nothing is known about “everywhere”.",
			report.Facts{Row: row(func(r *report.FeatureRow) { r.Routed = false })},
		},
		{
			"one slow hop", report.StateSlow, "cart is slow at one hop: us takes 1.5 s of the 1.9 s at p95.",
			report.Facts{
				Row: row(same), Threshold: int64(time.Second / 2), Path: &report.HopPath{Place: "us", P95: int64(1861 * time.Millisecond)},
				Slowest: &report.Hop{ToPlace: "us", Quantiles: report.Quantiles{P95: p(1480 * time.Millisecond)}},
			},
		},
		{
			"slow everywhere", report.StateSlow, "cart is slow over the whole way to us: 3 s at p95, at no hop more than 1 s.",
			report.Facts{
				Row: row(same), Threshold: int64(time.Second / 2), Path: &report.HopPath{Place: "us", P95: int64(3 * time.Second)},
				Slowest: &report.Hop{ToPlace: "us", Quantiles: report.Quantiles{P95: p(time.Second)}},
			},
		},
		{
			"slow without a promise", report.StateSlow, "cart is slow: visible everywhere in 1 s at p95; 90.0% of 100 writes within 10 s.",
			report.Facts{Row: row(func(r *report.FeatureRow) { r.Converged = within(90, 100) })},
		},
		{
			"healthy", report.StateHealthy, "cart is healthy: visible everywhere in 1 s at p95; 99.9% of 1,200 writes within 10 s.",
			report.Facts{Row: row(same), Threshold: int64(2 * time.Second)},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.f.Now = ns(0)
			state, answer := report.Judge(c.f)
			if state != c.state || answer != c.answer {
				t.Errorf("%s: %q\nwant %s: %q", state, answer, c.state, c.answer)
			}
		})
	}
}

func TestOverviewAnswer(t *testing.T) {
	t.Parallel()
	stopped := report.FeatureRow{State: report.StateStopped, Answer: "search stopped."}
	healthy := report.FeatureRow{State: report.StateHealthy, Answer: "cart is healthy."}
	cases := map[string][]report.FeatureRow{
		"No feature has sent an event yet.":                                nil,
		"The one feature is healthy.":                                      {healthy},
		"All 2 features are healthy.":                                      {healthy, healthy},
		"search stopped.":                                                  {stopped},
		"1 feature is slow, 1 is healthy. feed is slow.":                   {{State: report.StateSlow, Answer: "feed is slow."}, healthy},
		"1 feature has stopped converging, 2 are healthy. search stopped.": {stopped, healthy, healthy},
	}
	for want, rows := range cases {
		if got := report.OverviewAnswer(rows); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0 ns", 640 * time.Millisecond: "640 ms", 1480 * time.Millisecond: "1.5 s", 9990 * time.Millisecond: "10 s",
		59999 * time.Millisecond: "1 min", 4 * time.Minute: "4 min", 36 * time.Hour: "1.5 d", -38 * time.Millisecond: "−38 ms",
	} {
		if got := report.Duration(int64(d)); got != want {
			t.Errorf("%d: %q, want %q", d, got, want)
		}
	}
	for _, c := range []struct {
		num, den int64
		want     string
	}{
		{0, 0, "unknown"}, {0, 5, "0%"}, {5, 5, "100%"}, {99999, 100000, "99.999%"}, {1, 100000, "0.001%"}, {9, 10, "90.0%"},
	} {
		if got := report.Percent(report.NewRatio(c.num, c.den)); got != c.want {
			t.Errorf("%d of %d: %q, want %q", c.num, c.den, got, c.want)
		}
	}
}
