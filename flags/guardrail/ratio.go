package guardrail

import "math"

const (
	// RatioAlpha is the p-value below which the arms' sizes are taken to be wrong.
	RatioAlpha = 0.001
	// RatioUnits is how many units each arm must be expected to have for the χ²
	// distribution to be near enough. An arm that should have them and has none is
	// the worst mismatch there is.
	RatioUnits = 8
)

// SampleRatio tests by Pearson's χ² with one degree of freedom whether the arms have
// the sizes that they should have (Fabijan et al., "Diagnosing Sample Ratio Mismatch
// in Online Controlled Experiments", KDD 2019). share is the candidate's, between 0
// and 1. enough is false when there are too few units to say; p is then 1.
func SampleRatio(candidate, control int64, share float64) (p float64, enough bool) {
	n := float64(candidate + control)
	a, b := share*n, (1-share)*n
	if min(a, b) < RatioUnits {
		return 1, false
	}
	return math.Erfc(math.Abs(float64(candidate)-a) * math.Sqrt((1/a+1/b)/2)), true
}
