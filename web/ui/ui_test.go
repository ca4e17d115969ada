package ui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"tidemark/metrics"
)

func TestPagesAnswerInTheirFirstLine(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.apply("1.0.0")
	s.traffic()
	cases := []struct{ path, h1, also string }{
		{"/", "promise is ", "cart"},
		{"/features/cart", "cart", "Where the time goes"},
		{"/features/cart?by=region&replica=cart-us&range=15m", "cart", "replica cart-us"},
		{"/topology", "The slowest way", "cart-us"},
		{"/topology?feature=cart", "The slowest way", "cart-eu"},
		{"/writes", "Which feature’s writes?", "its pending writes"},
		{"/writes?feature=cart", "still pending", "w-open"},
		{"/writes?feature=cart&pending=true", "This one write of cart is still pending.", "w-open"},
		{"/writes?feature=cart&key=cart:7", "writes of key cart:7", "w-A"},
		{"/writes/w-open", "1 of 2 replicas", "not visible at cart-us"},
		{"/writes/w-C", "visible at all 2 replicas", "Where it has to arrive"},
		{"/conflicts", "One conflict waits for a decision.", "cart:7"},
		{"/conflicts?state=auto", "One conflict waits", "No conflict"},
		{"/conflicts/c-1", "waits for a decision", "w-B"},
		{"/guarantees", "promise is ", "cart-everywhere"},
		{"/quarantine", "Nothing is in quarantine.", "Events with a label that nobody declared are listed here."},
		{"/quarantine?label=pii", "Nothing is in quarantine.", "No event in quarantine is like that."},
		{"/guarantees/cart-everywhere", "cart-everywhere is ", "99.9%"},
		{"/alerts", "Nothing needs anybody now.", "No alert"},
		{"/pipeline", "10.00% of events are rejected", "too_long"},
		{"/pipeline", "3 late events are not counted", "tidemark rebuild"},
		{"/search?q=car", "found for", "cart"},
		{"/search?q=cart:7", "found for", "Keys"},
		{"/search?q=nothing", "Nothing is known of “nothing”.", "must be whole"},
		{"/search", "What are you looking for?", "Search"},
	}
	for _, c := range cases {
		t.Run(c.path, func(t *testing.T) {
			doc := s.page(c.path)
			if h1 := text(doc.Find("h1")); !strings.Contains(strings.ReplaceAll(h1, "'", "’"), c.h1) {
				t.Errorf("the first line is %q; want %q", h1, c.h1)
			}
			if !strings.Contains(words(doc), c.also) {
				t.Errorf("the page does not say %q: %s", c.also, words(doc))
			}
		})
	}
}

// Writes that arrive in time do not make a promise about reads any better.
func TestABrokenPromiseSaysWhyThoughWritesAreWell(t *testing.T) {
	t.Parallel()
	const why = "1 of 4 checkable operations broke read-your-writes (allowed: 0.1%); the error budget is spent."
	s := open(t)
	s.promise(strings.Replace(promise, "{sli: time_to_visibility, scope: all, op: lte, value: 2s, target: 0.999, window: 28d}",
		"{sli: violation_rate, of: ryw, op: lte, value: 0.001, window: 28d}", 1), "1.0.0")
	for i := range 20 {
		s.tell(
			of(metrics.KindInitiated, i, "", 10*time.Minute), of(metrics.KindCommitted, i, "", 10*time.Minute),
			of(metrics.KindVisible, i, "cart-eu", 10*time.Minute-80*time.Millisecond), of(metrics.KindVisible, i, "cart-us", 10*time.Minute-90*time.Millisecond),
		)
	}
	s.reads()
	s.tell(stage(metrics.KindHeartbeat, "", "cart-us", time.Second), stage(metrics.KindHeartbeat, "", "cart-eu", time.Second))
	s.judged()
	for _, c := range []struct{ path, h1, sub string }{
		{"/", "One promise is broken.", "cart: " + why},
		{"/features/cart", "The promise of cart is broken: " + why, "“My cart is the same on every device.” cart is healthy: visible everywhere in 90 ms at p95"},
	} {
		doc := s.page(c.path)
		if h1, sub := text(doc.Find("h1")), text(doc.Find(".head .sub")); h1 != c.h1 || !strings.HasPrefix(sub, c.sub) {
			t.Errorf("%s says %q, %q; want %q, %q", c.path, h1, sub, c.h1, c.sub)
		}
	}
}

