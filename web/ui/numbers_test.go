package ui_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"tidemark/flags/guarantee"
	"tidemark/metrics"
	"tidemark/metrics/ingest"
	"tidemark/web/ui"
)

// told is traffic of which every number is known: of 40 writes of the last 15 min each
// is visible at cart-eu after 80 ms, and at cart-us after 300 ms but for four: three need
// 4 s, beyond the promised 2 s, and one is not there yet after 20 s. One was delivered
// twice to cart-us, and one failed there. Two conflicts are decided, one by a rule and
// one by a person; one waits. Of four reads one is older than the session's own write.
func (s *site) told() {
	s.t.Helper()
	for i := range 40 {
		s.write(i)
	}
	s.conflicts()
	s.reads()
	s.tell(stage(metrics.KindHeartbeat, "", "cart-us", time.Second), stage(metrics.KindHeartbeat, "", "cart-eu", time.Second))
	s.judged()
}

// of is one event of write i, whose key is its own.
func of(kind metrics.Kind, i int, replica string, ago time.Duration) metrics.Event {
	e := stage(kind, fmt.Sprintf("w-%02d", i), replica, ago)
	e.Key, e.Version = fmt.Sprintf("cart:%d", i), metrics.SeqVersion(2)
	if i == 0 {
		e.SessionID, e.SessionSeq = "s-1", 1
	}
	return e
}

func (s *site) write(i int) {
	s.t.Helper()
	ago, us := 10*time.Minute-time.Duration(i)*time.Second, 300*time.Millisecond
	switch i {
	case 1, 11, 21:
		us = 4 * time.Second
	case 39:
		ago = 20 * time.Second
	}
	s.tell(
		of(metrics.KindInitiated, i, "", ago), of(metrics.KindCommitted, i, "", ago-5*time.Millisecond),
		of(metrics.KindVisible, i, "cart-eu", ago-80*time.Millisecond),
	)
	if i < 39 {
		s.tell(of(metrics.KindVisible, i, "cart-us", ago-us))
	}
	switch i {
	case 2:
		again := of(metrics.KindVisible, i, "cart-us", ago-us-time.Second)
		again.Attempt = 2
		s.tell(again)
	case 3:
		s.tell(of(metrics.KindFailed, i, "cart-us", ago-100*time.Millisecond))
	}
}

func (s *site) conflicts() {
	s.t.Helper()
	for i, auto := range []metrics.Tri{metrics.Yes, metrics.No, metrics.Unsaid} {
		c := of(metrics.KindConflictDetected, 10+i, "cart-eu", 5*time.Minute)
		c.ConflictID, c.With, c.Rule = fmt.Sprintf("c-%d", i), []string{fmt.Sprintf("w-%02d", 20+i)}, "cart-merge"
		s.tell(c)
		if auto == metrics.Unsaid {
			continue
		}
		c.Kind, c.Auto, c.Winner, c.Outcome = metrics.KindConflictResolved, auto, c.WriteID, "merged"
		c.OccurredAt += int64(60 * time.Millisecond)
		s.tell(c)
	}
}

func (s *site) reads() {
	s.t.Helper()
	for i := range 4 {
		r := of(metrics.KindRead, 0, "cart-us", 9*time.Minute-time.Duration(i)*time.Second)
		r.WriteID, r.SessionSeq = "", int64(2+i)
		if i == 3 {
			r.Version = metrics.SeqVersion(1)
		}
		s.tell(r)
	}
}

// rows reads a table of a page: by the text of the row's header and of the column's.
func rows(t *testing.T, doc *goquery.Document, selector string) map[string]map[string]string {
	t.Helper()
	table := doc.Find(selector)
	if table.Length() != 1 {
		t.Fatalf("%s matches %d tables", selector, table.Length())
	}
	var heads []string
	table.Find("thead th").Each(func(_ int, th *goquery.Selection) { heads = append(heads, text(th)) })
	out := map[string]map[string]string{}
	table.Find("tbody tr").Each(func(_ int, tr *goquery.Selection) {
		row := map[string]string{}
		tr.Children().Each(func(i int, c *goquery.Selection) { row[heads[i]] = spaced(c) })
		name := tr.Find("th a").First()
		if name.Length() == 0 {
			name = tr.Find("th").First()
		}
		out[text(name)] = row
	})
	return out
}

