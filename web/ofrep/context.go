package ofrep

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"tidemark/flags/eval"
)

// Limits of a request. They are documented in openapi.yaml and docs/evaluation.md.
const (
	// MaxBody is how many bytes the body of an evaluation may have.
	MaxBody = 256 << 10
	// MaxDepth is how deep a context may nest objects and arrays.
	MaxDepth = 32
	// MaxMembers is how many members and elements a context may have, all levels
	// together.
	MaxMembers = 10_000
)

// parser reads the body of an evaluation: {"context": {…}}. It gives what
// encoding/json gives for the same text, and costs a third of it: every string that
// needs no change stays a part of the text.
type parser struct {
	text    string
	at      int
	members int
}

// badError says what is wrong with a body, and which OpenFeature error that is.
type badError struct {
	code    eval.ErrorCode
	details string
}

// Error implements error.
func (e *badError) Error() string { return string(e.code) + ": " + e.details }

func notJSON(format string, args ...any) error {
	return &badError{eval.CodeParseError, "body: " + fmt.Sprintf(format, args...)}
}

func badContext(format string, args ...any) error {
	return &badError{eval.CodeInvalidContext, "context: " + fmt.Sprintf(format, args...)}
}

// parseRequest reads a body's context into ctx, which is empty. No body is an empty
// context; the last of several contexts counts, as with other members.
func parseRequest(body string, ctx eval.Context) error {
	p := &parser{text: body}
	if p.space() == 0 {
		return nil
	}
	if p.peek() != '{' {
		return notJSON(`want an object such as {"context": {"targetingKey": "user-1"}}`)
	}
	err := p.object(1, func(name string) error {
		if name == "context" {
			return p.context(ctx)
		}
		_, err := p.value(1)
		return err
	})
	if err != nil {
		return err
	}
	if p.space() != 0 {
		return notJSON("text after the object, at byte %d", p.at)
	}
	return nil
}

func (p *parser) context(ctx eval.Context) error {
	switch p.peek() {
	case '{':
	case 'n':
		return p.word("null")
	default:
		return badContext("want an object")
	}
	clear(ctx)
	err := p.object(1, func(name string) error {
		v, err := p.value(1)
		ctx[name] = v
		return err
	})
	if err != nil {
		return err
	}
	switch ctx[eval.TargetingKey].(type) {
	case nil, string:
		return nil
	}
	return badContext("targetingKey: want a string")
}

// peek returns the byte ahead, 0 at the end.
func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

// space skips white space and returns the byte after it, 0 at the end.
func (p *parser) space() byte {
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			if c == 0 {
				return 1 // It is no JSON, but it is not the end either.
			}
			return c
		}
	}
	return 0
}

func (p *parser) unexpected(want string) error {
	if p.at >= len(p.text) {
		return notJSON("it ends at byte %d, where %s is wanted", p.at, want)
	}
	return notJSON("%q at byte %d, where %s is wanted", p.text[p.at:min(p.at+1, len(p.text))], p.at, want)
}

func (p *parser) count(depth int) error {
	p.members++
	if depth > MaxDepth {
		return badContext("it nests deeper than %d", MaxDepth)
	}
	if p.members > MaxMembers {
		return badContext("it has more than %d members", MaxMembers)
	}
	return nil
}

// object reads an object; member is called behind the colon of each member.
func (p *parser) object(depth int, member func(name string) error) error {
	p.at++
	if p.space() == '}' {
		p.at++
		return nil
	}
	for {
		if err := p.count(depth); err != nil {
			return err
		}
		if p.space() != '"' {
			return p.unexpected("a member's name")
		}
		name, err := p.str()
		if err != nil {
			return err
		}
		if p.space() != ':' {
			return p.unexpected("':'")
		}
		p.at++
		p.space()
		if err := member(name); err != nil {
			return err
		}
		switch p.space() {
		case ',':
			p.at++
		case '}':
			p.at++
			return nil
		default:
			return p.unexpected("',' or '}'")
		}
	}
}

