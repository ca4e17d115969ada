package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tidemark/tests/tidemark"
)

// demo starts the program with simulated traffic, and a browser that is signed in.
func demo(t *testing.T) (*Browser, *tidemark.Server) {
	t.Helper()
	b := open(t)
	s := tidemark.Start(t, "demo")
	p := tab(t, b, Look{Width: Wide, Height: 900})
	if err := p.SignIn(s.SignIn); err != nil {
		t.Fatal(err)
	}
	awaitTraffic(t, p, s)
	p.Close()
	return b, s
}

// awaitTraffic waits until the front page lists features, and one write and one
// conflict can be found.
func awaitTraffic(t *testing.T, p *Tab, s *tidemark.Server) {
	t.Helper()
	visit(t, p, s.URL+"/")
	for path, selector := range map[string]string{
		"/":          "[data-rows] a[href^='/features/']",
		"/conflicts": "a[href^='/conflicts/']",
	} {
		visit(t, p, s.URL+path)
		deadline := time.Now().Add(90 * time.Second)
		for {
			n, err := Eval[int](p, fmt.Sprintf("document.querySelectorAll(%q).length", selector))
			if err == nil && n > 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s shows no %s after 90 s: %v", path, selector, err)
			}
			<-time.After(time.Second)
			visit(t, p, s.URL+path)
		}
	}
}

// looks are the ways in which every page is looked at.
func looks() map[string]Look {
	return map[string]Look{
		"wide, light":   {Width: Wide, Height: 900},
		"wide, dark":    {Width: Wide, Height: 900, Dark: true},
		"narrow, light": {Width: Narrow, Height: 844},
		"narrow, dark":  {Width: Narrow, Height: 844, Dark: true},
	}
}

// wanted are the kinds of page that must be reachable from the front page.
func wanted() []string {
	return []string{
		"/", "/features/*", "/topology", "/writes/*", "/conflicts", "/conflicts/*",
		"/flags", "/flags/*", "/cohorts", "/guarantees", "/guarantees/*", "/rules", "/rules/*", "/alerts", "/alerts/*/new", "/pipeline", "/audit", "/audit/*", "/access", "/access/people/*", "/access/keys/*/revoke", "/api/docs",
	}
}

func TestPages(t *testing.T) {
	a := axe(t)
	b, s := demo(t)
	first := tab(t, b, Look{Width: Wide, Height: 900})
	pages, err := Crawl(first, s.URL)
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, Page{"/search", "/search?q=profile"}, Page{"nothing there", "/features/no-such-feature"})
	kinds := map[string]bool{}
	for _, p := range pages {
		kinds[p.Kind] = true
	}
	for _, k := range wanted() {
		if !kinds[k] {
			t.Errorf("no link leads to a page %s; found %v", k, pages)
		}
	}

	t.Run("looks", func(t *testing.T) {
		for name, look := range looks() {
			tab := tab(t, b, look)
			for _, page := range pages {
				t.Run(name+" "+page.Kind, func(t *testing.T) { checkPage(t, tab, s.URL, page, look, a) })
			}
		}
	})
	t.Run("between", func(t *testing.T) {
		for _, width := range []int64{768, 1024, 1225, 1240, 1280, 1366} {
			tab := tab(t, b, Look{Width: width, Height: 800})
			for _, page := range pages {
				t.Run(fmt.Sprintf("%d px %s", width, page.Kind), func(t *testing.T) { checkRoom(t, tab, s.URL+page.Path) })
			}
			tab.Close()
		}
	})
	t.Run("without JavaScript", func(t *testing.T) {
		look := Look{Width: Wide, Height: 900, NoScript: true}
		tab := tab(t, b, look)
		for _, page := range pages {
			t.Run(page.Kind, func(t *testing.T) { checkWithoutScript(t, tab, s.URL, page) })
		}
	})
	t.Run("keyboard", func(t *testing.T) { checkKeyboard(t, tab(t, b, Look{Width: Wide, Height: 900}), s.URL) })
	t.Run("focus is visible", func(t *testing.T) { checkFocus(t, tab(t, b, Look{Width: Wide, Height: 900}), s.URL) })
	t.Run("live", func(t *testing.T) { checkLive(t, tab(t, b, Look{Width: Wide, Height: 900}), s.URL) })
	t.Run("theme", func(t *testing.T) { checkTheme(t, tab(t, b, Look{Width: Wide, Height: 900}), s.URL) })
}

