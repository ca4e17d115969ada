package simulate

import (
	"math"
	"math/rand/v2"
	"time"
)

// Dist draws latencies. Draws are independent; one Dist may serve many places.
type Dist interface {
	Draw(r *rand.Rand) time.Duration
}

// Const is always the same latency.
type Const time.Duration

// Draw implements Dist.
func (c Const) Draw(*rand.Rand) time.Duration { return time.Duration(c) }

// Uniform lies between Min and Max.
type Uniform struct{ Min, Max time.Duration }

// Draw implements Dist.
func (u Uniform) Draw(r *rand.Rand) time.Duration {
	return u.Min + time.Duration(r.Float64()*float64(u.Max-u.Min))
}

// Exp is exponential with a mean: 1/λ.
type Exp struct{ Mean time.Duration }

// Draw implements Dist.
func (e Exp) Draw(r *rand.Rand) time.Duration {
	return time.Duration(r.ExpFloat64() * float64(e.Mean))
}

// Pareto has a least value Min (x_m) and a tail index Alpha; the smaller Alpha,
// the heavier the tail.
type Pareto struct {
	Min   time.Duration
	Alpha float64
}

// Draw implements Dist. A draw is cut off at one day, so that no heavy tail
// overflows.
func (p Pareto) Draw(r *rand.Rand) time.Duration {
	u := 1 - r.Float64() // in (0, 1]
	return time.Duration(min(float64(p.Min)*math.Pow(u, -1/p.Alpha), float64(24*time.Hour)))
}

// LogNormal has a median and Sigma, the standard deviation of the logarithm.
type LogNormal struct {
	Median time.Duration
	Sigma  float64
}

// Draw implements Dist. A draw is cut off at one day.
func (l LogNormal) Draw(r *rand.Rand) time.Duration {
	return time.Duration(min(float64(l.Median)*math.Exp(l.Sigma*r.NormFloat64()), float64(24*time.Hour)))
}

// Part is one component of a Mix; its share is Weight ÷ the sum of weights.
type Part struct {
	Weight float64
	Dist   Dist
}

// Mix draws from one of its parts.
type Mix []Part

// Draw implements Dist.
func (m Mix) Draw(r *rand.Rand) time.Duration {
	var sum float64
	for _, p := range m {
		sum += p.Weight
	}
	u := r.Float64() * sum
	for _, p := range m {
		if u -= p.Weight; u < 0 {
			return p.Dist.Draw(r)
		}
	}
	return m[len(m)-1].Dist.Draw(r)
}

// Plus adds a fixed latency to a Dist.
type Plus struct {
	Dist Dist
	Add  time.Duration
}

// Draw implements Dist.
func (p Plus) Draw(r *rand.Rand) time.Duration { return p.Dist.Draw(r) + p.Add }

// SSD is the one-way latency that the PBS paper fitted to LinkedIn's stores on
// solid-state disks; it holds for all four legs.
func SSD() Dist {
	return Mix{
		{Weight: 91.22, Dist: Pareto{Min: 235 * time.Microsecond, Alpha: 10}},
		{Weight: 8.78, Dist: rate(1.66)},
	}
}

// Disk is the latency of the W leg that the PBS paper fitted to LinkedIn's stores
// on spinning disks; their other legs are as SSD.
func Disk() Dist {
	return Mix{
		{Weight: 38, Dist: Pareto{Min: 1050 * time.Microsecond, Alpha: 1.51}},
		{Weight: 62, Dist: rate(0.183)},
	}
}

// rate is an exponential given by λ per millisecond, as the paper prints it.
func rate(lambda float64) Dist {
	return Exp{Mean: time.Duration(float64(time.Millisecond) / lambda)}
}

// draw is Draw for a Dist that may be nil, which takes no time.
func draw(d Dist, r *rand.Rand) int64 {
	if d == nil {
		return 0
	}
	return int64(d.Draw(r))
}
