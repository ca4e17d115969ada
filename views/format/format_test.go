package format_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"tidemark/views/format"
)

// check takes cases in which ~ is the space that does not break.
func check[T any](t *testing.T, name string, f func(T) string, cases map[string]T) {
	t.Helper()
	for want, in := range cases {
		want = strings.ReplaceAll(want, "~", "\u00a0")
		if got := f(in); got != want {
			t.Errorf("%s(%v) = %q; want %q", name, in, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	check(t, "Duration", format.Duration, map[string]int64{
		"0~s": 0, "1~ns": 1, "999~ns": 999, "1~µs": 1000, "1.5~µs": 1499, "92~ms": 92e6, "640~ms": 640e6,
		"1~s": 999_900_000, "1.5~s": 1_480_000_000, "10~s": 9_960_000_000, "48~s": 48e9, "1~min": 59_980_000_000,
		"1.5~min": 90e9, "4~min": 240e9, "3.2~h": 11_500e9, "28~d": 28 * 86400e9, "−1.5~s": -1_500_000_000,
	})
}

func TestAge(t *testing.T) {
	t.Parallel()
	check(t, "Age", format.Age, map[string]time.Duration{
		"under 1~s": 400 * time.Millisecond, "1~s": time.Second, "59~s": 59 * time.Second, "4~min": 4*time.Minute + 30*time.Second,
		"2~h": 2 * time.Hour, "2~h 5~min": 2*time.Hour + 5*time.Minute, "3~d 4~h": 76 * time.Hour, "90~d": 90 * 24 * time.Hour,
	})
}

func TestExact(t *testing.T) {
	t.Parallel()
	check(t, "Exact", format.Exact, map[string]time.Duration{
		"0~s": 0, "250~ms": 250 * time.Millisecond, "30~s": 30 * time.Second, "1~min": time.Minute, "1~min 30~s": 90 * time.Second,
		"2~h": 2 * time.Hour, "1~d 5~min": 24*time.Hour + 5*time.Minute,
	})
}

func TestPercentNeverRoundsToAllOrNone(t *testing.T) {
	t.Parallel()
	cases := []struct {
		num, den int64
		want     string
	}{
		{0, 0, "—"},
		{0, 10, "0%"},
		{10, 10, "100%"},
		{1, 2, "50.00%"},
		{972, 1000, "97.20%"},
		{99_999, 100_000, "99.999%"},
		{999_999, 1_000_000, "99.9999%"},
		{1, 1_000_000, "0.0001%"},
		{1<<40 - 1, 1 << 40, ">99.999999%"},
		{1, 1 << 40, "<0.000001%"},
	}
	for _, c := range cases {
		if got := format.Percent(c.num, c.den); got != c.want {
			t.Errorf("Percent(%d, %d) = %q; want %q", c.num, c.den, got, c.want)
		}
	}
	if got := format.Share(math.NaN()); got != format.Unknown {
		t.Errorf("Share(NaN) = %q; want unknown", got)
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	check(t, "Count", format.Count, map[string]int64{"0": 0, "999": 999, "1,000": 1000, "18,240": 18240, "1,234,567": 1234567, "−1,204": -1204})
	check(t, "Short", format.Short, map[string]int64{"0": 0, "9,310": 9310, "18.2k": 18240, "402k": 401_900, "1M": 999_900, "4.5M": 4_480_000, "1.2G": 1_200_000_000})
	check(t, "Bytes", format.Bytes, map[string]int64{"0~B": 0, "512~B": 512, "1~KiB": 1024, "1.5~MiB": 1536 << 10, "20~GiB": 20 << 30, "3~TiB": 3 << 40})
}

func TestRate(t *testing.T) {
	t.Parallel()
	check(t, "Rate", format.Rate, map[string]float64{"0/s": 0, "18.2k/s": 18240, "5.1/s": 5.1, "1/s": 1, "30/min": 0.5, "36/h": 0.01})
	check(t, "Times", format.Times, map[string]float64{"1×": 1, "14.4×": 14.4, "0.2×": 0.2, "1,234×": 1234})
	check(t, "Target", format.Target, map[string]float64{"99.9%": 0.999, "99.99%": 0.9999, "100%": 1, "95%": 0.95})
	check(t, "Nines", format.Nines, map[string]float64{"0 nines": 0.01, "2.9 nines": 2.87})
}

func TestWords(t *testing.T) {
	t.Parallel()
	check(t, "List", format.List, map[string][]string{"": nil, "a": {"a"}, "a and b": {"a", "b"}, "a, b and c": {"a", "b", "c"}, "a, b, c and 3 more": {"a", "b", "c", "d", "e", "f"}})
	check(t, "Number", format.Number, map[string]int{"No": 0, "One": 1, "Nine": 9, "10": 10, "1,000": 1000})
	if got := format.Plural(1, "write", "writes") + ", " + format.Plural(2000, "write", "writes"); got != "1 write, 2,000 writes" {
		t.Error(got)
	}
}
