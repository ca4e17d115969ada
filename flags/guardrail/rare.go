package guardrail

import "math"

// Concentration is k, the weight of the e-value's Dirichlet prior: as if so many
// events had been seen before, shared between the arms as the null hypothesis says.
// A small k suits great differences, a large one small differences.
// Five needs about 115 events to see a doubled rate and 19 to see one that is ten
// times as high, at α = 0.01; ten would need 113 and 21, two 121 and 17.
const Concentration = 5

// Counts is how often something rare happened in each arm, in one step.
type Counts struct {
	Candidate, Control                 int64   // units to whom it happened
	CandidateExposure, ControlExposure float64 // units to whom it could have
}

// Rarity is what Rare finds.
type Rarity struct {
	// LogE is the natural logarithm of the e-value against "both arms have the same
	// rate". Under that hypothesis the chance that it ever reaches ln(1/α) is at most α.
	LogE float64
	// Ratio bounds the candidate's rate over the control's. Its lower bound exceeds 1
	// when LogE reaches ln(1/α) because the candidate is worse, and only then.
	Ratio Interval
	// Difference bounds the candidate's rate minus the control's. Its lower bound
	// exceeds 0 when that of Ratio exceeds 1, and only then.
	Difference Interval
}

// LogE is the conditional multinomial e-value (arXiv:2011.03567, equation 9) of the
// counts of something that is shared out as shares say when nothing is wrong:
//
//	ln E = lnΓ(k) − lnΓ(k+n) + Σ [ lnΓ(kθᵢ+nᵢ) − lnΓ(kθᵢ) − nᵢ ln θᵢ ]
func LogE(shares []float64, counts []int64) float64 {
	var n int64
	var e float64
	for i, theta := range shares {
		if counts[i] == 0 {
			continue
		}
		c := float64(counts[i])
		e += lnGamma(Concentration*theta+c) - lnGamma(Concentration*theta) - c*math.Log(theta)
		n += counts[i]
	}
	return e + lnGamma(Concentration) - lnGamma(Concentration+float64(n))
}

// Rare compares the rates of two arms over steps whose arms may differ in size. The
// e-values of the steps are multiplied. The bounds are those rates and ratios that
// the same e-value would not reject, with one ratio for all steps.
func Rare(steps []Counts, l Level) Rarity {
	r := make(strata, 0, len(steps))
	for _, c := range steps {
		if c.CandidateExposure > 0 && c.ControlExposure > 0 {
			r = append(r, newStratum(c))
		}
	}
	if len(r) == 0 {
		return Rarity{Ratio: Interval{Estimate: math.NaN(), Upper: math.Inf(1)}, Difference: nothing(0)}
	}
	return Rarity{LogE: r.logE(0), Ratio: r.ratio(l), Difference: r.difference(l)}
}

// stratum is one step.
type stratum struct {
	a, b    float64 // events of candidate and control
	ea, eb  float64 // exposures
	mixture float64 // ln of the mixture's likelihood
}

func newStratum(c Counts) stratum {
	s := stratum{a: float64(c.Candidate), b: float64(c.Control), ea: c.CandidateExposure, eb: c.ControlExposure}
	theta := s.ea / (s.ea + s.eb)
	s.mixture = lnBeta(Concentration*theta+s.a, Concentration*(1-theta)+s.b) - lnBeta(Concentration*theta, Concentration*(1-theta))
	return s
}

// lnTheta are the logarithms of the arms' shares of the events when the ratio of the
// rates is e^x.
func (s stratum) lnTheta(x float64) (candidate, control float64) {
	y := x + math.Log(s.ea/s.eb) // log odds
	return -softplus(-y), -softplus(y)
}

// softplus is ln(1 + e^y).
func softplus(y float64) float64 {
	return max(y, 0) + math.Log1p(math.Exp(-math.Abs(y)))
}

type strata []stratum

// logE is the e-value against the ratio e^x. It is convex in x.
func (r strata) logE(x float64) (e float64) {
	for _, s := range r {
		a, b := s.lnTheta(x)
		e += s.mixture - s.a*a - s.b*b
	}
	return e
}

// farthest is the greatest logarithm of a ratio that is looked at.
const farthest = 40

