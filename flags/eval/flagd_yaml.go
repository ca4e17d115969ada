package eval

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"tidemark/flags/yamltext"
)

// MaxYAMLBytes is how large a YAML file may be; larger ones are JSON.
const MaxYAMLBytes = 1 << 20

// yaml returns a YAML file as JSON; nil when it cannot be read.
func (p *problems) yaml(data []byte) (out json.RawMessage) {
	defer func() {
		// The YAML library may fail on input that nobody has thought of; that is the
		// author's typing error, not the server's end.
		if recover() != nil {
			p.add("$", "cannot be read as YAML")
			out = nil
		}
	}()
	switch {
	case len(data) > MaxYAMLBytes:
		p.add("$", "is %d bytes of YAML; at most %d are allowed; write it as JSON", len(data), MaxYAMLBytes)
		return nil
	case !utf8.Valid(data):
		p.add("$", "is not UTF-8 text")
		return nil
	case yamlDepth(data) > MaxJSONDepth:
		p.add("$", "is nested more than %d deep; at most so much is allowed", MaxJSONDepth)
		return nil
	}
	tree, _, err := yamltext.Parse(data, MaxJSONDepth)
	if errors.Is(err, yamltext.ErrDeep) {
		p.add("$", "is nested more than %d deep; at most so much is allowed", MaxJSONDepth)
		return nil
	}
	if err != nil {
		line, column := yamltext.Place(err)
		p.add("$", "cannot be read as YAML: %s at line %d, column %d", yamltext.Message(err), line, column)
		return nil
	}
	if len(tree.Docs) != 1 || tree.Docs[0].Body == nil {
		p.add("$", "holds %d YAML documents; a flagd file is one", len(tree.Docs))
		return nil
	}
	var found aliasFinder
	ast.Walk(&found, tree.Docs[0].Body)
	if found {
		p.add("$", "has an anchor, alias or tag, which are not read; write the values out")
		return nil
	}
	return p.yamlValue(tree.Docs[0].Body)
}

func (p *problems) yamlValue(body ast.Node) json.RawMessage {
	var out bytes.Buffer
	if err := writeJSON(&out, body); err != nil {
		p.add("$", "cannot be written as JSON: %v", err)
		return nil
	}
	return out.Bytes()
}

// YAMLToJSON returns one YAML document as JSON, or JSON as it is. Numbers keep their
// text. The error is an *Invalid.
func YAMLToJSON(data []byte) (json.RawMessage, error) {
	var p problems
	raw := json.RawMessage(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if !looksLikeJSON(raw) || !json.Valid(raw) {
		raw = p.yaml(raw)
	}
	if raw != nil && jsonDepth(raw) > MaxJSONDepth+2 {
		p.add("$", "is nested more than %d deep; at most so much is allowed", MaxJSONDepth+2)
	}
	return raw, p.error()
}

type aliasFinder bool

// Visit looks for what could make a small file large.
func (f *aliasFinder) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AliasNode, *ast.AnchorNode, *ast.MergeKeyNode, *ast.TagNode, *ast.DirectiveNode:
		*f = true
		return nil
	}
	return f
}

// yamlDepth returns how deep YAML can be nested at most by its indentation, before a
// parser that recurses sees it.
func yamlDepth(data []byte) int {
	deepest := 0
	for line := range bytes.Lines(data) {
		indent := 0
		for indent < len(line) && (line[indent] == ' ' || line[indent] == '-') {
			indent++
		}
		deepest = max(deepest, indent/2+bytes.Count(line[:indent], []byte("-")))
	}
	return deepest
}
