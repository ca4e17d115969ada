package decode

import "math"

// parseTime reads RFC 3339 with any number of fractional digits (those after the
// ninth are cut off) into Unix nanoseconds. ok is false for anything else, and
// for years that 64 bits of nanoseconds cannot hold.
func parseTime(s string) (ns int64, ok bool) {
	if len(s) < len("2006-01-02T15:04:05Z") || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return 0, false
	}
	year, a := digits4(s[0:4])
	month, b := digits2(s[5:7])
	day, c := digits2(s[8:10])
	hour, d := digits2(s[11:13])
	minute, e := digits2(s[14:16])
	second, f := digits2(s[17:19])
	if !a || !b || !c || !d || !e || !f || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	frac, rest, ok := fraction(s[19:])
	if !ok {
		return 0, false
	}
	offset, ok := zone(rest)
	if !ok {
		return 0, false
	}
	sec := daysFromCivil(year, month, day)*86400 + hour*3600 + minute*60 + second - offset
	if sec <= math.MinInt64/1_000_000_000 || sec >= math.MaxInt64/1_000_000_000 {
		return 0, false
	}
	return sec*1_000_000_000 + frac, true
}

func digits2(s string) (int64, bool) {
	a, b := s[0]-'0', s[1]-'0'
	return int64(a)*10 + int64(b), a <= 9 && b <= 9
}

func digits4(s string) (int64, bool) {
	hi, a := digits2(s[:2])
	lo, b := digits2(s[2:])
	return hi*100 + lo, a && b
}

// fraction reads ".123456789", if there, as nanoseconds.
func fraction(s string) (ns int64, rest string, ok bool) {
	if s == "" || s[0] != '.' {
		return 0, s, true
	}
	scale := int64(100_000_000)
	i := 1
	for ; i < len(s) && s[i]-'0' <= 9; i++ {
		ns += int64(s[i]-'0') * scale
		scale /= 10
	}
	return ns, s[i:], i > 1
}

// zone reads "Z" or "+hh:mm" as seconds east of Greenwich.
func zone(s string) (seconds int64, ok bool) {
	if s == "Z" {
		return 0, true
	}
	if len(s) != len("+00:00") || s[3] != ':' || (s[0] != '+' && s[0] != '-') {
		return 0, false
	}
	h, a := digits2(s[1:3])
	m, b := digits2(s[4:6])
	if !a || !b || h > 23 || m > 59 {
		return 0, false
	}
	if s[0] == '-' {
		return -(h*3600 + m*60), true
	}
	return h*3600 + m*60, true
}

func leap(year int64) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

func daysIn(year, month int64) int64 {
	switch month {
	case 2:
		if leap(year) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// daysFromCivil is how many days after 1970-01-01 a date of the Gregorian calendar
// is. Years are counted from March, so that a leap day comes last.
func daysFromCivil(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	dayOfYear := (153*(month-3)+2)/5 + day - 1
	return 365*year + year/4 - year/100 + year/400 + dayOfYear - 719468
}

// parseInt reads a decimal integer; ok is false when it is anything else or does
// not fit.
func parseInt(s string) (n int64, ok bool) {
	neg := s != "" && s[0] == '-'
	if neg {
		s = s[1:]
	}
	u, ok := parseUint(s)
	switch {
	case !ok || (!neg && u > math.MaxInt64) || u > math.MaxInt64+1:
		return 0, false
	case neg:
		return -int64(u), true
	}
	return int64(u), true
}

func parseUint(s string) (n uint64, ok bool) {
	if s == "" || len(s) > 20 {
		return 0, false
	}
	for i := range len(s) {
		d := uint64(s[i] - '0')
		if s[i]-'0' > 9 || n > (math.MaxUint64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}
