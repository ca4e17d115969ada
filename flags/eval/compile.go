package eval

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"tidemark/flags"
)

// Compile checks everything and makes a Set of it. The error is an *Invalid that
// lists what is wrong, each with its path; then there is no Set.
func Compile(d Definition) (*Set, error) {
	c := newCompiler(d.Cohorts)
	if len(d.Flags) > MaxFlags {
		c.add("$.flags", "has %d flags; at most %d are allowed", len(d.Flags), MaxFlags)
		return nil, c.error()
	}
	c.checkMetadata(d.Metadata, "$.metadata")
	for _, name := range slices.Sorted(maps.Keys(d.Cohorts)) {
		c.checkKey(name, "$.$evaluators")
		c.cohort(name, child("$.$evaluators", name))
	}
	s := &Set{flags: make(map[string]*flag, len(d.Flags)), source: d, envs: newEnvPool()}
	for _, key := range slices.Sorted(maps.Keys(d.Flags)) {
		c.checkKey(key, "$.flags")
		path := child("$.flags", key)
		if f := c.flag(key, d.Flags[key], d.Metadata, path); f != nil {
			s.flags[key] = f
			f.broken = d.PinsBroken[key]
			c.past(f, d.Past[key], d.Metadata)
		}
	}
	c.assignments(s, d.Assignments)
	if err := c.error(); err != nil {
		return nil, err
	}
	s.keys = slices.Sorted(maps.Keys(s.flags))
	s.kinds = 1
	for _, k := range s.keys {
		s.order = append(s.order, s.flags[k])
		s.kinds = s.flags[k].number(s.kinds)
	}
	s.hash = hashOf(d)
	return s, nil
}

func (p *problems) error() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
	return &Invalid{Problems: p.list}
}

// decode reads one flag or cohort.
func (c *compiler) decode(raw json.RawMessage, path string) (any, bool) {
	if len(raw) > MaxFlagBytes {
		c.add(path, "is %d bytes; at most %d are allowed", len(raw), MaxFlagBytes)
		return nil, false
	}
	if jsonDepth(raw) > MaxJSONDepth {
		c.add(path, "is nested more than %d deep; at most so much is allowed, and %d within targeting", MaxJSONDepth, MaxRuleDepth)
		return nil, false
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		c.add(path, "is not JSON: %v", err)
		return nil, false
	}
	return v, true
}

// jsonDepth returns how deep JSON is nested, without reading it into memory.
func jsonDepth(raw []byte) int {
	depth, deepest, inText := 0, 0, false
	for i := 0; i < len(raw); i++ {
		switch b := raw[i]; {
		case inText && b == '\\':
			i++
		case b == '"':
			inText = !inText
		case inText:
		case b == '{' || b == '[':
			depth++
			deepest = max(deepest, depth)
		case b == '}' || b == ']':
			depth--
		}
	}
	return deepest
}

func (c *compiler) checkKey(key, path string) {
	if key == "" {
		c.add(path, "has an entry without a name; a name has 1 to %d bytes", MaxKeyBytes)
	}
	if len(key) > MaxKeyBytes {
		c.add(path, "has an entry whose name is %d bytes long; at most %d are allowed", len(key), MaxKeyBytes)
	}
}

func (c *compiler) checkMetadata(m map[string]any, path string) {
	if len(m) > MaxMetadata {
		c.add(path, "has %d entries; at most %d are allowed", len(m), MaxMetadata)
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		at := child(path, k)
		switch v := normal(m[k]).(type) {
		case bool, float64:
		case string:
			if len(v) > MaxTextBytes {
				c.add(at, "is %d bytes long; at most %d are allowed", len(v), MaxTextBytes)
			}
		default:
			c.add(at, "is %s; metadata are strings, numbers and booleans", kindOf(v))
		}
		if slices.Contains(reservedMetadata(), k) {
			c.add(at, "is a name that rollouts give (%s); choose another", strings.Join(reservedMetadata(), ", "))
		}
	}
}

// past compiles the older revisions of a flag. One that no longer compiles is left
// out: nobody can save anything to mend it, and a pin to it is simply void.
func (c *compiler) past(f *flag, sources []Source, set map[string]any) {
	if len(sources) > MaxPastVersions {
		sources = sources[len(sources)-MaxPastVersions:]
	}
	f.past = make(map[int64]*flag, len(sources))
	for _, src := range sources {
		old := newCompiler(nil)
		if p := old.frame(f.key, src, set, "$"); p != nil && len(old.list) == 0 {
			f.past[src.Revision] = p
		}
	}
}

func (c *compiler) assignments(s *Set, as []flags.Assignment) {
	for i, a := range as {
		path := item("$.assignments", i)
		f := s.flags[a.Flag]
		if f == nil {
			if _, refused := s.source.Flags[a.Flag]; !refused {
				c.add(child(path, "flag"), "is %q, which is not a flag", a.Flag)
			}
			continue
		}
		if f.split != nil {
			c.add(child(path, "flag"), "is %q, which rollout %s holds already", a.Flag, f.split.Rollout)
			continue
		}
		f.split = c.assignment(f, a, path)
	}
}

func (c *compiler) assignment(f *flag, a flags.Assignment, path string) *assignment {
	out := &assignment{Assignment: a, salt: []byte(a.Salt), percent: uint64(max(0, a.Percent))}
	if a.Rollout == "" {
		c.add(child(path, "rollout"), "is missing")
	}
	if a.Salt == "" || len(a.Salt) > 200 || strings.TrimSpace(a.Salt) != a.Salt {
		c.add(child(path, "salt"), "is %q; it has 1 to 200 bytes and no blanks at its ends", a.Salt)
	}
	if a.Percent < 0 || a.Percent > flags.Whole {
		c.add(child(path, "percent"), "is %d; it is in hundredths of a percent, from 0 to %d", a.Percent, flags.Whole)
	}
	if a.PinFor < 0 {
		c.add(child(path, "pin_for"), "is %v; it must not be negative", a.PinFor)
	}
	out.candidate = c.armVariant(f, a.Candidate, child(path, "candidate"))
	out.control = c.armVariant(f, a.Control, child(path, "control"))
	if v, ok := c.decodeCohort(a.Cohort, child(path, "cohort")); ok {
		out.cohort = c.rule(v, child(path, "cohort"), 1, false).node
	}
	return out
}

func (c *compiler) armVariant(f *flag, name, path string) int {
	i, ok := f.byName[name]
	if !ok {
		c.add(path, "is %q, which is not a variant of %s; it has: %s", name, f.key, names(f.byName))
	}
	return i
}

// decodeCohort reads a rollout's cohort; ok is false when it is everyone.
func (c *compiler) decodeCohort(raw json.RawMessage, path string) (any, bool) {
	if len(raw) == 0 {
		return nil, false
	}
	v, ok := c.decode(raw, path)
	if m, isMap := v.(map[string]any); v == nil || isMap && len(m) == 0 {
		return nil, false
	}
	return v, ok
}
