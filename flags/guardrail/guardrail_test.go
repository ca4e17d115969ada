package guardrail_test

import (
	"math"
	"testing"

	"tidemark/flags/guardrail"
	"tidemark/metrics"
)

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > within {
		t.Errorf("%s = %.8f; want %.8f ± %g", what, got, want, within)
	}
}

// bernoulli are the moments of n units of whom k had a 1.
func bernoulli(k, n int64) metrics.Moments {
	return metrics.Moments{Units: n, Sum: float64(k), SumSq: float64(k)}
}

// The published example of a one-sided sequential comparison of two means.
func TestMeansVector(t *testing.T) {
	t.Parallel()
	a := metrics.Moments{Units: 3000, Sum: 1396.87, SumSq: 52377.9767}
	b := metrics.Moments{Units: 3461, Sum: 2422.7, SumSq: 134698.29}
	i := guardrail.Means(b, a, guardrail.Both(0.05))
	near(t, "lower", i.Lower, -0.12656844, 5e-9)
	near(t, "upper", i.Upper, 0.59532178, 5e-9)
	two := guardrail.MeansTwoSided(b, a, 0.05)
	if two.Lower >= i.Lower || two.Upper <= i.Upper {
		t.Errorf("two-sided %+v is not wider than one-sided %+v", two, i)
	}
	// √( 2(nρ²+1)/(nρ²) · ln(√(nρ²+1)/α) ) = 3.03851749 standard errors of 0.12983081.
	near(t, "two-sided half-width", (two.Upper-two.Lower)/2, 3.03851749*0.12983081, 1e-7)
}

// The rank range of p99 for 1,000 values, as published.
func TestRankRangeVector(t *testing.T) {
	t.Parallel()
	lo, hi := guardrail.RankRange(0.99, 1000, 0.05)
	near(t, "lower", lo, 0.9786, 5e-5)
	near(t, "upper", hi, 0.9976, 5e-5)
}

func TestLogEByHand(t *testing.T) {
	t.Parallel()
	// k = 5, θ = ½: Γ(5)/Γ(8) · Γ(4.5)/Γ(2.5) · Γ(3.5)/Γ(2.5) · 2³ for the counts 2 and 1.
	want := math.Log(24.0 / 5040 * (3.5 * 2.5) * 2.5 * 8)
	near(t, "ln E", guardrail.LogE([]float64{0.5, 0.5}, []int64{2, 1}), want, 1e-12)
	if e := guardrail.LogE([]float64{0.5, 0.5}, []int64{0, 0}); e != 0 {
		t.Errorf("ln E of nothing = %g; want 0", e)
	}
}

// Two separate intervals would not see 2 against 20 in 5,000 each. Both tests that
// may be asked must.
func TestTwoAgainstTwenty(t *testing.T) {
	t.Parallel()
	for _, alpha := range []float64{0.05, 0.01, 0.005} {
		r := guardrail.Rare([]guardrail.Counts{{Candidate: 20, Control: 2, CandidateExposure: 5000, ControlExposure: 5000}}, guardrail.Both(alpha))
		if r.LogE < -math.Log(alpha) || r.Ratio.Lower <= 1 || r.Difference.Lower <= 0 {
			t.Errorf("α %g: e-value %+v does not see it", alpha, r)
		}
		for name, i := range map[string]guardrail.Interval{
			"Means":  guardrail.Means(bernoulli(20, 5000), bernoulli(2, 5000), guardrail.Both(alpha)),
			"Shares": guardrail.Shares(bernoulli(20, 5000), bernoulli(2, 5000), guardrail.Both(alpha)),
		} {
			if i.Lower <= 0 {
				t.Errorf("α %g: %s %+v does not see it", alpha, name, i)
			}
		}
	}
}

