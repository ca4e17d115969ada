package eval

import "strings"

// opIn is {"in": [ITEM, LIST]} or {"in": [PART, TEXT]}.
func opIn(e *env, at *scope, args []node) (any, error) {
	a, err := args[0].eval(e, at)
	if err != nil {
		return nil, err
	}
	b, err := args[1].eval(e, at)
	if err != nil {
		return nil, err
	}
	switch t := b.(type) {
	case []any:
		return contains(t, a), nil
	case string:
		if t == "" {
			return false, nil
		}
		part, ok := a.(string)
		if !ok {
			part = textOrNull(a)
		}
		return strings.Contains(t, part), nil
	}
	if !truthy(b) {
		return false, nil
	}
	return nil, errOperands
}

func contains(l []any, v any) bool {
	s, isText := v.(string)
	for _, e := range l {
		if t, ok := e.(string); ok {
			if isText && s == t {
				return true
			}
			continue
		}
		if !isText && same(normal(e), v) {
			return true
		}
	}
	return false
}

// textOrNull is JavaScript's String(v), which has a word for null.
func textOrNull(v any) string {
	if v == nil {
		return "null"
	}
	return string(appendText(nil, v))
}

// loop is an operator over the items of a list: {OP: [LIST, RULE]}.
type loop struct {
	origin
	over node
	body node
	size int // nodes of body
	do   func(l *loop, e *env, items []any) (any, error)
	// first is the start of a reduction; nil elsewhere.
	first node
}

func (l *loop) eval(e *env, at *scope) (any, error) {
	v, err := l.run(e, at)
	if e.trace != nil {
		e.trace.note(&l.origin, v, err)
	}
	return v, err
}

func (l *loop) run(e *env, at *scope) (any, error) {
	over, err := l.over.eval(e, at)
	if err != nil {
		return nil, err
	}
	items, ok := over.([]any)
	if !ok && truthy(over) {
		return nil, errOperands
	}
	// What happens within is one step to whoever asks why.
	defer e.trace.pause()()
	if l.first != nil {
		return l.reduce(e, at, items)
	}
	return l.do(l, e, items)
}

// each calls f with what the rule says of each item, until f returns false.
func (l *loop) each(e *env, items []any, f func(item, v any) bool) error {
	for _, it := range items {
		if err := e.spend(l.size); err != nil {
			return err
		}
		it = normal(it)
		v, err := l.body.eval(e, &scope{it})
		if err != nil {
			return err
		}
		if !f(it, v) {
			return nil
		}
	}
	return nil
}

func loopMap(l *loop, e *env, items []any) (any, error) {
	out := make([]any, 0, len(items))
	err := l.each(e, items, func(_, v any) bool { out = append(out, v); return true })
	return out, err
}

func loopFilter(l *loop, e *env, items []any) (any, error) {
	out := []any{}
	err := l.each(e, items, func(it, v any) bool {
		if truthy(v) {
			out = append(out, it)
		}
		return true
	})
	return out, err
}

// loopAll is false for an empty list.
func loopAll(l *loop, e *env, items []any) (any, error) {
	all := len(items) > 0
	err := l.each(e, items, func(_, v any) bool { all = truthy(v); return all })
	return all, err
}

func loopSome(l *loop, e *env, items []any) (any, error) {
	some := false
	err := l.each(e, items, func(_, v any) bool { some = truthy(v); return !some })
	return some, err
}

func loopNone(l *loop, e *env, items []any) (any, error) {
	some, err := loopSome(l, e, items)
	return some == false, err
}

// reduce folds: the rule sees the item as "current" and what was so far as "accumulator".
func (l *loop) reduce(e *env, at *scope, items []any) (any, error) {
	acc, err := l.first.eval(e, at)
	if err != nil {
		return nil, err
	}
	for _, it := range items {
		if err := e.spend(l.size); err != nil {
			return nil, err
		}
		pair := map[string]any{"current": it, "accumulator": acc}
		if acc, err = l.body.eval(e, &scope{pair}); err != nil {
			return nil, err
		}
	}
	return acc, nil
}

// opMerge joins lists; what is no list is one item.
func opMerge(e *env, at *scope, args []node) (any, error) {
	vs, err := values(e, at, args)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, v := range vs {
		if l, ok := v.([]any); ok {
			out = append(out, l...)
		} else {
			out = append(out, v)
		}
		if len(out) > MaxListLength {
			return nil, errTooBig
		}
	}
	return out, e.spend(len(out) / 16)
}