// facts reads named numbers.
func facts(doc *goquery.Document, selector string) map[string]string {
	out := map[string]string{}
	doc.Find(selector + " dl.facts > div").Each(func(_ int, d *goquery.Selection) { out[text(d.Find("dt"))] = spaced(d.Find("dd")) })
	return out
}

// spaced is a cell's text with its parts apart: "95.00% | of 99.9%".
func spaced(s *goquery.Selection) string {
	var parts []string
	s.Find(".v, .u, .tag").Each(func(_ int, p *goquery.Selection) { parts = append(parts, text(p)) })
	if len(parts) == 0 {
		return text(s)
	}
	return strings.Join(parts, " | ")
}

func wantAll(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for name, w := range want {
		if got[name] != w {
			t.Errorf("%s: %s is %q; want %q", what, name, got[name], w)
		}
	}
}

// Quantiles come from sketches, which are at most 1% off: 300 ms is said as 297.
func TestNumbersOfTheOverview(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.apply("1.0.0")
	s.told()
	doc := s.page("/")
	wantAll(t, "the row of cart", rows(t, doc, "table[data-rows]")["cart"], map[string]string{
		"Status": "Broken", "Kept, 28 d": "90.00% | of 99.9%", "Error budget": "used up 100×", "p99": "4 s | p50 297 ms",
		"Within 10 s": "97.50% | 1.6 nines", "Backlog": "1 | oldest 20 s", "Conflicts": "7.50% | 3 of 40", "Violations": "28.57% | 2 of 7",
	})
	if h1 := text(doc.Find("h1")); h1 != "One promise is broken." {
		t.Errorf("the first line is %q", h1)
	}
}

func TestNumbersOfAFeature(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.apply("1.0.0")
	s.told()
	doc := s.page("/features/cart")
	wantAll(t, "facts", facts(doc, "main"), map[string]string{
		"Visible everywhere, p50": "297 ms | p95 4 s, p99 4 s", "Within 10 s": "97.50% | 1.6 nines", "Backlog": "1 | oldest 20 s",
		"Conflicts": "7.50% | 3 of 40", "Writes": "40 | 40/h", "Fresh reads": "75.00% | 3 of 4",
	})
	for _, c := range []struct {
		table, row string
		want       map[string]string
	}{
		{"#promises table", "99.9% of writes are visible at every replica within 2 s, over 28 d", map[string]string{"Status": "Broken", "Kept": "90.00% | of 99.9%", "Budget left": "used up 100×"}},
		{"#compare table", "cart-eu", map[string]string{"p50": "79 ms", "p95": "79 ms", "p99": "79 ms", "Writes": "40", "Pending": "0", "Negative": "0"}},
		{"#compare table", "cart-us", map[string]string{"p50": "297 ms", "p95": "4 s", "p99": "4 s", "Writes": "40", "Pending": "1", "Negative": "0"}},
		{"#replicas table", "cart-eu", map[string]string{"Status": "Up to date", "Backlog": "0", "Oldest": "none", "Clear in": "clear", "Arriving": "12/h", "Satisfied": "12/h"}},
		{"#replicas table", "cart-us", map[string]string{"Status": "Keeping up", "Backlog": "1", "Oldest": "20 s", "Clear in": "steady", "Arriving": "12/h", "Satisfied": "0/s"}},
		{"#conflicts table", "cart-merge", map[string]string{"Rate": "7.50% | 3 of 40", "By rule": "1", "By a person": "1", "Open": "1", "p95 to decide": "60 ms"}},
		{"#deliveries table", "cart-us", map[string]string{"Replayed": "2.56% | 1 of 39", "Failed": "100% | 1 of 1"}},
		{"#staleness table", "cart-us", map[string]string{"Fresh": "75.00% | 3 of 4", "Mean missed": "0.2 | writes"}},
		{"#agreement table", "cart:39", map[string]string{"cart-eu": "seq:2", "cart-us": "—unknown"}},
		{"#violations table", "14 Mar 13:51:03 UTC", map[string]string{"Session": "s-1", "Key": "cart:0", "Replica": "cart-us", "Had to include": "seq:2", "Got": "seq:1"}},
	} {
		wantAll(t, c.table+", "+c.row, rows(t, doc, c.table)[c.row], c.want)
	}
	hops := doc.Find(".hops li").Map(func(_ int, li *goquery.Selection) string { return text(li) })
	if got := strings.Join(hops, "; "); got != "initiated → committed cart-api 5 ms 0% of the way; committed → visible cart-api → cart-us 4 s 100% of the way" {
		t.Errorf("where the time goes: %s", got)
	}
	checks := map[string]string{}
	doc.Find(".check").Each(func(_ int, c *goquery.Selection) { checks[text(c.Find("h3"))] = spaced(c) })
	wantAll(t, "session guarantees", checks, map[string]string{
		"Read your writes": "A session sees its own writes. | Violated | 25.00% | 1 of 4 | Coverage 100%, 4 of 4 | 1 older",
		"Monotonic reads":  "A session never sees an older state after a newer one. | Violated | 33.33% | 1 of 3 | Coverage 100%, 3 of 3 | 1 older",
	})
}

