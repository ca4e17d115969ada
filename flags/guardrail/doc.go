// Package guardrail compares the two arms of a rollout. Its functions are pure; they
// know nothing of flags, plans or stores.
//
// A rollout is looked at again and again while units arrive, so each bound here holds
// at every look at once: the chance that it is wrong at any look, ever, is at most α
// (a confidence sequence), where the bounds of a textbook's interval are wrong sooner
// or later when one looks often enough.
//
// Four methods serve four kinds of number:
//
//   - Means, Shares: what has a mean a unit. Asymptotic confidence sequences
//     (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit
//     theory and asymptotic confidence sequences", arXiv:2103.06476).
//   - Rare: what hardly ever happens. A conditional multinomial e-value (Lindon,
//     Malek, "Anytime-valid inference for multinomial count data", arXiv:2011.03567).
//   - Quantiles: one percentile, such as p99. The beta-binomial mixture for a fixed
//     quantile (Howard, Ramdas, "Sequential estimation of quantiles with applications
//     to A/B testing and best-arm identification", arXiv:1906.09712).
//   - SampleRatio: whether the arms have the sizes that they should have (χ²).
//
// docs/statistics.md explains them to readers who are no statisticians.
package guardrail

import "math"

// Interval is what is known of a number. A bound that nothing is known of is infinite.
type Interval struct {
	Estimate, Lower, Upper float64
}

// Level says how often each bound of an interval may be wrong, at any look, ever.
// Both are more than 0 and at most MaxAlpha.
type Level struct {
	Lower, Upper float64
}

// MaxAlpha is the greatest α for which the bounds are what they say.
const MaxAlpha = 0.1

// Both is the level with the same α for each bound.
func Both(alpha float64) Level { return Level{alpha, alpha} }

// nothing is the interval that says nothing.
func nothing(estimate float64) Interval {
	return Interval{Estimate: estimate, Lower: math.Inf(-1), Upper: math.Inf(1)}
}
