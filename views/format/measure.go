package format

import (
	"math"
	"strings"
)

// Measure writes a value that is a time in seconds, or a share.
func Measure(v float64, seconds bool) string {
	if seconds {
		return Duration(int64(math.Round(v * 1e9)))
	}
	return Share(v)
}

// Change writes a difference of such values with its sign: shares in percentage points.
func Change(v float64, seconds bool) string {
	sign := "+"
	if v < 0 {
		sign = "−"
	}
	v = math.Abs(v)
	if v == 0 {
		sign = "±"
	}
	if seconds {
		return sign + Measure(v, true)
	}
	return sign + strings.TrimSuffix(Share(v), "%") + " pp"
}
