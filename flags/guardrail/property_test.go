package guardrail_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"tidemark/flags/guardrail"
	"tidemark/metrics"
)

// moments draws what some units may add up to.
func moments(t *rapid.T, name string) metrics.Moments {
	n := rapid.Int64Range(guardrail.MinUnits, 100_000).Draw(t, name+" units")
	mean := rapid.Float64Range(-5, 5).Draw(t, name+" mean")
	sd := rapid.Float64Range(0.01, 5).Draw(t, name+" sd")
	return metrics.Moments{Units: n, Sum: mean * float64(n), SumSq: (mean*mean + sd*sd) * float64(n)}
}

func alpha(t *rapid.T) float64 { return rapid.Float64Range(1e-6, guardrail.MaxAlpha).Draw(t, "alpha") }

func ordered(t *rapid.T, what string, i guardrail.Interval) {
	t.Helper()
	if !(i.Lower <= i.Estimate && i.Estimate <= i.Upper) {
		t.Fatalf("%s: %+v is out of order", what, i)
	}
}

func same(a, b float64) bool {
	return a == b || math.Abs(a-b) <= 1e-6*(math.Abs(a)+math.Abs(b))+1e-12
}

// mirrored: what is said of A against B is said of B against A with the sign turned.
func mirrored(t *rapid.T, what string, a, b guardrail.Interval) {
	t.Helper()
	if !same(a.Lower, -b.Upper) || !same(a.Upper, -b.Lower) {
		t.Fatalf("%s: %+v is not the mirror of %+v", what, a, b)
	}
}

func TestMeansLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, al := moments(t, "a"), moments(t, "b"), alpha(t)
		i := guardrail.Means(a, b, guardrail.Both(al))
		ordered(t, "Means", i)
		mirrored(t, "Means", i, guardrail.Means(b, a, guardrail.Both(al)))
		wider := guardrail.Means(a, b, guardrail.Both(al/2))
		if wider.Lower > i.Lower || wider.Upper < i.Upper {
			t.Fatalf("less α is narrower: %+v, %+v", wider, i)
		}
		// A one-sided bound is tighter than the same side of the two-sided sequence, at
		// the levels that are used.
		two := guardrail.MeansTwoSided(a, b, al)
		if al <= 0.05 && (two.Lower > i.Lower || two.Upper < i.Upper) {
			t.Fatalf("two-sided %+v is within one-sided %+v", two, i)
		}
		// The same units, each ten times, say more.
		more := guardrail.Means(times(a, 10), times(b, 10), guardrail.Both(al))
		if more.Upper-more.Lower >= i.Upper-i.Lower {
			t.Fatalf("more units are wider: %+v, %+v", more, i)
		}
		shares := guardrail.Shares(a, b, guardrail.Both(al))
		if shares.Lower > i.Lower || shares.Upper < i.Upper {
			t.Fatalf("Shares %+v is within Means %+v", shares, i)
		}
	})
}

func times(m metrics.Moments, k int64) metrics.Moments {
	return metrics.Moments{Units: m.Units * k, Sum: m.Sum * float64(k), SumSq: m.SumSq * float64(k)}
}

func drawCounts(t *rapid.T) guardrail.Counts {
	return guardrail.Counts{
		Candidate:         rapid.Int64Range(0, 500).Draw(t, "candidate"),
		Control:           rapid.Int64Range(0, 500).Draw(t, "control"),
		CandidateExposure: rapid.Float64Range(500, 1e6).Draw(t, "candidate exposure"),
		ControlExposure:   rapid.Float64Range(500, 1e6).Draw(t, "control exposure"),
	}
}

func swapped(cs []guardrail.Counts) []guardrail.Counts {
	out := make([]guardrail.Counts, len(cs))
	for i, c := range cs {
		out[i] = guardrail.Counts{Candidate: c.Control, Control: c.Candidate, CandidateExposure: c.ControlExposure, ControlExposure: c.CandidateExposure}
	}
	return out
}

func TestRareLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(drawCounts), 1, 4).Draw(t, "steps")
		al := alpha(t)
		r := guardrail.Rare(steps, guardrail.Both(al))
		turned := guardrail.Rare(swapped(steps), guardrail.Both(al))
		if !same(r.LogE, turned.LogE) || r.Ratio.Lower > 0 && !same(r.Ratio.Lower*turned.Ratio.Upper, 1) {
			t.Fatalf("%+v is not the mirror of %+v", r, turned)
		}
		if !math.IsNaN(r.Ratio.Estimate) {
			ordered(t, "Ratio", r.Ratio)
		}
		ordered(t, "Difference", r.Difference)
		// The bounds and the e-value are one test.
		rejected := r.LogE >= -math.Log(al)
		if out := r.Ratio.Lower > 1 || r.Ratio.Upper < 1; out != rejected && math.Abs(r.LogE+math.Log(al)) > 1e-6 {
			t.Fatalf("ln E %g at α %g, but bounds %+v", r.LogE, al, r.Ratio)
		}
		if (r.Difference.Lower > 0) != (r.Ratio.Lower > 1) {
			t.Fatalf("difference %+v, ratio %+v", r.Difference, r.Ratio)
		}
		// Steps multiply: the order does not matter, and the parts add up.
		var sum float64
		for _, s := range steps {
			sum += guardrail.Rare([]guardrail.Counts{s}, guardrail.Both(al)).LogE
		}
		if math.Abs(sum-r.LogE) > 1e-6*(1+math.Abs(sum)) {
			t.Fatalf("ln E %g; the steps' sum is %g", r.LogE, sum)
		}
	})
}

