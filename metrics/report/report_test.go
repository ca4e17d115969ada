package report_test

import (
	"errors"
	"testing"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/report"
	"tidemark/metrics/report/reporttest"
)

// noon is the present of every test: 10:00 UTC, on a window's edge at each level.
var noon = time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)

func ns(d time.Duration) int64 { return noon.Add(d).UnixNano() }

func now() time.Time { return noon }

// cart is a feature with two replicas, a promise of 2 s, and both heard just now.
func cart() *reporttest.Reader {
	r := reporttest.New()
	r.Configs["cart"] = metrics.FeatureConfig{
		Feature:    "cart",
		Replicas:   []metrics.RouteReplica{{Name: "eu"}, {Name: "us", Silence: 2 * time.Minute}},
		Thresholds: []metrics.Threshold{{Scope: metrics.ScopeAll, Value: int64(2 * time.Second)}},
	}
	for _, name := range []string{"eu", "us"} {
		r.HeardRows = append(r.HeardRows, metrics.Heard{Feature: "cart", Service: name + "-svc", Replica: name, Last: ns(-time.Second)})
	}
	return r
}

func series(m metrics.Metric) metrics.Series { return metrics.Series{Feature: "cart", Metric: m} }

func visibleAt(replica string) metrics.Series {
	s := series(metrics.MetricVisible)
	s.Replica = replica
	return s
}

// write adds one write as the fold would: visible at eu and us after those lags; a
// negative duration of never means that it is not.
func write(r *reporttest.Reader, at time.Duration, eu, us time.Duration) {
	t := ns(at)
	r.Count(series(metrics.MetricWrites), t, 1, 1)
	pair := func(s metrics.Series, lag time.Duration) {
		if lag == never {
			r.Count(s, t, 1, 0)
		} else {
			r.Sample(s, t, int64(lag))
		}
	}
	pair(visibleAt("eu"), eu)
	pair(visibleAt("us"), us)
	pair(series(metrics.MetricVisibleFirst), min(eu, us))
	pair(series(metrics.MetricVisibleAll), max(eu, us))
}

// never is later than every lag.
const never = time.Duration(1<<63 - 1)

func near(t *testing.T, what string, got *int64, want time.Duration) {
	t.Helper()
	if got == nil {
		t.Errorf("%s is unknown, want %s", what, want)
		return
	}
	if d := *got - int64(want); d > int64(want)/99 || d < -int64(want)/99 {
		t.Errorf("%s = %s, want %s within 1%%", what, time.Duration(*got), want)
	}
}

func mustRatio(t *testing.T, what string, got report.Ratio, num, den int64) {
	t.Helper()
	if got.Numerator != num || got.Denominator != den {
		t.Errorf("%s = %d of %d, want %d of %d", what, got.Numerator, got.Denominator, num, den)
	}
	if (got.Value == nil) != (den == 0) {
		t.Errorf("%s: value %v with denominator %d", what, got.Value, den)
	}
}

func TestQueryErrorsNameTheField(t *testing.T) {
	t.Parallel()
	long := make([]byte, 300)
	cases := []struct {
		name, field string
		q           report.Query
	}{
		{"no feature", "feature", report.Query{}},
		{"long name", "replica", report.Query{Feature: "cart", Replica: string(long)}},
		{"unknown by", "by", report.Query{Feature: "cart", By: "colour"}},
		{"backwards", "from", report.Query{Feature: "cart", From: noon, To: noon.Add(-time.Hour)}},
		{"too long", "from", report.Query{Feature: "cart", From: noon.Add(-400 * 24 * time.Hour), To: noon}},
		{"too fine", "step", report.Query{Feature: "cart", From: noon.Add(-24 * time.Hour), To: noon, Step: time.Minute}},
		{"negative step", "step", report.Query{Feature: "cart", Step: -1}},
		{"before 1970", "from", report.Query{Feature: "cart", From: time.Unix(-10, 0), To: time.Unix(10, 0)}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := report.New(cart(), now).Lag(t.Context(), c.q)
			var bad *report.QueryError
			if !errors.Is(err, report.ErrQuery) || !errors.As(err, &bad) || bad.Field != c.field {
				t.Errorf("got %v, want a query error about %s", err, c.field)
			}
		})
	}
}

