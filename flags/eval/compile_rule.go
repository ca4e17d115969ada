package eval

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// compiler turns rules into nodes and collects what is wrong with them.
type compiler struct {
	problems
	ops     map[string]operator
	cohorts map[string]json.RawMessage
	shared  map[string]*rule // compiled cohorts
	opening []string         // cohorts that are being compiled, outermost first
	slots   map[string]int   // of the names that rules look up at the top
}

// rule is a compiled rule with what was found out about it.
type rule struct {
	node  node
	size  int  // nodes, $ref followed
	depth int  // operators and lists within each other, $ref followed
	fixed bool // the result is always the same
	vars  bool // looks at what "var" looks into
}

func newCompiler(cohorts map[string]json.RawMessage) *compiler {
	return &compiler{ops: operators(), cohorts: cohorts, shared: map[string]*rule{}, slots: map[string]int{TargetingKey: unitSlot}}
}

// slot returns where an environment keeps what a path begins with; below zero when
// it does not: there are too many, or it is not the same for every flag.
func (c *compiler) slot(path []string) int {
	if len(path) == 0 || path[0] == "$flagd" {
		return -1
	}
	i, given := c.slots[path[0]]
	if !given {
		if len(c.slots) == maxSlots {
			return -1
		}
		i = len(c.slots)
		c.slots[path[0]] = i
	}
	return i
}

// broken stands where a rule could not be compiled; the definition is then refused.
func broken() *rule { return &rule{node: &constant{}, size: 1, depth: 1} }

// rule compiles v, which stands at path, inLoop when within the rule of a loop.
func (c *compiler) rule(v any, path string, depth int, inLoop bool) *rule {
	if depth > MaxRuleDepth {
		c.add(path, "is nested more than %d deep; divide the rule, or name parts of it in $evaluators that are not so deep", MaxRuleDepth)
		return broken()
	}
	switch t := v.(type) {
	case map[string]any:
		return c.object(t, path, depth, inLoop)
	case []any:
		parts := c.rules(t, path, depth, inLoop)
		l := &list{items: nodes(parts)}
		return c.combine(path, l, parts, false, nil)
	case string:
		if len(t) > MaxTextBytes {
			c.add(path, "is %d bytes long; at most %d are allowed", len(t), MaxTextBytes)
		}
	}
	return &rule{node: &constant{v}, size: 1, depth: 1, fixed: true}
}

func (c *compiler) rules(vs []any, path string, depth int, inLoop bool) []*rule {
	out := make([]*rule, len(vs))
	for i, v := range vs {
		out[i] = c.rule(v, item(path, i), depth+1, inLoop)
	}
	return out
}

func nodes(rs []*rule) []node {
	out := make([]node, len(rs))
	for i, r := range rs {
		out[i] = r.node
	}
	return out
}

func (c *compiler) object(m map[string]any, path string, depth int, inLoop bool) *rule {
	if len(m) != 1 {
		c.add(path, "has %d members (%s); a rule is an object with one member, its operator", len(m), names(m))
		return broken()
	}
	for name, operands := range m {
		if name == "$ref" {
			return c.reference(operands, child(path, name), depth)
		}
		o, known := c.ops[name]
		if !known {
			c.add(child(path, name), "is not an operator; allowed are %s and $ref", names(c.ops))
			return broken()
		}
		return c.operation(name, o, operands, m, path, depth, inLoop)
	}
	return broken()
}

// names lists what a map holds, in order, shortened.
func names[V any](m map[string]V) string {
	keys := slices.Sorted(maps.Keys(m))
	if len(keys) > 60 {
		keys = append(keys[:60], "…")
	}
	return strings.Join(keys, ", ")
}

func (c *compiler) operation(name string, o operator, operands any, src map[string]any, path string, depth int, inLoop bool) *rule {
	at := child(path, name)
	vs, ok := c.operands(name, o, operands, at)
	if !ok {
		return broken()
	}
	where := origin{path: path, op: name, src: src}
	switch {
	case name == "var":
		return c.variable(where, vs, operands, at, depth, inLoop)
	case name == "fractional":
		return c.fractional(where, vs, at, depth, inLoop)
	case o.names && !c.areNames(name, vs, at):
		return broken()
	case o.loop != nil:
		return c.loop(where, o, vs, at, depth, inLoop)
	}
	parts := c.rules(vs, at, depth, inLoop)
	if o.numeric {
		c.checkNumbers(vs, parts, at)
	}
	switch name {
	case "sem_ver":
		c.checkVersions(vs, at)
	case "starts_with", "ends_with":
		c.checkTexts(vs, at)
	}
	if name == "cat" {
		n := &cat{origin: where, parts: nodes(parts), plain: true}
		for _, p := range n.parts {
			n.plain = n.plain && isPlain(p)
		}
		return c.combine(path, n, parts, false, nil)
	}
	r := c.combine(path, direct(name, op{origin: where, do: o.do, args: nodes(parts)}), parts, o.impure, nil)
	r.vars = r.vars || o.names
	return r
}

func isPlain(n node) bool {
	switch n.(type) {
	case *variable, *constant:
		return true
	}
	return false
}

// operands returns the operands as a list and checks how many there are.
func (c *compiler) operands(name string, o operator, operands any, path string) ([]any, bool) {
	vs, isList := operands.([]any)
	if !isList {
		if !o.bare {
			c.add(path, "is %s; %s takes a list of operands", kindOf(operands), name)
			return nil, false
		}
		vs = []any{operands}
	}
	if len(vs) < o.min || o.max >= 0 && len(vs) > o.max {
		c.add(path, "has %d operands; %s takes %s", len(vs), name, o.arity())
		return nil, false
	}
	return vs, true
}