// That a replica is silent makes a promise no less broken: the page says the worse first,
// as the word beside it does.
func TestABrokenPromiseIsBrokenThoughAReplicaIsSilent(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.apply("1.0.0")
	for i := range 20 {
		s.write(i)
	}
	s.judged()
	doc := s.page("/features/cart")
	if h1, sub, tag := text(doc.Find("h1")), text(doc.Find(".head .sub")), text(doc.Find(".head .tag")); !strings.HasPrefix(h1, "The promise of cart is broken: ") || !strings.Contains(sub, "cart is unknown: replica") || tag != "Broken" {
		t.Errorf("the page says %q, %q, %q", h1, sub, tag)
	}
}

// What a promise allows is no alarm: red is for what is broken.
func TestViolationsWithinAPromiseAreNotRed(t *testing.T) {
	t.Parallel()
	for target, red := range map[string]int{"0.5": 0, "0.999": 1} {
		s := open(t)
		s.promise(strings.Replace(promise, "0.999", target, 1), "1.0.0")
		s.told()
		row := s.page("/").Find("#f-cart")
		if got := row.Find(`td[data-label="Violations"] .bad-ink`).Length(); got != red {
			t.Errorf("with a promise of %s (%s): %d numbers of violations are red; want %d", target, text(row.Find(".tag")), got, red)
		}
	}
}

func TestOneFeatureIsSpokenOfOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.write(10)
	s.judged()
	doc := s.page("/")
	if h1, sub := text(doc.Find("h1")), text(doc.Find(".head .sub")); !strings.HasPrefix(h1, "cart is unknown: ") || sub != "One feature reported. See where the time goes." {
		t.Errorf("the overview says %q, %q", h1, sub)
	}
}

// A replica that is silent makes no promise better that is broken.
func TestABrokenPromiseIsNotCalledUnknown(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.apply("1.0.0")
	for i := range 5 {
		s.write(i + 10)
	}
	s.judged()
	if sub := text(s.page("/").Find(".head .sub")); !strings.HasPrefix(sub, "cart: 80% of 5 writes were visible") || !strings.Contains(sub, "spent. Replicas cart-eu, cart-us are silent: ") {
		t.Errorf("the overview says %q", sub)
	}
}

func TestEmptyStore(t *testing.T) {
	t.Parallel()
	s := open(t)
	for path, want := range map[string]string{
		"/": "No event has arrived yet.", "/topology": "Nothing was observed yet.", "/conflicts": "No conflict is known",
		"/guarantees": "No promise is written down yet.", "/alerts": "Nothing needs anybody now.", "/writes": "Which feature's writes?",
	} {
		if h1 := text(s.page(path).Find("h1")); !strings.Contains(h1, want) {
			t.Errorf("%s: %q; want %q", path, h1, want)
		}
	}
	if code := s.page("/").Find("pre code").Text(); !strings.Contains(code, "http://tidemark.test/v1/events") {
		t.Errorf("the first command is %q", code)
	}
}

func TestAddressesWithMistakes(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.apply("1.0.0")
	s.traffic()
	cases := []struct {
		path   string
		status int
		field  string
	}{
		{"/?range=2h", 400, "range"},
		{"/?rnage=1h", 400, "rnage"},
		{"/?range=1h&from=2026-03-14T13:00:00Z", 400, "range"},
		{"/?from=yesterday", 400, "from"},
		{"/?from=2026-03-14T13:00:00Z&to=2026-03-14T12:00:00Z", 400, "from"},
		{"/features/cart?by=colour", 400, "by"},
		{"/writes?feature=cart&min_lag=soon", 400, "min_lag"},
		{"/conflicts?state=shut", 400, "state"},
		{"/alerts?severity=loud", 400, "severity"},
		{"/guarantees/cart-everywhere?revision=9", 400, "revision"},
		{"/live?topic=everything", 400, "topic"},
		{"/features/nothing", 404, ""},
		{"/writes/nothing", 404, ""},
		{"/conflicts/nothing", 404, ""},
		{"/guarantees/nothing", 404, ""},
		{"/nothing", 404, ""},
	}
	for _, c := range cases {
		w := s.get("read", c.path)
		doc := parse(t, w)
		if w.Code != c.status {
			t.Errorf("%s: %d; want %d: %s", c.path, w.Code, c.status, words(doc))
			continue
		}
		if doc.Find("h1").Length() != 1 || !strings.Contains(words(doc), "Request") {
			t.Errorf("%s: the error is not a page that names its request: %s", c.path, words(doc))
		}
		if c.field != "" && text(doc.Find("dd code").First()) != c.field {
			t.Errorf("%s: the page blames %q; want %q", c.path, text(doc.Find("dd code").First()), c.field)
		}
	}
}

