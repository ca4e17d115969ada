package eval

import (
	"fmt"
	"strconv"
	"strings"

	"tidemark/flags"
)

// Problem is one thing that is wrong with a definition.
type Problem struct {
	Path    string `json:"path"`    // $.flags.NAME.targeting.if[0], as JSONPath writes it
	Message string `json:"message"` // what was wrong, what is allowed
}

// String returns "path: message".
func (p Problem) String() string { return p.Path + ": " + p.Message }

// Invalid is everything that is wrong with a definition, ordered by path. It wraps
// flags.ErrInvalid.
type Invalid struct { //nolint:errname // a Set is compiled or the definition is *Invalid; callers read it so
	Problems []Problem
}

// Error returns one line for each problem.
func (e *Invalid) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns flags.ErrInvalid.
func (e *Invalid) Unwrap() error { return flags.ErrInvalid }

// maxProblems is how many are listed; more help nobody.
const maxProblems = 100

// problems collects what is wrong.
type problems struct{ list []Problem }

func (p *problems) add(path, format string, args ...any) {
	if len(p.list) < maxProblems {
		p.list = append(p.list, Problem{path, fmt.Sprintf(format, args...)})
	}
}

// child returns the path of an object's member.
func child(path, name string) string {
	if isPlainName(name) {
		return path + "." + name
	}
	return path + "[" + strconv.Quote(name) + "]"
}

// item returns the path of an array's item.
func item(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

func isPlainName(s string) bool {
	for i, r := range s {
		letter := r == '_' || r == '$' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r != '-' && (r < '0' || r > '9')) {
			return false
		}
	}
	return s != ""
}
