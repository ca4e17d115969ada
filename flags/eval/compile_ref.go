package eval

import (
	"slices"
	"strings"
)

// reference compiles {"$ref": NAME}. A cohort is compiled once, however often it is used.
func (c *compiler) reference(operand any, path string, depth int) *rule {
	name, ok := operand.(string)
	if !ok {
		c.add(path, "is %s; $ref takes the name of an entry of $evaluators", kindOf(operand))
		return broken()
	}
	if i := slices.Index(c.opening, name); i >= 0 {
		round := strings.Join(append(slices.Clone(c.opening[i:]), name), " → ")
		c.add(path, "goes round in a circle: %s; a cohort cannot depend on itself", round)
		return broken()
	}
	r := c.cohort(name, path)
	if depth+r.depth > MaxRuleDepth {
		c.add(path, "is nested more than %d deep with what %q holds; at most so much is allowed", MaxRuleDepth, name)
		return broken()
	}
	out := *r
	out.fixed = r.fixed && !r.vars
	return &out
}

func (c *compiler) cohort(name, path string) *rule {
	if r, done := c.shared[name]; done {
		return r
	}
	raw, known := c.cohorts[name]
	if !known {
		c.add(path, "is %q, which $evaluators does not have; it has: %s", name, orNone(names(c.cohorts)))
		return broken()
	}
	at := child("$.$evaluators", name)
	c.opening = append(c.opening, name)
	defer func() { c.opening = c.opening[:len(c.opening)-1] }()
	r := broken()
	if v, ok := c.decode(raw, at); ok {
		if _, isRule := v.(map[string]any); isRule {
			r = c.rule(v, at, 1, false)
		} else {
			c.add(at, "is %s; a cohort is a rule: an object with one operator", kindOf(v))
		}
	}
	c.shared[name] = r
	return r
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