// What a series and a curve draw is in the table beside them.
func TestNumbersBesideDrawings(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.apply("1.0.0")
	s.told()
	doc := s.page("/features/cart")
	beside := func(caption string) string { return "table:has(caption:contains('" + caption + "'))" }
	curve := rows(t, doc, beside("Share of writes visible within a time"))
	wantAll(t, "the curve of cart-us", curve["cart-us"], map[string]string{"Within 1 s": "90.00% | 36 of 40", "Within 10 s": "97.50% | 39 of 40", "Within 1 min": "100% | 39 of 39"})
	heat := rows(t, doc, beside("Writes by lag and time"))
	wantAll(t, "the heatmap's row of 300 ms", heat["268 ms to 380 ms"], map[string]string{"from 13:50": "36", "from 13:40": "0"})
	wantAll(t, "the heatmap's row of 4 s", heat["3 s to 4.3 s"], map[string]string{"from 13:50": "3"})
}

func TestNumbersOfThePipeline(t *testing.T) {
	t.Parallel()
	rate := 8.5
	s := openWith(t, func(o *ui.Options) {
		o.Pipeline = func(context.Context) (ui.Pipeline, error) {
			return ui.Pipeline{
				Since: present.Add(-time.Hour), PerSecond: &rate, Unfolded: 2,
				Stats: ingest.Stats{
					Accepted: 1890, Duplicates: 60, Rejected: map[string]int64{"too_long": 30, "no_feature": 20}, Queued: 7, QueueLimit: 100, Failures: 1, Groups: 4,
					FoldBehind: 3, StoreNanos: 2_500_000, Quarantine: ingest.QuarantineStats{On: true, HeldTotal: metrics.HeldTotal{Events: 5}, Most: metrics.HeldTotal{Events: 1000}},
				},
				Store: metrics.StoreStats{Events: 1000, RawBytes: 104_000, CellBytes: 2048, Partitions: 2, Segments: 9, OldestRaw: present.Add(-48 * time.Hour).UnixNano()},
			}, nil
		}
	})
	s.told()
	doc := s.page("/pipeline")
	wantAll(t, "facts", facts(doc, "main"), map[string]string{
		"Taken in": "8.5/s | 1,890 since the start", "Rejected": "2.50% | 50 of 2,000", "In quarantine": "5 | of at most 1,000",
		"Duplicates, counted once": "3.00% | 60 of 2,000", "Waiting to be stored": "7 | of at most 100", "Time to store": "2.5 ms | the last transaction",
		"Waiting to be counted": "3 | stored groups", "Late, not counted yet": "2 | until a rebuild", "Failed to store": "1",
		"Events kept": "1,000", "On disk, raw": "102 KiB", "On disk, counted": "2 KiB", "An event takes": "104 B | raw", "Reaches back to": "12 Mar 2026 | oldest raw event", "Partitions": "2 | 9 segments",
	})
	rejected := rows(t, doc, "#rejected table")
	wantAll(t, "rejected", map[string]string{"too_long": rejected["too_long"]["Events"], "no_feature": rejected["no_feature"]["Events"]}, map[string]string{"too_long": "30", "no_feature": "20"})
	events := map[string]string{}
	doc.Find("#sources tbody tr").Each(func(_ int, tr *goquery.Selection) { events[text(tr.Children().Eq(1))] = text(tr.Children().Last()) })
	wantAll(t, "events by replica", events, map[string]string{"none": "80", "cart-eu": "46", "cart-us": "46"})
	for _, want := range []string{"1 transaction could not be stored", "2.50% of events are rejected", "2 late events are not counted"} {
		if h1 := text(doc.Find("h1")); !strings.Contains(h1, want) {
			t.Errorf("the first line %q does not say %q", h1, want)
		}
	}
}

