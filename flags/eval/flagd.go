package eval

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"tidemark/flags"
)

// file is a flagd definition file.
type file struct {
	Schema     string                     `json:"$schema,omitempty"`
	Flags      map[string]json.RawMessage `json:"flags"`
	Evaluators map[string]json.RawMessage `json:"$evaluators,omitempty"`
	Metadata   map[string]any             `json:"metadata,omitempty"`
}

// Flagd returns the definition as a stock flagd reads it, compact, in the order of
// keys. Assignments are written out as targeting in front of the flag's own; cohorts
// that use cohorts are written out whole, because flagd does not follow those.
func (s *Set) Flagd() ([]byte, error) {
	out := file{
		Schema:     "https://flagd.dev/schema/v0/flags.json",
		Flags:      make(map[string]json.RawMessage, len(s.source.Flags)),
		Evaluators: make(map[string]json.RawMessage, len(s.source.Cohorts)),
		Metadata:   s.source.Metadata,
	}
	for name, raw := range s.source.Cohorts {
		flat, err := s.flat(raw)
		if err != nil {
			return nil, fmt.Errorf("write cohort %s for flagd: %w", name, err)
		}
		out.Evaluators[name] = flat
	}
	for key, src := range s.source.Flags {
		content, err := s.flags[key].export(src.Content)
		if err != nil {
			return nil, fmt.Errorf("write flag %s for flagd: %w", key, err)
		}
		out.Flags[key] = content
	}
	data, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("write flags for flagd: %w", err)
	}
	return data, nil
}

// flat returns a cohort with the cohorts that it uses in their places. Compile has
// seen to it that this ends, and how large it can get.
func (s *Set) flat(raw json.RawMessage) (json.RawMessage, error) {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	v, err := s.inline(v)
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

func (s *Set) inline(v any) (any, error) {
	var err error
	switch t := v.(type) {
	case []any:
		for i := range t {
			if t[i], err = s.inline(t[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		if name, ok := t["$ref"].(string); ok && len(t) == 1 {
			var target any
			if err := json.Unmarshal(s.source.Cohorts[name], &target); err != nil {
				return nil, err
			}
			return s.inline(target)
		}
		for k := range t {
			if t[k], err = s.inline(t[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// export writes a flag with its rollout as targeting.
func (f *flag) export(content json.RawMessage) (json.RawMessage, error) {
	if f.split == nil {
		return content, nil
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(content, &m); err != nil {
		return nil, err
	}
	targeting, err := json.Marshal(f.split.targeting(m["targeting"]))
	if err != nil {
		return nil, err
	}
	m["targeting"] = targeting
	return json.Marshal(m)
}

// targeting writes the assignment out as a rule, with the flag's own one behind it.
func (a *assignment) targeting(own json.RawMessage) any {
	p := a.Percent
	entries := []any{[]any{a.Candidate, p}, []any{a.Control, flags.Whole - 2*p}, []any{a.Control, p}}
	if p > flags.Whole/2 {
		entries = []any{[]any{a.Candidate, p}, []any{a.Control, flags.Whole - p}}
	}
	unit := map[string]any{"cat": []any{a.Salt, map[string]any{"var": TargetingKey}}}
	split := map[string]any{"fractional": append([]any{unit}, entries...)}
	if a.cohort == nil {
		return split
	}
	branches := []any{a.Cohort, split}
	if hasRule(own) {
		branches = append(branches, own)
	} else {
		branches = append(branches, nil)
	}
	return map[string]any{"if": branches}
}

func hasRule(raw json.RawMessage) bool {
	var m map[string]any
	return json.Unmarshal(raw, &m) == nil && len(m) > 0
}

// ParseFlagd reads a flagd definition file, JSON or YAML. It checks the form of the
// file; Compile checks what is in it. The error is an *Invalid.
func ParseFlagd(data []byte) (Definition, error) {
	var p problems
	v := p.parseFile(data)
	if err := p.error(); err != nil {
		return Definition{}, err
	}
	var f file
	if err := json.Unmarshal(v, &f); err != nil {
		p.add("$", "is not a flagd file: %v", err)
		return Definition{}, p.error()
	}
	d := Definition{Flags: make(map[string]Source, len(f.Flags)), Cohorts: f.Evaluators, Metadata: f.Metadata}
	for key, raw := range f.Flags {
		d.Flags[key] = Source{Content: raw, Bucketing: flags.BucketingV2}
	}
	return d, nil
}

// parseFile returns the file as JSON, after a check of its outermost members.
func (p *problems) parseFile(data []byte) json.RawMessage {
	if len(data) > MaxFileBytes {
		p.add("$", "is %d bytes; at most %d are allowed", len(data), MaxFileBytes)
		return nil
	}
	raw := json.RawMessage(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if !looksLikeJSON(raw) {
		if raw = p.yaml(raw); raw == nil {
			return nil
		}
	}
	if d := jsonDepth(raw); d > MaxJSONDepth+2 {
		p.add("$", "is nested %d deep; at most %d are allowed", d, MaxJSONDepth+2)
		return nil
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		p.add("$", "is not JSON: %v", err)
		return nil
	}
	m, isObject := v.(map[string]any)
	if !isObject {
		p.add("$", `is %s; a flagd file is an object with "flags"`, kindOf(v))
		return nil
	}
	p.checkFile(m)
	return raw
}

func (p *problems) checkFile(m map[string]any) {
	if l, isList := m["flags"].([]any); isList {
		p.add("$.flags", "is a list of %d; here flags are an object by key", len(l))
	} else if fs, isObject := m["flags"].(map[string]any); !isObject {
		p.add("$.flags", "is %s; it must be an object", shown(m["flags"]))
	} else if len(fs) > MaxFlags {
		p.add("$.flags", "has %d flags; at most %d are allowed", len(fs), MaxFlags)
	}
	for _, name := range []string{"$evaluators", "metadata"} {
		v, has := m[name]
		if _, isObject := v.(map[string]any); has && !isObject {
			p.add(child("$", name), "is %s; it must be an object", kindOf(v))
		}
	}
	known := []string{"flags", "$evaluators", "metadata"}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		for _, k := range known {
			if name != k && distance(name, k) <= 2 {
				p.add(child("$", name), "is not known; did you mean %s?", k)
			}
		}
	}
}

func looksLikeJSON(data []byte) bool {
	for _, b := range data {
		switch b {
		case ' ', '\t', '\r', '\n':
		default:
			return b == '{' || b == '['
		}
	}
	return false
}
