// Package yamltext parses YAML that strangers may have written.
package yamltext

import (
	"errors"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// ErrDeep means that text is nested too deeply to be parsed.
var ErrDeep = errors.New("is nested too deeply")

// Parse parses text whose brackets, and whose entries that begin on one line, are nested at
// most so deep. The parser recurses, and takes time and memory by the square of the depth;
// that is why it is not asked about others. With ErrDeep comes the line, from 1.
//
// It looks at tokens, as the parser does: a bracket in quotes or in a comment is none.
func Parse(text []byte, deepest int) (file *ast.File, line int, err error) {
	tokens := lexer.Tokenize(string(text))
	brackets, entries, at := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != at {
			at, entries = t.Position.Line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets = max(0, brackets-1)
		case token.SequenceEntryType, token.MappingKeyType:
			if brackets == 0 {
				entries++
			}
		}
		if brackets+entries > deepest {
			return nil, at, ErrDeep
		}
	}
	file, err = parser.Parse(tokens, 0)
	return file, 0, err //nolint:wrapcheck // The caller looks at what it is.
}

// Message says what is wrong, without the text around it: printing that takes the parser's
// errors time by the square of a line's length.
func Message(err error) string {
	if e, ok := errors.AsType[yaml.Error](err); ok {
		return e.GetMessage()
	}
	return err.Error()
}

// Place is where the parser found it, from 1; 0, 0 when it does not say.
func Place(err error) (line, column int) {
	if e, ok := errors.AsType[yaml.Error](err); ok {
		if t := e.GetToken(); t != nil && t.Position != nil {
			return t.Position.Line, t.Position.Column
		}
	}
	return 0, 0
}
