package eval

// opIf is {"if": [CONDITION, THEN, CONDITION, THEN, …, ELSE]}.
func opIf(e *env, at *scope, args []node) (any, error) {
	for len(args) >= 2 {
		c, err := args[0].eval(e, at)
		if err != nil {
			return nil, err
		}
		if truthy(c) {
			return args[1].eval(e, at)
		}
		args = args[2:]
	}
	if len(args) == 1 {
		return args[0].eval(e, at)
	}
	return nil, nil
}

func opAnd(e *env, at *scope, args []node) (v any, err error) {
	for _, a := range args {
		if v, err = a.eval(e, at); err != nil || !truthy(v) {
			return v, err
		}
	}
	return v, nil
}

func opOr(e *env, at *scope, args []node) (v any, err error) {
	for _, a := range args {
		if v, err = a.eval(e, at); err != nil || truthy(v) {
			return v, err
		}
	}
	return v, nil
}

func opNot(e *env, at *scope, args []node) (any, error) {
	v, err := first(e, at, args)
	return !v, err
}

func opTruth(e *env, at *scope, args []node) (any, error) {
	return first(e, at, args)
}

// first is the truth of the only operand, or of the first item when that is a list.
func first(e *env, at *scope, args []node) (bool, error) {
	if len(args) == 0 {
		return false, nil
	}
	v, err := args[0].eval(e, at)
	return truthy(v), err
}
