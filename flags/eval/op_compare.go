package eval

import (
	"cmp"
	"math"
	"reflect"
	"unicode/utf16"
)

// relation is the outcome of comparing two values.
type relation int

const (
	less relation = iota - 1
	equal
	greater
	unordered
)

// comparison returns the operator for ==, !=, <, <=, > and >=, of two operands or
// more, each with the next.
func comparison(holds func(relation) bool) func(*env, *scope, []node) (any, error) {
	return func(e *env, at *scope, args []node) (any, error) {
		a, err := args[0].eval(e, at)
		if err != nil {
			return nil, err
		}
		for _, n := range args[1:] {
			b, err := n.eval(e, at)
			if err != nil {
				return nil, err
			}
			_, literal := n.(*constant)
			r, err := compare(a, b, literal)
			if err != nil {
				return nil, err
			}
			if !holds(r) {
				return false, nil
			}
			a = b
		}
		return true, nil
	}
}

// compare compares loosely: texts as texts, everything else as numbers. What cannot be
// compared with a literal is an error, so that an attribute of the wrong type does not
// decide anything; two operands that are both computed are then just not equal, and
// neither is less. That is what flagd's engine for JavaScript does.
func compare(a, b any, literal bool) (relation, error) {
	s, aText := a.(string)
	t, bText := b.(string)
	switch {
	case aText && bText:
		return compareText(s, t), nil
	case a == nil && b == nil:
		return equal, nil
	case isList(a) || isList(b):
		return unordered, errNotNumber
	}
	x, y := number(a), number(b)
	nulls := a == nil || b == nil
	switch {
	case nulls && (aText || bText || !literal):
		return compareNull(x, y), nil
	case literal && (math.IsNaN(x) || math.IsNaN(y)):
		return unordered, errNotNumber
	}
	return order(x, y), nil
}

// compareNull compares with null: as numbers, but never equal.
func compareNull(x, y float64) relation {
	if r := order(x, y); r != equal {
		return r
	}
	return nullEqual
}

// nullEqual is what null is to "" or to a computed 0: neither less nor greater, but not equal.
const nullEqual relation = 3

func order(x, y float64) relation {
	if math.IsNaN(x) || math.IsNaN(y) {
		return unordered
	}
	return relation(cmp.Compare(x, y))
}

// compareText orders by UTF-16 units, as JavaScript does. That is the order of bytes
// unless one of the texts has characters beyond the basic plane.
func compareText(s, t string) relation {
	n := min(len(s), len(t))
	i := 0
	for i < n && s[i] == t[i] {
		i++
	}
	if i == n || s[i] < 0x80 || t[i] < 0x80 || s[i] < 0xee && t[i] < 0xee {
		return relation(cmp.Compare(s, t))
	}
	return relation(cmp.Compare(string(wide(s)), string(wide(t))))
}

// wide makes a text whose order by runes is the order of its UTF-16 units.
func wide(s string) []rune {
	units := utf16.Encode([]rune(s))
	out := make([]rune, len(units))
	for i, u := range units {
		// Away from the surrogates, which runes must not be.
		out[i] = rune(u) + 0x10000
	}
	return out
}

func isEqual(r relation) bool    { return r == equal }
func isNotEqual(r relation) bool { return r != equal }
func isLess(r relation) bool     { return r == less }
func isAtMost(r relation) bool   { return r == less || r == equal || r == nullEqual }
func isGreater(r relation) bool  { return r == greater }
func isAtLeast(r relation) bool  { return r == greater || r == equal || r == nullEqual }
func isSame(a, b any) bool       { return same(a, b) }
func isDifferent(a, b any) bool  { return !same(a, b) }
func isList(v any) bool {
	switch v.(type) {
	case []any, map[string]any:
		return true
	}
	return false
}

// strict returns the operator for === and !==.
func strict(holds func(a, b any) bool) func(*env, *scope, []node) (any, error) {
	return func(e *env, at *scope, args []node) (any, error) {
		a, err := args[0].eval(e, at)
		if err != nil {
			return nil, err
		}
		b, err := args[1].eval(e, at)
		if err != nil {
			return nil, err
		}
		return holds(a, b), nil
	}
}

// same is JavaScript's ===: lists and objects are the same only when they are one.
func same(a, b any) bool {
	if !isList(a) && !isList(b) {
		return a == b
	}
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	return x.Kind() == y.Kind() && x.Len() == y.Len() && x.Pointer() == y.Pointer()
}
