package layout

import "github.com/a-h/templ"

// here marks the navigation item of the page that is shown.
func here(yes bool) templ.Attributes {
	if yes {
		return templ.Attributes{"aria-current": "page"}
	}
	return nil
}

func labelled(group string) templ.Attributes {
	if group == "" {
		return nil
	}
	return templ.Attributes{"aria-labelledby": "nav-" + group}
}
