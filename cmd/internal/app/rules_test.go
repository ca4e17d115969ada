package app_test

import (
	"strings"
	"testing"
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
