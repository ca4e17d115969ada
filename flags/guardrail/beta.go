package guardrail

import "math"

func lnGamma(x float64) float64 {
	v, _ := math.Lgamma(x)
	return v
}

// lnBeta is ln B(a, b).
func lnBeta(a, b float64) float64 { return lnGamma(a) + lnGamma(b) - lnGamma(a+b) }

// lnIncomplete is ln I_x(a, b), the regularised incomplete beta function, by its
// continued fraction (Abramowitz, Stegun, 26.5.8) in the half where it converges fast.
func lnIncomplete(x, a, b float64) float64 {
	switch {
	case x <= 0:
		return math.Inf(-1)
	case x >= 1:
		return 0
	case x < (a+1)/(a+b+2):
		return lnFront(x, a, b) + math.Log(fraction(x, a, b)) - math.Log(a)
	}
	other := math.Exp(lnFront(1-x, b, a)+math.Log(fraction(1-x, b, a))) / b
	return math.Log1p(-min(other, 1))
}

// lnFront is ln( x^a (1−x)^b / B(a, b) ).
func lnFront(x, a, b float64) float64 {
	return a*math.Log(x) + b*math.Log1p(-x) - lnBeta(a, b)
}

// fraction evaluates the continued fraction by Lentz's method. It takes about
// √max(a, b) rounds.
func fraction(x, a, b float64) float64 {
	const (
		tiny   = 1e-300
		eps    = 1e-14
		rounds = 100_000
	)
	away := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	c, d := 1.0, 1/away(1-(a+b)*x/(a+1))
	f := d
	for i := 1.0; i <= rounds; i++ {
		even := i * (b - i) * x / ((a + 2*i - 1) * (a + 2*i))
		d = 1 / away(1+even*d)
		c = away(1 + even/c)
		f *= d * c
		odd := -(a + i) * (a + b + i) * x / ((a + 2*i) * (a + 2*i + 1))
		d = 1 / away(1+odd*d)
		c = away(1 + odd/c)
		step := d * c
		f *= step
		if math.Abs(step-1) < eps {
			break
		}
	}
	return f
}

// bisect returns the point of [lo, hi] where holds turns from true to false, or
// from false to true, within the resolution of the numbers.
func bisect(lo, hi float64, holds func(float64) bool) float64 {
	at := holds(lo)
	for range 200 {
		mid := lo + (hi-lo)/2
		if mid == lo || mid == hi {
			break
		}
		if holds(mid) == at {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}
