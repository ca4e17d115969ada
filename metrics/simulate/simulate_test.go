package simulate_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/simulate"
)

// wire is a run as bytes, each event with the time at which it is reported.
func wire(l *ledger) []byte {
	var b []byte
	for i, e := range l.events {
		b = l.at[i].AppendFormat(b, time.RFC3339Nano)
		b = append(e.AppendJSON(append(b, ' ')), '\n')
	}
	return b
}

func TestSameSeedSameEvents(t *testing.T) {
	t.Parallel()
	for _, name := range simulate.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sc := named(t, name, 20*time.Second)
			one := wire(run(t, sc, 11))
			if !bytes.Equal(one, wire(run(t, sc, 11))) {
				t.Error("two runs with one seed differ")
			}
			if bytes.Equal(one, wire(run(t, sc, 12))) {
				t.Error("two seeds give the same run")
			}
		})
	}
}

func TestEventsAreValidAndInOrder(t *testing.T) {
	t.Parallel()
	for _, name := range simulate.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := run(t, named(t, name, time.Minute), 5)
			if len(l.events) < 500 {
				t.Errorf("only %d events in a minute", len(l.events))
			}
			last := epoch
			for i, e := range l.events {
				if l.at[i].Before(last) {
					t.Fatalf("event %d is reported at %v, before its predecessor (%v)", i, l.at[i], last)
				}
				last = l.at[i]
				if r := metrics.Validate(e, l.at[i].UnixNano()); r != nil {
					t.Fatalf("event %d is refused: %s: %s", i, r.Code, r.Message)
				}
				if e.Corrected()-l.at[i].UnixNano() > int64(time.Second) {
					t.Errorf("event %d is reported before it happens", i)
				}
				if v, err := metrics.ParseVersion(e.Version.String()); err != nil || v != e.Version {
					t.Fatalf("version %q is not canonical: %v", e.Version, err)
				}
			}
		})
	}
}

// An event id stands for one event: what is sent again is the same in every byte.
func TestDuplicatesAreExact(t *testing.T) {
	t.Parallel()
	l := run(t, named(t, "steady", 2*time.Minute), 5)
	seen, again := map[string]string{}, 0
	for _, e := range l.events {
		body := string(e.AppendJSON(nil))
		if old, ok := seen[e.EventID]; ok {
			again++
			if old != body {
				t.Fatalf("event %s has two contents", e.EventID)
			}
		}
		seen[e.EventID] = body
	}
	if share := float64(again) / float64(len(l.events)); share < 0.005 || share > 0.015 {
		t.Errorf("%.4f of the events are duplicates; the scenario says 0.01", share)
	}
}

func TestUnknownScenarioNamesTheOthers(t *testing.T) {
	t.Parallel()
	_, err := simulate.Named("stedy")
	if !errors.Is(err, simulate.ErrScenario) || !strings.Contains(err.Error(), "steady") {
		t.Errorf("error %v; want ErrScenario and a list of names", err)
	}
}

func TestBadScenariosAreRefused(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*simulate.Feature){
		"no name":        func(f *simulate.Feature) { f.Name = "" },
		"no origin":      func(f *simulate.Feature) { f.Origins = nil },
		"no keys":        func(f *simulate.Feature) { f.Keys = 0 },
		"no leg":         func(f *simulate.Feature) { f.Replicas[0].Legs.W = nil },
		"no version":     func(f *simulate.Feature) { f.Versions = metrics.VersionNone },
		"big quorum":     func(f *simulate.Feature) { f.WriteQuorum = 9 },
		"unknown fault":  func(f *simulate.Feature) { f.Faults = []simulate.Fault{{Kind: simulate.Down, Place: "x"}} },
		"no quiet":       func(f *simulate.Feature) { f.Sessions.Quiet.Until = time.Minute },
		"no sessions":    func(f *simulate.Feature) { f.Sessions.PerSecond = 0 },
		"causal no wait": func(f *simulate.Feature) { f.Retry, f.Arms = nil, []simulate.Arm{{Model: simulate.Causal, Share: 1}} },
		"endless fault": func(f *simulate.Feature) {
			f.Faults = []simulate.Fault{{Kind: simulate.Down, Place: "search", For: time.Minute, Every: time.Minute}}
		},
	} {
		sc := named(t, "steady", time.Minute)
		spoil(&sc.Features[0])
		if _, err := simulate.New(sc, 1, epoch); !errors.Is(err, simulate.ErrScenario) {
			t.Errorf("%s: error %v; want ErrScenario", name, err)
		}
	}
}

func TestDistributionsHaveTheirMoments(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		d            simulate.Dist
		median, mean float64 // ms; mean 0 = not checked
	}{
		"const":     {simulate.Const(3 * ms), 3, 3},
		"uniform":   {simulate.Uniform{Min: 2 * ms, Max: 4 * ms}, 3, 3},
		"exp":       {simulate.Exp{Mean: 10 * ms}, 6.931, 10},
		"pareto":    {simulate.Pareto{Min: ms, Alpha: 3}, 1.2599, 1.5},
		"lognormal": {simulate.LogNormal{Median: 5 * ms, Sigma: 0.5}, 5, 5.6657},
		"plus":      {simulate.Plus{Dist: simulate.Const(ms), Add: ms}, 2, 2},
		"mix":       {simulate.Mix{{Weight: 3, Dist: simulate.Const(ms)}, {Weight: 1, Dist: simulate.Const(5 * ms)}}, 1, 2},
	} {
		r := rand.New(rand.NewPCG(1, 2))
		const n = 200_000
		var sum float64
		below := 0
		for range n {
			x := c.d.Draw(r).Seconds() * 1e3
			sum += x
			if x <= c.median*1.0001 {
				below++
			}
		}
		if got := sum / n; c.mean > 0 && (got < c.mean*0.98 || got > c.mean*1.02) {
			t.Errorf("%s: mean %.4f ms; want %.4f", name, got, c.mean)
		}
		if share := float64(below) / n; share < 0.49 {
			t.Errorf("%s: %.3f of the draws are at most %.3f ms, the median", name, share, c.median)
		}
	}
}
