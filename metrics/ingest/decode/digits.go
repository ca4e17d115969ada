package decode

import (
	"encoding/binary"
	"math"
)

// mostDigits is how many decimal digits always fit into 64 bits.
const mostDigits = 19

// unsigned reads a whole number as nearly all are sent: up to mostDigits digits, neither
// sign nor fraction nor exponent. ok is false, and nothing is read, for anything else:
// number and parseUint then say what it is.
func (s *scanner) unsigned() (n uint64, ok bool) {
	i, end := s.pos, min(len(s.src), s.pos+mostDigits)
	for i+8 <= end {
		w := binary.LittleEndian.Uint64(s.src[i:])
		if !areDigits(w) {
			break
		}
		n = n*100_000_000 + eightDigits(w)
		i += 8
	}
	for i < end && s.src[i]-'0' <= 9 {
		n = n*10 + uint64(s.src[i]-'0')
		i++
	}
	if i == s.pos || (s.src[s.pos] == '0' && i > s.pos+1) || (i < len(s.src) && isOfNumber(s.src[i])) {
		return 0, false
	}
	s.pos = i
	return n, true
}

// whole is unsigned for numbers that have a sign elsewhere.
func (s *scanner) whole() (n int64, ok bool) {
	from := s.pos
	if u, ok := s.unsigned(); ok && u <= math.MaxInt64 {
		return int64(u), true
	}
	s.pos = from
	return 0, false
}

// isOfNumber reports whether a number goes on with c.
func isOfNumber(c byte) bool { return c-'0' <= 9 || c == '.' || c|0x20 == 'e' }

// areDigits reports whether all eight bytes are decimal digits: whose upper half is 3,
// and still is when 6 is added.
func areDigits(w uint64) bool {
	const upper = 0xF0F0F0F0F0F0F0F0
	return w&upper|(w+0x0606060606060606)&upper>>4 == 0x3333333333333333
}

// eightDigits is the number that eight digits make, the first in the lowest byte: pairs,
// then fours, then all are put together at once (Lemire 2018, "Quickly parsing eight
// digits").
func eightDigits(w uint64) uint64 {
	const pair = 0x000000FF000000FF
	w -= 0x3030303030303030
	w = w*10 + w>>8
	return (w&pair*(100+1_000_000<<32) + w>>16&pair*(1+10_000<<32)) >> 32
}

// seq reads a version of the form {"seq":17}, the most frequent; ok is false, and
// nothing is read, for any other.
func (s *scanner) seq() (n uint64, ok bool) {
	const form = `{"seq":`
	from := s.pos
	if end := from + len(form); end < len(s.src) && text(s.src[from:end]) == form {
		s.pos = end
		if n, ok = s.unsigned(); ok && s.pos < len(s.src) && s.src[s.pos] == '}' {
			s.pos++
			return n, true
		}
	}
	s.pos = from
	return 0, false
}
