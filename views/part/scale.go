package part

import (
	"math"
	"time"

	"tidemark/views/format"
)

// Units of an axis.
const (
	UnitDuration = "duration" // ns
	UnitPercent  = "percent"  // share
	UnitCount    = "count"
)

func show(unit string, v float64) string {
	switch unit {
	case UnitDuration:
		if v == 0 {
			return "0"
		}
		return format.Duration(int64(math.Round(v)))
	case UnitPercent:
		return format.Target(v)
	}
	return format.Short(int64(math.Round(v)))
}

// durationSteps are the distances at which a duration's axis is readable.
func durationSteps() []float64 {
	var out []float64
	for base := 1.0; base <= 1e8; base *= 10 {
		out = append(out, base, 2*base, 5*base)
	}
	s := float64(time.Second)
	for _, n := range []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 432000, 864000} {
		out = append(out, n*s)
	}
	return out
}

// ticks returns 0 and about four more readable values that cover top.
func ticks(unit string, top float64) []float64 {
	if top <= 0 || math.IsNaN(top) || math.IsInf(top, 0) {
		top = 1
	}
	step := decimalStep(top / 4)
	switch unit {
	case UnitDuration:
		step = 864000 * float64(time.Second)
		for _, s := range durationSteps() {
			if s*5 >= top {
				step = s
				break
			}
		}
	case UnitCount:
		step = max(1, step)
	}
	out := []float64{0}
	for v := step; ; v += step {
		out = append(out, v)
		if v >= top*0.9999 || len(out) > 12 {
			return out
		}
	}
}

func decimalStep(raw float64) float64 {
	base := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if m*base >= raw*0.9999 {
			return m * base
		}
	}
	return 10 * base
}

// timeTicks returns up to n readable times between from and to, and their layout.
func timeTicks(from, to time.Time, n int) (at []time.Time, layout string) {
	span := to.Sub(from)
	if span <= 0 || n < 1 {
		return nil, time.TimeOnly
	}
	steps := []time.Duration{
		10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 48 * time.Hour, 7 * 24 * time.Hour, 14 * 24 * time.Hour, 30 * 24 * time.Hour, 90 * 24 * time.Hour,
	}
	step := steps[len(steps)-1]
	for _, s := range steps {
		if span/s <= time.Duration(n) {
			step = s
			break
		}
	}
	layout = "15:04"
	switch {
	case step >= 24*time.Hour:
		layout = "2 Jan"
	case span > 24*time.Hour:
		layout = "2 Jan 15:04"
	case step < time.Minute:
		layout = "15:04:05"
	}
	for t := from.Truncate(step); !t.After(to); t = t.Add(step) {
		if !t.Before(from) {
			at = append(at, t)
		}
	}
	return at, layout
}
