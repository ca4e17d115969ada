package page_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"tidemark/views/page"
)

func text(s *goquery.Selection) string { return strings.Join(strings.Fields(s.Text()), " ") }

func TestOverviewRows(t *testing.T) {
	t.Parallel()
	doc := document(t, pages()["overview"])
	rows := doc.Find("[data-rows] > tbody > tr")
	if rows.Length() != len(overview().Rows) {
		t.Fatalf("%d rows", rows.Length())
	}
	for i, r := range overview().Rows {
		row := rows.Eq(i)
		if got := text(row.Find("th a")); got != r.Name {
			t.Errorf("row %d is about %q; want %q", i, got, r.Name)
		}
		if got := text(row.Find(".tag").First()); got != r.Status.Text {
			t.Errorf("%s: status %q; want %q", r.Name, got, r.Status.Text)
		}
		if row.Find(".tag svg").Length() != 1 {
			t.Errorf("%s: the status is told by colour alone", r.Name)
		}
	}
	if got, _ := doc.Find(`nav[aria-label="Main"] [aria-current=page]`).Attr("href"); got != "/" {
		t.Errorf("the current page is %q", got)
	}
	if doc.Find(`[role=search] input[name=q]`).Length() != 1 || doc.Find(".skip[href='#main']").Length() != 1 {
		t.Error("search or the skip link is missing")
	}
}

// What is not known is said so, to everyone, and never shown as 0.
func TestUnknownIsNotZero(t *testing.T) {
	t.Parallel()
	doc := document(t, pages()["overview"])
	row := doc.Find("#f-invoices")
	for _, label := range []string{"Kept", "Backlog", "Conflicts", "Violations"} {
		cell := row.Find(`[data-label="` + label + `"]`)
		if got := text(cell.Find(".sr")); got != "unknown" {
			t.Errorf("%s: a screen reader hears %q; want unknown", label, got)
		}
		if strings.Contains(text(cell), "0") {
			t.Errorf("%s of a silent feature shows a 0: %q", label, text(cell))
		}
	}
}

func TestEmptyOverviewSaysHowToBegin(t *testing.T) {
	t.Parallel()
	doc := document(t, pages()["overview-empty"])
	if doc.Find("table").Length() != 0 {
		t.Error("there is a table of nothing")
	}
	if !strings.Contains(doc.Find("pre code").Text(), "/v1/events") || doc.Find("[data-copy]").Length() != 1 {
		t.Error("there is no command to copy")
	}
}

func TestFeatureHasATableBesideEachChart(t *testing.T) {
	t.Parallel()
	doc := document(t, pages()["feature"])
	for _, id := range []string{"lag", "hops", "heatmap", "convergence"} {
		section := doc.Find("#" + id)
		if section.Find("details table tbody tr").Length() == 0 {
			t.Errorf("%s has no table beside it", id)
		}
		if section.Find(".downloads a").Length() != 2 {
			t.Errorf("%s cannot be downloaded as CSV and JSON", id)
		}
	}
	if n := doc.Find("#heatmap svg path[class^=b]").FilterFunction(func(_ int, p *goquery.Selection) bool { return p.AttrOr("d", "") != "" }).Length(); n < 4 {
		t.Errorf("the heatmap has %d colours", n)
	}
	if n := doc.Find(`#heatmap table a[href^="/writes"]`).Length(); n == 0 {
		t.Error("the heatmap's table leads to no example")
	}
	if n := doc.Find("#lag svg path.line").Length(); n != 3 {
		t.Errorf("%d lines", n)
	}
	if doc.Find("#lag .promise").Length() == 0 || doc.Find("#convergence .band").Length() != 2 {
		t.Error("the promise or the interval is not drawn")
	}
}

func TestFeatureWithoutWritesDrawsNothing(t *testing.T) {
	t.Parallel()
	doc := document(t, pages()["feature-empty"])
	if n := doc.Find("#page .chart").Length(); n != 0 {
		t.Errorf("%d drawings of nothing", n)
	}
	if n := doc.Find(".empty").Length(); n < 5 {
		t.Errorf("%d sections say why they are empty", n)
	}
}

func TestTopologyDrawsEachEdgeOnce(t *testing.T) {
	t.Parallel()
	doc := document(t, pages()["topology"])
	if n := doc.Find(".graph .edge").Length(); n != len(topology().Graph.Edges) {
		t.Errorf("%d edges are drawn; want %d", n, len(topology().Graph.Edges))
	}
	if n := doc.Find(".graph .node.silent").Length(); n != 1 {
		t.Errorf("%d silent places", n)
	}
	if got := text(doc.Find("#graph footer")); !strings.Contains(got, "lonely") {
		t.Errorf("the place that is not drawn is not named: %q", got)
	}
}

func TestConflictShowsEachFieldOfEachSibling(t *testing.T) {
	t.Parallel()
	doc := document(t, pages()["conflict"])
	if doc.Find(".sibling").Length() != 2 || doc.Find(".sibling.winner .tag.good").Length() != 1 {
		t.Error("the siblings or the winner are not shown")
	}
	if got := text(doc.Find("tr.clash td").Last()); got != `"Ada L."` {
		t.Errorf("value of the last sibling %q", got)
	}
}

func TestGuaranteeForms(t *testing.T) {
	t.Parallel()
	doc := document(t, pages()["guarantee"])
	restore := doc.Find("#restore form")
	if method, _ := restore.Attr("method"); method != "post" || restore.Find("input[name=reason][required]").Length() != 1 {
		t.Error("restoring does not ask for a reason")
	}
	if doc.Find("#changes .del").Length() != 1 || doc.Find("#changes .add").Length() != 1 {
		t.Error("the difference is not shown")
	}
	if !strings.Contains(text(doc.Find("#changes .notice.warn")), "weakens") {
		t.Error("a weakening is not pointed out")
	}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	link := document(t, pages()["signin-link"])
	if v, _ := link.Find("form input[name=token]").Attr("value"); v != "abc" || link.Find(`form button[type=submit]`).Length() != 1 {
		t.Error("the link's form is not there")
	}
	failed := document(t, pages()["signin-failed"])
	if n := failed.Find("input[name=token]").Length(); n != 0 || !strings.Contains(text(failed.Find("h1")), "used up") {
		t.Error("a used link offers its form again")
	}
	plain := document(t, pages()["signin"])
	for field, kind := range map[string]string{"name": "username", "password": "current-password"} {
		if v, _ := plain.Find("input[name=" + field + "]").Attr("autocomplete"); v != kind {
			t.Errorf("field %s is for %q; password managers want %q", field, v, kind)
		}
	}
	if href, _ := document(t, pages()["signin-provider"]).Find("a.btn.primary").Attr("href"); href != "/signin/oidc" {
		t.Errorf("the provider is at %q", href)
	}
}

func TestProblemNamesTheRequest(t *testing.T) {
	t.Parallel()
	doc := document(t, pages()["problem"])
	if got := text(doc.Find("main")); !strings.Contains(got, "req-1") || !strings.Contains(got, "404") {
		t.Errorf("the page says %q", got)
	}
}

func BenchmarkFeature(b *testing.B) {
	m := feature()
	f := frame("cart", "/", "feature:cart")
	var buf bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		buf.Reset()
		if err := whole(f, page.ShowFeature(m)).Render(b.Context(), &buf); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(buf.Len()), "bytes/page")
}

func BenchmarkOverview(b *testing.B) {
	m := overview()
	f := frame("Overview", "/", "overview")
	var buf bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		buf.Reset()
		if err := whole(f, page.ShowOverview(m)).Render(b.Context(), &buf); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(buf.Len()), "bytes/page")
}
