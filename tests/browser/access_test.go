package browser

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"tidemark/tests/tidemark"
)

const password = "correct horse battery staple"

// fill types into the fields of the page's last form and sends it, as a person does:
// with the keyboard's result, and a click.
func fill(t *testing.T, p *Tab, fields map[string]string) {
	t.Helper()
	for name, value := range fields {
		if _, err := Eval[bool](p, fmt.Sprintf(`(() => { const e = document.querySelector("main form [name=%s]"); e.value = %q; return true; })()`, name, value)); err != nil {
			t.Fatalf("field %s: %v", name, err)
		}
	}
	before, err := Eval[string](p, "document.querySelector('main h1').textContent")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Click(`main form button:not([type=button])`); err != nil {
		t.Fatal(err)
	}
	if err := p.Until(fmt.Sprintf(`document.readyState === "complete" && document.querySelector("main h1").textContent !== %q`, before), 20*time.Second); err != nil {
		t.Fatalf("nothing follows the form of %q: %v", before, err)
	}
}

func says(t *testing.T, p *Tab, want string) {
	t.Helper()
	got, err := Eval[string](p, `document.querySelector("main").innerText`)
	if err != nil || !strings.Contains(got, want) {
		t.Errorf("the page does not say %q: %s, %v", want, got, err)
	}
}

func copied(t *testing.T, p *Tab) string {
	t.Helper()
	text, err := Eval[string](p, `document.querySelector("#secret code").textContent`)
	if err != nil || text == "" {
		t.Fatalf("nothing to copy: %q, %v", text, err)
	}
	return text
}

// TestAccess sets a new server up, invites somebody, makes a team and a key, all
// without scripts, and then looks at each page in each way.
func TestAccess(t *testing.T) {
	a := axe(t)
	b := open(t)
	s := tidemark.Start(t, "serve", "--data", t.TempDir())
	link := regexp.MustCompile(`http://\S+/setup\?token=\S+`).FindString(s.Said())
	if link == "" {
		t.Fatalf("no set-up link in %s", s.Said())
	}
	p := tab(t, b, Look{Width: Wide, Height: 900, NoScript: true})
	visit(t, p, link)
	fill(t, p, map[string]string{"name": "root", "password": password, "again": password})
	visit(t, p, s.URL+"/access")
	says(t, p, "administrator")
	visit(t, p, s.URL+"/access/people/new")
	fill(t, p, map[string]string{"name": "ana", "role": "operator", "reason": "on call"})
	invitation := copied(t, p)
	visit(t, p, s.URL+"/access/teams/new")
	fill(t, p, map[string]string{"name": "shop", "about": "Cart and checkout.", "members": "ana root", "features": "cart checkout"})
	says(t, p, "owns 2 features")
	visit(t, p, s.URL+"/access/keys/new")
	fill(t, p, map[string]string{"name": "cart-api", "scopes": "publish:cart consume:checkout read", "expires": "90d"})
	if key := copied(t, p); !strings.HasPrefix(key, "tmk_live_") {
		t.Errorf("the key is %q", key)
	}
	visit(t, p, s.URL+"/access")
	says(t, p, "cart-api")

	t.Run("looks", func(t *testing.T) {
		first := tab(t, b, Look{Width: Wide, Height: 900})
		pages := accessPages(t, first, s.URL)
		for name, look := range looks() {
			tab := tab(t, b, look)
			for _, page := range pages {
				t.Run(name+" "+page.Kind, func(t *testing.T) { checkPage(t, tab, s.URL, page, look, a) })
			}
		}
		still := tab(t, b, Look{Width: Wide, Height: 900, NoScript: true})
		for _, page := range pages {
			t.Run("without JavaScript "+page.Kind, func(t *testing.T) { checkWithoutScript(t, still, s.URL, page) })
		}
	})
	t.Run("bare pages", func(t *testing.T) {
		for name, look := range looks() {
			p := tab(t, b, look)
			for _, page := range []Page{{"/signin", "/signin"}, {"/setup", strings.TrimPrefix(invitation, s.URL)}} {
				t.Run(name+" "+page.Kind, func(t *testing.T) { checkPage(t, p, s.URL, page, look, a) })
			}
		}
	})
}

// accessPages returns one page of each kind below /access.
func accessPages(t *testing.T, p *Tab, base string) []Page {
	t.Helper()
	all, err := Crawl(p, base)
	if err != nil {
		t.Fatal(err)
	}
	var out []Page
	for _, page := range all {
		if strings.HasPrefix(page.Kind, "/access") {
			out = append(out, page)
		}
	}
	if len(out) < 15 {
		t.Errorf("only %d pages about access: %v", len(out), out)
	}
	return out
}
