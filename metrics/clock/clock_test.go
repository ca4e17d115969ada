package clock_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"tidemark/metrics"
	"tidemark/metrics/clock"
)

func offset() *rapid.Generator[int64] { return rapid.Int64Range(-1e12, 1e12) }
func delay() *rapid.Generator[int64]  { return rapid.Int64Range(0, 1e10) }

// The true offset is within the error, whatever the delays of the messages were.
func TestFromBothContainsTruth(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		theta := offset().Draw(t, "theta")
		ab := least(rapid.SliceOfN(delay(), 1, 20).Draw(t, "ab")) + theta
		ba := least(rapid.SliceOfN(delay(), 1, 20).Draw(t, "ba")) - theta
		e := clock.FromBoth(ab, ba)
		if e.Known != clock.Both || !e.Contains(theta) {
			t.Fatalf("FromBoth(%d, %d) = %+v does not contain %d", ab, ba, e, theta)
		}
		if theta < e.Offset-e.Error || theta > e.Offset+e.Error {
			t.Fatalf("%d is not within %d ± %d", theta, e.Offset, e.Error)
		}
		if want := (ab + ba + 1) / 2; e.Error != want {
			t.Fatalf("error %d, want half of the round trip %d", e.Error, want)
		}
	})
}

func TestOneWayIsABound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		theta, d := offset().Draw(t, "theta"), delay().Draw(t, "delay")
		for _, e := range []clock.Estimate{clock.FromAToB(d + theta), clock.FromBToA(d - theta)} {
			if e.Known != clock.OneWay || !e.Contains(theta) {
				t.Fatalf("%+v excludes %d", e, theta)
			}
			if e.Contains(theta+d+1) && e.Contains(theta-d-1) {
				t.Fatalf("%+v bounds nothing around %d ± %d", e, theta, d)
			}
		}
	})
}

func TestContradictionIsInconsistent(t *testing.T) {
	t.Parallel()
	if e := clock.FromBoth(10, -11); e.Known != clock.Inconsistent || e.Contains(10) {
		t.Errorf("got %+v, want inconsistent", e)
	}
}

func TestExchange(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		theta, there, back, inside := offset().Draw(t, "theta"), delay().Draw(t, "there"), delay().Draw(t, "back"), delay().Draw(t, "inside")
		x := clock.Exchange{ClientSent: 1000}
		x.ServerReceived = x.ClientSent + there + theta
		x.ServerSent = x.ServerReceived + inside
		x.ClientReceived = x.ServerSent + back - theta
		e, err := x.Estimate()
		if err != nil || !e.Contains(theta) {
			t.Fatalf("%+v: %+v, %v; does not contain %d", x, e, err, theta)
		}
		if got := x.Delay(); got != there+back {
			t.Fatalf("delay %d, want %d", got, there+back)
		}
	})
}

func TestExchangeRefusesTheImpossible(t *testing.T) {
	t.Parallel()
	for _, x := range []clock.Exchange{{0, 10, 5, 20}, {0, 10, 30, 15}} {
		if _, err := x.Estimate(); !errors.Is(err, clock.ErrExchange) {
			t.Errorf("%+v: got %v, want ErrExchange", x, err)
		}
	}
}

func TestBestTakesTheShortest(t *testing.T) {
	t.Parallel()
	list := []clock.Exchange{
		{0, 500, 500, 200}, // 400 ± 100
		{0, 410, 410, 20},  // 400 ± 10
		{0, 10, 5, 20},     // impossible
	}
	if e := clock.Best(list); e.Offset != 400 || e.Error != 10 {
		t.Errorf("got %+v, want 400 ± 10", e)
	}
	if e := clock.Best(list[2:]); e.Known != clock.Nothing {
		t.Errorf("got %+v, want nothing", e)
	}
}

