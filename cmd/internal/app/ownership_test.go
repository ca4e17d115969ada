package app_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestDeclaringServicesByPages is a viewer whose team owns cart: by its pages they
// declare who publishes it, get a form wrong, mend it, go back and end it; another's
// feature is not theirs to declare. What a page says is in force for the next event.
func TestDeclaringServicesByPages(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	ana, eve := d.invite(root, "ana", "viewer"), d.invite(root, "eve", "viewer")
	root.post(http.StatusSeeOther, "/access/teams/new", "name", "shop-team", "members", "ana", "features", "cart")
	shop, thief := d.namedKey("shop", "publish:cart"), d.namedKey("thief", "publish:cart")
	sends := func(key, id string) bool {
		w := d.post(key, "/v1/events", event("initiated", id, "cart", ""), "Content-Type: application/x-ndjson")
		return read[receipt](t, w, http.StatusOK).Accepted == 1
	}
	says := func(b *browser, path string, want ...string) {
		t.Helper()
		got := text(t, b.get(path))
		for _, s := range want {
			if !strings.Contains(got, s) {
				t.Errorf("%s does not say %q: %s", path, s, got)
			}
		}
	}
	form := func(more ...string) []string {
		return append([]string{"key", "cart", "reason", "ours", "publish", "list", "publishers", "shop\r\nnewcomer", "consume", "keys"}, more...)
	}

	says(ana, "/ownership", "No feature declares its services", "One that your teams own: cart.")
	if got := text(t, eve.get("/ownership")); strings.Contains(got, "Declare the services") {
		t.Errorf("whoever owns nothing is offered the form: %s", got)
	}
	eve.post(http.StatusForbidden, "/ownership", form()...)
	ana.post(http.StatusForbidden, "/ownership", form("key", "feed")...)
	for want, more := range map[string][]string{
		"publishers Name the services":             {"publishers", " "},
		"consumers Names services":                 {"consumers", "search"},
		"declares nothing":                         {"publish", "keys", "publishers", ""},
		`publishers "some" is no answer`:           {"publish", "some"},
		`spec.publishers[1] "shop" is there twice`: {"publishers", "shop, shop"},
	} {
		w := ana.do(http.MethodPost, "/ownership", values(form(more...)))
		if got := text(t, w); w.Code/100 != 4 || !strings.Contains(got, want) || !strings.Contains(got, "Declare the services") {
			t.Errorf("%v: %d without %q beside the form: %s", more, w.Code, want, got)
		}
	}
	if !sends(thief, "w1") {
		t.Fatal("what was refused is in force")
	}

	ana.post(http.StatusSeeOther, "/ownership", form()...)
	if sends(thief, "w2") || !sends(shop, "w3") {
		t.Error("the declaration is not in force")
	}
	says(eve, "/ownership/cart", "Of cart, 2 services may publish, and whoever’s key says so may consume.", "shop-team", "live keynewcomer", "thief")
	says(eve, "/access", "keys and declaration", "Policy labels")
	eve.post(http.StatusForbidden, "/ownership/cart", form("base", "1")...)
	ana.post(http.StatusSeeOther, "/ownership/cart", form("base", "1", "publish", "nobody", "publishers", "")...)
	if sends(shop, "w4") {
		t.Error("somebody publishes what nobody may")
	}
	if w := ana.do(http.MethodPost, "/ownership/cart", values(form("base", "1"))); w.Code != http.StatusConflict || !strings.Contains(text(t, w), "Somebody else changed it meanwhile") {
		t.Errorf("an edit of what changed: %d", w.Code)
	}
	says(ana, "/ownership/cart?revision=1", "Restore")
	ana.post(http.StatusSeeOther, "/ownership/cart/restore", "revision", "1", "reason", "back")
	if !sends(shop, "w5") || sends(thief, "w6") {
		t.Error("the restored revision is not in force")
	}
	ana.post(http.StatusSeeOther, "/ownership/cart/delete", "base", "3", "delete-reason", "over")
	if !sends(thief, "w7") {
		t.Error("what was deleted is in force")
	}
	says(ana, "/ownership/cart", "declares no services any more")
}
