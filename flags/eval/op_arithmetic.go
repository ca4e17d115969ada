package eval

import "math"

// arithmetic returns an operator that folds its operands, as numbers, from the left.
// A single operand that is a list stands for its items.
func arithmetic(one func(float64) (float64, error), fold func(a, b float64) (float64, error)) func(*env, *scope, []node) (any, error) {
	return func(e *env, at *scope, args []node) (any, error) {
		if len(args) == 1 {
			v, err := args[0].eval(e, at)
			if err != nil {
				return nil, err
			}
			if l, ok := v.([]any); ok {
				return foldValues(l, one, fold)
			}
			return foldValues([]any{v}, one, fold)
		}
		vs, err := values(e, at, args)
		if err != nil {
			return nil, err
		}
		return foldValues(vs, one, fold)
	}
}

func foldValues(vs []any, one func(float64) (float64, error), fold func(a, b float64) (float64, error)) (any, error) {
	sum := 0.0
	for i, v := range vs {
		x := number(v)
		if math.IsNaN(x) {
			return nil, errNotNumber
		}
		if i == 0 {
			sum = x
			continue
		}
		var err error
		if sum, err = fold(sum, x); err != nil {
			return nil, err
		}
	}
	if len(vs) == 1 {
		return checked(one(sum))
	}
	if len(vs) == 0 {
		return nil, errOperands
	}
	return checked(sum, nil)
}

func checked(x float64, err error) (any, error) {
	if err == nil && math.IsNaN(x) {
		err = errNotNumber
	}
	if err != nil {
		return nil, err
	}
	return x, nil
}

func itself(a float64) (float64, error)    { return a, nil }
func negated(a float64) (float64, error)   { return -a, nil }
func unfit(float64) (float64, error)       { return 0, errOperands }
func plus(a, b float64) (float64, error)   { return a + b, nil }
func minus(a, b float64) (float64, error)  { return a - b, nil }
func times(a, b float64) (float64, error)  { return a * b, nil }
func modulo(a, b float64) (float64, error) { return math.Mod(a, b), nil }
func inverse(a float64) (float64, error)   { return divide(1, a) }
func divide(a, b float64) (float64, error) {
	if b == 0 {
		return 0, errNotNumber
	}
	return a / b, nil
}

// extreme returns max or min. Only numbers count as numbers.
func extreme(better func(a, b float64) bool) func(*env, *scope, []node) (any, error) {
	return func(e *env, at *scope, args []node) (any, error) {
		vs, err := values(e, at, args)
		if err != nil {
			return nil, err
		}
		if len(vs) == 1 {
			if l, ok := vs[0].([]any); ok {
				vs = l
			}
		}
		var best float64
		for i, v := range vs {
			x, ok := v.(float64)
			if !ok {
				return nil, errOperands
			}
			if i == 0 || better(x, best) {
				best = x
			}
		}
		if len(vs) == 0 {
			return nil, errOperands
		}
		return best, nil
	}
}

func above(a, b float64) bool { return a > b }
func below(a, b float64) bool { return a < b }
