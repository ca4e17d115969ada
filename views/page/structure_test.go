package page_test

import (
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

// What holds for every page in every state.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	for name, c := range pages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc := document(t, c)
			checkHeadings(t, doc)
			checkTables(t, doc)
			checkDrawings(t, doc)
			checkControls(t, doc)
			checkPolicy(t, doc)
			checkNames(t, doc)
		})
	}
}

func checkHeadings(t *testing.T, doc *goquery.Document) {
	t.Helper()
	if n := doc.Find("h1").Length(); n != 1 {
		t.Errorf("%d main headings; want one", n)
	}
	if h := doc.Find("main h1").Text(); strings.TrimSpace(h) == "" {
		t.Error("the main heading is empty: a page answers its question in its first line")
	}
	if !strings.HasSuffix(doc.Find("title").First().Text(), " · tidemark") {
		t.Errorf("title %q", doc.Find("title").First().Text())
	}
	if lang, _ := doc.Find("html").Attr("lang"); lang != "en" {
		t.Errorf("language %q", lang)
	}
	if n := doc.Find("main").Length(); n != 1 {
		t.Errorf("%d main landmarks", n)
	}
}

func checkTables(t *testing.T, doc *goquery.Document) {
	t.Helper()
	doc.Find("table").Each(func(_ int, table *goquery.Selection) {
		caption := strings.TrimSpace(table.Find("caption").Text())
		if caption == "" {
			t.Error("a table has no caption")
		}
		heads := table.Find("thead th").Length()
		table.Find("th").Each(func(_ int, th *goquery.Selection) {
			if scope, _ := th.Attr("scope"); scope != "col" && scope != "row" {
				t.Errorf("table %q: heading %q has no scope", caption, th.Text())
			}
		})
		table.Find("tbody tr").Each(func(i int, tr *goquery.Selection) {
			if n := tr.Children().Length(); n != heads {
				t.Errorf("table %q: row %d has %d cells under %d headings", caption, i, n, heads)
			}
		})
	})
}

// A drawing is an image with a name, or hidden because words beside it say the same.
func checkDrawings(t *testing.T, doc *goquery.Document) {
	t.Helper()
	doc.Find("svg").Each(func(_ int, svg *goquery.Selection) {
		if hidden, _ := svg.Attr("aria-hidden"); hidden == "true" {
			return
		}
		role, _ := svg.Attr("role")
		label, _ := svg.Attr("aria-label")
		if role != "img" || strings.TrimSpace(label) == "" {
			html, _ := goquery.OuterHtml(svg)
			t.Errorf("drawing without a name: %.120s", html)
		}
		if svg.Find("a, [tabindex]").Length() > 0 {
			t.Errorf("drawing %q is an image and holds controls", label)
		}
	})
}

func checkControls(t *testing.T, doc *goquery.Document) {
	t.Helper()
	doc.Find("input:not([type=hidden]), select, textarea").Each(func(_ int, in *goquery.Selection) {
		id, _ := in.Attr("id")
		if id == "" || doc.Find(`label[for="`+id+`"]`).Length() != 1 {
			t.Errorf("field %q has no label", id)
		}
	})
	doc.Find("a, button").Each(func(_ int, a *goquery.Selection) {
		if label, _ := a.Attr("aria-label"); strings.TrimSpace(a.Text()) == "" && label == "" && a.Find("title").Length() == 0 {
			html, _ := goquery.OuterHtml(a)
			t.Errorf("control without a name: %.120s", html)
		}
	})
	doc.Find("form[method=post] button").Each(func(_ int, b *goquery.Selection) {
		if kind, ok := b.Attr("type"); ok && kind != "submit" {
			t.Errorf("a form's button is of type %q: it does nothing without scripts", kind)
		}
	})
}

// The Content-Security-Policy allows neither inline styles nor inline scripts.
func checkPolicy(t *testing.T, doc *goquery.Document) {
	t.Helper()
	if n := doc.Find("[style]").Length() + doc.Find("style").Length(); n > 0 {
		t.Errorf("%d inline styles", n)
	}
	doc.Find("script").Each(func(_ int, s *goquery.Selection) {
		if kind, _ := s.Attr("type"); kind == "application/json" {
			return
		}
		if src, _ := s.Attr("src"); !strings.HasPrefix(src, "/static/") {
			t.Errorf("script from %q", src)
		}
	})
	doc.Find("*").Each(func(_ int, e *goquery.Selection) {
		for _, a := range e.Nodes[0].Attr {
			if strings.HasPrefix(a.Key, "on") {
				t.Errorf("inline handler %s", a.Key)
			}
		}
	})
}

func checkNames(t *testing.T, doc *goquery.Document) {
	t.Helper()
	seen := map[string]bool{}
	doc.Find("[id]").Each(func(_ int, e *goquery.Selection) {
		id, _ := e.Attr("id")
		if seen[id] {
			t.Errorf("id %q twice", id)
		}
		seen[id] = true
	})
	for _, attr := range []string{"aria-labelledby", "aria-describedby", "for"} {
		doc.Find("[" + attr + "]").Each(func(_ int, e *goquery.Selection) {
			if ref, _ := e.Attr(attr); !seen[ref] {
				t.Errorf("%s names %q, which is not there", attr, ref)
			}
		})
	}
}
