package browser

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tidemark/tests/tidemark"
)

// TestLongNamesDoNotWidenPages: names without a break, as long as they may be, stay
// within the page, also on a phone, and cover nothing beside them.
func TestLongNamesDoNotWidenPages(t *testing.T) {
	b := open(t)
	data := t.TempDir()
	key := strings.TrimSpace(tidemark.Verb(t, "keys", "create", "shop", "--data", data, "--scope", "publish:*", "--scope", "consume:*", "--scope", "control", "--scope", "read"))
	s := tidemark.Start(t, "serve", "--data", data)
	long := strings.Repeat("x", 128)
	at := time.Now().Add(-time.Minute) // It has fallen silent, which pages say by name.
	event := func(kind, more string, after time.Duration) string {
		return fmt.Sprintf(`{"kind":%q,"write_id":%q,"feature":%q,"key":"a","service":%q,"occurred_at":%q,%s}`,
			kind, strings.Repeat("w", 200), long, strings.Repeat("s", 128), at.Add(after).UTC().Format(time.RFC3339Nano), more)
	}
	replica := strings.Repeat("r", 128)
	send(t, s, key, event("initiated", `"expect":["`+replica+`"]`, 0))
	send(t, s, key, event("visible", `"replica":"`+replica+`"`, time.Second))
	flag := strings.Repeat("f", 200)
	status, answer := call(t, http.MethodPut, s.URL+"/api/v1/flags/"+flag, key, `{"reason":"long","definition":{"state":"ENABLED","defaultVariant":"on","variants":{"on":true},"metadata":{"feature":"`+long+`"}}}`)
	if status != http.StatusCreated {
		t.Fatalf("%d %s", status, answer)
	}
	first := tab(t, b, Look{Width: Wide, Height: 900})
	if err := first.SignIn(s.SignIn); err != nil {
		t.Fatal(err)
	}
	for _, look := range []Look{{Width: Narrow, Height: 844}, {Width: Wide, Height: 900}} {
		p := tab(t, b, look)
		for _, path := range []string{"/", "/features/" + long, "/topology", "/pipeline", "/flags", "/flags/" + flag, "/writes/" + strings.Repeat("w", 200), "/writes?feature=" + url.QueryEscape(long), "/rollouts/new?flag=" + flag} {
			visit(t, p, s.URL+path)
			ready(t, p)
			if found, err := p.Overflow(); err != nil || len(found) > 0 {
				t.Errorf("%d px, %.30s: %v, %v", look.Width, path, found, err)
			}
			if found, err := p.CutTables(); err != nil || len(found) > 0 {
				t.Errorf("%d px, %.30s: a table is cut: %v, %v", look.Width, path, found, err)
			}
		}
	}
}
