package page

import (
	"strings"

	"github.com/a-h/templ"
)

// aria links a field to its description and says whether it was wrong.
func (f Field) aria() templ.Attributes {
	a := templ.Attributes{}
	if d := f.described(); d != "" {
		a["aria-describedby"] = d
	}
	if f.Error != "" {
		a["aria-invalid"] = "true"
	}
	return a
}

// list links a field to its suggestions.
func (f Field) list() templ.Attributes {
	if len(f.Options) == 0 {
		return nil
	}
	return templ.Attributes{"list": f.id() + "-list"}
}

// lines is how high a list of names is: a line for each, one more, within bounds.
func (f Field) lines() int { return min(max(strings.Count(f.Value, "\n")+2, 3), 12) }