func (o operator) arity() string {
	switch {
	case o.max < 0:
		return fmt.Sprintf("%d or more", o.min)
	case o.min == o.max:
		return fmt.Sprint(o.min)
	}
	return fmt.Sprintf("%d to %d", o.min, o.max)
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case float64:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "a list"
	}
	return "an object"
}

// combine makes the rule of a node with parts, and works it out when it can have but
// one result. A part that can never be worked out makes the definition useless.
func (c *compiler) combine(path string, n node, parts []*rule, impure bool, vars *bool) *rule {
	r := &rule{node: n, size: 1, depth: 1, fixed: !impure}
	for _, p := range parts {
		r.size += p.size
		r.depth = max(r.depth, p.depth+1)
		r.fixed = r.fixed && p.fixed
		r.vars = r.vars || p.vars
	}
	if vars != nil {
		r.vars = *vars
	}
	if r.size > MaxRuleNodes {
		c.add(path, "has more than %d parts, $ref followed; at most so many are allowed", MaxRuleNodes)
		return broken()
	}
	if r.depth > MaxRuleDepth {
		c.add(path, "is nested more than %d deep, $ref followed; at most so much is allowed", MaxRuleDepth)
		return broken()
	}
	if r.fixed && !r.vars && len(c.list) == 0 {
		v, err := n.eval(&env{}, nil)
		if err != nil {
			c.add(path, "can never be worked out: %v", err)
		} else {
			r.node = &constant{v}
		}
	}
	return r
}

func (c *compiler) variable(where origin, vs []any, operands any, path string, depth int, inLoop bool) *rule {
	name, literal := vs[0].(string)
	if !literal && vs[0] != nil {
		if f, isNumber := vs[0].(float64); isNumber {
			name, literal = string(appendNumber(nil, f)), true
		}
	}
	if !literal && vs[0] != nil {
		if _, isList := operands.([]any); isList {
			c.add(path, "begins with %s; the list form of var is [PATH, DEFAULT], and PATH is a string", kindOf(vs[0]))
			return broken()
		}
		parts := c.rules(vs, path, depth, inLoop)
		r := c.combine(where.path, &op{origin: where, do: opVar, args: nodes(parts)}, parts, true, nil)
		r.vars = true
		return r
	}
	if strings.HasPrefix(name, "../") {
		c.add(path, "is %q; a path cannot leave the element that a loop is at: flagd's engines do not agree on what that means", name)
		return broken()
	}
	if rest, ok := strings.CutPrefix(name, "$flagd."); ok && rest != "flagKey" && rest != "timestamp" {
		c.add(path, "is %q; of $flagd there are only $flagd.flagKey and $flagd.timestamp", name)
		return broken()
	}
	n := &variable{origin: where, path: pathOf(name)}
	n.slot = c.slot(n.path)
	if len(vs) == 2 {
		if isList(vs[1]) {
			c.add(item(path, 1), "is %s; the default of var is null, a boolean, a number or a string", kindOf(vs[1]))
			return broken()
		}
		n.fallback = vs[1]
	}
	return &rule{node: n, size: 1, depth: 1, fixed: inLoop, vars: true}
}

// areNames checks the paths of missing and missing_some.
func (c *compiler) areNames(name string, vs []any, path string) bool {
	if name == "missing_some" {
		paths, isList := vs[1].([]any)
		if _, isNumber := vs[0].(float64); !isNumber || !isList {
			c.add(path, "must be [NUMBER, [PATH, …]]")
			return false
		}
		vs, path = paths, item(path, 1)
	}
	for i, v := range vs {
		if _, isText := v.(string); !isText {
			c.add(item(path, i), "is %s; a path is a string", kindOf(v))
			return false
		}
	}
	return true
}

func (c *compiler) loop(where origin, o operator, vs []any, path string, depth int, inLoop bool) *rule {
	parts := []*rule{
		c.rule(vs[0], item(path, 0), depth+1, inLoop),
		c.rule(vs[1], item(path, 1), depth+1, true),
	}
	n := &loop{origin: where, over: parts[0].node, body: parts[1].node, size: parts[1].size, do: o.loop}
	if len(vs) == 3 {
		parts = append(parts, c.rule(vs[2], item(path, 2), depth+1, inLoop))
		n.first = parts[2].node
	}
	// What the rule of the loop looks at is the element, not what is outside.
	vars := parts[0].vars || len(parts) == 3 && parts[2].vars
	return c.combine(where.path, n, parts, false, &vars)
}

// checkNumbers finds literals that can never be numbers.
func (c *compiler) checkNumbers(vs []any, parts []*rule, path string) {
	for i, p := range parts {
		if _, isList := vs[i].([]any); isList {
			c.add(item(path, i), "is a list; a number is needed")
			continue
		}
		if k, isConstant := p.node.(*constant); isConstant && math.IsNaN(number(k.value)) {
			c.add(item(path, i), "is %s; a number is needed", kindOf(k.value))
		}
	}
}

func (c *compiler) checkVersions(vs []any, path string) {
	for i := 0; i < len(vs); i += 2 {
		if _, isRule := vs[i].(map[string]any); isRule {
			continue
		}
		if _, ok := version(vs[i]); !ok || isList(vs[i]) {
			c.add(item(path, i), "is %v; a semantic version is needed, such as 1.4.0", vs[i])
		}
	}
	switch vs[1] {
	case "=", "!=", "<", "<=", ">=", ">", "^", "~":
	default:
		c.add(item(path, 1), `is %v; allowed are "=", "!=", "<", "<=", ">=", ">", "^" and "~"`, vs[1])
	}
}

func (c *compiler) checkTexts(vs []any, path string) {
	for i, v := range vs {
		switch v.(type) {
		case string, map[string]any:
		default:
			c.add(item(path, i), "is %s; a string or a rule is needed", kindOf(v))
		}
	}
}