// checkPage looks at one page in one way.
func checkPage(t *testing.T, p *Tab, base string, page Page, look Look, a Axe) {
	t.Helper()
	p.Problems()
	status, err := p.Go(base + page.Path)
	if err != nil {
		t.Fatal(err)
	}
	missing := page.Kind == "nothing there"
	if (status == http.StatusOK) == missing {
		t.Fatalf("%s answered %d", page.Path, status)
	}
	if err := p.Until(`document.readyState === "complete" && document.documentElement.classList.contains("js")`, 10*time.Second); err != nil {
		t.Error(err)
	}
	for _, problem := range p.Problems() {
		if missing && strings.Contains(problem, "404") {
			continue
		}
		t.Errorf("%s: %s", page.Path, problem)
	}
	checkHead(t, p)
	report(t, "accessibility", func() ([]string, error) { return a.Check(p) })
	report(t, "small target", p.SmallTargets)
	report(t, "a table is cut", p.CutTables)
	if look.Width <= Narrow {
		report(t, "the page scrolls sideways", p.Overflow)
		report(t, "the heatmap is cut", func() ([]string, error) {
			return Eval[[]string](p, `[...document.querySelectorAll(".scroll:has(> .heat)")].filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.scrollWidth + " px in " + e.clientWidth)`)
		})
	}
}

func report(t *testing.T, what string, check func() ([]string, error)) {
	t.Helper()
	found, err := check()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Errorf("%s: %s", what, f)
	}
}

// checkRoom checks that nothing of a page is out of sight, as windows of laptops and tablets
// are.
func checkRoom(t *testing.T, p *Tab, url string) {
	t.Helper()
	if _, err := p.Go(url); err != nil {
		t.Fatal(err)
	}
	report(t, "a table is cut", p.CutTables)
	report(t, "the page scrolls sideways", p.Overflow)
}

// checkHead checks that a page has a title and says its answer first: one main
// heading, with words after it before any picture.
func checkHead(t *testing.T, p *Tab) {
	t.Helper()
	h1, err := Eval[[]string](p, `[...document.querySelectorAll("h1")].map(h => h.textContent.trim())`)
	if err != nil {
		t.Fatal(err)
	}
	if len(h1) != 1 || h1[0] == "" {
		t.Errorf("main headings %q; want one", h1)
	}
	title, err := Eval[string](p, `document.title`)
	if err != nil || !strings.HasSuffix(title, "· tidemark") {
		t.Errorf("title %q, %v", title, err)
	}
}

// checkWithoutScript checks that a page says the same without scripts, and shows
// nothing that would need one.
func checkWithoutScript(t *testing.T, p *Tab, base string, page Page) {
	t.Helper()
	p.Problems()
	if _, err := p.Go(base + page.Path); err != nil {
		t.Fatal(err)
	}
	checkHead(t, p)
	words, err := Eval[int](p, `document.querySelector("main").innerText.trim().split(/\s+/).length`)
	if err != nil || words < 8 {
		t.Errorf("%s says %d words, %v", page.Path, words, err)
	}
	dead, err := Eval[[]string](p, `[...document.querySelectorAll("[data-js], button[type=button]")]
		.filter(e => e.getClientRects().length > 0).map(e => e.outerHTML.slice(0, 120))`)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dead {
		t.Errorf("%s shows what does nothing without scripts: %s", page.Path, d)
	}
}

