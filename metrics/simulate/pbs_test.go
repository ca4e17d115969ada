package simulate_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"tidemark/metrics/simulate"
)

const trials = 200_000

func drawn(t *testing.T, q simulate.Quorum) []simulate.Trial {
	t.Helper()
	out, err := q.Trials(7, trials)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// fresh is the share of trials in which a read begun d after the commit sees the write.
func fresh(ts []simulate.Trial, d time.Duration) float64 {
	n := 0
	for _, x := range ts {
		if x.Stale <= d {
			n++
		}
	}
	return float64(n) / float64(len(ts))
}

func quantile(ts []simulate.Trial, q float64, of func(simulate.Trial) time.Duration) time.Duration {
	all := make([]time.Duration, len(ts))
	for i, x := range ts {
		all[i] = of(x)
	}
	slices.Sort(all)
	return all[int(q*float64(len(all)))]
}

// The figures are those that the paper prints for N=3, R=W=1.
func TestQuorumAgreesWithPaperOnSSD(t *testing.T) {
	t.Parallel()
	ts := drawn(t, simulate.LinkedInSSD())
	if p := fresh(ts, 0); math.Abs(p-0.974) > 0.01 {
		t.Errorf("P(consistent at t=0) = %.4f; the paper has 0.974 ± 0.01", p)
	}
	for name, of := range map[string]func(simulate.Trial) time.Duration{
		"read":  func(x simulate.Trial) time.Duration { return x.Read },
		"write": func(x simulate.Trial) time.Duration { return x.Write },
	} {
		got := quantile(ts, 0.999, of).Seconds() * 1e3
		if math.Abs(got-0.66) > 0.04*0.66 {
			t.Errorf("99.9 %% %s latency = %.4f ms; the paper has 0.66 ms ± 4 %%", name, got)
		}
	}
}

func TestQuorumAgreesWithPaperOnWAN(t *testing.T) {
	t.Parallel()
	ts := drawn(t, simulate.WideArea())
	if p := fresh(ts, 0); math.Abs(p-0.33) > 0.01 {
		t.Errorf("P(consistent at t=0) = %.4f; the paper has 0.33 ± 0.01", p)
	}
}

func TestStrictQuorumIsNeverStale(t *testing.T) {
	t.Parallel()
	for _, q := range []simulate.Quorum{{N: 3, R: 2, W: 2}, {N: 3, R: 1, W: 3}, {N: 3, R: 3, W: 1}, {N: 5, R: 3, W: 3}} {
		q.Legs = simulate.WideArea().Legs
		if p := fresh(drawn(t, q), 0); p != 1 {
			t.Errorf("N=%d R=%d W=%d: P(consistent) = %v; overlapping quorums are always consistent", q.N, q.R, q.W, p)
		}
	}
}

func TestLongerWaitsAreNeverStaler(t *testing.T) {
	t.Parallel()
	ts := drawn(t, simulate.WideArea())
	last := 0.0
	for d := time.Duration(0); d < 200*time.Millisecond; d += 10 * time.Millisecond {
		p := fresh(ts, d)
		if p < last {
			t.Fatalf("P(consistent at %v) = %v, less than before (%v)", d, p, last)
		}
		last = p
	}
	if last < 0.99 {
		t.Errorf("P(consistent at 190 ms) = %v; two one-way delays have passed", last)
	}
}

func TestImpossibleQuorumIsRefused(t *testing.T) {
	t.Parallel()
	for _, q := range []simulate.Quorum{{N: 0, R: 1, W: 1}, {N: 3, R: 4, W: 1}, {N: 3, R: 1, W: 0}} {
		if _, err := q.Trials(1, 1); !errors.Is(err, simulate.ErrScenario) {
			t.Errorf("%+v: error %v; want ErrScenario", q, err)
		}
	}
}

// The whole simulation, with its messages, sessions and events, must come to the
// same numbers as the bare trials: a read-your-writes violation is a read begun
// at the commit that does not see the write.
func TestScenariosAgreeWithTrials(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]float64{"pbs-lnkd-ssd": 1 - 0.974, "pbs-wan": 1 - 0.333} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sc := named(t, name, 20*time.Minute)
			l := run(t, sc, 3)
			bad, checked := l.broken(sc.Features[0].Name, "", true)
			if checked < 10_000 {
				t.Fatalf("only %d reads could be checked", checked)
			}
			if got := float64(bad) / float64(checked); math.Abs(got-want) > 0.012 {
				t.Errorf("%d of %d reads missed the session's write: %.4f; want %.3f ± 0.012", bad, checked, got, want)
			}
		})
	}
}
