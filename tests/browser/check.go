package browser

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// ErrNoAxe says that the accessibility checker is not installed.
var ErrNoAxe = errors.New("node_modules/axe-core is not installed (make setup)")

// Axe is the source of the accessibility checker axe-core.
type Axe string

// LoadAxe reads the checker from a folder of node modules.
func LoadAxe(modules string) (Axe, error) {
	src, err := os.ReadFile(modules + "/axe-core/axe.min.js")
	if errors.Is(err, os.ErrNotExist) {
		return "", ErrNoAxe
	}
	if err != nil {
		return "", fmt.Errorf("read axe-core: %w", err)
	}
	return Axe(src), nil
}

// finding is what axe says of one element.
type finding struct {
	Rule, Help, Target, Why string
}

// Check returns what breaks WCAG 2.2 AA in the page, one sentence for each element:
// names of controls, contrast of text, headings, landmarks, roles and the rest of
// the checker's rules.
func (a Axe) Check(t *Tab) ([]string, error) {
	if _, err := Eval[bool](t, string(a)+";true"); err != nil {
		return nil, fmt.Errorf("load axe-core: %w", err)
	}
	found, err := Eval[[]finding](t, `axe.run(document, {
		runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
		resultTypes: ["violations"],
	}).then(r => r.violations.flatMap(v => v.nodes.map(n => ({
		Rule: v.id, Help: v.help, Target: n.target.join(" "), Why: n.failureSummary,
	}))))`)
	if err != nil {
		return nil, fmt.Errorf("run axe-core: %w", err)
	}
	var out []string
	for _, f := range found {
		why := strings.Join(strings.Fields(f.Why), " ")
		out = append(out, fmt.Sprintf("%s: %s: %s (%s)", f.Rule, f.Target, f.Help, why))
	}
	return out, nil
}

// Overflow returns the elements that stick out of the page to the right, as far as
// they make the page itself scroll sideways; none when it does not.
func (t *Tab) Overflow() ([]string, error) {
	return Eval[[]string](t, `(() => {
		const width = document.documentElement.clientWidth;
		if (document.documentElement.scrollWidth <= width) return [];
		// What a scrolling box holds does not widen the page, unless it is placed
		// absolutely and the box is not what it is placed by.
		const inside = e => {
			let placed = getComputedStyle(e).position;
			for (let p = e.parentElement; p && p !== document.body; p = p.parentElement) {
				const s = getComputedStyle(p);
				if (placed === "absolute" && s.position === "static") continue;
				if (s.overflowX !== "visible") return true;
				placed = s.position;
			}
			return false;
		};
		const out = [...document.body.querySelectorAll("*")]
			.filter(e => e.getBoundingClientRect().right > width + 1 && !inside(e))
			.slice(0, 5)
			.map(e => e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + " " +
				JSON.stringify(e.getAttribute("class") ?? "") + " " + JSON.stringify(e.textContent.trim().slice(0, 30)) + " ends at " +
				Math.round(e.getBoundingClientRect().right) + " of " + width + " px");
		return out.length ? out : ["the page is " + document.documentElement.scrollWidth + " px wide in " + width + " px"];
	})()`)
}

// CutTables returns the tables that are wider than their box, so that a part of them
// is out of sight. Tables that stand folded beside a drawing may have a column for
// each of its points; they scroll.
func (t *Tab) CutTables() ([]string, error) {
	return Eval[[]string](t, `[...document.querySelectorAll(".scroll")]
		.filter(box => box.querySelector("table") && !box.closest("details") && box.scrollWidth > box.clientWidth + 1)
		.map(box => JSON.stringify(box.getAttribute("aria-label")) + " needs " + box.scrollWidth + " px and has " + box.clientWidth)`)
}

// SmallTargets returns the controls that are smaller than 24 by 24 CSS pixels and
// neither inside a line of text nor spaced apart from other controls, as WCAG 2.5.8
// asks.
func (t *Tab) SmallTargets() ([]string, error) {
	return Eval[[]string](t, `(() => {
		const boxes = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, summary, [role=button]")]
			.map(e => ({e, r: e.getBoundingClientRect()}))
			// Links in a drawing have an equivalent in the table beside it.
			.filter(({e, r}) => !e.closest("svg") && r.width > 0 && r.height > 0 && getComputedStyle(e).visibility !== "hidden");
		const inText = e => e.tagName === "A" && getComputedStyle(e).display === "inline" &&
			(e.parentElement.textContent.trim().length > e.textContent.trim().length);
		const centre = r => ({x: r.left + r.width / 2, y: r.top + r.height / 2});
		const crowded = (a, all) => { const c = centre(a.r); return all.some(b => {
			if (b.e === a.e || b.e.contains(a.e) || a.e.contains(b.e)) return false;
			const dx = Math.max(b.r.left - c.x, 0, c.x - b.r.right), dy = Math.max(b.r.top - c.y, 0, c.y - b.r.bottom);
			return Math.hypot(dx, dy) < 12; }); };
		return boxes.filter(b => (b.r.width < 24 || b.r.height < 24) && !inText(b.e) && crowded(b, boxes))
			.map(({e, r}) => e.tagName.toLowerCase() + " " + JSON.stringify(e.textContent.trim().slice(0, 30)) + " is " +
				Math.round(r.width) + " by " + Math.round(r.height) + " px");
	})()`)
}