// checkKeyboard uses the keys that are promised.
func checkKeyboard(t *testing.T, p *Tab, base string) {
	t.Helper()
	visit(t, p, base+"/")
	ready(t, p)
	steps := []struct{ keys, then string }{
		{"/", `document.activeElement.id === "search"`},
		{"\x1b", `document.activeElement.id !== "search"`},
		{"?", `document.querySelector("dialog#keys").open`},
		{"\x1b", `!document.querySelector("dialog#keys").open`},
		{"j", `document.activeElement.closest("tr") === document.querySelector("[data-rows] > tbody > tr")`},
		{"j", `document.activeElement.closest("tr") === document.querySelectorAll("[data-rows] > tbody > tr")[1]`},
		{"k", `document.activeElement.closest("tr") === document.querySelector("[data-rows] > tbody > tr")`},
		{"\r", `location.pathname.startsWith("/features/")`},
	}
	for _, s := range steps {
		if err := p.Press(s.keys); err != nil {
			t.Fatal(err)
		}
		if err := p.Until(s.then, 5*time.Second); err != nil {
			t.Fatalf("after key %q: %v", s.keys, err)
		}
	}
}

// ready waits until the page's script has run.
func ready(t *testing.T, p *Tab) {
	t.Helper()
	if err := p.Until(`document.documentElement.classList.contains("js")`, 10*time.Second); err != nil {
		t.Fatal(err)
	}
}

// checkFocus steps through the page by Tab: whatever has the focus shows it.
func checkFocus(t *testing.T, p *Tab, base string) {
	t.Helper()
	visit(t, p, base+"/")
	ready(t, p)
	for range 25 {
		if err := p.Press("\t"); err != nil {
			t.Fatal(err)
		}
		bad, err := Eval[string](p, `(() => {
			const e = document.activeElement, s = getComputedStyle(e);
			if (e === document.body) return "";
			const ring = s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 1;
			return ring || s.boxShadow !== "none" ? "" : e.outerHTML.slice(0, 120);
		})()`)
		if err != nil {
			t.Fatal(err)
		}
		if bad != "" {
			t.Errorf("focus cannot be seen on %s", bad)
		}
	}
}

// checkLive waits for the page to renew itself, pauses it, and lets it go on.
func checkLive(t *testing.T, p *Tab, base string) {
	t.Helper()
	visit(t, p, base+"/")
	ready(t, p)
	now := func() string {
		s, err := Eval[string](p, `document.querySelector("#page").dataset.now`)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	changed := func(from string) string {
		return fmt.Sprintf(`document.querySelector("#page").dataset.now !== %q`, from)
	}
	before := now()
	if err := p.Until(changed(before), 20*time.Second); err != nil {
		t.Fatalf("the page does not renew itself: %v", err)
	}
	if err := p.Click("[data-live-toggle]"); err != nil {
		t.Fatal(err)
	}
	if err := p.Until(`document.querySelector("[data-topic] [role=status]").textContent.includes("Paused")`, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Second) // a renewal that was under way
	before = now()
	<-time.After(6 * time.Second)
	if now() != before {
		t.Error("the page renews itself although it is paused")
	}
	if err := p.Click("[data-live-toggle]"); err != nil {
		t.Fatal(err)
	}
	if err := p.Until(changed(before), 20*time.Second); err != nil {
		t.Errorf("the page does not go on: %v", err)
	}
	for _, problem := range p.Problems() {
		t.Error(problem)
	}
}

// checkTheme switches the theme; the choice outlives the page.
func checkTheme(t *testing.T, p *Tab, base string) {
	t.Helper()
	visit(t, p, base+"/")
	ready(t, p)
	colour := `getComputedStyle(document.body).backgroundColor`
	before, err := Eval[string](p, colour)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Click("[data-theme-toggle]"); err != nil {
		t.Fatal(err)
	}
	if err := p.Until(colour+fmt.Sprintf(" !== %q", before), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	visit(t, p, base+"/pipeline")
	if err := p.Until(colour+fmt.Sprintf(" !== %q", before), 5*time.Second); err != nil {
		t.Errorf("the next page forgot the theme: %v", err)
	}
	// Tabs share the storage: what is chosen here must not change what others show.
	if _, err := Eval[bool](p, `localStorage.clear(), true`); err != nil {
		t.Fatal(err)
	}
}
