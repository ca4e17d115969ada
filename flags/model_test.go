package flags

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestModelsAreALattice(t *testing.T) {
	t.Parallel()
	for _, a := range Models() {
		for _, b := range Models() {
			if a != b && a.Includes(b) && b.Includes(a) {
				t.Errorf("%s and %s include each other", a, b)
			}
			j := a.Join(b)
			if !j.Includes(a) || !j.Includes(b) || j != b.Join(a) {
				t.Errorf("join of %s and %s is %s", a, b, j)
			}
			for _, c := range Models() {
				if a.Includes(b) && b.Includes(c) && !a.Includes(c) {
					t.Errorf("%s includes %s includes %s, but not transitively", a, b, c)
				}
				if c.Includes(a) && c.Includes(b) && !c.Includes(j) {
					t.Errorf("%s includes %s and %s, but not their join %s", c, a, b, j)
				}
			}
		}
	}
}

func TestModelOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b Model
		want bool
	}{
		{ModelReadYourWrites, ModelEventual, true},
		{ModelCausal, ModelReadYourWrites, true},
		{ModelCausal, ModelMonotonicReads, true},
		{ModelStrong, ModelBoundedStaleness, true},
		{ModelCausal, ModelBoundedStaleness, false},
		{ModelBoundedStaleness, ModelReadYourWrites, false},
		{ModelReadYourWrites, ModelMonotonicReads, false},
		{ModelEventual, ModelReadYourWrites, false},
	} {
		if got := c.a.Includes(c.b); got != c.want {
			t.Errorf("%s includes %s: %v", c.a, c.b, got)
		}
	}
	if _, ok := ParseModel("linear"); ok {
		t.Error("linear is not a model")
	}
	for _, m := range Models() {
		if m.Words() == "" {
			t.Errorf("%s has no words", m)
		}
	}
}

func TestDurations(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]time.Duration{
		"0s": 0, "2s": 2 * time.Second, "28d": 28 * Day, "1w2d3h": 9*Day + 3*time.Hour,
		"1.5s": 1500 * time.Millisecond, "250ms": 250 * time.Millisecond, "1h30m": 90 * time.Minute,
	} {
		if got, err := ParseDuration(s); err != nil || got != want {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "2", "-1s", "+1s", "d", "1.5d", "99999d", "1s2d", "soon", "99999999999h"} {
		if d, err := ParseDuration(s); err == nil {
			t.Errorf("%q was read as %v", s, d)
		}
	}
	for want, d := range map[string]time.Duration{"36h": 36 * time.Hour, "1500ms": 1500 * time.Millisecond, "7d": 7 * Day, "1ns": 1} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}

func TestDurationsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(3650*Day)).Draw(t, "d"))
		if got, err := ParseDuration(FormatDuration(d)); err != nil || got != d {
			t.Fatalf("%d → %s → %d, %v", d, FormatDuration(d), got, err)
		}
	})
}

func TestDurationsAreSaid(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"0 s": 0, "84.4 ms": 84_400 * time.Microsecond, "250 ms": 250 * time.Millisecond, "1.5 s": 1500 * time.Millisecond, "10 s": 10 * time.Second,
		"1 min": time.Minute, "1 min 10 s": 70 * time.Second, "1 h 10 min": 70 * time.Minute, "36 h": 36 * time.Hour, "2 d": 2 * Day, "28 d": 28 * Day,
		"2 d 1 h 5 min": 2*Day + 65*time.Minute, "−1.5 s": -1500 * time.Millisecond,
	} {
		if got := SayDuration(d); got != want {
			t.Errorf("SayDuration(%s) = %q; want %q", d, got, want)
		}
	}
}
