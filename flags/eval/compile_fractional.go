package eval

import "math"

// fractional compiles {"fractional": [BY, [VARIANT, WEIGHT], …]}. When every entry is
// literal its weights are checked now and never looked at again.
func (c *compiler) fractional(where origin, vs []any, path string, depth int, inLoop bool) *rule {
	parts := c.rules(vs, path, depth, inLoop)
	entries := vs
	n := &fractional{origin: where, args: nodes(parts)}
	if _, isEntry := vs[0].([]any); !isEntry {
		n.by, entries = parts[0].node, vs[1:]
	}
	if n.by != nil && !isList(vs[0]) {
		c.add(item(path, 0), "is %s; what is hashed is a rule that gives a string, else everybody is in one bucket", kindOf(vs[0]))
	}
	if len(entries) == 0 {
		c.add(path, "has no [VARIANT, WEIGHT]; at least one is needed")
		return broken()
	}
	literal := true
	for i, v := range entries {
		s, isLiteral := c.share(v, item(path, i+len(vs)-len(entries)))
		n.shares = append(n.shares, s)
		literal = literal && isLiteral
	}
	r := c.combine(where.path, n, parts, true, nil)
	r.vars = true
	if !literal {
		r.node = &op{origin: where, do: fractionalOf, args: n.args}
		return r
	}
	n.total = totalWeight(n.shares)
	switch {
	case n.total > MaxWeight:
		c.add(path, "has weights that sum to %d; the sum may be at most %d", n.total, MaxWeight)
	case n.total == 0:
		c.add(path, "has weights that sum to 0, so that nobody gets anything; at least one must be above 0")
	}
	return r
}

// share reads one entry; literal is false when a part of it is a rule.
func (c *compiler) share(v any, path string) (s share, literal bool) {
	entry, ok := v.([]any)
	if !ok {
		if _, isRule := v.(map[string]any); isRule {
			return share{}, false
		}
		c.add(path, "is %s; an entry is [VARIANT, WEIGHT]", kindOf(v))
		return share{}, true
	}
	if len(entry) == 0 || len(entry) > 2 {
		c.add(path, "has %d items; an entry is [VARIANT] or [VARIANT, WEIGHT]", len(entry))
		return share{}, true
	}
	s, literal = share{entry[0], 1}, true
	switch entry[0].(type) {
	case map[string]any:
		literal = false
	case []any:
		c.add(item(path, 0), "is a list; a variant is named by a string")
	}
	if len(entry) == 1 {
		return s, literal
	}
	switch w := entry[1].(type) {
	case map[string]any:
		literal = false
	case float64:
		if w != math.Trunc(w) || w < 0 || w > MaxWeight {
			c.add(item(path, 1), "is %v; a weight is a whole number from 0 to %d", w, MaxWeight)
			return s, literal
		}
		s.weight = uint64(w)
	default:
		c.add(item(path, 1), "is %s; a weight is a whole number from 0 to %d", kindOf(w), MaxWeight)
	}
	return s, literal
}
