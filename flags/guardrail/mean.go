package guardrail

import (
	"math"

	"tidemark/metrics"
)

const (
	// Horizon is the number of units, of both arms, at which the confidence sequence
	// of a mean is tightest: N* in the formulas.
	Horizon = 5000
	// MinUnits is how many units each arm needs before a mean is bounded at all. The
	// sequence is asymptotic: it leans on the central limit theorem, which says
	// nothing of a handful of units.
	MinUnits = 30
)

// Means bounds the difference candidate − control of two means by one-sided
// asymptotic confidence sequences (arXiv:2103.06476, section 2.2, with the one-sided
// boundary of appendix B.1): with n the units of both arms,
//
//	ρ² = (−2 ln 2α + ln(1 − 2 ln 2α)) / N*
//	half-width = se · √( 2(nρ² + 1)/(nρ²) · ln(1 + √(nρ² + 1) / 2α) )
func Means(candidate, control metrics.Moments, l Level) Interval {
	return difference(candidate, control, l, 0)
}

// Shares is Means for numbers between 0 and 1. No variance is taken to be less than
// what one unit that went from 0 to 1 would make, so that two arms without a single
// bad unit do not look like certainty.
func Shares(candidate, control metrics.Moments, l Level) Interval {
	return difference(candidate, control, l, 1)
}

// MeansTwoSided is Means with a two-sided sequence: both bounds hold together at
// level alpha. ρ² has α for 2α, and the logarithm is ln(√(nρ² + 1) / α).
func MeansTwoSided(candidate, control metrics.Moments, alpha float64) Interval {
	est, se, n, ok := compare(candidate, control, 0)
	if !ok {
		return nothing(est)
	}
	h := se * twoSided(n, alpha)
	return Interval{Estimate: est, Lower: est - h, Upper: est + h}
}

// Mean bounds one arm's mean.
func Mean(arm metrics.Moments, l Level) Interval { return single(arm, l, 0) }

// Share is Mean for numbers between 0 and 1, with the least variance of Shares.
func Share(arm metrics.Moments, l Level) Interval { return single(arm, l, 1) }

func single(arm metrics.Moments, l Level, scale float64) Interval {
	est, _ := arm.Mean()
	if arm.Units < MinUnits {
		return nothing(est)
	}
	se := math.Sqrt(meanVariance(arm, scale))
	n := float64(arm.Units)
	return Interval{Estimate: est, Lower: est - se*oneSided(n, l.Lower), Upper: est + se*oneSided(n, l.Upper)}
}

func difference(candidate, control metrics.Moments, l Level, scale float64) Interval {
	est, se, n, ok := compare(candidate, control, scale)
	if !ok {
		return nothing(est)
	}
	return Interval{Estimate: est, Lower: est - se*oneSided(n, l.Lower), Upper: est + se*oneSided(n, l.Upper)}
}

// compare is the difference of the means with its standard error; ok is false when
// there are too few units to trust it.
func compare(candidate, control metrics.Moments, scale float64) (est, se, n float64, ok bool) {
	a, okA := candidate.Mean()
	b, okB := control.Mean()
	if !okA || !okB {
		return 0, 0, 0, false
	}
	est, n = a-b, float64(candidate.Units+control.Units)
	if min(candidate.Units, control.Units) < MinUnits {
		return est, 0, n, false
	}
	se = math.Sqrt(meanVariance(candidate, scale) + meanVariance(control, scale))
	return est, se, n, !math.IsNaN(se) && !math.IsInf(se, 0)
}

// meanVariance is the variance of an arm's mean: the sample variance over the units,
// at least what one unit that moved by scale would make.
func meanVariance(m metrics.Moments, scale float64) float64 {
	n := float64(m.Units)
	s2 := max((m.SumSq-m.Sum*m.Sum/n)/(n-1), 0)
	return max(s2/n, scale*scale/((n+1)*(n+1)))
}

// oneSided is how many standard errors wide one side is after n units.
func oneSided(n, alpha float64) float64 {
	nr := n * rho2(2*alpha)
	return math.Sqrt(2 * (nr + 1) / nr * math.Log(1+math.Sqrt(nr+1)/(2*alpha)))
}

func twoSided(n, alpha float64) float64 {
	nr := n * rho2(alpha)
	return math.Sqrt(2 * (nr + 1) / nr * math.Log(math.Sqrt(nr+1)/alpha))
}

// rho2 is ρ²: the mixture's variance that makes the sequence tightest at Horizon.
func rho2(alpha float64) float64 {
	x := -2 * math.Log(alpha)
	return (x + math.Log(1+x)) / Horizon
}
