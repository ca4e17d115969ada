package app_test

import (
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"tidemark/flags"
	"tidemark/flags/access"
)

// ruleAnswer is what the tests read of answers about rules.
type ruleAnswer struct {
	Code     string
	Revision int64
	Stored   bool
	Items    []struct {
		Name     string
		Revision int64
	}
	Problems []struct{ Field, Message string }
}

func TestRulesOverHTTP(t *testing.T) {
	t.Parallel()
	d := open(t)
	key, reader := d.key("control", "read"), d.key("read")
	const path = "/api/v1/rules/cart-merge"
	var a ruleAnswer

	d.do(reader, "PUT", path, `{"definition":{"version":1,"strategy":"merge"},"base":0}`, 403, nil)
	d.do(reader, "GET", path, "", 404, nil)
	d.do(key, "PUT", path, `{"definition":{"version":1,"strategy":"merge"},"base":0,"reason":"first"}`, 201, &a)
	if !a.Stored {
		t.Errorf("put: %+v", a)
	}
	d.do(key, "PUT", path, `{"definition":{"version":1,"strategy":"crdt"},"base":1}`, 400, &a)
	if len(a.Problems) != 1 || a.Problems[0].Field != "spec.version" {
		t.Errorf("another content of the same version: %+v", a.Problems)
	}
	d.do(key, "PUT", path, `{"definition":{"version":2,"strategy":"dice"},"base":1}`, 400, nil)
	d.do(key, "PUT", path, `{"definition":{"version":2,"strategy":"crdt"},"base":7}`, 409, nil)
	d.do(key, "PUT", path, `{"definition":{"version":2,"strategy":"crdt"},"base":1}`, 200, nil)
	d.do(reader, "GET", "/api/v1/rules", "", 200, &a)
	if len(a.Items) != 1 || a.Items[0].Name != "cart-merge" || a.Items[0].Revision != 2 {
		t.Errorf("list: %+v", a.Items)
	}
	if got := d.do(reader, "GET", path+"/diff", "", 200, nil); !strings.Contains(got, `strategy changes from`) {
		t.Errorf("diff: %s", got)
	}
	d.do(key, "POST", path+"/restore", `{"revision":1,"base":2,"reason":"back"}`, 200, &a)
	d.do(reader, "GET", path+"/versions", "", 200, &a)
	if len(a.Items) != 3 {
		t.Errorf("versions: %+v", a.Items)
	}
	d.do(key, "DELETE", path+"?base=3&reason=unused", "", 200, nil)
	d.do(reader, "GET", path, "", 404, nil)
}

// TestARolloutNamesItsRule: what the arms of a rollout reconcile by, when their variants
// name a rule, beside a model or alone, with a link where one of that name is stored; and
// nothing when they name none.
func TestARolloutNamesItsRule(t *testing.T) {
	t.Parallel()
	d := open(t)
	operator, cookie := d.namedKey("operator", "control", "read"), d.signIn(access.Viewer)
	d.do(operator, "PUT", "/api/v1/rules/cart-merge", `{"definition":{"version":1,"strategy":"crdt"}}`, 201, nil)
	for name, c := range map[string]struct{ old, candidate, want, under, link string }{
		"alone":          {`{"rule":"cart-merge","version":3}`, `{"rule":"cart-merge","version":4}`, "cart-merge v4", "instead of cart-merge v3", "/rules/cart-merge"},
		"beside-a-model": {`{"model":"causal","reconciliation":{"rule":"lww","version":1}}`, `{"model":"causal","reconciliation":{"rule":"cart-merge","version":2}}`, "cart-merge v2", "instead of lww v1", "/rules/cart-merge"},
		"new":            {`{"model":"causal"}`, `{"model":"causal","reconciliation":{"rule":"cart-merge"}}`, "cart-merge", "", "/rules/cart-merge"},
		"not-stored":     {`{"rule":"lww","version":1}`, `{"rule":"no-such-rule","version":2}`, "no-such-rule v2", "instead of lww v1", ""},
		"only-before":    {`{"rule":"cart-merge","version":3}`, `{"model":"causal"}`, "", "", ""},
		"a-number":       {`7`, `8`, "", "", ""},
		"another-form":   {`{"rule":["x"]}`, `{"rule":{"name":"x"},"reconciliation":"lww"}`, "", "", ""},
	} {
		flag := strings.NewReplacer(`{"model":"eventual"}`, c.old, `{"model":"causal"}`, c.candidate).Replace(cartFlag)
		d.do(operator, "PUT", "/api/v1/flags/"+name, flag, 201, nil)
		var r flags.Rollout
		d.do(operator, "POST", "/api/v1/rollouts", strings.Replace(cartPlan, "cart-model", name, 1), 201, &r)
		doc, err := goquery.NewDocumentFromReader(d.page(cookie, "/rollouts/"+r.ID, nil).Body)
		check(t, err)
		dd := doc.Find("dl.pairs dt:contains('Reconciles by') + dd")
		link, _ := dd.Find("a").Attr("href")
		said := strings.Join(strings.Fields(dd.Text()), " ")
		if want := strings.TrimSpace(c.want + " " + c.under); said != want || link != c.link || (dd.Length() == 1) != (c.want != "") {
			t.Errorf("%s: %q to %q; want %q to %q", name, said, link, want, c.link)
		}
		if about := doc.Find("dl.pairs dt:contains('Flag') + dd").Text(); !strings.Contains(about, name) {
			t.Errorf("%s: is this the right list? It says %q of the flag", name, about)
		}
	}
}
