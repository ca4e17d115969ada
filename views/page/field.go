package page

import "github.com/a-h/templ"

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