func (p *parser) array(depth int) ([]any, error) {
	p.at++
	out := []any{}
	if p.space() == ']' {
		p.at++
		return out, nil
	}
	for {
		if err := p.count(depth); err != nil {
			return nil, err
		}
		p.space()
		v, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		switch p.space() {
		case ',':
			p.at++
		case ']':
			p.at++
			return out, nil
		default:
			return nil, p.unexpected("',' or ']'")
		}
	}
}

// value reads any value; depth is how many objects and arrays it is in.
func (p *parser) value(depth int) (any, error) {
	switch c := p.peek(); {
	case c == '"':
		return p.str()
	case c == '-' || (c >= '0' && c <= '9'):
		return p.number()
	case c == 't':
		return true, p.word("true")
	case c == 'f':
		return false, p.word("false")
	case c == 'n':
		return nil, p.word("null")
	case c == '[':
		return p.array(depth + 1)
	case c == '{':
		m := map[string]any{}
		err := p.object(depth+1, func(name string) error {
			v, err := p.value(depth + 1)
			m[name] = v
			return err
		})
		return m, err
	}
	return nil, p.unexpected("a value")
}

func (p *parser) word(w string) error {
	if !strings.HasPrefix(p.text[p.at:], w) {
		return p.unexpected("a value")
	}
	p.at += len(w)
	return nil
}

// str reads a string. One with escapes, or that is not UTF-8, is left to
// encoding/json.
func (p *parser) str() (string, error) {
	start, plain := p.at+1, true
	for i := start; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '"':
			s := p.text[start:i]
			p.at = i + 1
			if plain || (!strings.Contains(s, `\`) && utf8.ValidString(s)) {
				return s, nil
			}
			return p.escaped(start, i)
		case c == '\\':
			plain = false
			i++
		case c < 0x20:
			return "", notJSON("control character in the string at byte %d", start)
		case c >= 0x80:
			plain = false
		}
	}
	return "", notJSON("the string at byte %d does not end", start)
}

// escaped reads the string from start to end as encoding/json does.
func (p *parser) escaped(start, end int) (s string, err error) {
	if json.Unmarshal([]byte(p.text[start-1:end+1]), &s) != nil {
		return "", notJSON("bad string at byte %d", start)
	}
	return s, nil
}

// number reads a number. Whole ones of up to 15 digits are exact in a float64.
func (p *parser) number() (any, error) {
	start := p.at
	negative := p.text[p.at] == '-'
	if negative {
		p.at++
	}
	first := p.at
	var n int64
	for ; p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9'; p.at++ {
		n = n*10 + int64(p.text[p.at]-'0')
	}
	digits := p.at - first
	if digits == 0 || (digits > 1 && p.text[first] == '0') {
		return nil, notJSON("bad number at byte %d", start)
	}
	switch p.peek() {
	case '.', 'e', 'E':
	default:
		if digits <= 15 {
			f := float64(n)
			if negative {
				f = -f
			}
			return f, nil
		}
	}
	return p.decimal(start)
}

// decimal reads the rest of a number that has a fraction, an exponent or many digits.
func (p *parser) decimal(start int) (any, error) {
	digits := func() bool {
		from := p.at
		for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
			p.at++
		}
		return p.at > from
	}
	ok := true
	if p.peek() == '.' {
		p.at++
		ok = digits()
	}
	if c := p.peek(); ok && (c == 'e' || c == 'E') {
		p.at++
		if c := p.peek(); c == '+' || c == '-' {
			p.at++
		}
		ok = digits()
	}
	if !ok {
		return nil, notJSON("bad number at byte %d", start)
	}
	f, err := strconv.ParseFloat(p.text[start:p.at], 64)
	if err != nil {
		return nil, badContext("the number %.40s is too large", p.text[start:p.at])
	}
	return f, nil
}
