package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const wrong = "wrong password, really"

// TestWrongKeysAndLinksKeepNobodyOut: what somebody at the same address, or a page that
// makes their browser ask, gets wrong does not count against the right password or link.
func TestWrongKeysAndLinksKeepNobodyOut(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	invitation := d.invitation(d.root(), "ana", "viewer")
	stranger := d.browser()
	limited := map[string]int{}
	for i := range 200 {
		if d.get(fmt.Sprintf("tmk_guess_%d", i), "/api/v1/features").Code == http.StatusTooManyRequests {
			limited["keys"]++
		}
		if stranger.get(fmt.Sprintf("/setup?token=x%d", i)).Code == http.StatusTooManyRequests {
			limited["links"]++
		}
	}
	if limited["keys"] == 0 || limited["links"] == 0 {
		t.Errorf("guessing is not slowed down: %v", limited)
	}
	d.browser().post(http.StatusSeeOther, "/signin", "name", "root", "password", good)
	if w := d.browser().get("/setup?token=" + invitation); w.Code != http.StatusOK {
		t.Errorf("the page of a good link: %d", w.Code)
	}
	d.browser().post(http.StatusSeeOther, "/setup", "token", invitation, "password", good, "again", good)
	link, err := d.app.SignInLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, token, _ := strings.Cut(link, "token=")
	d.browser().post(http.StatusSeeOther, "/signin", "token", token)
}

// TestABrowserThatIsKnownIsNotLockedOut: wrong passwords from the same address, for the
// same name and for others, do not count in a browser that the person signed in with.
func TestABrowserThatIsKnownIsNotLockedOut(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	ana := d.invite(root, "ana", "viewer")
	for range 10 {
		d.browser().post(http.StatusForbidden, "/signin", "name", "root", "password", wrong)
	}
	for i := range 60 { // The whole address.
		d.browser().do(http.MethodPost, "/signin", values([]string{"name", fmt.Sprintf("n%d", i), "password", wrong}))
	}
	d.browser().post(http.StatusTooManyRequests, "/signin", "name", "root", "password", good)
	root.post(http.StatusSeeOther, "/signout")
	root.post(http.StatusSeeOther, "/signin", "name", "Root", "password", good)

	// The cookie is for one account, and only as it was written.
	ana.post(http.StatusTooManyRequests, "/signin", "name", "root", "password", good)
	forged := d.browser()
	forged.cookies["tidemark_device"] = root.cookies["tidemark_device"][:60] + "A" + root.cookies["tidemark_device"][61:]
	forged.post(http.StatusTooManyRequests, "/signin", "name", "root", "password", good)
	// And whoever has it guesses no faster.
	thief := d.browser()
	thief.cookies["tidemark_device"] = root.cookies["tidemark_device"]
	for range 10 {
		thief.post(http.StatusForbidden, "/signin", "name", "root", "password", wrong)
	}
	thief.post(http.StatusTooManyRequests, "/signin", "name", "root", "password", good)
}

func TestTheCookieOfAKnownBrowser(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	d.root()
	b := d.browser()
	w := b.post(http.StatusSeeOther, "/signin", "name", "root", "password", good)
	for _, c := range w.Result().Cookies() {
		if c.Name != "tidemark_device" {
			continue
		}
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge < 86400 {
			t.Errorf("%+v", c)
		}
		delete(b.cookies, "tidemark_session")
		if signedIn(b) {
			t.Error("the cookie signs in by itself")
		}
		return
	}
	t.Error("the browser is not remembered")
}
