package flags

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with a document.
type Problem struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`   // from 1; 0 when it did not come from text
	Column  int    `json:"column,omitempty"` // from 1, in characters
	Field   string `json:"field,omitempty"`  // spec.objectives[1].value
	Message string `json:"message"`          // what was wrong, what is allowed
}

// String returns "file:line:column: field: message" without the parts that are
// not known.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File + ":")
	}
	if p.Line > 0 {
		fmt.Fprintf(&b, "%d:%d:", p.Line, p.Column)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	return b.String() + p.Message
}

// ProblemsError is everything that is wrong with some documents. It wraps
// ErrInvalid.
type ProblemsError struct{ Problems []Problem }

// Error returns one line for each problem.
func (e *ProblemsError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns ErrInvalid.
func (e *ProblemsError) Unwrap() error { return ErrInvalid }

// AsProblems returns an error that lists problems; nil when there are none.
func AsProblems(ps []Problem) error {
	if len(ps) == 0 {
		return nil
	}
	return &ProblemsError{ps}
}

// FieldChange is one difference between two versions of a document.
type FieldChange struct {
	Field  string `json:"field"`            // spec.objectives[conflict_rate].value
	Before string `json:"before,omitempty"` // "" when it was not said
	After  string `json:"after,omitempty"`  // "" when it is no longer said
	Words  string `json:"words"`            // a sentence without its full stop
}
