package app_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
)

// live is how a person's overview learns of changes: "stream", "poll", or "" for not at
// all.
func (b *browser) live() string {
	b.d.t.Helper()
	w := b.get("/")
	doc, err := goquery.NewDocumentFromReader(w.Body)
	if err != nil || w.Code != http.StatusOK {
		b.d.t.Fatalf("the overview: %d %v", w.Code, err)
	}
	control := doc.Find("[data-topic]")
	_, polls := control.Attr("data-polls")
	switch {
	case control.Length() == 0:
		return ""
	case polls:
		return "poll"
	}
	return "stream"
}

// TestTheDashboardObeysItsOwnFlag is a flag of tidemark itself: how pages learn of
// changes, by person. Without it, and where it makes no sense, they are told by a stream.
func TestTheDashboardObeysItsOwnFlag(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	ana, eve := d.invite(root, "ana", "viewer"), d.invite(root, "eve", "viewer")
	operator := d.namedKey("operator", "control", "read")
	want := func(when, forAna, forEve string) {
		t.Helper()
		// The provider hears of a change a moment after it was stored.
		for give := time.Now().Add(5 * time.Second); ; {
			a, e := ana.live(), eve.live()
			if a == forAna && e == forEve {
				return
			}
			if time.Now().After(give) {
				t.Fatalf("%s: %q and %q; want %q and %q", when, a, e, forAna, forEve)
			}
		}
	}
	want("without the flag", "stream", "stream")
	flag := `{"base":BASE,"reason":"the proxy of ana's office holds streams back","definition":{"state":"ENABLED","defaultVariant":"stream",
		"variants":{"stream":"stream","poll":"poll","off":"off","odd":"odd"},
		"targeting":{"if":[{"==":[{"var":"targetingKey"},"user:ana"]},"poll"]}}}`
	base := 0
	save := func(status int, change ...string) {
		body := strings.NewReplacer(append(change, "BASE", strconv.Itoa(base))...).Replace(flag)
		d.do(operator, http.MethodPut, "/api/v1/flags/tidemark-page-updates", body, status, nil)
		base++
	}
	save(http.StatusCreated)
	want("polling for ana", "poll", "stream")
	save(http.StatusOK, `,"poll"]`, `,"off"]`)
	want("off for ana", "", "stream")
	save(http.StatusOK, `,"poll"]`, `,"odd"]`)
	want("a value that means nothing", "stream", "stream")
	save(http.StatusOK)
	want("polling again, so that the next change is seen", "poll", "stream")
	save(http.StatusOK, "ENABLED", "DISABLED")
	want("disabled", "stream", "stream")
	// What the pages asked is usage of the flag, by answer, and no question for one that
	// does not exist.
	var usage struct {
		Count   int64
		Answers []struct {
			Variant, Reason string
			Count           int64
		}
	}
	d.do(operator, http.MethodGet, "/api/v1/flags/tidemark-page-updates/usage", "", http.StatusOK, &usage)
	seen := map[string]bool{}
	for _, a := range usage.Answers {
		seen[a.Variant+" "+a.Reason] = a.Count > 0
	}
	for _, a := range []string{"poll TARGETING_MATCH", "off TARGETING_MATCH", "stream DEFAULT", " DISABLED"} {
		if !seen[a] {
			t.Errorf("%q was answered and is not counted: %+v", a, usage)
		}
	}
	if n := d.app.Flags().Unknown(); n != 0 {
		t.Errorf("%d questions of the pages are counted as for unknown flags", n)
	}
}
