package real

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"tidemark/metrics/report"
	"tidemark/tests/tidemark"
)

// What may lie between what the shop did and what tidemark says of it.
const (
	rate  = 50               // orders a second
	pause = 25 * time.Second // how long replay is paused

	// A span is sent within 100 ms of its end (OTEL_BSP_SCHEDULE_DELAY), is durable and
	// folded some milliseconds later, and asking takes some more: half a second.
	behind = 500 * time.Millisecond
	// So many orders may be written in that time, besides 2 % for a clumsy clock.
	behindOrders = rate/2 + 5
	// Percentiles are within 1 %. An order takes up to 50 ms longer by its span, which
	// begins before the insert, than by the shop's note, which follows the commit.
	percentile = 0.01
	spanError  = 50 * time.Millisecond
)

// route is all that tidemark is told about where orders must arrive.
const route = `apiVersion: tidemark/v1alpha1
kind: Route
metadata: {name: orders}
spec:
  version: 1.0.0
  feature: checkout
  replicas: [{name: standby-1}, {name: cache-eu}]
`

// TestAPausedStandby pauses replay on a standby for a known time. tidemark, which
// gets spans of the stock SDK alone, finds the time, the backlog, its age, the
// recovery, and which replica it was, in its API and on its pages.
func TestAPausedStandby(t *testing.T) {
	as := serverAccount(t)
	pg, cache := startPostgres(t, as), startRedis(t, as)
	api := startTidemark(t)
	shop := startShop(t, pg, cache, rate, api.url, "Authorization=Bearer%20"+api.key)

	eventually(t, 30*time.Second, "orders arrive everywhere", func() error {
		if b := api.backlog(); b["standby-1"].State == "" || b["cache-eu"].State == "" || shop.truth(time.Now()).written < 5*rate {
			return fmt.Errorf("backlog %+v, truth %+v", b, shop.truth(time.Now()))
		}
		return nil
	})
	checkEdges(t, api)
	if a := api.feature().Answer; strings.Contains(a, "standby-1 is ") {
		t.Errorf("before the pause, the answer complains: %s", a)
	}

	began := time.Now()
	pg.pauseReplay(t)
	<-time.After(pause - 2*time.Second)
	checkWhilePaused(t, api, shop)
	<-time.After(time.Until(began.Add(pause)))
	pg.resumeReplay(t)
	paused := time.Since(began)
	checkRecovery(t, api, shop)

	shop.stop()
	checkLag(t, api, shop)
	checkSlowWrite(t, api, shop, paused)
}

// checkEdges checks that lag per hop is known from links alone.
func checkEdges(t *testing.T, api *api) {
	t.Helper()
	hops := ask[report.Hops](api, "/api/v1/features/checkout/hops")
	to := map[string]bool{}
	for _, e := range hops.Edges {
		if e.FromPlace == "orders-api" && e.P50 != nil && *e.P50 > 0 {
			to[e.ToPlace] = true
		}
	}
	for _, replica := range []string{"standby-1", "cache-eu"} {
		if !to[replica] {
			t.Errorf("no lag is known from orders-api to %s: %+v", replica, hops.Edges)
		}
	}
}

// checkWhilePaused compares what is said of the backlog with the truth, taken just
// before and just after.
func checkWhilePaused(t *testing.T, api *api, shop *shop) {
	t.Helper()
	before := shop.truth(time.Now())
	b := api.backlog()
	after := shop.truth(time.Now())

	standby := b["standby-1"]
	if standby.Count == nil || standby.OldestAgeNS == nil {
		t.Fatalf("the standby's backlog is unknown: %+v", standby)
	}
	t.Logf("while paused: backlog %d (truth %d to %d), age %s (truth %s)", *standby.Count,
		before.standbyMissed, after.standbyMissed, time.Duration(*standby.OldestAgeNS), before.standbyAge)
	if n := int(*standby.Count); n < before.standbyMissed*98/100-behindOrders || n > after.standbyMissed*102/100+behindOrders {
		t.Errorf("backlog %d; in truth %d to %d", n, before.standbyMissed, after.standbyMissed)
	}
	age := time.Duration(*standby.OldestAgeNS)
	if age < before.standbyAge-behind || age > after.standbyAge+behind {
		t.Errorf("age %s; in truth %s to %s", age, before.standbyAge, after.standbyAge)
	}
	if s := b["cache-eu"]; s.Count == nil || *s.Count > behindOrders {
		t.Errorf("the cache is said to be behind, too: %+v", s)
	}
	api.checkPage(t, "while paused", "standby-1", "cache-eu", behindRow{
		fewest: before.standbyMissed*98/100 - behindOrders, oldest: before.standbyAge - behind, within: 5 * time.Second,
	})
}

// behindRow is what a page must say of a replica that falls behind, while it goes
// on falling behind: no less than what was true before the page was asked for.
type behindRow struct {
	fewest         int // writes missing
	oldest, within time.Duration
}

