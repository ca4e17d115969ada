package eval

import (
	"errors"
	"math/bits"
	"sync"
	"time"
)

// node is one part of a compiled rule. at is what "var" looks into: nil at the top,
// where that is the context, and the element within a loop.
type node interface {
	eval(e *env, at *scope) (any, error)
}

// origin says where a node was written, for explanations.
type origin struct {
	path string
	op   string // "" for a literal
	src  any    // the rule as JSON
}

// constant is a literal, or a rule that can only have one result.
type constant struct {
	value any
}

func (c *constant) eval(*env, *scope) (any, error) { return c.value, nil }

// list is an array whose items are rules.
type list struct{ items []node }

func (l *list) eval(e *env, at *scope) (any, error) {
	out := make([]any, len(l.items))
	for i, n := range l.items {
		v, err := n.eval(e, at)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// op is an operator with its operands.
type op struct {
	origin
	do   func(e *env, at *scope, args []node) (any, error)
	args []node
}

func (o *op) eval(e *env, at *scope) (any, error) {
	v, err := o.do(e, at, o.args)
	if e.trace != nil {
		e.trace.note(&o.origin, v, err)
	}
	return v, err
}

// env is what the evaluations for one context need; it is reused.
type env struct {
	ctx   Context
	key   string
	now   time.Time
	steps int
	trace *tracer // nil unless somebody wants to know why
	buf   []byte
	pins  any // what the context holds for pins; nil: nothing

	result Result // the answer that is being told, when all are asked for

	known uint64        // bit i: attributes[i] was looked up in ctx
	found [maxSlots]any // attributes, by the slots that the compiler gave their names
}

// maxSlots is how many attributes of the context are looked up once for all flags
// instead of once for each. The names that come after the first so many are not.
const maxSlots = 64

// unitSlot is the slot of the targeting key.
const unitSlot = 0

func newEnvPool() *sync.Pool {
	return &sync.Pool{New: func() any { return &env{buf: make([]byte, 0, 256)} }}
}

// begin takes an environment for a context.
func (s *Set) begin(ctx Context, now time.Time, t *tracer) *env {
	e, _ := s.envs.Get().(*env)
	e.ctx, e.now, e.trace = ctx, now, t
	e.pins = pinsIn(ctx)
	return e
}

// end gives it back. It keeps nothing of the context.
func (s *Set) end(e *env) {
	e.ctx, e.trace, e.pins, e.result = nil, nil, nil, Result{}
	for e.known != 0 {
		i := bits.TrailingZeros64(e.known)
		e.found[i] = nil
		e.known &^= 1 << i
	}
	s.envs.Put(e)
}

// attribute returns one of the context's members, as a value. slot is that of its
// name; below zero it has none.
func (e *env) attribute(name string, slot int) any {
	if slot < 0 {
		return e.top(name)
	}
	if bit := uint64(1) << slot; e.known&bit == 0 {
		e.found[slot] = e.top(name)
		e.known |= bit
	}
	return e.found[slot]
}

// Errors of evaluation. JsonLogic's own words would be NaN and Invalid Arguments.
var (
	errNotNumber = errors.New("an operand is not a number")
	errOperands  = errors.New("an operand has the wrong type")
	errTooLong   = errors.New("the rule takes more steps than are allowed")
	errTooBig    = errors.New("the rule builds a longer text or list than is allowed")
)

// spend counts the work of loops, so that no rule and no context can stop the server.
func (e *env) spend(steps int) error {
	e.steps += steps
	if e.steps > MaxSteps {
		return errTooLong
	}
	return nil
}

// root returns the whole context with what flagd adds to it.
func (e *env) root() map[string]any {
	out := make(map[string]any, len(e.ctx)+1)
	for k, v := range e.ctx {
		out[k] = normal(v)
	}
	out["$flagd"] = e.flagd()
	return out
}

func (e *env) flagd() map[string]any {
	return map[string]any{"flagKey": e.key, "timestamp": unixSeconds(e.now)}
}

// look returns what a path of names leads to; nil when there is nothing.
func (e *env) look(at *scope, path []string) any {
	var v any
	switch {
	case at != nil:
		v = at.value
	case len(path) == 0:
		return e.root()
	default:
		v, path = e.top(path[0]), path[1:]
	}
	return into(v, path)
}

// into follows a path of names from a value.
func into(v any, path []string) any {
	for _, name := range path {
		if v == nil {
			return nil
		}
		v = descend(v, name)
	}
	return v
}

// has reports whether a path leads somewhere, be it to null.
func (e *env) has(at *scope, path []string) bool {
	if len(path) == 0 {
		return true
	}
	name := path[len(path)-1]
	if at == nil && len(path) == 1 {
		_, ok := e.ctx[name]
		return ok || name == "$flagd"
	}
	if m, ok := e.look(at, path[:len(path)-1]).(map[string]any); ok {
		_, ok = m[name]
		return ok
	}
	return e.look(at, path) != nil
}

func (e *env) top(name string) any {
	if name == "$flagd" {
		return e.flagd()
	}
	return normal(e.ctx[name])
}

// scope is the element that a loop is at.
type scope struct{ value any }
