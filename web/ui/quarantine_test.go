package ui_test

import (
	"net/http"
	"strings"
	"testing"

	"tidemark/metrics"
)

// TestWhatWaitsInQuarantineIsTold holds an event with a label that nobody declared, and
// reads of it on its page and where its feature is looked for.
func TestWhatWaitsInQuarantineIsTold(t *testing.T) {
	t.Parallel()
	s := open(t)
	if got := words(parse(t, s.get("read", "/quarantine"))); !strings.Contains(got, "Nothing is in quarantine.") {
		t.Errorf("empty: %s", got)
	}
	e := metrics.Event{EventID: "e1", WriteID: "w1", Feature: "hidden", Kind: metrics.KindInitiated, Actor: "secret-actor", Delta: `"secret-delta"`, Labels: []string{"odd label"}}
	_, err := s.log.Hold(t.Context(), present.UnixNano(), []metrics.Event{e}, metrics.HeldTotal{Events: 9, Bytes: 1 << 20})
	must(t, err)
	doc := parse(t, s.get("read", "/quarantine"))
	if got := text(doc.Find("h1")); got != "1 event is kept apart and counted nowhere, because nobody declared odd label." {
		t.Errorf("the first line: %s", got)
	}
	if n := doc.Find(`a[href="/labels?label=odd+label#new"]`).Length(); n == 0 {
		t.Error("no link declares the label")
	}
	if got := words(doc); strings.Contains(got, "secret-") {
		t.Errorf("the page tells contents: %s", got)
	}
	if n := doc.Find(`form[action="/quarantine/release"]`).Length(); n != 0 {
		t.Error("a reader is offered to release")
	}
	if n := parse(t, s.get("control", "/quarantine")).Find(`form[action="/quarantine/release"], form[action="/quarantine/discard"]`).Length(); n != 2 {
		t.Errorf("an operator is offered %d decisions; want 2", n)
	}
	if w := s.get("read", "/features/hidden"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/quarantine?feature=hidden" {
		t.Errorf("a feature of which all is kept apart: %d %s", w.Code, w.Header().Get("Location"))
	}
}
