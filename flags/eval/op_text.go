package eval

import (
	"math"
	"strings"
	"unicode/utf16"
)

// cat is {"cat": [PART…]}: the parts as one text.
type cat struct {
	origin
	parts []node
	plain bool // only variables and literals: nothing within needs the scratch buffer
}

func (c *cat) eval(e *env, at *scope) (any, error) {
	b, err := c.append(e, at, nil)
	if err != nil {
		return nil, err
	}
	v := string(b)
	if e.trace != nil {
		e.trace.note(&c.origin, v, nil)
	}
	return v, nil
}

func (c *cat) append(e *env, at *scope, b []byte) ([]byte, error) {
	for _, p := range c.parts {
		v, err := p.eval(e, at)
		if err != nil {
			return nil, err
		}
		b = appendText(b, v)
		if len(b) > MaxTextBytes {
			return nil, errTooBig
		}
	}
	return b, nil
}

// opSubstr is {"substr": [TEXT, START]} or {"substr": [TEXT, START, LENGTH]} in UTF-16
// units: a negative start counts from the end, a negative length leaves out so many.
func opSubstr(e *env, at *scope, args []node) (any, error) {
	vs, err := values(e, at, args)
	if err != nil {
		return nil, err
	}
	s, ok := vs[0].(string)
	if !ok {
		return nil, errOperands
	}
	units := utf16.Encode([]rune(s))
	from := whole(vs[1])
	if from < 0 {
		from = max(0, len(units)+from)
	}
	units = units[min(from, len(units)):]
	if len(vs) == 3 {
		n := whole(vs[2])
		if n < 0 {
			n = max(0, len(units)+n)
		}
		units = units[:min(n, len(units))]
	}
	return string(utf16.Decode(units)), nil
}

// whole is JavaScript's conversion to an integer position.
func whole(v any) int {
	f := number(v)
	if math.IsNaN(f) {
		return 0
	}
	return int(math.Trunc(max(-1e9, min(f, 1e9))))
}

// opStartsWith and opEndsWith are null when an operand is no text.
func opStartsWith(e *env, at *scope, args []node) (any, error) {
	return textTest(e, at, args, strings.HasPrefix)
}

func opEndsWith(e *env, at *scope, args []node) (any, error) {
	return textTest(e, at, args, strings.HasSuffix)
}

func textTest(e *env, at *scope, args []node, test func(s, part string) bool) (any, error) {
	a, err := args[0].eval(e, at)
	if err != nil {
		return nil, err
	}
	b, err := args[1].eval(e, at)
	if err != nil {
		return nil, err
	}
	s, ok := a.(string)
	part, ok2 := b.(string)
	if !ok || !ok2 {
		return nil, nil
	}
	return test(s, part), nil
}