// Asked by htmx, a page answers with the part that changes; going back in the
// history needs the whole of it.
// What dragging across a chart asks for can be typed: the form keeps the rest of the address,
// and is answered with the times that it was sent with.
func TestOtherTimesCanBeTyped(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.traffic()
	value := func(doc *goquery.Document, name string) string {
		return doc.Find(`.times [name="`+name+`"]`).AttrOr("value", "none")
	}
	doc := s.page("/features/cart?by=region&range=24h")
	if got := [...]string{doc.Find(".times form").AttrOr("action", ""), value(doc, "by"), value(doc, "range"), value(doc, "from"), value(doc, "to")}; got != [...]string{"/features/cart", "region", "none", "", ""} {
		t.Errorf("the form has %q", got)
	}
	for _, typed := range []string{"from=2026-03-14T13:49&to=2026-03-14T13:51:30", "from=2026-03-14T13:49:00Z&to=2026-03-14T13:51:30Z"} {
		doc = s.page("/features/cart?by=region&" + typed)
		if got := [...]string{value(doc, "by"), value(doc, "from"), value(doc, "to"), text(doc.Find(".bar .muted").First())}; got != [...]string{"region", "2026-03-14T13:49:00", "2026-03-14T13:51:30", "14 Mar 13:49 UTC to 14 Mar 13:51 UTC · Back to now"} {
			t.Errorf("%s gives %q", typed, got)
		}
	}
	if doc = s.page("/topology?from=2026-03-14T13:49&to="); value(doc, "to") != "2026-03-14T14:00:00" {
		t.Errorf("without an end it is until %q", value(doc, "to"))
	}
}

func TestFragments(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.traffic()
	part := s.get("read", "/", header{"HX-Request", "true"})
	if body := part.Body.String(); strings.Contains(body, "<html") || !strings.Contains(body, `id="page"`) {
		t.Errorf("the fragment is %.80q", body)
	}
	for _, more := range [][]header{nil, {{"HX-Request", "true"}, {"HX-History-Restore-Request", "true"}}} {
		if body := s.get("read", "/", more...).Body.String(); !strings.Contains(body, "<html") {
			t.Errorf("%v: the page is %.80q", more, body)
		}
	}
	if vary := part.Header().Get("Vary"); !strings.Contains(vary, "HX-Request") {
		t.Errorf("Vary %q", vary)
	}
}

func TestWhoMaySee(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.apply("1.0.0")
	for _, path := range []string{"/", "/pipeline", "/guarantees/cart-everywhere", "/live?topic=overview"} {
		if w := s.get("", path); w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/signin") {
			t.Errorf("%s for nobody: %d to %q; want the sign-in page", path, w.Code, w.Header().Get("Location"))
		}
		if w := s.get("evaluate", path); w.Code != http.StatusForbidden {
			t.Errorf("%s without the scope: %d; want 403", path, w.Code)
		}
	}
	if w := s.get("", "/static/js/status.js"); w.Code != http.StatusOK {
		t.Errorf("status.js for nobody: %d", w.Code)
	}
	if got := text(parse(t, s.get("read", "/audit")).Find(".head .sub")); got != `This needs the permission "control", which operators, administrators and keys of that scope have. Back to the overview` {
		t.Errorf("the log for a reader says %q", got)
	}
	restore := "/guarantees/cart-everywhere/restore"
	if w := s.do(http.MethodPost, "read", restore, url.Values{"revision": {"1"}, "reason": {"x"}}); w.Code != http.StatusForbidden {
		t.Errorf("restore by a reader: %d; want 403", w.Code)
	}
	if n := s.page("/guarantees/cart-everywhere").Find("form[method=post]").Length(); n != 0 {
		t.Errorf("a reader is shown %d forms that it may not send", n)
	}
}

