package guardrail_test

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"tidemark/flags/guardrail"
	"tidemark/metrics"
)

// The simulations look at a rollout 150 times while units arrive, as the controller
// does, and count how often a comparison ever says that the candidate is worse. They
// print what docs/statistics.md records:
//
//	go test -run 'FalseReverts|Delay' -v ./flags/guardrail
const (
	looks   = 150
	perLook = 40 // units that arrive in each arm between two looks
	level   = 0.05
	delays  = 41 // rollouts of whose delays the median is stated
)

// gamma is the sketch's: a bucket's upper edge over its lower.
const gamma = 1.01 / 0.99

func bucket(i int, n int64) metrics.LagBucket {
	return metrics.LagBucket{Lower: int64(math.Pow(gamma, float64(i-1))), Upper: int64(math.Pow(gamma, float64(i))), Count: n}
}

// arm is what is known of one arm in a simulation.
type arm struct {
	m       metrics.Moments
	bad     int64
	buckets map[int]int64
	first   int
	last    int
	units   []unit
}

// unit is one that comes back: its number is the mean of all that it ever did.
type unit struct{ usual, sum, n float64 }

// again lets unit i do something once more.
func (a *arm) again(r *rand.Rand, i int) {
	u := &a.units[i]
	if u.n > 0 {
		old := u.sum / u.n
		a.m.Units, a.m.Sum, a.m.SumSq = a.m.Units-1, a.m.Sum-old, a.m.SumSq-old*old
	}
	u.sum += u.usual * math.Exp(0.9*r.NormFloat64()-0.405)
	u.n++
	a.add(u.sum / u.n)
}

func (a *arm) add(x float64) {
	a.m.Units++
	a.m.Sum += x
	a.m.SumSq += x * x
}

func (a *arm) lag(seconds float64) {
	if a.buckets == nil {
		a.buckets, a.first, a.last = map[int]int64{}, math.MaxInt, math.MinInt
	}
	i := int(math.Ceil(math.Log(seconds*1e9) / math.Log(gamma)))
	a.buckets[i]++
	a.first, a.last = min(a.first, i), max(a.last, i)
}

func (a *arm) sample() []metrics.LagBucket {
	var out []metrics.LagBucket
	for i := a.first; i <= a.last; i++ {
		if n := a.buckets[i]; n > 0 {
			out = append(out, bucket(i, n))
		}
	}
	return out
}

// trial is one way to draw units and to compare arms.
type trial struct {
	name    string
	rate    string // its row of false reverts in docs/statistics.md
	delay   string // its row of delays there; "" where none is stated
	runs    int
	control func(r *rand.Rand, a *arm)
	// effects are candidates, the first like the control.
	effects []effect
	worse   func(candidate, control *arm) bool
}

type effect struct {
	name string
	draw func(r *rand.Rand, a *arm)
}

func lognormal(mean, sigma float64) func(*rand.Rand, *arm) {
	return func(r *rand.Rand, a *arm) { a.add(mean * math.Exp(sigma*r.NormFloat64()-sigma*sigma/2)) }
}

// returning has units that differ, and of whom one comes back whenever a new one comes.
func returning(mean float64) func(*rand.Rand, *arm) {
	return func(r *rand.Rand, a *arm) {
		a.units = append(a.units, unit{usual: mean * math.Exp(0.8*r.NormFloat64()-0.32)})
		a.again(r, len(a.units)-1)
		a.again(r, r.IntN(len(a.units)))
	}
}

func share(p float64) func(*rand.Rand, *arm) {
	return func(r *rand.Rand, a *arm) {
		x := 0.0
		if r.Float64() < p {
			x = 1
		}
		a.add(x)
	}
}

func rare(p float64) func(*rand.Rand, *arm) {
	return func(r *rand.Rand, a *arm) {
		a.m.Units++
		if r.Float64() < p {
			a.bad++
		}
	}
}

// lagged has lags of which p99 is q seconds.
func lagged(q float64) func(*rand.Rand, *arm) {
	const sigma, z99 = 0.8, 2.3263478740408408
	return func(r *rand.Rand, a *arm) { a.lag(q * math.Exp(sigma*(r.NormFloat64()-z99))) }
}

