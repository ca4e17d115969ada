package browser

import (
	"testing"
	"time"

	"tidemark/tests/tidemark"
)

// TestADoubleClickActsOnce clicks twice where a key is made: the second click, which
// comes before the answer, makes no second key, that nobody has seen. The form can be
// sent anew after going back to it.
func TestADoubleClickActsOnce(t *testing.T) {
	b := open(t)
	s := tidemark.Start(t, "serve", "--data", t.TempDir())
	p := tab(t, b, Look{Width: Wide, Height: 900})
	if err := p.SignIn(s.SignIn); err != nil {
		t.Fatal(err)
	}
	twice := func() {
		t.Helper()
		ready(t, p)
		if _, err := Eval[bool](p, `(() => {
			const form = document.querySelector("main form");
			form.elements.name.value = "shop";
			form.elements.scopes.value = "read";
			const button = form.querySelector("button");
			button.click();
			setTimeout(() => button.click(), 2);
			return true;
		})()`); err != nil {
			t.Fatal(err)
		}
		if err := p.Until(`document.querySelector("#secret code")`, 10*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	keys := func() int {
		t.Helper()
		n, err := Eval[int](p, `fetch("/api/v1/keys", {headers: {Accept: "application/json"}}).then(r => r.json()).then(a => a.items.length)`)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	visit(t, p, s.URL+"/access/keys/new")
	twice()
	if n := keys(); n != 1 {
		t.Errorf("two clicks made %d keys", n)
	}
	if _, err := Eval[bool](p, `history.back(), true`); err != nil {
		t.Fatal(err)
	}
	if err := p.Until(`document.readyState === "complete" && document.querySelector("main form [name=scopes]")`, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	twice()
	if n := keys(); n != 2 {
		t.Errorf("there are %d keys after the form was sent again; want 2", n)
	}
}