func TestLevelAndStepFollowTheRange(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	cases := []struct {
		span, ago, window, step time.Duration
	}{
		{15 * time.Minute, 0, 10 * time.Second, 10 * time.Second},
		{time.Hour, 0, 10 * time.Second, 10 * time.Second},
		{6 * time.Hour, 0, time.Minute, time.Minute},
		{day, 0, time.Minute, 4 * time.Minute},
		{7 * day, 0, time.Hour, time.Hour},
		{28 * day, 0, time.Hour, 2 * time.Hour},
		{390 * day, 0, time.Hour, 26 * time.Hour},
		{time.Hour, 5 * day, time.Minute, time.Minute}, // 10 s cells are gone by then
		{time.Hour, 60 * day, time.Hour, time.Hour},
	}
	for _, c := range cases {
		to := noon.Add(-c.ago)
		l, err := report.New(cart(), now).Lag(t.Context(), report.Query{Feature: "cart", From: to.Add(-c.span), To: to})
		if err != nil {
			t.Fatal(err)
		}
		if l.WindowNS != int64(c.window) || l.StepNS != int64(c.step) {
			t.Errorf("%s ending %s ago: windows %s, step %s; want %s, %s", c.span, c.ago,
				time.Duration(l.WindowNS), time.Duration(l.StepNS), c.window, c.step)
		}
	}
}

func TestLagPerReplicaAndEverywhere(t *testing.T) {
	t.Parallel()
	r := cart()
	for i := range 100 {
		write(r, -30*time.Minute+time.Duration(i)*time.Second, 100*time.Millisecond, time.Second)
	}
	write(r, -5*time.Second, 100*time.Millisecond, never)
	r.Sample(visibleAt("eu"), ns(-29*time.Minute), -int64(time.Second))
	rep := report.New(r, now)

	all, err := rep.Lag(t.Context(), report.Query{Feature: "cart"})
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Series) != 2 || all.Series[0].Key != report.KeyAll || all.Series[1].Key != report.KeyFirst {
		t.Fatalf("series: %+v, want all and first", all.Series)
	}
	near(t, "p99 everywhere", all.Series[0].Total.P99, time.Second)
	near(t, "p50 first", all.Series[1].Total.P50, 100*time.Millisecond)
	if s := all.Series[0]; s.Writes != 101 || s.Pending != 1 || len(s.Points) != 360 {
		t.Errorf("everywhere: %d writes, %d pending, %d points; want 101, 1, 360", s.Writes, s.Pending, len(s.Points))
	}
	if p := all.Series[0].Points[0]; p.P50 != nil || p.Writes != 0 {
		t.Errorf("an empty step has %+v, want no number", p)
	}

	by, err := rep.Lag(t.Context(), report.Query{Feature: "cart", By: report.ByReplica})
	if err != nil {
		t.Fatal(err)
	}
	if len(by.Series) != 2 || by.Series[0].Key != "eu" || by.Series[1].Key != "us" {
		t.Fatalf("series: %+v, want eu and us", by.Series)
	}
	if eu := by.Series[0].Total; eu.Negative != 1 || eu.Count != 101 {
		t.Errorf("eu: %+v, want 101 lags and 1 negative, apart", eu)
	}
	near(t, "eu p50", by.Series[0].Total.P50, 100*time.Millisecond)
}

func TestEmptyRangeIsUnknownNotZero(t *testing.T) {
	t.Parallel()
	rep := report.New(cart(), now)
	q := report.Query{Feature: "cart", From: noon.Add(time.Hour), To: noon.Add(2 * time.Hour)} // not yet
	l, err := rep.Lag(t.Context(), q)
	if err != nil || len(l.Series) != 0 {
		t.Errorf("lag: %+v, %v", l, err)
	}
	f, err := rep.Features(t.Context(), report.Query{})
	if err != nil || len(f.Features) != 1 {
		t.Fatalf("features: %+v, %v", f, err)
	}
	row := f.Features[0]
	if row.All.P99 != nil || row.Committed.Value != nil || row.Conflicts.Value != nil || row.Converged[0].Ratio.Value != nil {
		t.Errorf("row without writes has numbers: %+v", row)
	}
	if row.State != report.StateNoData {
		t.Errorf("state %s, want %s", row.State, report.StateNoData)
	}
}
