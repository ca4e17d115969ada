package report_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidemark/metrics/report"
	"tidemark/metrics/sketch"
)

type life struct {
	t    int64
	seen bool // became visible at t; else pending at age t
}

// survival is the product-limit estimate straight from its definition: for every
// distinct time at which something became visible, 1 − events ÷ at risk.
func survival(lives []life, at int64) float64 {
	s := 1.0
	times := []int64{}
	for _, l := range lives {
		if l.seen && l.t <= at && !slices.Contains(times, l.t) {
			times = append(times, l.t)
		}
	}
	for _, t := range times {
		var events, risk float64
		for _, l := range lives {
			if l.t >= t {
				risk++
			}
			if l.seen && l.t == t {
				events++
			}
		}
		s *= 1 - events/risk
	}
	return s
}

// bucketed moves a time to the value that stands for its bucket, as cells do.
func bucketed(v int64) int64 {
	if v <= 0 {
		return 0
	}
	return int64(math.Round(sketch.Value(sketch.Bucket(v))))
}

func drawLives(t *rapid.T) (lives []life, seen *sketch.Cell, pend []report.Censored) {
	seen = &sketch.Cell{}
	n := rapid.IntRange(1, 60).Draw(t, "n")
	for range n {
		v := rapid.Int64Range(0, int64(time.Minute)).Draw(t, "t")
		if rapid.Bool().Draw(t, "seen") {
			seen.Observe(v, 1)
			lives = append(lives, life{bucketed(v), true})
		} else {
			pend = append(pend, report.Censored{AgeNS: v, N: 1})
			lives = append(lives, life{v, false})
		}
	}
	return lives, seen, pend
}

func TestKaplanMeierAgreesWithItsDefinition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lives, seen, pend := drawLives(t)
		c := report.KaplanMeier(seen, pend)
		if c.N != int64(len(lives)) || c.Censored != int64(len(pend)) {
			t.Fatalf("n %d, censored %d; want %d, %d", c.N, c.Censored, len(lives), len(pend))
		}
		before := 0.0
		for _, p := range c.Points {
			if want := 1 - survival(lives, p.TNS); math.Abs(p.Share-want) > 1e-9 {
				t.Fatalf("share within %d = %v, want %v", p.TNS, p.Share, want)
			}
			if p.Share < before || p.Low > p.Share+1e-9 || p.High < p.Share-1e-9 || p.Low < 0 || p.High > 1 {
				t.Fatalf("point %+v after share %v", p, before)
			}
			before = p.Share
		}
	})
}

// Dropping what is pending makes outages look healthy; the curve must not.
func TestPendingWritesLowerTheCurve(t *testing.T) {
	t.Parallel()
	seen := &sketch.Cell{}
	for range 50 {
		seen.Observe(int64(time.Second), 1)
	}
	healthy := report.KaplanMeier(seen, nil)
	outage := report.KaplanMeier(seen, []report.Censored{{AgeNS: int64(10 * time.Minute), N: 50}})
	a, _ := healthy.At(int64(time.Minute))
	b, _ := outage.At(int64(time.Minute))
	if a != 1 || b != 0.5 {
		t.Errorf("shares within a minute: %v and %v, want 1 and 0.5", a, b)
	}
	young := report.KaplanMeier(seen, []report.Censored{{AgeNS: int64(time.Millisecond), N: 50}})
	if v, _ := young.At(int64(time.Minute)); v != 1 {
		t.Errorf("writes too young to be visible lower the curve to %v", v)
	}
}

func TestGreenwoodInterval(t *testing.T) {
	t.Parallel()
	seen := &sketch.Cell{}
	for i := range 100 {
		seen.Observe(int64(time.Second)+int64(i%2)*int64(time.Second), 1)
	}
	c := report.KaplanMeier(seen, nil)
	// Half visible at 1 s: Greenwood's variance of S is S²·50/(100·50) = 0.0025. On the
	// log(−log) scale, the bounds of S are S^exp(±1.96·√(0.01)/ln S).
	half := 1.959964 * math.Sqrt(0.01) / math.Abs(math.Log(0.5))
	low, high := 1-math.Pow(0.5, math.Exp(-half)), 1-math.Pow(0.5, math.Exp(half))
	p := c.Points[0]
	if math.Abs(p.Low-low) > 1e-6 || math.Abs(p.High-high) > 1e-6 {
		t.Errorf("interval %v–%v, want %v–%v", p.Low, p.High, low, high)
	}
}

