package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
)

// hardNames are ids that an address can spoil.
var hardNames = []string{
	"a%62", "ab", "a/b", "a%2Fb", "a%252Fb", "%2f%2e%2e", "%2e%2e", "../ab", "...", "a b", "a+b", "a%20b", "naïve/é", "100%", "a%zz", "?x=1#y", "a;b,c&d",
}

// TestEscapesInPathsAreUndoneOnce: what somebody names is what is answered, changed and
// deleted, and nothing that its escapes would spell.
func TestEscapesInPathsAreUndoneOnce(t *testing.T) {
	t.Parallel()
	d := open(t)
	operator, services := d.namedKey("operator", "control", "read"), d.namedKey("services", "evaluate")
	flag := func(name string) string { return "/api/v1/flags/" + url.PathEscape(name) }
	for _, name := range hardNames {
		d.do(operator, http.MethodPut, flag(name), cartFlag, http.StatusCreated, nil)
		var e struct{ Key string }
		d.do(services, http.MethodPost, "/ofrep/v1/evaluate/flags/"+url.PathEscape(name), `{"context":{"targetingKey":"u"}}`, http.StatusOK, &e)
		if e.Key != name {
			t.Errorf("%q is evaluated as %q", name, e.Key)
		}
	}
	keys := func() []string {
		var all struct{ Items []struct{ Key string } }
		d.do(operator, http.MethodGet, "/api/v1/flags", "", http.StatusOK, &all)
		out := make([]string, len(all.Items))
		for i := range all.Items {
			out[i] = all.Items[i].Key
		}
		slices.Sort(out)
		return out
	}
	left := slices.Sorted(slices.Values(hardNames))
	if got := keys(); !slices.Equal(got, left) {
		t.Errorf("stored as %q", got)
	}
	d.sameByLinks(operator, "/flags", "/flags/", hardNames)
	for _, name := range hardNames {
		d.do(operator, http.MethodDelete, flag(name)+"?base=1&reason=gone", "", http.StatusOK, nil)
		left = slices.DeleteFunc(left, func(s string) bool { return s == name })
		if got := keys(); !slices.Equal(got, left) {
			t.Fatalf("deleting %q left %q", name, got)
		}
	}
	for _, dots := range []string{".", ".."} {
		told := d.do(operator, http.MethodPut, "/api/v1/flags/"+strings.ReplaceAll(dots, ".", "%2e"), cartFlag, http.StatusBadRequest, nil)
		if !strings.Contains(told, "cannot stand in an address") {
			t.Errorf("a flag %q: %s", dots, told)
		}
	}
}

// TestEscapesInEventsIDsAreUndoneOnce asks the same of what services name.
func TestEscapesInEventsIDsAreUndoneOnce(t *testing.T) {
	t.Parallel()
	d := open(t)
	services := d.namedKey("services", "publish:*", "consume:*", "read")
	var events []map[string]any
	add := func(kind, feature, write string, more ...any) {
		e := map[string]any{"kind": kind, "feature": feature, "write_id": write, "key": "k", "service": "s", "occurred_at": time.Now().UnixNano()}
		for i := 0; i < len(more); i += 2 {
			e[more[i].(string)] = more[i+1]
		}
		events = append(events, e)
	}
	for _, name := range hardNames {
		add("initiated", "cart", name, "expect", []string{"eu"})
		add("conflict_detected", "cart", name, "conflict_id", name)
		add("initiated", name, "w of "+name)
	}
	body, err := json.Marshal(events)
	if err != nil {
		t.Fatal(err)
	}
	if got := read[receipt](t, d.post(services, "/v1/events", string(body), "Content-Type: application/json"), http.StatusOK); len(got.Rejected) > 0 {
		t.Fatalf("%+v", got)
	}
	d.until("counted", func() bool {
		return strings.Contains(d.get(services, "/", "Accept: text/html").Body.String(), "a;b,c&amp;d") &&
			strings.Contains(d.get(services, "/conflicts", "Accept: text/html").Body.String(), "/conflicts/")
	})
	for _, name := range hardNames {
		for path, want := range map[string]string{"writes": "write_id", "conflicts": "id"} {
			var got map[string]any
			d.do(services, http.MethodGet, fmt.Sprintf("/api/v1/%s/%s?feature=cart", path, url.PathEscape(name)), "", http.StatusOK, &got)
			if got[want] != name {
				t.Errorf("%s %q is answered as %v", path, name, got[want])
			}
		}
	}
	d.sameByLinks(services, "/writes?feature=cart", "/writes/", hardNames)
	d.sameByLinks(services, "/", "/features/", append([]string{"cart"}, hardNames...))
	d.sameByLinks(services, "/conflicts", "/conflicts/", hardNames)
}

// sameByLinks follows the links of a list: each leads to the page of what it is about,
// and each name is there once.
func (d *door) sameByLinks(key, list, prefix string, names []string) {
	d.t.Helper()
	found := map[string]bool{}
	d.document(key, list).Find("main a[href]").Each(func(_ int, a *goquery.Selection) {
		href, _, _ := strings.Cut(a.AttrOr("href", ""), "?")
		last, ok := strings.CutPrefix(href, prefix)
		if !ok || last == "new" || strings.Contains(last, "/") {
			return
		}
		name, err := url.PathUnescape(last)
		if err != nil {
			d.t.Fatalf("%s: %v", href, err)
		}
		found[name] = true
		if shown := d.document(key, a.AttrOr("href", "")).Find("title").Text(); !strings.Contains(shown, name) {
			d.t.Errorf("%s leads to %q", href, shown)
		}
	})
	for _, name := range names {
		if !found[name] {
			d.t.Errorf("%s links no page of %q", list, name)
		}
	}
}

func (d *door) document(key, path string) *goquery.Document {
	d.t.Helper()
	w := d.get(key, path, "Accept: text/html")
	if w.Code != http.StatusOK {
		d.t.Errorf("%s: %d", path, w.Code)
	}
	doc, err := goquery.NewDocumentFromReader(w.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return doc
}
