package guarantee

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"tidemark/flags"
)

// maxProblems bounds what is reported about one document.
const maxProblems = 50

// reader takes a document apart node by node, so that every problem is found in
// one go and names its line, its column and its field.
type reader struct {
	file     string
	line     int // lines of the file before this document
	problems []Problem
	places   map[string]place
}

type place struct{ line, column int }

// field is a node of the document with its path.
type field struct {
	r    *reader
	path string
	node ast.Node
}

func (f field) problem(format string, args ...any) { f.r.at(f.path, placeOf(f), format, args...) }

func (r *reader) at(path string, p place, format string, args ...any) {
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, Problem{
			File: r.file, Line: p.line, Column: p.column, Field: path, Message: fmt.Sprintf(format, args...),
		})
	}
}

func placeOf(f field) place {
	n := f.node
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		n = m.Values[0]
	}
	if kv, ok := n.(*ast.MappingValueNode); ok {
		n = kv.Key
	}
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return place{}
	}
	at := n.GetToken().Position
	return place{at.Line + f.r.line, at.Column}
}

// child makes the field of a node below f and remembers where it is.
func (f field) child(path string, n ast.Node) field {
	c := field{f.r, path, plain(n)}
	f.r.places[path] = placeOf(c)
	return c
}

// plain strips what only decorates a node.
func plain(n ast.Node) ast.Node {
	for {
		switch v := n.(type) {
		case *ast.MappingKeyNode:
			n = v.Value
		case *ast.DocumentNode:
			n = v.Body
		default:
			return n
		}
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// fields returns the members of a mapping by name; nil when it is no mapping,
// which is reported. Unknown names are reported when known is not nil.
func (f field) fields(known ...string) map[string]field {
	pairs, ok := f.pairs()
	if !ok {
		return nil
	}
	m := make(map[string]field, len(pairs))
	for _, kv := range pairs {
		key := field{f.r, f.path, plain(kv.Key)}
		name, ok := scalarText(key.node)
		path := join(f.path, name)
		switch {
		case !ok:
			key.problem("a field name must be plain text")
		case has(m, name):
			f.r.at(path, placeOf(key), "is given twice; give it once")
		case known != nil && !slices.Contains(known, name):
			f.r.at(path, placeOf(key), "is not a known field; allowed here: %s", strings.Join(known, ", "))
		default:
			m[name] = f.child(path, kv.Value)
		}
	}
	return m
}

func has[V any](m map[string]V, k string) bool { _, ok := m[k]; return ok }

func (f field) pairs() ([]*ast.MappingValueNode, bool) {
	switch n := f.node.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	f.problem("must be a mapping of fields to values, not %s", kindOf(f.node))
	return nil, false
}

// items returns the elements of a sequence, at most limit of them.
func (f field) items(limit int) []field {
	seq, ok := f.node.(*ast.SequenceNode)
	if !ok {
		f.problem("must be a list, not %s", kindOf(f.node))
		return nil
	}
	if len(seq.Values) > limit {
		f.problem("has %d entries; at most %d are allowed", len(seq.Values), limit)
		return nil
	}
	out := make([]field, len(seq.Values))
	for i, n := range seq.Values {
		out[i] = f.child(f.path+"["+strconv.Itoa(i)+"]", n)
	}
	return out
}

// scalarText returns the text of a scalar as it was written, unquoted.
func scalarText(n ast.Node) (string, bool) {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return v.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return v.GetToken().Value, true
	}
	return "", false
}

func kindOf(n ast.Node) string {
	switch n.(type) {
	case nil, *ast.NullNode:
		return "empty"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.AliasNode, *ast.AnchorNode, *ast.MergeKeyNode:
		return "an anchor or alias, which documents may not use"
	case *ast.TagNode:
		return "a tagged value, which documents may not use"
	}
	return "something else"
}

// text returns a text value.
func (f field) text() string {
	switch v := f.node.(type) {
	case *ast.StringNode:
		return v.Value
	case *ast.LiteralNode:
		return v.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		f.problem("must be text; put %s in quotes", f.node.GetToken().Value)
	default:
		f.problem("must be text, not %s", kindOf(f.node))
	}
	return ""
}

// word returns a scalar as text, whatever YAML takes it for: versions look like numbers.
func (f field) word() string {
	s, ok := scalarText(f.node)
	if !ok {
		f.problem("must be text, not %s", kindOf(f.node))
	}
	return s
}

func (f field) number() float64 {
	switch f.node.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		text := strings.ReplaceAll(f.node.GetToken().Value, "_", "")
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			return v
		}
	}
	f.problem("must be a number such as 0.001, not %s", kindOf(f.node))
	return 0
}

func (f field) integer() int {
	if _, ok := f.node.(*ast.IntegerNode); ok {
		if v, err := strconv.Atoi(f.node.GetToken().Value); err == nil {
			return v
		}
	}
	f.problem("must be a whole number such as 3, not %s", kindOf(f.node))
	return 0
}

func (f field) duration() time.Duration {
	s, ok := scalarText(f.node)
	if !ok {
		f.problem("must be a duration such as 2s or 28d, not %s", kindOf(f.node))
		return 0
	}
	d, err := flags.ParseDuration(s)
	if err != nil {
		f.problem("%q: %s", clip(s), err)
	}
	return d
}

// clip shortens text that is quoted back at its author.
func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
