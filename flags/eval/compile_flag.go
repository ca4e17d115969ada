package eval

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"

	"tidemark/flags"
)

// written is a flag as its author wrote it.
type written struct {
	State          any                        `json:"state"`
	Variants       map[string]json.RawMessage `json:"variants"`
	DefaultVariant any                        `json:"defaultVariant"`
	Targeting      any                        `json:"targeting"`
	Metadata       map[string]any             `json:"metadata"`
}

// flag compiles one flag with its targeting; nil when nothing can be made of it.
func (c *compiler) flag(key string, src Source, set map[string]any, path string) *flag {
	f := c.frame(key, src, set, path)
	if f == nil {
		return nil
	}
	var w written
	if err := json.Unmarshal(src.Content, &w); err != nil {
		return nil // frame has said so
	}
	f.rule = c.targeting(f, w.Targeting, child(path, "targeting"))
	return f
}

// frame compiles everything of a flag but its targeting.
func (c *compiler) frame(key string, src Source, set map[string]any, path string) *flag {
	v, ok := c.decode(src.Content, path)
	if !ok {
		return nil
	}
	m, isObject := v.(map[string]any)
	if !isObject {
		c.add(path, "is %s; a flag is an object", kindOf(v))
		return nil
	}
	if src.Bucketing != "" && src.Bucketing != flags.BucketingV2 {
		c.add(path, "has bucketing %q; known is %q", src.Bucketing, flags.BucketingV2)
	}
	if !c.checkMembers(m, path) {
		return nil
	}
	var w written
	if err := json.Unmarshal(src.Content, &w); err != nil {
		c.add(path, "is not a flag: %v", err)
		return nil
	}
	f := &flag{key: key, revision: src.Revision, fallback: -1, first: unnumbered}
	f.disabled = c.state(w.State, child(path, "state"))
	c.variants(f, w.Variants, child(path, "variants"))
	c.defaultVariant(f, w.DefaultVariant, child(path, "defaultVariant"))
	c.checkMetadata(w.Metadata, child(path, "metadata"))
	meta, err := newBaseMetadata(set, w.Metadata, src.Revision)
	if err != nil {
		c.add(child(path, "metadata"), "cannot be written as JSON: %v", err)
	}
	f.meta = meta
	return f
}

// checkMembers refuses members of the wrong kind, and names that are a slip of the
// pen for a known one. Other names are left alone, as flagd leaves them.
func (c *compiler) checkMembers(m map[string]any, path string) bool {
	ok := true
	for _, name := range []string{"variants", "metadata"} {
		v, has := m[name]
		if _, isObject := v.(map[string]any); has && !isObject {
			c.add(child(path, name), "is %s; it must be an object", kindOf(v))
			ok = false
		}
	}
	known := []string{"state", "variants", "defaultVariant", "targeting", "metadata"}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		for _, k := range known {
			if name != k && distance(name, k) <= 2 {
				c.add(child(path, name), "is not known; did you mean %s?", k)
			}
		}
	}
	return ok
}

func (c *compiler) state(v any, path string) (disabled bool) {
	switch v {
	case "ENABLED":
	case "DISABLED":
		return true
	default:
		c.add(path, `is %s; it must be "ENABLED" or "DISABLED"`, shown(v))
	}
	return false
}

func (c *compiler) variants(f *flag, vs map[string]json.RawMessage, path string) {
	if len(vs) == 0 {
		c.add(path, "is empty; a flag has at least one variant")
	}
	if len(vs) > MaxVariants {
		c.add(path, "has %d variants; at most %d are allowed", len(vs), MaxVariants)
	}
	f.byName = make(map[string]int, len(vs))
	kind := ""
	for _, name := range slices.Sorted(maps.Keys(vs)) {
		c.checkKey(name, path)
		var compact bytes.Buffer
		var value any
		if json.Compact(&compact, vs[name]) != nil || json.Unmarshal(vs[name], &value) != nil {
			continue // the flag as a whole was read, so this was too
		}
		at := child(path, name)
		c.checkValue(value, at)
		if k := kindOf(value); kind == "" {
			kind = k
		} else if k != kind {
			c.add(at, "is %s where another variant is %s; all variants of a flag are of one type", k, kind)
		}
		f.byName[name] = len(f.variants)
		f.variants = append(f.variants, newVariant(f.key, name, value, compact.Bytes()))
	}
}

// maxSafe is the greatest whole number that every client reads exactly.
const maxSafe = 1<<53 - 1

func (c *compiler) checkValue(value any, path string) {
	switch v := value.(type) {
	case nil, []any:
		c.add(path, "is %s; a value is a boolean, a string, a number or an object", kindOf(v))
	case float64:
		if math.Abs(v) > maxSafe {
			c.add(path, "is %v; numbers are from −%d to %d, so that every client reads them exactly", v, maxSafe, maxSafe)
		}
	}
}

func (c *compiler) defaultVariant(f *flag, v any, path string) {
	if v == nil {
		return
	}
	name, isText := v.(string)
	i, known := f.byName[name]
	switch {
	case !isText:
		c.add(path, "is %s; it is the name of a variant, or null for the code's default", kindOf(v))
	case !known:
		c.add(path, "is %q, which is not a variant; there are: %s. null means the code's default", name, orNone(names(f.byName)))
	default:
		f.fallback = i
	}
}

func (c *compiler) targeting(f *flag, v any, path string) node {
	m, isObject := v.(map[string]any)
	if v == nil || isObject && len(m) == 0 {
		return nil
	}
	if !isObject {
		c.add(path, "is %s; targeting is a rule: an object with one operator", kindOf(v))
		return nil
	}
	r := c.rule(v, path, 1, false)
	c.outcomes(f, v, path, 0)
	return r.node
}

// outcomes follows the places of a rule whose literals become the answer, and finds
// those that are no variant.
func (c *compiler) outcomes(f *flag, v any, path string, depth int) {
	if depth > MaxRuleDepth {
		return
	}
	m, isRule := v.(map[string]any)
	if !isRule {
		c.outcome(f, v, path)
		return
	}
	for name, operands := range m {
		at := child(path, name)
		vs, _ := operands.([]any)
		switch {
		case name == "if" || name == "?:":
			for i := range vs {
				if i%2 == 1 || i == len(vs)-1 && len(vs) > 1 {
					c.outcomes(f, vs[i], item(at, i), depth+1)
				}
			}
		case name == "fractional":
			for i, e := range vs {
				if entry, ok := e.([]any); ok && len(entry) > 0 {
					c.outcomes(f, entry[0], item(item(at, i), 0), depth+1)
				}
			}
		case c.ops[name].boolean:
			_, yes := f.byName["true"]
			_, no := f.byName["false"]
			if !yes && !no {
				c.add(at, "gives true or false, and neither is a variant; there are: %s", names(f.byName))
			}
		}
	}
}

func (c *compiler) outcome(f *flag, v any, path string) {
	switch v.(type) {
	case nil, []any:
		return
	}
	name := string(appendText(nil, v))
	if _, known := f.byName[name]; !known {
		c.add(path, "names %q, which is not a variant; there are: %s. null means the default variant", name, orNone(names(f.byName)))
	}
}

// shown is a value in a message, short.
func shown(v any) string {
	if v == nil {
		return "missing"
	}
	b, err := json.Marshal(v)
	if err != nil || len(b) > 60 {
		return kindOf(v)
	}
	return string(b)
}

// distance is the number of letters by which two names differ (Levenshtein).
func distance(a, b string) int {
	if max(len(a), len(b)) > 20 {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
