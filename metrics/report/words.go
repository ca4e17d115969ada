package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration writes a duration (ns) with a sensible unit and two or three digits:
// "640 ms", "1.5 s", "4 min", "3.2 h", "12 d".
func Duration(ns int64) string {
	if ns < 0 {
		return "−" + Duration(-ns)
	}
	units := []struct {
		size int64
		name string
	}{
		{int64(24 * time.Hour), "d"},
		{int64(time.Hour), "h"},
		{int64(time.Minute), "min"},
		{int64(time.Second), "s"},
		{int64(time.Millisecond), "ms"},
		{int64(time.Microsecond), "µs"},
	}
	for _, u := range units {
		// 59.99 s is 60 s in three digits: let it be 1 min.
		if float64(ns) >= 0.9995*float64(u.size) {
			return digits(float64(ns)/float64(u.size)) + " " + u.name
		}
	}
	return strconv.FormatInt(ns, 10) + " ns"
}

// digits writes two digits after the leading one at most, without trailing zeros.
func digits(v float64) string {
	switch {
	case v >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 9.95:
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 0, 64), ".0")
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
}

// Percent writes a ratio without ever rounding up to 100 % or down to 0 %.
func Percent(r Ratio) string {
	switch {
	case r.Value == nil:
		return "unknown"
	case r.Numerator == r.Denominator:
		return "100%"
	case r.Numerator == 0:
		return "0%"
	}
	for _, places := range []int{1, 2, 3, 4, 5} {
		s := strconv.FormatFloat(*r.Value*100, 'f', places, 64)
		if !strings.HasPrefix(s, "100.") && strings.Trim(s, "0.") != "" {
			return s + "%"
		}
	}
	if *r.Value < 0.5 {
		return "<0.00001%"
	}
	return ">99.99999%"
}

// Count writes an integer with thousands separated.
func Count(n int64) string {
	s := strconv.FormatInt(n, 10)
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if neg {
		return "-" + s
	}
	return s
}

// plural writes "1 write", "2 writes".
func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

// list writes "a", "a and b", "a, b and c", and at most three names.
func list(names []string) string {
	switch n := len(names); {
	case n == 0:
		return ""
	case n == 1:
		return names[0]
	case n <= 3:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	default:
		return strings.Join(names[:2], ", ") + fmt.Sprintf(" and %d more", n-2)
	}
}

// Clock writes a time of day in UTC, with the date when it is another day than now.
func Clock(at, now int64) string {
	t, n := time.Unix(0, at).UTC(), time.Unix(0, now).UTC()
	if t.Format(time.DateOnly) == n.Format(time.DateOnly) {
		return t.Format("15:04 UTC")
	}
	return t.Format("2 Jan 15:04 UTC")
}