func TestRemainingIsConditionalOnAge(t *testing.T) {
	t.Parallel()
	seen := &sketch.Cell{}
	for i := 1; i <= 1000; i++ { // uniform over a second
		seen.Observe(int64(i)*int64(time.Millisecond), 1)
	}
	c := report.KaplanMeier(seen, nil)
	for _, age := range []time.Duration{0, 200 * time.Millisecond, 600 * time.Millisecond} {
		got, ok := c.Remaining(int64(age), 0.5)
		want := (time.Second - age) / 2
		if !ok || math.Abs(float64(got)-float64(want)) > 0.03*float64(time.Second) {
			t.Errorf("at age %s: %s more, %v; want about %s", age, time.Duration(got), ok, want)
		}
	}
	if _, ok := c.Remaining(int64(2*time.Second), 0.5); ok {
		t.Error("the curve says something about a write older than every other")
	}
	empty := report.KaplanMeier(&sketch.Cell{}, nil)
	if _, ok := empty.Remaining(0, 0.5); ok {
		t.Error("an empty curve says something")
	}
}

// Cells lose at most the width of a window of a pending write's age.
func TestConvergenceFromCellsIsNearTheSamples(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := cart()
		lives := []life{}
		n := rapid.IntRange(50, 150).Draw(t, "n")
		for range n {
			age := rapid.Int64Range(1, int64(20*time.Minute)).Draw(t, "age")
			lag := rapid.Int64Range(int64(time.Millisecond), int64(5*time.Second)).Draw(t, "lag")
			at := -time.Duration(age)
			if lag <= age && rapid.IntRange(0, 9).Draw(t, "lost") > 0 {
				write(r, at, time.Duration(lag), time.Duration(lag))
				lives = append(lives, life{lag, true})
			} else {
				write(r, at, never, never)
				lives = append(lives, life{age, false})
			}
		}
		c, err := report.New(r, now).Convergence(t.Context(), report.Query{Feature: "cart"})
		if err != nil || len(c.Groups) != 1 {
			t.Fatalf("%+v, %v", c, err)
		}
		got, _ := c.Groups[0].Curve.At(int64(6 * time.Second))
		// A write's age may be off by 5 s: between both, each young pending one counts
		// or does not.
		young := 0
		for _, l := range lives {
			if !l.seen && l.t < int64(12*time.Second) {
				young++
			}
		}
		want := 1 - survival(lives, int64(6*time.Second))
		if math.Abs(got-want) > 0.001+1.5*float64(young)/float64(n) {
			t.Fatalf("share within 6 s %v, from the samples %v (%d young of %d)", got, want, young, n)
		}
	})
}

func TestRatiosCountOnlyWritesThatHadTheTime(t *testing.T) {
	t.Parallel()
	r := cart()
	write(r, -20*time.Minute, time.Second/2, time.Second/2)
	write(r, -20*time.Minute, 5*time.Second, 5*time.Second)
	write(r, -2*time.Minute, never, never)
	write(r, -15*time.Second, never, never)
	c, err := report.New(r, now).Convergence(t.Context(), report.Query{Feature: "cart"})
	if err != nil {
		t.Fatal(err)
	}
	want := [][2]int64{{1, 4}, {2, 4}, {2, 3}, {2, 2}, {2, 2}} // by age: 15 s counts for 1 s and 10 s only
	for i, g := range c.Groups[0].Ratios {
		mustRatio(t, time.Duration(g.TauNS).String(), g.Ratio, want[i][0], want[i][1])
	}
	if g := c.Groups[0].Ratios; !g[4].AllNines || g[4].Nines != nil || g[0].Nines == nil || math.Abs(*g[0].Nines-0.1249) > 1e-3 {
		t.Errorf("nines: %+v", g)
	}
}