func TestCompareGivesNoVerdictWithinEpsilon(t *testing.T) {
	t.Parallel()
	cases := []struct {
		a, b, eps int64
		want      clock.Order
	}{
		{10, 5, 4, clock.Later},
		{10, 5, 5, clock.Undecided},
		{5, 10, 4, clock.Earlier},
		{5, 10, 6, clock.Undecided},
		{7, 7, 0, clock.Undecided},
	}
	for _, c := range cases {
		if got := clock.Compare(c.a, c.b, c.eps); got != c.want {
			t.Errorf("Compare(%d, %d, %d) = %d, want %d", c.a, c.b, c.eps, got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	rows := clock.Table([]metrics.ClockPair{
		{From: "b", To: "a", Start: 60, MinDiff: -30, Samples: 5, Negative: 4},
		{From: "a", To: "b", Start: 60, MinDiff: 50, Samples: 7},
		{From: "a", To: "b", Start: 120, MinDiff: 90, Samples: 1},
		{From: "b", To: "a", Start: 120, MinDiff: 10, Samples: 1},
		{From: "c", To: "a", Start: 60, MinDiff: 25, Samples: 2},
		{From: "c", To: "d", Start: 60, MinDiff: -5, Samples: 2, Negative: 2},
		{From: "d", To: "c", Start: 60, MinDiff: 2, Samples: 2},
		{From: "a", To: "a", Start: 60, MinDiff: 1, Samples: 2},
	})
	if len(rows) != 3 {
		t.Fatalf("got %d rows, want 3: %+v", len(rows), rows)
	}
	ab, ac, cd := rows[0], rows[1], rows[2]
	if ab.OffsetNS == nil || *ab.OffsetNS != 40 || *ab.ErrorNS != 10 || ab.WindowStart != 60 || ab.Samples != 14 || ab.Negative != 4 || !ab.Explained {
		t.Errorf("a–b: %+v, want 40 ± 10 of the window at 60", ab)
	}
	if !ab.Significant() {
		t.Error("40 ± 10 excludes 0")
	}
	if ac.Known != clock.OneWay || ac.OffsetNS != nil || ac.LowNS == nil || *ac.LowNS != -25 || ac.HighNS != nil || ac.Significant() {
		t.Errorf("a–c: %+v, want only the bound ≥ −25", ac)
	}
	if cd.Known != clock.Inconsistent || cd.Explained || cd.OffsetNS != nil {
		t.Errorf("c–d: %+v, want inconsistent", cd)
	}
	if w := clock.Worst(rows); w == nil || w.A != "a" || w.B != "b" {
		t.Errorf("worst: %+v", w)
	}
}

// Two features that name the same clocks say nothing of each other's.
func TestTableKeepsFeaturesApart(t *testing.T) {
	t.Parallel()
	rows := clock.Table([]metrics.ClockPair{
		{Feature: "cart", From: "a", To: "b", MinDiff: 50, Samples: 7},
		{Feature: "cart", From: "b", To: "a", MinDiff: -30, Samples: 5},
		{Feature: "ads", From: "a", To: "b", MinDiff: -9000, Samples: 1},
		{Feature: "ads", From: "b", To: "a", MinDiff: 9001, Samples: 1},
	})
	if len(rows) != 2 || rows[0].Feature != "ads" || rows[1].Feature != "cart" || rows[1].OffsetNS == nil || *rows[1].OffsetNS != 40 || rows[1].Samples != 12 {
		t.Errorf("got %+v, want 40 ± 10 of cart beside what ads says", rows)
	}
}

// The table's interval holds the true offset for any windows, in any order.
func TestTableContainsTruth(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		theta := offset().Draw(t, "theta")
		n := rapid.IntRange(1, 12).Draw(t, "n")
		pairs := make([]metrics.ClockPair, n)
		for i := range pairs {
			d := delay().Draw(t, "delay")
			pairs[i] = metrics.ClockPair{From: "a", To: "b", MinDiff: d + theta, Samples: 1, Start: rapid.Int64Range(0, 3).Draw(t, "start")}
			if rapid.Bool().Draw(t, "back") {
				pairs[i].From, pairs[i].To, pairs[i].MinDiff = "b", "a", d-theta
			}
		}
		p := clock.Table(pairs)[0]
		if p.LowNS != nil && theta < *p.LowNS || p.HighNS != nil && theta > *p.HighNS {
			t.Fatalf("%+v excludes %d", p, theta)
		}
		if p.OffsetNS != nil && (theta < *p.OffsetNS-*p.ErrorNS || theta > *p.OffsetNS+*p.ErrorNS) {
			t.Fatalf("%d is not within %d ± %d", theta, *p.OffsetNS, *p.ErrorNS)
		}
	})
}

func least(list []int64) int64 {
	m := list[0]
	for _, v := range list {
		m = min(m, v)
	}
	return m
}