// More bad units in the candidate never speak for it.
func TestRareGrowsWithHarm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, al := drawCounts(t), alpha(t)
		before := guardrail.Rare([]guardrail.Counts{c}, guardrail.Both(al))
		c.Candidate += rapid.Int64Range(1, 100).Draw(t, "more")
		after := guardrail.Rare([]guardrail.Counts{c}, guardrail.Both(al))
		if after.Ratio.Lower < before.Ratio.Lower*(1-1e-9) || after.Ratio.Upper < before.Ratio.Upper*(1-1e-9) {
			t.Fatalf("more harm, but %+v after %+v", after, before)
		}
	})
}

// Ville's inequality needs E to have mean 1 at most under the null hypothesis: the
// sum over every outcome of n events of its chance times its e-value is exactly 1.
func TestLogEIsAnEValue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		theta := rapid.Float64Range(0.02, 0.98).Draw(t, "theta")
		n := rapid.Int64Range(1, 200).Draw(t, "n")
		var mean float64
		for k := range n + 1 {
			e := guardrail.LogE([]float64{theta, 1 - theta}, []int64{k, n - k})
			mean += math.Exp(lnChoose(n, k) + float64(k)*math.Log(theta) + float64(n-k)*math.Log1p(-theta) + e)
		}
		if math.Abs(mean-1) > 1e-6 {
			t.Fatalf("mean of E is %g", mean)
		}
	})
}

func lnChoose(n, k int64) float64 {
	f := func(x int64) float64 { v, _ := math.Lgamma(float64(x) + 1); return v }
	return f(n) - f(k) - f(n-k)
}

// sample draws a histogram with the sketch's buckets.
func sample(t *rapid.T, name string) []metrics.LagBucket {
	start := rapid.IntRange(400, 900).Draw(t, name+" start")
	counts := rapid.SliceOfN(rapid.Int64Range(0, 400), 1, 40).Draw(t, name+" counts")
	out := make([]metrics.LagBucket, 0, len(counts))
	for i, n := range counts {
		out = append(out, bucket(start+i, n))
	}
	return out
}

func TestQuantileLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, al := sample(t, "a"), sample(t, "b"), alpha(t)
		p := rapid.SampledFrom([]float64{0.5, 0.9, 0.99}).Draw(t, "p")
		i := guardrail.Quantiles(a, b, p, guardrail.Both(al))
		mirrored(t, "Quantiles", i, guardrail.Quantiles(b, a, p, guardrail.Both(al)))
		if i.Lower > i.Upper {
			t.Fatalf("out of order: %+v", i)
		}
		wider := guardrail.Quantiles(a, b, p, guardrail.Both(al/4))
		if wider.Lower > i.Lower || wider.Upper < i.Upper {
			t.Fatalf("less α is narrower: %+v, %+v", wider, i)
		}
		one := guardrail.Quantile(a, p, al)
		if !math.IsNaN(one.Estimate) {
			ordered(t, "Quantile", one)
		}
		// Slower values in the candidate never speak for it.
		slower := make([]metrics.LagBucket, len(a))
		for j, x := range a {
			slower[j] = metrics.LagBucket{Lower: x.Lower * 2, Upper: x.Upper * 2, Count: x.Count}
		}
		if s := guardrail.Quantiles(slower, b, p, guardrail.Both(al)); s.Lower < i.Lower || s.Upper < i.Upper {
			t.Fatalf("slower candidate: %+v after %+v", s, i)
		}
	})
}

func TestRankRangeLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 50_000).Draw(t, "n")
		p := rapid.SampledFrom([]float64{0.01, 0.5, 0.9, 0.99}).Draw(t, "p")
		al := alpha(t)
		lo, hi := guardrail.RankRange(p, n, al)
		if !(0 <= lo && lo <= p && p <= hi && hi <= 1) {
			t.Fatalf("%g to %g around %g", lo, hi, p)
		}
		mlo, mhi := guardrail.RankRange(1-p, n, al)
		if math.Abs(mlo-(1-hi)) > 1e-6 || math.Abs(mhi-(1-lo)) > 1e-6 {
			t.Fatalf("%g to %g is not the mirror of %g to %g", mlo, mhi, lo, hi)
		}
	})
}
