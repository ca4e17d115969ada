package eval

// variable is {"var": PATH} with a path that is known.
type variable struct {
	origin
	path     []string // none: everything
	slot     int      // of the first name of path; below zero: none
	fallback any      // when there is nothing, or null
}

func (v *variable) eval(e *env, at *scope) (any, error) {
	value := v.find(e, at)
	if e.trace != nil {
		e.trace.note(&v.origin, value, nil)
	}
	return value, nil
}

func (v *variable) find(e *env, at *scope) any {
	var value any
	switch {
	case at != nil || len(v.path) == 0:
		value = e.look(at, v.path)
	case len(v.path) == 1:
		value = e.attribute(v.path[0], v.slot)
	case len(v.path) == 2 && v.path[0] == "$flagd" && v.path[1] == "flagKey":
		return e.key
	case len(v.path) == 2 && v.path[0] == "$flagd" && v.path[1] == "timestamp":
		return unixSeconds(e.now)
	default:
		value = into(e.attribute(v.path[0], v.slot), v.path[1:])
	}
	if value == nil {
		return v.fallback
	}
	return value
}

// opVar is {"var": RULE}: the path is computed.
func opVar(e *env, at *scope, args []node) (any, error) {
	name, err := args[0].eval(e, at)
	if err != nil {
		return nil, err
	}
	var fallback any
	if l, ok := name.([]any); ok {
		if name = nil; len(l) > 0 {
			name = l[0]
		}
		if len(l) > 1 {
			fallback = l[1]
		}
	}
	if value := e.look(at, pathOf(name)); value != nil {
		return value, nil
	}
	return fallback, nil
}

// pathOf returns the path that a value stands for: "" and null are everything.
func pathOf(name any) []string {
	if name == nil || name == "" {
		return nil
	}
	return splitPath(string(appendText(nil, name)))
}

// opMissing is {"missing": [PATH…]}: those of them that lead nowhere.
func opMissing(e *env, at *scope, args []node) (any, error) {
	names, err := values(e, at, args)
	if err != nil {
		return nil, err
	}
	if len(names) == 1 {
		if l, ok := names[0].([]any); ok {
			names = l
		}
	}
	return e.missing(at, names), nil
}

func (e *env) missing(at *scope, names []any) []any {
	out := []any{}
	for _, n := range names {
		if !e.has(at, pathOf(n)) {
			out = append(out, n)
		}
	}
	return out
}

// opMissingSome is {"missing_some": [NEEDED, [PATH…]]}: nothing when enough lead
// somewhere, else those that lead nowhere.
func opMissingSome(e *env, at *scope, args []node) (any, error) {
	vs, err := values(e, at, args)
	if err != nil {
		return nil, err
	}
	if len(vs) != 2 {
		return nil, errOperands
	}
	names, ok := vs[1].([]any)
	if !ok {
		return nil, errOperands
	}
	missing := e.missing(at, names)
	if float64(len(names)-len(missing)) >= number(vs[0]) {
		return []any{}, nil
	}
	return missing, nil
}

// values evaluates operands in order.
func values(e *env, at *scope, args []node) ([]any, error) {
	out := make([]any, len(args))
	for i, a := range args {
		v, err := a.eval(e, at)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}
