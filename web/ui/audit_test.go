package ui_test

import (
	"net/http"
	"strings"
	"testing"

	"tidemark/flags"
)

// changed fills the log: three keys, a promise in two versions, and a signed head.
func (s *site) changedTwice() {
	s.t.Helper()
	s.apply("1.0.0")
	s.apply("1.1.0")
	_, err := s.control.Checkpoint(s.t.Context(), present)
	must(s.t, err)
}

func TestAuditSaysWhoDidWhat(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.changedTwice()
	for path, want := range map[string][]string{
		"/audit":                   {"6 changes are recorded, each with its author.", "audit.key", "ConsistencyGuarantee/cart-everywhere", "tidemark-audit-", "key.create"},
		"/audit?action=document.*": {"6 changes are recorded", "document.apply"},
		"/audit?actor=cli:test&subject=Consistency*":       {"cli:test"},
		"/audit?action=nothing":                            {"No change"},
		"/audit?check=all":                                 {"all 6 entries fit"},
		"/audit?from=2026-03-14T12:00:00Z&action=document": {"No change"},
	} {
		w := s.get("control", path)
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d", path, w.Code)
		}
		said := words(parse(t, w))
		for _, text := range want {
			if !strings.Contains(said, text) {
				t.Errorf("%s does not say %q: %s", path, text, said)
			}
		}
		if strings.Contains(path, "document.*") && strings.Contains(said, "key.create") {
			t.Errorf("%s shows what it should leave out", path)
		}
	}
}

func TestTheAuditLogLeadsToWhatWasChanged(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.changedTwice()
	for _, path := range []string{"/audit", "/audit/4"} {
		if parse(t, s.get("control", path)).Find(`main a[href="/guarantees/cart-everywhere"]`).Length() == 0 {
			t.Errorf("%s does not lead to the promise that was changed", path)
		}
	}
}

func TestAnAuditEntryIsProvedAndCompared(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.changedTwice()
	doc := parse(t, s.get("control", "/audit/4"))
	said := words(doc)
	for _, want := range []string{
		"cli:test did document.apply to ConsistencyGuarantee/cart-everywhere.", "In the log, proved", "It leads to the root",
		"− 1.0.0", "+ 1.1.0", "content:", "version: 1.1.0",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the page does not say %q: %s", want, said)
		}
	}
	if strings.Contains(text(doc.Find("#changes")), "My cart is the same") {
		t.Error("lines that did not change are shown as changes")
	}
}

func TestATamperedEntryIsShownAsSuch(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.changedTwice()
	s.sql(`UPDATE audit_entries SET leaf = CAST(replace(CAST(leaf AS TEXT), 'cli:test', 'cli:else') AS BLOB), actor = 'cli:else' WHERE n = 3`)
	if said := words(parse(t, s.get("control", "/audit/3"))); !strings.Contains(said, "Does not verify") {
		t.Errorf("the entry looks sound: %s", said)
	}
	if said := words(parse(t, s.get("control", "/audit?check=all"))); !strings.Contains(said, "entry 3 was changed") {
		t.Errorf("the log looks sound: %s", said)
	}
	if said := words(parse(t, s.get("control", "/audit/2"))); !strings.Contains(said, "In the log, proved") {
		t.Errorf("its neighbour does not: %s", said)
	}
}

func TestAuditAddressesWithMistakes(t *testing.T) {
	t.Parallel()
	s := open(t)
	for path, status := range map[string]int{
		"/audit?cursor=x": 400, "/audit?check=some": 400, "/audit?who=me": 400, "/audit/x": 404, "/audit/99": 404, "/audit/-1": 404,
	} {
		if w := s.get("control", path); w.Code != status {
			t.Errorf("%s: %d, want %d", path, w.Code, status)
		}
	}
	for scope, status := range map[string]int{"control": 200, "read": 403, "evaluate": 403} {
		if w := s.get(scope, "/audit"); w.Code != status {
			t.Errorf("%s: %d, want %d", scope, w.Code, status)
		}
	}
}

func TestTheAuditLogGoesOnOverPages(t *testing.T) {
	t.Parallel()
	s := open(t)
	for range 60 {
		must(t, s.control.PutWebhook(t.Context(), flags.Webhook{ID: "h", Name: "hook", URL: "https://x.example", CreatedAt: present}, "user:anna", "again", present))
	}
	doc := parse(t, s.get("control", "/audit"))
	next, ok := doc.Find("a[rel=next]").Attr("href")
	if !ok {
		t.Fatal("no way to older changes")
	}
	if rows := parse(t, s.get("control", next)).Find("#entries tbody tr").Length(); rows != 13 {
		t.Errorf("%d rows on the second page, want 13", rows)
	}
}