func TestTooLittleSaysNothing(t *testing.T) {
	t.Parallel()
	few := bernoulli(3, guardrail.MinUnits-1)
	for name, i := range map[string]guardrail.Interval{
		"no units":  guardrail.Means(metrics.Moments{}, bernoulli(1, 900), guardrail.Both(0.05)),
		"few units": guardrail.Shares(few, bernoulli(1, 900), guardrail.Both(0.05)),
		"one mean":  guardrail.Share(few, guardrail.Both(0.05)),
		"quantile":  guardrail.Quantile([]metrics.LagBucket{{Lower: 1, Upper: 2, Count: 1}}, 0.99, 0.05),
		"quantiles": guardrail.Quantiles(nil, []metrics.LagBucket{{Lower: 1, Upper: 2, Count: 9}}, 0.99, guardrail.Both(0.05)),
		"infinite":  guardrail.Means(metrics.Moments{Units: 99, Sum: 1, SumSq: math.Inf(1)}, bernoulli(1, 900), guardrail.Both(0.05)),
	} {
		if !math.IsInf(i.Lower, -1) && name != "quantile" || !math.IsInf(i.Upper, 1) {
			t.Errorf("%s: %+v; want no bounds", name, i)
		}
	}
	if r := guardrail.Rare([]guardrail.Counts{{Candidate: 3, CandidateExposure: 9}}, guardrail.Both(0.05)); r.LogE != 0 || !math.IsInf(r.Difference.Lower, -1) {
		t.Errorf("without a control: %+v", r)
	}
}

// Without one bad unit the bounds say how far off the truth may be, not that it is 0.
func TestNothingBadIsNotCertainty(t *testing.T) {
	t.Parallel()
	i := guardrail.Shares(bernoulli(0, 300), bernoulli(0, 300), guardrail.Both(0.05))
	if i.Upper < 3.0/300 || i.Upper > 12.0/300 {
		t.Errorf("Shares %+v; want an upper bound of a few in 300", i)
	}
	r := guardrail.Rare([]guardrail.Counts{{CandidateExposure: 300, ControlExposure: 300}}, guardrail.Both(0.05))
	if u := r.Difference.Upper; u < 3.0/300 || u > 12.0/300 {
		t.Errorf("Rare %+v; want an upper bound of a few in 300", r.Difference)
	}
	one := guardrail.Rate(0, 300, guardrail.Both(0.05))
	if one.Lower != 0 || one.Upper < 3.0/300 || one.Upper > 12.0/300 {
		t.Errorf("Rate %+v", one)
	}
}

func TestSampleRatio(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b   int64
		share  float64
		p      float64
		enough bool
	}{
		{7, 7, 0.5, 1, false},
		{8, 8, 0.5, 1, true},
		{500, 500, 0.5, 1, true},
		{527, 473, 0.5, 0.08770, true}, // χ² = 2.916
		{560, 440, 0.5, 0.000147, true},
		{750, 250, 0.75, 1, true},
		{0, 1000, 0.5, 0, true},
		{1000, 0, 1, 1, false}, // no control is meant to be there
	} {
		p, enough := guardrail.SampleRatio(c.a, c.b, c.share)
		if enough != c.enough {
			t.Errorf("%d : %d: enough %v", c.a, c.b, enough)
		}
		near(t, "p", p, c.p, 2e-5)
	}
}

// The rank range reads off the edges of the buckets, on the safe side.
func TestQuantileReadsBuckets(t *testing.T) {
	t.Parallel()
	var sample []metrics.LagBucket
	for i := int64(1); i <= 1000; i++ {
		sample = append(sample, metrics.LagBucket{Lower: i*100 - 1, Upper: i*100 + 1, Count: 1})
	}
	i := guardrail.Quantile(sample, 0.99, 0.05)
	// Ranks 979 to 997 are within .9786–.9976; the quantile lies below the next one.
	if i.Lower != 97899 || i.Upper != 99801 || math.Abs(i.Estimate-99000) > 1 {
		t.Errorf("%+v; want 97899, 99000, 99801", i)
	}
	moved := make([]metrics.LagBucket, len(sample))
	for j, b := range sample {
		moved[j] = metrics.LagBucket{Lower: b.Lower + 50_000, Upper: b.Upper + 50_000, Count: 1}
	}
	d := guardrail.Quantiles(moved, sample, 0.99, guardrail.Both(0.05))
	if math.Abs(d.Estimate-50_000) > 1 || d.Lower < 45_000 || d.Upper > 55_000 {
		t.Errorf("moved by 50,000: %+v", d)
	}
}