func TestNumbersOfGuarantees(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.apply("1.0.0")
	s.told()
	doc := s.page("/guarantees")
	wantAll(t, "the promise", rows(t, doc, "#guarantees table")["cart-everywhere"], map[string]string{
		"Status": "Broken", "Feature": "cart", "Model": "causal", "Kept": "90.00% | of 99.9%", "Budget left": "used up 100×", "Owner": "team-checkout",
	})
	wantAll(t, "its review", rows(t, doc, "#reviews table")["cart-everywhere"], map[string]string{"Status": "In time", "Every": "90 d", "Owner": "team-checkout"})
	one := s.page("/guarantees/cart-everywhere")
	wantAll(t, "its page", facts(one, "main"), map[string]string{"Kept over 28 d": "90.00% | of 99.9%", "Bad": "4 | of 40 eligible", "Budget gone in": "used up"})
	burn := rows(t, one, "table:has(caption:contains('Burn rates'))")["page, 1 h and 5 min"]
	wantAll(t, "its version", rows(t, one, "#versions table")["1"], map[string]string{"By": "test (command line)"})
	wantAll(t, "its alert", burn, map[string]string{"Fires above": "14.4×", "Long window": "100×"})
}

// The page of a promise says by which rule its conflicts are decided, and of which version.
func TestAPromiseNamesItsRule(t *testing.T) {
	t.Parallel()
	s := open(t)
	docs, err := guarantee.Parse("test", []byte(strings.Replace(strings.Replace(promise, "VERSION", "1.0.0", 1), "model:", "reconciliation: {rule: cart-merge, version: 3}\n  model:", 1)))
	must(t, err)
	_, err = s.cat.Apply(t.Context(), docs, guarantee.Author{Actor: "cli:test", Reason: "test"})
	must(t, err)
	doc := s.page("/guarantees/cart-everywhere")
	got := ""
	doc.Find("dl.pairs dt").Each(func(_ int, dt *goquery.Selection) {
		if text(dt) == "Conflicts" {
			got = text(dt.Next())
		}
	})
	if got != "by rule cart-merge v3" {
		t.Errorf("Conflicts: %q; want by rule cart-merge v3", got)
	}
}

// An indexer gets five of the writes 40 ms after they were committed, and then falls
// silent: its clock is ahead by no more than that.
func TestNumbersOfWaysAndClocks(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.told()
	for i := range 5 {
		e := of(metrics.KindReceived, i, "search", 10*time.Minute-time.Duration(i)*time.Second-45*time.Millisecond)
		e.Service = "indexer"
		s.tell(e)
	}
	must(t, s.engine.Checkpoint(t.Context()))
	wantAll(t, "the pair of clocks", rows(t, s.page("/pipeline"), "#clocks table")["cart"], map[string]string{
		"From": "cart-api", "To": "indexer", "Status": "One way only", "Offset": "at most +40 ms", "Negative lags": "0", "Samples": "5",
	})
	doc := s.page("/topology")
	ways := map[string]string{}
	doc.Find("#edges tbody tr").Each(func(_ int, tr *goquery.Selection) {
		cells := tr.Children().Map(func(_ int, c *goquery.Selection) string { return spaced(c) })
		ways[cells[0]+" to "+cells[1]] = strings.Join(cells[2:], "; ")
	})
	wantAll(t, "ways", ways, map[string]string{
		"cart-api to cart-eu": "Heard; 75 ms; 75 ms; 75 ms; 40/h | 40 in all; 0%",
		"cart-api to cart-us": "Heard; 297 ms; 4 s; 4 s; 39/h | 39 in all; 0%",
		"cart-api to search":  "Silent; 40 ms; 40 ms; 40 ms; 5/h | 5 in all; 0%",
	})
	nodes := rows(t, doc, "#nodes table")
	wantAll(t, "the service", nodes["cart-api"], map[string]string{"Kind": "service", "Status": "Heard", "p95 inside": "5 ms", "Events": "172", "Features": "cart"})
	wantAll(t, "the replica", nodes["search"], map[string]string{"Kind": "replica", "Status": "Silent", "p95 inside": "—unknown", "Events": "5"})
}