func trials() []trial {
	return []trial{
		{
			name: "mean lag, lognormal σ 1.2", rate: "mean lag, lognormal σ 1.2", delay: "mean lag", runs: 2000, control: lognormal(0.5, 1.2),
			effects: []effect{{"none", lognormal(0.5, 1.2)}, {"+10 %", lognormal(0.55, 1.2)}, {"+25 %", lognormal(0.625, 1.2)}, {"+100 %", lognormal(1, 1.2)}},
			worse: func(a, b *arm) bool {
				return guardrail.Means(a.m, b.m, guardrail.Both(level)).Lower > 0
			},
		},
		{
			name: "mean lag, units return", rate: "mean lag, units that come back", runs: 1000, control: returning(0.5),
			effects: []effect{{"none", returning(0.5)}, {"+10 %", returning(0.55)}, {"+25 %", returning(0.625)}, {"+100 %", returning(1)}},
			worse: func(a, b *arm) bool {
				return guardrail.Means(a.m, b.m, guardrail.Both(level)).Lower > 0
			},
		},
		{
			name: "late share 2 %", rate: "late share of 2 %", delay: "late share of 2 %", runs: 2000, control: share(0.02),
			effects: []effect{{"none", share(0.02)}, {"3 %", share(0.03)}, {"4 %", share(0.04)}, {"10 %", share(0.1)}},
			worse: func(a, b *arm) bool {
				return guardrail.Shares(a.m, b.m, guardrail.Both(level)).Lower > 0
			},
		},
		{
			name: "violations of 1 unit in 1,000", rate: "violations of 1 unit in 1,000", delay: "violations of 1 unit in 1,000", runs: 2000, control: rare(0.001),
			effects: []effect{{"none", rare(0.001)}, {"× 3", rare(0.003)}, {"× 5", rare(0.005)}, {"× 10", rare(0.01)}},
			worse: func(a, b *arm) bool {
				c := guardrail.Counts{Candidate: a.bad, Control: b.bad, CandidateExposure: float64(a.m.Units), ControlExposure: float64(b.m.Units)}
				return guardrail.LogE([]float64{0.5, 0.5}, []int64{c.Candidate, c.Control}) >= -math.Log(level) &&
					guardrail.Rare([]guardrail.Counts{c}, guardrail.Both(level)).Ratio.Lower > 1
			},
		},
		{
			name: "p99 of 2 s", rate: "p99 of 2 s", delay: "p99 of 2 s", runs: 300, control: lagged(2),
			effects: []effect{{"none", lagged(2)}, {"+50 %", lagged(3)}, {"+100 %", lagged(4)}, {"+200 %", lagged(6)}},
			worse: func(a, b *arm) bool {
				return guardrail.Quantiles(a.sample(), b.sample(), 0.99, guardrail.Both(level)).Lower > 0
			},
		},
	}
}

// detect plays one rollout and returns the look at which it is reverted, 0 if never.
func (tr *trial) detect(r *rand.Rand, candidate func(*rand.Rand, *arm)) int {
	var a, b arm
	for look := 1; look <= looks; look++ {
		for range perLook {
			candidate(r, &a)
			tr.control(r, &b)
		}
		if tr.worse(&a, &b) {
			return look
		}
	}
	return 0
}

func TestFalseReverts(t *testing.T) {
	t.Parallel()
	for i, tr := range trials() {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(1, uint64(i))) // a seed, so that the figures stay
			wrong := 0
			for range tr.runs {
				if tr.detect(r, tr.effects[0].draw) > 0 {
					wrong++
				}
			}
			rate := float64(wrong) / float64(tr.runs)
			t.Logf("%s: %d of %d runs of %d looks reverted a candidate like the control: %.4f ± %.4f; allowed %g", tr.name, wrong, tr.runs, looks, rate, mcError(rate, tr.runs), level)
			if rate > level {
				t.Errorf("false reverts %.4f; want at most %g", rate, level)
			}
			statesRate(t, tr.rate, rate, tr.runs)
		})
	}
}

// mcError is the standard error of a rate over so many runs.
func mcError(rate float64, runs int) float64 {
	p := max(rate, 1/float64(runs))
	return math.Sqrt(p * (1 - p) / float64(runs))
}

func TestDetectionDelay(t *testing.T) {
	t.Parallel()
	for i, tr := range trials() {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(2, uint64(i)))
			before := math.MaxInt
			var units []int
			for _, e := range tr.effects[1:] {
				median, missed := tr.delayOf(r, e.draw)
				units = append(units, median*perLook)
				t.Logf("%s, %s: seen after %d units an arm (median of %d rollouts); not within %d in %d", tr.name, e.name, median*perLook, delays, looks*perLook, missed)
				if median > before {
					t.Errorf("%s takes longer than a smaller effect", e.name)
				}
				before = median
			}
			if before > looks/2 {
				t.Errorf("the greatest effect takes %d looks of %d", before, looks)
			}
			if tr.delay != "" {
				statesDelays(t, tr.delay, units)
			}
		})
	}
}

// delayOf is the median look of detection over so many rollouts, a missed one being last.
func (tr *trial) delayOf(r *rand.Rand, candidate func(*rand.Rand, *arm)) (median, missed int) {
	var at []int
	for range delays {
		d := tr.detect(r, candidate)
		if d == 0 {
			missed++
			d = looks + 1
		}
		at = append(at, d)
	}
	slices.Sort(at)
	return at[len(at)/2], missed
}

// The sample-ratio test is no sequential one: so many looks make more false alarms
// than one look. They hold a rollout and never revert it.
func TestSampleRatioFalseAlarms(t *testing.T) {
	t.Parallel()
	const runs = 2000
	r := rand.New(rand.NewPCG(3, 0))
	alarms := 0
	for range runs {
		var a, n int64
		for range looks {
			n += 2 * perLook
			a += binomial(r, 2*perLook)
			if p, enough := guardrail.SampleRatio(a, n-a, 0.5); enough && p < guardrail.RatioAlpha {
				alarms++
				break
			}
		}
	}
	rate := float64(alarms) / runs
	t.Logf("%d of %d rollouts of %d looks raised a false alarm: %.4f ± %.4f", alarms, runs, looks, rate, mcError(rate, runs))
	statesRate(t, "sample ratio, false alarms", rate, runs)
	if rate > 0.02 {
		t.Errorf("false alarms %.4f; want at most 0.02", rate)
	}
}

// binomial is how many of n fair coins show heads, for n up to 128.
func binomial(r *rand.Rand, n int) int64 {
	high := max(n-64, 0)
	return int64(bits.OnesCount64(r.Uint64()<<(64-(n-high))) + bits.OnesCount64(r.Uint64()&(1<<high-1)))
}