// checkRecovery waits until the shop has seen everything on the standby, and
// tidemark must say so soon after.
func checkRecovery(t *testing.T, api *api, shop *shop) {
	t.Helper()
	eventually(t, 30*time.Second, "the standby catches up in truth", func() error {
		if tr := shop.truth(time.Now()); tr.standbyMissed > behindOrders {
			return fmt.Errorf("%d orders are missing", tr.standbyMissed)
		}
		return nil
	})
	caughtUp := time.Now()
	eventually(t, 5*time.Second, "tidemark says that the standby has caught up", func() error {
		s := api.backlog()["standby-1"]
		if s.Count == nil || *s.Count > behindOrders || s.age() > 2*time.Second {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	t.Logf("tidemark showed the recovery %s after it", time.Since(caughtUp).Round(time.Millisecond))
}

// checkLag compares the lag at each replica with the truth about the same orders.
func checkLag(t *testing.T, api *api, shop *shop) {
	t.Helper()
	want := shop.lags()
	eventually(t, 10*time.Second, "all orders are counted", func() error {
		for _, s := range ask[report.Lag](api, "/api/v1/features/checkout/lag?by=replica").Series {
			if s.Writes < int64(len(want.standby)) || s.Pending > int64(shop.truth(time.Now()).standbyMissed+shop.truth(time.Now()).cacheMissed) {
				return fmt.Errorf("%s: %d orders, %d pending; in truth %d", s.Key, s.Writes, s.Pending, len(want.standby))
			}
		}
		return nil
	})
	for _, s := range ask[report.Lag](api, "/api/v1/features/checkout/lag?by=replica").Series {
		truth := map[string][]time.Duration{"standby-1": want.standby, "cache-eu": want.cache}[s.Key]
		for name, q := range map[string]struct {
			said *int64
			at   float64
		}{"p50": {s.Total.P50, 0.5}, "p95": {s.Total.P95, 0.95}, "p99": {s.Total.P99, 0.99}} {
			if q.said == nil {
				t.Errorf("%s: %s is unknown", s.Key, name)
				continue
			}
			said, low, high := time.Duration(*q.said), quantile(truth, q.at-0.005), quantile(truth, q.at+0.005)
			t.Logf("%s %s: %s; in truth %s to %s", s.Key, name, said, low, high)
			if said < time.Duration(float64(low)*(1-percentile))-spanError || said > time.Duration(float64(high)*(1+percentile))+spanError {
				t.Errorf("%s %s is %s; in truth %s to %s", s.Key, name, said, low, high)
			}
		}
	}
}

// checkSlowWrite picks a write that waited for the whole pause, or nearly, and
// compares its story with what the shop knows of that very order.
func checkSlowWrite(t *testing.T, api *api, shop *shop, paused time.Duration) {
	t.Helper()
	var slow report.WriteRow
	eventually(t, 10*time.Second, "a slow write is listed", func() error {
		slow = api.slowest()
		if slow.LagNS == nil || time.Duration(*slow.LagNS) < paused/2 {
			return fmt.Errorf("the slowest is %+v", slow)
		}
		return nil
	})
	said := time.Duration(*slow.LagNS)
	truth, ok := shop.lagOf(slow.WriteID)
	t.Logf("%s: %s to %s; in truth %s; paused for %s", slow.WriteID, said, slow.Replica, truth, paused)
	if !ok || slow.Replica != "standby-1" || said < truth-spanError || said > truth+spanError {
		t.Errorf("%s took %s to %q; in truth %s to standby-1 (an order: %v)", slow.WriteID, said, slow.Replica, truth, ok)
	}
	if said > paused+behind {
		t.Errorf("%s took %s; replay was paused for %s", slow.WriteID, said, paused)
	}
	story := api.get("/api/v1/writes/" + url.PathEscape(slow.WriteID))
	for _, place := range []string{"orders-api", "standby-1", "cache-eu"} {
		if !strings.Contains(story, `"`+place+`"`) {
			t.Errorf("the story of %s does not tell of %s: %.2000s", slow.WriteID, place, story)
		}
	}
	page := api.page("/writes/" + url.PathEscape(slow.WriteID))
	if text := page.Find("main").Text(); !strings.Contains(text, "standby-1") {
		t.Errorf("the page of %s does not name standby-1", slow.WriteID)
	}
}

// api asks a running tidemark, as a service and as a person.
type api struct {
	t        *testing.T
	url, key string
	browser  *http.Client
}

// startTidemark starts a server that knows a route and which destination is which
// feature, and nothing else.
func startTidemark(t *testing.T) *api {
	t.Helper()
	data, docs := t.TempDir(), filepath.Join(t.TempDir(), "route.yaml")
	if err := os.WriteFile(docs, []byte(route), 0o600); err != nil {
		t.Fatal(err)
	}
	key := strings.TrimSpace(tidemark.Verb(t, "keys", "create", "shop", "--data", data, "--scope", "publish:checkout", "--scope", "read"))
	tidemark.Verb(t, "apply", "-f", docs, "--data", data)
	s := tidemark.Start(t, "serve", "--data", data, "--destination", "orders=checkout")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &api{t: t, url: s.URL, key: key, browser: &http.Client{Jar: jar, Timeout: 20 * time.Second}}
	a.signIn(s.SignIn)
	return a
}

func (a *api) signIn(link string) {
	a.t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		a.t.Fatal(err)
	}
	form := strings.NewReader(url.Values{"token": {u.Query().Get("token")}}.Encode())
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, a.url+"/signin", form)
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := a.browser.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		a.t.Fatalf("signing in ended with %s", resp.Status)
	}
}