func TestRestoreAndReview(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.apply("1.0.0")
	s.apply("1.1.0")
	const at = "/guarantees/cart-everywhere"
	doc := parse(t, s.get("control", at+"?revision=1"))
	if doc.Find("#restore form").AttrOr("action", "") != at+"/restore" {
		t.Fatal("an earlier revision cannot be restored from its page")
	}
	if !strings.Contains(text(doc.Find("#changes")), "1.1.0") {
		t.Errorf("the difference says %q", text(doc.Find("#changes")))
	}
	if w := s.do(http.MethodPost, "control", at+"/restore", url.Values{"revision": {"1"}}); w.Code != http.StatusBadRequest {
		t.Errorf("restore without a reason: %d; want 400", w.Code)
	}
	form := func(of string, more ...string) url.Values { // as it is sent from the page
		v := url.Values{}
		doc.Find(of + " input[type=hidden]").Each(func(_ int, in *goquery.Selection) { v.Set(in.AttrOr("name", ""), in.AttrOr("value", "")) })
		for i := 0; i < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		return v
	}
	s.apply("1.2.0")
	if w := s.do(http.MethodPost, "control", at+"/restore", form("#restore", "reason", "too strict")); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "revision 3, not 2") {
		t.Errorf("restore over a revision that was not seen: %d; want 409 with both", w.Code)
	}
	doc = parse(t, s.get("control", at+"?revision=1"))
	reviewed := form("#review", "decision", "keep it")
	w := s.do(http.MethodPost, "control", at+"/restore", form("#restore", "reason", "too strict"))
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != at {
		t.Fatalf("restore: %d to %q", w.Code, w.Header().Get("Location"))
	}
	w = s.do(http.MethodPost, "control", at+"/reviews", reviewed)
	if w.Code != http.StatusSeeOther {
		t.Fatalf("review: %d", w.Code)
	}
	doc = s.page(at)
	if got := text(doc.Find("#versions tbody tr").First()); !strings.HasPrefix(got, "4restores 1") && !strings.HasPrefix(got, "4 restores 1") {
		t.Errorf("the newest revision is %q", got)
	}
	if got := strings.TrimSpace(doc.Find("#reviews tbody td").Last().Text()); got != "3" {
		t.Errorf("the review of revision 3, which was looked at, is of %q", got)
	}
	if !strings.Contains(text(doc.Find("#reviews")), "keep it") {
		t.Errorf("the review is not shown: %q", text(doc.Find("#reviews")))
	}
}

func TestDocumentsCanBeDownloaded(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.apply("1.0.0")
	for path, want := range map[string]string{"/document": "kind: ConsistencyGuarantee", "/openslo": "openslo/v1"} {
		w := s.get("read", "/guarantees/cart-everywhere"+path)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/yaml") {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Content-Type"))
		}
	}
}

func TestSearchLeadsToWhatIsNamedWhole(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.traffic()
	for q, want := range map[string]string{"w-open": "/writes/w-open", "cart": "/features/cart"} {
		if w := s.get("read", "/search?q="+url.QueryEscape(q)); w.Code != http.StatusSeeOther || w.Header().Get("Location") != want {
			t.Errorf("search for %q: %d to %q; want %q", q, w.Code, w.Header().Get("Location"), want)
		}
	}
}

// Every link of every page leads somewhere, with its range and filters.
func TestLinksOfPagesLeadSomewhere(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.apply("1.0.0")
	s.traffic()
	seen := map[string]bool{}
	for _, path := range []string{"/", "/features/cart?range=15m", "/writes?feature=cart", "/writes/w-open", "/conflicts", "/conflicts/c-1", "/guarantees", "/guarantees/cart-everywhere", "/topology", "/pipeline", "/alerts"} {
		base, err := url.Parse(path)
		must(t, err)
		s.page(path).Find("main a[href]").Each(func(_ int, a *goquery.Selection) {
			ref, err := base.Parse(a.AttrOr("href", ""))
			must(t, err)
			if to := ref.RequestURI(); !seen[to] && !strings.HasPrefix(to, "/api/") {
				seen[to] = true
				if w := s.get("read", to); w.Code != http.StatusOK && w.Code != http.StatusSeeOther {
					t.Errorf("%s leads to %s: %d", path, to, w.Code)
				}
			}
		})
	}
	if len(seen) < 30 {
		t.Errorf("only %d links were found", len(seen))
	}
}
