package yamltext

import (
	"errors"
	"strings"
	"testing"
)

// TestDepthIsThatOfTheParser: what only looks as if it closed a bracket closes none.
func TestDepthIsThatOfTheParser(t *testing.T) {
	t.Parallel()
	const deepest = 20
	for _, x := range []struct {
		text string
		line int
	}{
		{strings.Repeat("[", deepest) + strings.Repeat("]", deepest), 0},
		{strings.Repeat("[", deepest+1) + strings.Repeat("]", deepest+1), 1},
		{"a: b\nc: " + strings.Repeat(`["]",`, deepest+1), 2},
		{strings.Repeat(`{"}":`, deepest+1), 1},
		{strings.Repeat("[ #]\n", deepest+1), deepest + 1},
		{strings.Repeat("- ", deepest+1) + "a", 1},
		{strings.Repeat("? ", deepest+1) + "a", 1},
		{strings.Repeat("? - ", deepest) + "a", 1},
		{"- " + strings.Repeat("- [a, {b: c}]\n- ", 1000) + "a", 0},
		{"[" + strings.Repeat("[a], {b: [c]}, ", 1000) + "d]", 0},
		{`["` + strings.Repeat("[", 100) + `", '` + strings.Repeat("{", 100) + `']`, 0},
	} {
		_, line, err := Parse([]byte(x.text), deepest)
		if errors.Is(err, ErrDeep) != (x.line > 0) || line != x.line || x.line == 0 && err != nil && !strings.HasPrefix(x.text, "- - [") {
			t.Errorf("%.60q: line %d, %v", x.text, line, err)
		}
	}
}
