package browser

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// open starts a browser for a test, or skips the test where there is none.
func open(t *testing.T) *Browser {
	t.Helper()
	b, err := Open(t.Context())
	if errors.Is(err, ErrNoBrowser) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// tab opens a tab for a test.
func tab(t *testing.T, b *Browser, look Look) *Tab {
	t.Helper()
	p, err := b.Tab(look)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// visit opens an address and fails unless it answers 200.
func visit(t *testing.T, p *Tab, url string) {
	t.Helper()
	status, err := p.Go(url)
	if err != nil {
		t.Fatal(err)
	}
	if status != http.StatusOK {
		t.Fatalf("%s answered %d", url, status)
	}
}

// axe loads the accessibility checker, or skips the test where it is not installed.
func axe(t *testing.T) Axe {
	t.Helper()
	a, err := LoadAxe("../../node_modules")
	if errors.Is(err, ErrNoAxe) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// bad is a page with one of each mistake that the harness must see.
const bad = `<!doctype html><html lang="en"><head><meta name="viewport" content="width=device-width"><title>Bad</title></head>
<body><main><h1>Bad</h1><script>document.title = "ran"</script><script src="/log.js"></script>
<p style="color:#ccc;background:#fff">pale</p><input type="text"><div id="wide">wide</div>
<button id="a" class="s">x</button><button class="s">y</button>
<div class="scroll" aria-label="Cut"><table><tr><td>a number that is out of sight</td></tr></table></div></main>
<link rel="stylesheet" href="/wide.css"></body></html>`

// TestTheHarnessSeesWhatIsWrong holds the checks against a page that fails each:
// a check that cannot fail is worth nothing.
func TestTheHarnessSeesWhatIsWrong(t *testing.T) {
	a := axe(t)
	b := open(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
		switch r.URL.Path {
		case "/log.js":
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = w.Write([]byte(`console.error("out of order"); throw new Error("broke down")`))
		case "/wide.css":
			w.Header().Set("Content-Type", "text/css")
			_, _ = w.Write([]byte(`#wide{width:900px} .s{width:10px;height:10px;padding:0;margin:0} p{color:#ccc} .scroll{width:50px;overflow:auto;white-space:nowrap}`))
		case "/":
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte(bad))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(srv.Close)

	p := tab(t, b, Look{Width: Narrow, Height: 844})
	visit(t, p, srv.URL+"/")
	problems := strings.Join(p.Problems(), "\n")
	for _, want := range []string{"out of order", "broke down", "Content Security Policy"} {
		if !strings.Contains(problems, want) {
			t.Errorf("problems do not hold %q:\n%s", want, problems)
		}
	}
	if found, err := p.Overflow(); err != nil || len(found) == 0 || !strings.Contains(found[0], "div#wide") {
		t.Errorf("overflow: %v, %v; want div#wide", found, err)
	}
	if found, err := p.CutTables(); err != nil || len(found) != 1 || !strings.Contains(found[0], "Cut") {
		t.Errorf("cut tables: %v, %v; want one", found, err)
	}
	if found, err := p.SmallTargets(); err != nil || len(found) != 2 {
		t.Errorf("small targets: %v, %v; want both buttons", found, err)
	}
	found, err := a.Check(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range []string{"label:", "color-contrast:"} {
		if !strings.Contains(strings.Join(found, "\n"), rule) {
			t.Errorf("axe does not find %s in %q", rule, found)
		}
	}

	off := tab(t, b, Look{Width: Wide, Height: 900, NoScript: true, Dark: true})
	visit(t, off, srv.URL+"/")
	if s := strings.Join(off.Problems(), "\n"); strings.Contains(s, "broke down") {
		t.Errorf("scripts run although they are turned off: %s", s)
	}
	dark, err := Eval[bool](off, `matchMedia("(prefers-color-scheme: dark)").matches`)
	if err != nil || !dark {
		t.Errorf("dark: %v, %v", dark, err)
	}
}
