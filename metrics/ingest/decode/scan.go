package decode

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// maxNesting is how deep any JSON may be nested before reading stops; as in
// encoding/json.
const maxNesting = 10_000

// scanner reads JSON (RFC 8259) from valid UTF-8. Its methods return false at the
// first syntax error, which fault then describes; after that it is of no use.
type scanner struct {
	src  []byte
	pos  int
	deep int // deepest nesting that skip has seen since it was last set to 0
	what string
	b    *Batch
}

func (s *scanner) fail(what string) bool {
	if s.what == "" {
		s.what = what
	}
	return false
}

// fault is the syntax error as the end of a sentence.
func (s *scanner) fault() string {
	return fmt.Sprintf("%s at byte %d", s.what, s.pos)
}

func (s *scanner) space() {
	for s.pos < len(s.src) {
		switch s.src[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// peek returns the next byte that is not white space, or 0 at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.src) && s.src[s.pos] > ' ' {
		return s.src[s.pos]
	}
	s.space()
	if s.pos < len(s.src) {
		return s.src[s.pos]
	}
	return 0
}

func (s *scanner) take(c byte, what string) bool {
	if s.peek() != c || s.pos >= len(s.src) {
		return s.fail(what)
	}
	s.pos++
	return true
}

const (
	lows  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain moves past bytes that a string may hold as they are.
func (s *scanner) plain() {
	i := s.pos
	for i+8 <= len(s.src) {
		w := binary.LittleEndian.Uint64(s.src[i:])
		quote, escape := w^(lows*'"'), w^(lows*'\\')
		m := ((quote-lows)&^quote | (escape-lows)&^escape | (w-lows*0x20)&^w) & highs
		if m != 0 {
			s.pos = i + bits.TrailingZeros64(m)/8
			return
		}
		i += 8
	}
	for i < len(s.src) && s.src[i] != '"' && s.src[i] != '\\' && s.src[i] >= 0x20 {
		i++
	}
	s.pos = i
}

// str reads a string. Without escapes it aliases the source.
func (s *scanner) str() (string, bool) {
	if !s.take('"', "a string was expected") {
		return "", false
	}
	start := s.pos
	s.plain()
	if s.pos < len(s.src) && s.src[s.pos] == '"' {
		s.pos++
		return text(s.src[start : s.pos-1]), true
	}
	buf := append(s.b.scratch[:0], s.src[start:s.pos]...)
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; {
		case c == '"':
			s.pos++
			s.b.scratch = buf
			return s.b.keep(buf), true
		case c == '\\':
			var ok bool
			if buf, ok = s.escape(buf); !ok {
				return "", false
			}
		case c < 0x20:
			return "", s.fail("a string holds a control character that is not escaped")
		}
		start = s.pos
		s.plain()
		buf = append(buf, s.src[start:s.pos]...)
	}
	return "", s.fail("a string does not end")
}

// escape reads one escape sequence, at its backslash.
func (s *scanner) escape(buf []byte) ([]byte, bool) {
	s.pos++
	if s.pos >= len(s.src) {
		return buf, s.fail("a string does not end")
	}
	c := s.src[s.pos]
	s.pos++
	switch c {
	case '"', '\\', '/':
		return append(buf, c), true
	case 'b':
		return append(buf, '\b'), true
	case 'f':
		return append(buf, '\f'), true
	case 'n':
		return append(buf, '\n'), true
	case 'r':
		return append(buf, '\r'), true
	case 't':
		return append(buf, '\t'), true
	case 'u':
		return s.unicode(buf)
	}
	s.pos--
	return buf, s.fail("a string holds an escape that JSON does not have")
}

// unicode reads the digits of one or, for a pair of surrogates, two \u escapes.
// A surrogate on its own becomes U+FFFD.
func (s *scanner) unicode(buf []byte) ([]byte, bool) {
	r, ok := s.hex4(s.pos)
	if !ok {
		return buf, s.fail(`\u must be followed by four hexadecimal digits`)
	}
	s.pos += 4
	if utf16.IsSurrogate(r) {
		second := rune(-1)
		if s.pos+6 <= len(s.src) && s.src[s.pos] == '\\' && s.src[s.pos+1] == 'u' {
			second, _ = s.hex4(s.pos + 2)
		}
		if r = utf16.DecodeRune(r, second); r != utf8.RuneError {
			s.pos += 6
		}
	}
	return utf8.AppendRune(buf, r), true
}

func (s *scanner) hex4(at int) (rune, bool) {
	if at+4 > len(s.src) {
		return -1, false
	}
	r := rune(0)
	for _, c := range s.src[at : at+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return -1, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// key reads a member's name and the colon after it.
func (s *scanner) key() (string, bool) {
	k, ok := s.str()
	return k, ok && s.take(':', "a colon was expected")
}

// more reads what follows an element: a comma (there is more) or the end.
func (s *scanner) more(end byte) (more, ok bool) {
	switch s.peek() {
	case ',':
		s.pos++
		return true, true
	case end:
		s.pos++
		return false, true
	}
	if end == '}' {
		return false, s.fail("a comma or } was expected")
	}
	return false, s.fail("a comma or ] was expected")
}

// open reads the start of an array or object and reports whether it has elements.
func (s *scanner) open(start, end byte) (some, ok bool) {
	if !s.take(start, "a value of another type was expected") {
		return false, false
	}
	if s.peek() == end {
		s.pos++
		return false, true
	}
	return true, true
}

// members calls f with the name of each member of an object; f reads the value.
func (s *scanner) members(f func(name string) bool) bool {
	some, ok := s.open('{', '}')
	for some && ok {
		var name string
		if name, ok = s.key(); !ok || !f(name) {
			return false
		}
		some, ok = s.more('}')
	}
	return ok
}

// elements calls f for each element of an array; f reads it.
func (s *scanner) elements(f func() bool) bool {
	some, ok := s.open('[', ']')
	for some && ok {
		if !f() {
			return false
		}
		some, ok = s.more(']')
	}
	return ok
}

// raw reads any value and returns its text, without white space around it.
func (s *scanner) raw() (string, bool) {
	s.space()
	start := s.pos
	if !s.skip(1) {
		return "", false
	}
	return text(s.src[start:s.pos]), true
}

// skip moves past any value, checking its syntax.
func (s *scanner) skip(depth int) bool {
	switch c := s.peek(); c {
	case '"':
		return s.skipString()
	case '{', '[':
		s.deep = max(s.deep, depth)
		if depth > maxNesting {
			return s.fail("the value is nested too deeply")
		}
		return s.skipInside(c, depth)
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		_, ok := s.number()
		return ok
	}
}

func (s *scanner) skipInside(c byte, depth int) bool {
	end := byte(']')
	if c == '{' {
		end = '}'
	}
	some, ok := s.open(c, end)
	for some && ok {
		if c == '{' && (s.peek() != '"' || !s.skipString() || !s.take(':', "a colon was expected")) {
			return s.fail("a member's name was expected")
		}
		if !s.skip(depth + 1) {
			return false
		}
		some, ok = s.more(end)
	}
	return ok
}

func (s *scanner) skipString() bool {
	s.pos++
	for {
		s.plain()
		switch {
		case s.pos >= len(s.src):
			return s.fail("a string does not end")
		case s.src[s.pos] == '"':
			s.pos++
			return true
		case s.src[s.pos] != '\\':
			return s.fail("a string holds a control character that is not escaped")
		}
		var few [8]byte
		if _, ok := s.escape(few[:0]); !ok {
			return false
		}
	}
}

func (s *scanner) word(w string) bool {
	if len(s.src)-s.pos < len(w) || text(s.src[s.pos:s.pos+len(w)]) != w {
		return s.fail("a value was expected")
	}
	s.pos += len(w)
	return true
}

// null reads the word null if it comes next.
func (s *scanner) null() bool { return s.peek() == 'n' && s.word("null") }

// number reads a number and returns its text.
func (s *scanner) number() (string, bool) {
	start := s.pos
	i := s.pos
	if i < len(s.src) && s.src[i] == '-' {
		i++
	}
	if i < len(s.src) && s.src[i] == '0' {
		i++
	} else if i = s.digits(i); i < 0 {
		return "", s.fail("a value was expected")
	}
	if i < len(s.src) && s.src[i] == '.' {
		if i = s.digits(i + 1); i < 0 {
			return "", s.fail("a digit was expected after the decimal point")
		}
	}
	if i < len(s.src) && s.src[i]|0x20 == 'e' {
		i++
		if i < len(s.src) && (s.src[i] == '+' || s.src[i] == '-') {
			i++
		}
		if i = s.digits(i); i < 0 {
			return "", s.fail("a digit was expected in the exponent")
		}
	}
	s.pos = i
	return text(s.src[start:i]), true
}

// digits returns the place after the run of digits at i, or −1 when there is none.
func (s *scanner) digits(i int) int {
	start := i
	for i < len(s.src) && s.src[i]-'0' <= 9 {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

// fixUTF8 returns body with every byte that is not UTF-8 replaced by U+FFFD, as
// encoding/json reads it. A valid body is returned as it is; of another the copy, up to
// three times as long, counts among what is made of the request.
func (b *Batch) fixUTF8(body []byte) ([]byte, error) {
	if utf8.Valid(body) {
		return body, nil
	}
	size := 0
	for i := 0; i < len(body); {
		r, n := utf8.DecodeRune(body[i:])
		size += utf8.RuneLen(r)
		i += n
	}
	b.spent += size
	if err := b.afford(); err != nil {
		return nil, err
	}
	fixed := make([]byte, 0, size)
	for i := 0; i < len(body); {
		r, n := utf8.DecodeRune(body[i:])
		fixed = utf8.AppendRune(fixed, r)
		i += n
	}
	return fixed, nil
}
