package eval

// operator says how an operator is written.
type operator struct {
	min, max int // operands; max −1 = any number
	// bare is true when a single operand may stand there without a list around it.
	bare bool
	// boolean is true when the result is always true or false.
	boolean bool
	// numeric is true when every operand must be a number, so that a literal that is
	// none is a mistake.
	numeric bool
	// impure is true when the result depends on more than the operands.
	impure bool
	do     func(e *env, at *scope, args []node) (any, error)
	loop   func(l *loop, e *env, items []any) (any, error)
	// names is true when the operands are paths, not rules.
	names bool
}

// operators returns every operator that targeting may use: those of flagd's schema,
// and "?:", which both of its engines know as another name of "if".
func operators() map[string]operator {
	ops := map[string]operator{
		"var":          {min: 1, max: 2, bare: true, impure: true, do: opVar},
		"missing":      {min: 0, max: -1, impure: true, names: true, do: opMissing},
		"missing_some": {min: 2, max: 2, impure: true, names: true, do: opMissingSome},
		"if":           {min: 1, max: -1, do: opIf},
		"?:":           {min: 1, max: -1, do: opIf},
		"and":          {min: 1, max: -1, do: opAnd},
		"or":           {min: 1, max: -1, do: opOr},
		"!":            {min: 1, max: 1, bare: true, boolean: true, do: opNot},
		"!!":           {min: 1, max: 1, bare: true, boolean: true, do: opTruth},
		"in":           {min: 2, max: 2, boolean: true, do: opIn},
		"merge":        {min: 1, max: -1, do: opMerge},
		"cat":          {min: 1, max: -1},
		"substr":       {min: 2, max: 3, do: opSubstr},
		"fractional":   {min: 1, max: -1, impure: true, do: nil},
		"sem_ver":      {min: 3, max: 3, do: opSemVer},
		"starts_with":  {min: 2, max: 2, do: opStartsWith},
		"ends_with":    {min: 2, max: 2, do: opEndsWith},
	}
	addComparisons(ops)
	addArithmetic(ops)
	addLoops(ops)
	return ops
}

func addComparisons(ops map[string]operator) {
	for name, holds := range map[string]func(relation) bool{
		"==": isEqual, "!=": isNotEqual, "<": isLess, "<=": isAtMost, ">": isGreater, ">=": isAtLeast,
	} {
		o := operator{min: 2, max: 2, boolean: true, do: comparison(holds)}
		if name == "<" || name == "<=" {
			o.max = 3
		}
		ops[name] = o
	}
	ops["==="] = operator{min: 2, max: 2, boolean: true, do: strict(isSame)}
	ops["!=="] = operator{min: 2, max: 2, boolean: true, do: strict(isDifferent)}
}

func addArithmetic(ops map[string]operator) {
	ops["+"] = operator{min: 1, max: -1, numeric: true, do: arithmetic(itself, plus)}
	ops["-"] = operator{min: 1, max: -1, numeric: true, do: arithmetic(negated, minus)}
	ops["*"] = operator{min: 2, max: -1, numeric: true, do: arithmetic(itself, times)}
	ops["/"] = operator{min: 2, max: 2, numeric: true, do: arithmetic(inverse, divide)}
	ops["%"] = operator{min: 2, max: 2, numeric: true, do: arithmetic(unfit, modulo)}
	ops["max"] = operator{min: 1, max: -1, numeric: true, do: extreme(above)}
	ops["min"] = operator{min: 1, max: -1, numeric: true, do: extreme(below)}
}

func addLoops(ops map[string]operator) {
	ops["map"] = operator{min: 2, max: 2, loop: loopMap}
	ops["filter"] = operator{min: 2, max: 2, loop: loopFilter}
	ops["all"] = operator{min: 2, max: 2, boolean: true, loop: loopAll}
	ops["some"] = operator{min: 2, max: 2, boolean: true, loop: loopSome}
	ops["none"] = operator{min: 2, max: 2, boolean: true, loop: loopNone}
	ops["reduce"] = operator{min: 3, max: 3, loop: loopMap}
}