// page returns a page as a person gets it.
func (a *api) page(path string) *goquery.Document {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, a.url+path, http.NoBody)
	if err != nil {
		a.t.Fatal(err)
	}
	resp, err := a.browser.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		a.t.Fatalf("page %s answered %s", path, resp.Status)
	}
	doc, err := goquery.NewDocumentFromReader(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return doc
}

// checkPage checks that the first line of the feature's page names the replica that
// is behind and not the one that is not, and that a row tells how far it is behind.
func (a *api) checkPage(t *testing.T, when, culprit, innocent string, want behindRow) {
	t.Helper()
	main := a.page("/features/checkout").Find("main")
	first := strings.Join(strings.Fields(main.Find("h1").Parent().Text()), " ")
	answer := a.feature().Answer
	t.Logf("%s, the page says: %.300s", when, first)
	for where, said := range map[string]string{"page": first, "API": answer} {
		if !strings.Contains(said, culprit) || strings.Contains(said, innocent) || strings.Contains(said, "healthy") {
			t.Errorf("%s, the first words of the %s do not blame %s alone: %.500s", when, where, culprit, said)
		}
	}
	rows := main.Find("tr").FilterFunction(func(_ int, tr *goquery.Selection) bool {
		return strings.Contains(tr.Text(), culprit) && strings.Contains(strings.ToLower(tr.Text()), "behind")
	})
	if rows.Length() != 1 {
		t.Fatalf("%s, %d rows of the page say that %s is behind; want one", when, rows.Length(), culprit)
	}
	count, age := false, false
	rows.Find("td").Each(func(_ int, td *goquery.Selection) {
		text := strings.ReplaceAll(strings.TrimSpace(td.Text()), ",", "")
		if n, err := strconv.Atoi(text); err == nil && n >= want.fewest && n <= want.fewest*2 {
			count = true
		}
		if d, err := time.ParseDuration(strings.Join(strings.Fields(text), "")); err == nil && d >= want.oldest-time.Second && d <= want.oldest+want.within {
			age = true
		}
	})
	if !count || !age {
		t.Errorf("%s, the row does not say that %d writes or more are missing (%v) for %s or longer (%v): %q",
			when, want.fewest, count, want.oldest, age, strings.Join(strings.Fields(rows.Text()), " "))
	}
}

func (a *api) get(path string) string {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, a.url+path, http.NoBody)
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		a.t.Fatalf("GET %s: %s, %v\n%.500s", path, resp.Status, err, raw)
	}
	return string(raw)
}

func ask[T any](a *api, path string) T {
	a.t.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.get(path)), &v); err != nil {
		a.t.Fatalf("GET %s: %v", path, err)
	}
	return v
}

func (a *api) feature() report.FeatureReport {
	a.t.Helper()
	return ask[report.FeatureReport](a, "/api/v1/features/checkout")
}

func (a *api) backlog() map[string]replicaBacklog {
	a.t.Helper()
	by := map[string]replicaBacklog{}
	for _, r := range ask[report.Backlog](a, "/api/v1/features/checkout/backlog").Replicas {
		by[r.Replica] = replicaBacklog{r}
	}
	return by
}

type replicaBacklog struct{ report.ReplicaBacklog }

// age is that of the oldest missing write, 0 when none is missing.
func (b replicaBacklog) age() time.Duration {
	if b.OldestAgeNS == nil {
		return 0
	}
	return time.Duration(*b.OldestAgeNS)
}

// slowest is the listed write that took longest to the standby. One write of each
// minute and doubling of lag is listed, so it is not the slowest of all.
func (a *api) slowest() report.WriteRow {
	a.t.Helper()
	var slowest report.WriteRow
	for _, r := range ask[report.Writes](a, "/api/v1/writes?feature=checkout&replica=standby-1&min_lag=1s").Writes {
		if r.LagNS != nil && (slowest.LagNS == nil || *r.LagNS > *slowest.LagNS) {
			slowest = r
		}
	}
	return slowest
}
