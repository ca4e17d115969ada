package browser

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tidemark/tests/tidemark"
)

// TestLongNamesDoNotWidenPages: names without a break, as long as they may be, stay
// within the page, also on a phone.
func TestLongNamesDoNotWidenPages(t *testing.T) {
	b := open(t)
	data := t.TempDir()
	key := strings.TrimSpace(tidemark.Verb(t, "keys", "create", "shop", "--data", data, "--scope", "publish:*", "--scope", "consume:*", "--scope", "control", "--scope", "read"))
	s := tidemark.Start(t, "serve", "--data", data)
	long := strings.Repeat("x", 128)
	send(t, s, key, strings.ReplaceAll(began(strings.Repeat("w", 200), "a", time.Now()), `"cart"`, `"`+long+`"`))
	flag := strings.Repeat("f", 200)
	status, answer := call(t, http.MethodPut, s.URL+"/api/v1/flags/"+flag, key, `{"reason":"long","definition":{"state":"ENABLED","defaultVariant":"on","variants":{"on":true},"metadata":{"feature":"`+long+`"}}}`)
	if status != http.StatusCreated {
		t.Fatalf("%d %s", status, answer)
	}
	p := tab(t, b, Look{Width: Narrow, Height: 844})
	if err := p.SignIn(s.SignIn); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/features/" + long, "/flags", "/flags/" + flag, "/writes/" + strings.Repeat("w", 200), "/writes?feature=" + url.QueryEscape(long), "/rollouts/new?flag=" + flag} {
		visit(t, p, s.URL+path)
		if found, err := p.Overflow(); err != nil || len(found) > 0 {
			t.Errorf("%.30s: %v, %v", path, found, err)
		}
	}
}
