package eval

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// writeJSON writes a YAML node as JSON. Numbers keep their text where JSON can read it,
// so that what was written as JSON, and then as YAML, is the same again.
func writeJSON(b *bytes.Buffer, n ast.Node) error {
	switch n := n.(type) {
	case *ast.MappingNode:
		return writeObject(b, n.Values)
	case *ast.MappingValueNode:
		return writeObject(b, []*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		return writeArray(b, n.Values)
	case *ast.DocumentNode:
		return writeJSON(b, n.Body)
	case nil, *ast.NullNode:
		b.WriteString("null")
	case *ast.BoolNode:
		b.WriteString(strconv.FormatBool(n.Value))
	case *ast.IntegerNode:
		return writeNumber(b, n.GetToken().Value, n.Value)
	case *ast.FloatNode:
		return writeNumber(b, n.GetToken().Value, n.Value)
	case *ast.StringNode:
		if n.GetToken().Type == token.StringType && isNumber(n.Value) {
			b.WriteString(n.Value) // The library takes 1e3 for text; YAML 1.2 does not.
			return nil
		}
		return writeText(b, n.Value)
	case *ast.LiteralNode:
		return writeText(b, n.Value.Value)
	case *ast.InfinityNode, *ast.NanNode:
		return errors.New("numbers are finite")
	default:
		return fmt.Errorf("%s is not read here", n.Type())
	}
	return nil
}

func writeObject(b *bytes.Buffer, pairs []*ast.MappingValueNode) error {
	seen := make(map[string]bool, len(pairs))
	b.WriteByte('{')
	for i, kv := range pairs {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := keyText(kv.Key)
		if err != nil {
			return err
		}
		if seen[name] {
			return fmt.Errorf("%q is given twice; give it once", name)
		}
		seen[name] = true
		if err := writeText(b, name); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := writeJSON(b, kv.Value); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

// keyText is a member's name. What YAML takes for a number or a truth value is a name
// here all the same.
func keyText(n ast.Node) (string, error) {
	switch n := n.(type) {
	case *ast.MappingKeyNode:
		return keyText(n.Value)
	case *ast.StringNode:
		return n.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		return n.GetToken().Value, nil
	}
	return "", errors.New("keys are text")
}

func writeArray(b *bytes.Buffer, items []ast.Node) error {
	b.WriteByte('[')
	for i, n := range items {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := writeJSON(b, n); err != nil {
			return err
		}
	}
	b.WriteByte(']')
	return nil
}

func writeNumber(b *bytes.Buffer, text string, value any) error {
	if json.Valid([]byte(text)) {
		b.WriteString(text)
		return nil
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("%s: numbers are finite", text)
	}
	b.Write(raw)
	return nil
}

// isNumber reports whether text is a number as JSON writes it.
func isNumber(s string) bool {
	return s != "" && (s[0] == '-' || s[0] >= '0' && s[0] <= '9') && json.Valid([]byte(s))
}

func writeText(b *bytes.Buffer, s string) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("%q: %w", s, err)
	}
	b.Write(raw)
	return nil
}
