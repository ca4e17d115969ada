package part

import (
	"math"

	"github.com/a-h/templ"
)

// current marks the choice in force.
func (c Choice) current() templ.Attributes {
	if c.Current {
		return templ.Attributes{"aria-current": "true"}
	}
	return nil
}

// role repeats the roles that a table loses when it is laid out as cards.
func (t Table) role(name string) templ.Attributes {
	if t.cards() {
		return templ.Attributes{"role": name}
	}
	return nil
}

func (t Table) num(i int) bool { return i < len(t.Columns) && t.Columns[i].Num }

func (t Table) head(i int) string {
	if i < len(t.Columns) {
		return t.Columns[i].Head
	}
	return ""
}

func fixed(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "0"
	}
	return string(appendFixed(nil, v))
}

func clamp(share float64) float64 {
	if math.IsNaN(share) {
		return 0
	}
	return min(1, max(0, share))
}

// current marks the step in force.
func (s Stage) current() templ.Attributes {
	if s.State == "now" {
		return templ.Attributes{"aria-current": "step"}
	}
	return nil
}
