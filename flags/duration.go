package flags

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Day is 24 hours. Documents know no calendar.
const Day = 24 * time.Hour

type unit struct {
	name string
	size time.Duration
}

// durationUnits is in order of size, greatest first.
func durationUnits() []unit {
	return []unit{
		{"w", 7 * Day},
		{"d", Day},
		{"h", time.Hour},
		{"m", time.Minute},
		{"s", time.Second},
		{"ms", time.Millisecond},
		{"us", time.Microsecond},
		{"ns", 1},
	}
}

var errDuration = errors.New("a duration is a number and a unit, such as 250ms, 2s, 1h30m or 28d")

// ParseDuration reads a duration that is not negative: what time.ParseDuration
// reads, and the units d (24 h) and w (7 d).
func ParseDuration(s string) (time.Duration, error) {
	if s == "" || strings.ContainsAny(s, "+-") {
		return 0, errDuration
	}
	days, rest, err := wholeDays(s)
	if err != nil {
		return 0, err
	}
	if rest == "" {
		return days, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || days+d < days {
		return 0, errDuration
	}
	return days + d, nil
}

// wholeDays takes the leading weeks and days off s.
func wholeDays(s string) (sum time.Duration, rest string, err error) {
	for _, u := range durationUnits()[:2] {
		num, after, found := strings.Cut(s, u.name)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(num, 10, 16)
		if err != nil || n > 36500 {
			return 0, "", errDuration
		}
		sum += time.Duration(n) * u.size
		s = after
	}
	return sum, s, nil
}

// FormatDuration writes a duration exactly, as one number in the greatest unit of
// days or less that divides it: 28d, 36h, 90m, 1500ms.
func FormatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	for _, u := range durationUnits()[1:] {
		if d%u.size == 0 {
			return strconv.FormatInt(int64(d/u.size), 10) + u.name
		}
	}
	return d.String()
}

// SayDuration writes a duration exactly, as sentences and pages do: "10 s", "1.5 s",
// "1 h 30 min", "28 d". Days begin at two.
func SayDuration(d time.Duration) string {
	switch {
	case d == 0:
		return "0 s"
	case d < 0:
		return "−" + SayDuration(-d)
	}
	var parts []string
	if d >= 2*Day {
		parts = append(parts, strconv.FormatInt(int64(d/Day), 10)+" d")
		d %= Day
	}
	for _, u := range []unit{{"h", time.Hour}, {"min", time.Minute}} {
		if n := d / u.size; n > 0 {
			parts = append(parts, strconv.FormatInt(int64(n), 10)+" "+u.name)
		}
		d %= u.size
	}
	if d > 0 { // Below a minute String has one unit: 1.5s, 84.4ms.
		s := d.String()
		at := strings.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		parts = append(parts, s[:at]+" "+s[at:])
	}
	return strings.Join(parts, " ")
}

// Key names an objective within its guarantee. It changes when what is measured
// changes: the indicator, its dimensions, or the deadline that is counted against.
func (o *Objective) Key() string {
	parts := []string{string(o.SLI)}
	for _, p := range []string{o.Of, o.Scope, o.Replica} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	switch {
	case o.SLI == SLIBacklogAge:
	case o.IsDuration():
		parts = append(parts, FormatDuration(time.Duration(o.Value)))
	case o.Within > 0:
		parts = append(parts, FormatDuration(o.Within))
	}
	return strings.Join(parts, ":")
}

// Duration is a duration that JSON and YAML write as people do: "250ms", "1h30m", "28d".
type Duration time.Duration

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) {
	return []byte(FormatDuration(time.Duration(d))), nil
}

// UnmarshalText reads what ParseDuration reads.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := ParseDuration(string(b))
	*d = Duration(v)
	return err
}
