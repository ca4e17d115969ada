package browser

import (
	"testing"
	"time"
)

// TestPagesFitOnPaper prints what people print, from a dark window: all of it is on the
// sheet, in light colours, with times that still tell something tomorrow.
func TestPagesFitOnPaper(t *testing.T) {
	b, s := demo(t)
	first := tab(t, b, Look{Width: Wide, Height: 900})
	pages, err := Crawl(first, s.URL)
	if err != nil {
		t.Fatal(err)
	}
	printed := map[string]bool{"/": true, "/features/*": true, "/writes/*": true, "/conflicts": true, "/conflicts/*": true, "/rollouts/*": true, "/guarantees/*": true, "/audit": true, "/audit/*": true, "/topology": true, "/pipeline": true}
	p := tab(t, b, Look{Width: Paper, Height: 1000, Dark: true, Paper: true})
	for _, chosen := range []string{"", "dark"} {
		visit(t, p, s.URL+"/")
		if _, err := Eval[bool](p, `(localStorage.setItem("tidemark-theme", "`+chosen+`"), true)`); err != nil {
			t.Fatal(err)
		}
		for _, page := range pages {
			if !printed[page.Kind] {
				continue
			}
			visit(t, p, s.URL+page.Path)
			ready(t, p)
			report(t, page.Path+" is cut off", p.Overflow)
			report(t, page.Path+" is dark", func() ([]string, error) {
				return Eval[[]string](p, `[...document.querySelectorAll("main, main *")]
					.filter(e => e.getClientRects().length > 0 && e.closest("svg") === null)
					.map(e => [e, getComputedStyle(e)])
					.filter(([, s]) => /^rgb\(\d\d?, \d\d?, \d\d?\)/.test(s.backgroundColor) || /^rgb\((1[6-9]|2)\d+, (1[6-9]|2)\d+, (1[6-9]|2)\d+/.test(s.color) && s.color !== s.backgroundColor)
					.slice(0, 3).map(([e, s]) => e.outerHTML.slice(0, 60) + " " + s.color + " on " + s.backgroundColor)`)
			})
		}
	}
	visit(t, p, s.URL+"/audit")
	if err := p.Until(`/20\d\d/.test(getComputedStyle(document.querySelector("td time"), "::after").content)`, 5*time.Second); err != nil {
		t.Error("a time on paper has no date: ", err)
	}
	if _, err := Eval[bool](p, `localStorage.clear(), true`); err != nil {
		t.Fatal(err)
	}
}
