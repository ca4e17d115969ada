// Package format writes numbers the way pages show them: durations with a sensible
// unit, rates that never round up to all or down to none, counts with separators.
package format

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Unknown is what is shown where a number is not known. It is never 0.
const Unknown = "—"

// tie is a space that does not break: between a number and its unit.
const tie = "\u00a0"

var durationUnits = []struct {
	size float64
	name string
}{
	{float64(24 * time.Hour), "d"},
	{float64(time.Hour), "h"},
	{float64(time.Minute), "min"},
	{float64(time.Second), "s"},
	{float64(time.Millisecond), "ms"},
	{float64(time.Microsecond), "µs"},
	{1, "ns"},
}

// Duration writes ns nanoseconds with two digits, three from 100 on: "92 ms",
// "1.5 s", "4 min". The space does not break.
func Duration(ns int64) string {
	switch {
	case ns == 0:
		return "0" + tie + "s"
	case ns < 0:
		return "−" + Duration(-ns)
	}
	v := float64(ns)
	for _, u := range durationUnits {
		// 59.97 s is 60 s in two digits: let it be 1 min.
		if v >= 0.9995*u.size {
			return digits(v/u.size) + tie + u.name
		}
	}
	return digits(v) + tie + "ns"
}

// Age writes a duration in whole units of at most two kinds: "4 min", "2 h 5 min",
// "3 d 4 h". It is for how long ago something was, where a fraction means little.
func Age(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < time.Second:
		return "under 1" + tie + "s"
	case d < time.Minute:
		return whole(d, time.Second) + tie + "s"
	case d < time.Hour:
		return whole(d, time.Minute) + tie + "min"
	case d < 24*time.Hour:
		return pair(d, time.Hour, "h", time.Minute, "min")
	}
	return pair(d, 24*time.Hour, "d", time.Hour, "h")
}

// Exact writes a duration that somebody chose, to the second: "1 min 30 s", "1 d".
func Exact(d time.Duration) string {
	if d < time.Second {
		return Duration(int64(d))
	}
	var parts []string
	for _, u := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		if d >= u.size {
			parts = append(parts, whole(d, u.size)+tie+u.name)
			d %= u.size
		}
	}
	return strings.Join(parts, " ")
}

func whole(d, unit time.Duration) string { return strconv.FormatInt(int64(d/unit), 10) }

func pair(d, big time.Duration, bigName string, small time.Duration, smallName string) string {
	s := whole(d, big) + tie + bigName
	if rest := d % big; rest >= small {
		s += " " + whole(rest, small) + tie + smallName
	}
	return s
}

func digits(v float64) string {
	if v >= 9.95 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
}

// Percent writes num ÷ den. A ratio below 1 is never shown as 100 %, nor one above
// 0 as 0 %: digits are added until the difference shows. Unknown when den is 0.
func Percent(num, den int64) string {
	switch {
	case den <= 0:
		return Unknown
	case num == den:
		return "100%"
	case num == 0:
		return "0%"
	}
	return Share(float64(num) / float64(den))
}

// Share writes a share between 0 and 1 as Percent does.
func Share(v float64) string {
	switch {
	case math.IsNaN(v):
		return Unknown
	case v == 1:
		return "100%"
	case v == 0:
		return "0%"
	}
	for places := 2; places <= 6; places++ {
		s := strconv.FormatFloat(v*100, 'f', places, 64)
		if !strings.HasPrefix(s, "100.") && strings.Trim(s, "0.") != "" {
			return s + "%"
		}
	}
	if v < 0.5 {
		return "<0.000001%"
	}
	return ">99.999999%"
}

// Target writes a share without trailing zeros: "99.9%".
func Target(v float64) string {
	return strconv.FormatFloat(math.Round(v*1e8)/1e6, 'f', -1, 64) + "%"
}

// Count writes an integer with its thousands apart.
func Count(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "−", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Short writes a count in at most four characters and a letter: "9,310", "18.2k", "4.5M".
func Short(n int64) string {
	v := math.Abs(float64(n))
	switch {
	case v < 10_000:
		return Count(n)
	case v < 999_500:
		return digits3(float64(n)/1e3) + "k"
	case v < 999_500_000:
		return digits3(float64(n)/1e6) + "M"
	}
	return digits3(float64(n)/1e9) + "G"
}

func digits3(v float64) string {
	if math.Abs(v) >= 99.95 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
}

// Rate writes how often something happens a second, or a minute or hour when that
// is easier to read.
func Rate(perSecond float64) string {
	switch {
	case perSecond == 0:
		return "0/s"
	case perSecond >= 0.95:
		return Figure(perSecond) + "/s"
	case perSecond*60 >= 0.95:
		return Figure(perSecond*60) + "/min"
	}
	return Figure(perSecond*3600) + "/h"
}

// Figure is Short for numbers that may have a fraction.
func Figure(v float64) string {
	if v < 10 {
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
	}
	return Short(int64(math.Round(v)))
}

// Bytes writes a size in powers of 1024.
func Bytes(n int64) string {
	v := float64(n)
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if math.Abs(v) < 1023.5 {
			return digits3(v) + tie + unit
		}
		v /= 1024
	}
	return digits3(v) + tie + "TiB"
}

// Nines writes −log10(1 − share): "2.9 nines".
func Nines(v float64) string {
	if v < 0.05 {
		return "0 nines"
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " nines"
}

// Times writes a factor: "14.4×".
func Times(v float64) string {
	if v >= 100 {
		return Count(int64(math.Round(v))) + "×"
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") + "×"
}

// Plural writes "1 write", "2 writes".
func Plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

// List writes "a", "a and b", "a, b and c"; more than four are counted.
func List(names []string) string {
	switch n := len(names); {
	case n == 0:
		return ""
	case n == 1:
		return names[0]
	case n <= 4:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names[:3], ", ") + " and " + Count(int64(len(names)-3)) + " more"
}

// Number writes small numbers as words at the start of a sentence: "One", "Two",
// … "Nine", then figures.
func Number(n int) string {
	words := []string{"No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"}
	if n >= 0 && n < len(words) {
		return words[n]
	}
	return Count(int64(n))
}