// estimate is the most likely ratio: 0 or +Inf when one arm has no event, NaN when
// neither has.
func (r strata) estimate() float64 {
	a, b := r.events()
	switch {
	case a+b == 0:
		return math.NaN()
	case a == 0:
		return 0
	case b == 0:
		return math.Inf(1)
	}
	return math.Exp(r.top())
}

// top is the logarithm of the most likely ratio, within ±farthest.
func (r strata) top() float64 {
	if a, _ := r.events(); a == 0 {
		return -farthest
	}
	return bisect(-farthest, farthest, func(x float64) bool {
		var score float64
		for _, s := range r {
			a, _ := s.lnTheta(x)
			score += s.a - (s.a+s.b)*math.Exp(a)
		}
		return score > 0
	})
}

// ratio bounds the ratio. Steps that contradict each other so much that no one ratio
// fits them all leave the most likely one alone.
func (r strata) ratio(l Level) Interval {
	top := r.top()
	i := Interval{Estimate: r.estimate(), Lower: math.Exp(top), Upper: math.Exp(top)}
	fits := func(alpha float64) func(float64) bool {
		return func(x float64) bool { return r.logE(x) < -math.Log(alpha) }
	}
	if inside := fits(l.Lower); inside(-farthest) {
		i.Lower = 0
	} else if inside(top) {
		i.Lower = math.Exp(bisect(-farthest, top, inside))
	}
	if inside := fits(l.Upper); inside(farthest) {
		i.Upper = math.Inf(1)
	} else if inside(top) {
		i.Upper = math.Exp(bisect(top, farthest, inside))
	}
	return i
}

func (r strata) events() (candidate, control float64) {
	for _, s := range r {
		candidate, control = candidate+s.a, control+s.b
	}
	return candidate, control
}

// difference turns bounds of the ratio into bounds of the difference of the rates,
// with bounds of how many events were to be expected. The upper bound splits its α
// between the two. The lower one has the sign of the test; above 0 its size takes the
// number of events for what it was.
func (r strata) difference(l Level) Interval {
	a, b := r.events()
	n := a + b
	est := 0.0
	if n > 0 {
		est = n * r.perEvent(r.estimate())
	}
	upper := r.perEvent(r.ratio(Both(l.Upper / 2)).Upper)
	few, many := expected(n, l.Upper/2)
	if upper *= many; upper < 0 {
		upper *= few / many
	}
	lower := r.perEvent(r.ratio(Both(l.Lower)).Lower)
	if lower > 0 {
		lower *= n
	} else {
		_, many = expected(n, l.Lower)
		lower *= many
	}
	return Interval{Estimate: est, Lower: lower, Upper: upper}
}

// perEvent is the difference of the rates for each event that is expected in both
// arms, when the ratio of the rates is as given.
func (r strata) perEvent(ratio float64) float64 {
	var ea, eb float64
	for _, s := range r {
		ea, eb = ea+s.ea, eb+s.eb
	}
	if math.IsInf(ratio, 1) {
		return 1 / ea
	}
	return (ratio - 1) / (ratio*ea + eb)
}

// Rate bounds one arm's rate of something rare, by expected.
func Rate(events int64, exposure float64, l Level) Interval {
	if exposure <= 0 {
		return nothing(0)
	}
	lower, _ := expected(float64(events), l.Lower)
	_, upper := expected(float64(events), l.Upper)
	return Interval{float64(events) / exposure, lower / exposure, upper / exposure}
}

// expected bounds the mean Λ of a Poisson process that has made n events, by a
// mixture over exponentially distributed ratios to it (the gamma-Poisson mixture of
// Howard, Ramdas, McAuliffe, Sekhon, arXiv:1810.08240, with one event's weight):
//
//	ln E(Λ) = Λ + lnΓ(1+n) − (1+n) ln(1+Λ)
func expected(n, alpha float64) (lower, upper float64) {
	inside := func(mean float64) bool {
		return mean+lnGamma(1+n)-(1+n)*math.Log1p(mean) < -math.Log(alpha)
	}
	if !inside(0) {
		lower = bisect(0, n, inside)
	}
	far := 2*n + 10
	for inside(far) {
		far *= 2
	}
	return lower, bisect(n, far, inside)
}
