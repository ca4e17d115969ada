package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"tidemark/cmd/internal/app"
	"tidemark/flags/access"
	"tidemark/flags/guarantee"
)

const cart = `apiVersion: tidemark/v1alpha1
kind: ConsistencyGuarantee
metadata: {name: cart}
spec:
  version: 1.0.0
  feature: cart
  owner: shop
  model: causal
  objectives:
    - {sli: time_to_visibility, value: 2s, target: 0.99, window: 28d}
  review: {every: 90d}
`

// door is a running server with keys to it.
type door struct {
	t    *testing.T
	app  *app.App
	once string // a key that was made before
}

func open(t *testing.T) *door {
	t.Helper()
	return openIn(t, t.TempDir(), app.Options{WebhookAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
}

func (d *door) key(scopes ...string) string {
	d.t.Helper()
	k, token, err := access.NewKey(access.NewKeyOptions{Name: "test", Scopes: scopes}, time.Now())
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.app.Access().CreateKey(d.t.Context(), k, "cli:test", ""); err != nil {
		d.t.Fatal(err)
	}
	return token
}

// do sends a request and reads a JSON answer into out, when it is not nil.
func (d *door) do(key, method, path, body string, want int, out any) string {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.app.URL()+path, bytes.NewBufferString(body))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	if resp.StatusCode != want {
		d.t.Fatalf("%s %s: %s, want %d: %s", method, path, resp.Status, want, answer)
	}
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			d.t.Fatalf("%s %s: %v in %s", method, path, err, answer)
		}
	}
	return string(answer)
}

type planAnswer struct {
	Applied  bool
	Steps    []guarantee.Step
	Code     string
	Problems []guarantee.Problem
	Plan     *planAnswer
}

func TestPromisesOverHTTP(t *testing.T) {
	t.Parallel()
	d := open(t)
	key, reader := d.key("control", "read"), d.key("read")
	const doc = "/api/v1/documents/ConsistencyGuarantee/cart"
	var p planAnswer

	d.do(reader, "POST", "/api/v1/documents/apply", cart, 403, nil)
	d.do(key, "POST", "/api/v1/documents/plan", cart, 200, &p)
	if p.Applied || len(p.Steps) != 1 || p.Steps[0].Action != guarantee.ActionCreate {
		t.Errorf("plan %+v", p)
	}
	d.do(reader, "GET", doc, "", 404, nil)
	d.do(key, "POST", "/api/v1/documents/apply?reason=first", cart, 200, &p)
	if !p.Applied {
		t.Errorf("apply %+v", p)
	}
	weaker := strings.NewReplacer("1.0.0", "1.1.0", "2s", "9s").Replace(cart)
	d.do(key, "POST", "/api/v1/documents/apply", weaker, 422, &p)
	if p.Code != "refused" || p.Plan == nil || len(p.Plan.Steps[0].Weakened) != 1 {
		t.Errorf("weakening %+v", p)
	}
	d.do(key, "POST", "/api/v1/documents/apply", strings.Replace(cart, "causal", "casual", 1), 400, &p)
	if len(p.Problems) != 1 || p.Problems[0].Line != 8 || p.Problems[0].Field != "spec.model" {
		t.Errorf("problems %+v", p.Problems)
	}
	d.do(key, "POST", "/api/v1/documents/apply", strings.Replace(weaker, "1.1.0", "2.0.0", 1), 200, &p)

	var diff struct{ Changes, Weakened []map[string]string }
	d.do(reader, "GET", doc+"/diff", "", 200, &diff)
	if len(diff.Changes) != 2 || len(diff.Weakened) != 1 {
		t.Errorf("diff %+v", diff)
	}
	d.do(reader, "POST", doc+"/restore", `{"revision":1,"reason":"x"}`, 403, nil)
	d.do(key, "POST", doc+"/restore", `{"revision":1}`, 400, nil)
	d.do(key, "POST", doc+"/restore", `{"revision":1,"reason":"too weak"}`, 200, nil)
	var versions struct {
		Items []struct{ Revision, Restores int64 }
	}
	d.do(reader, "GET", doc+"/versions", "", 200, &versions)
	if len(versions.Items) != 3 || versions.Items[0].Restores != 1 {
		t.Errorf("versions %+v", versions)
	}
	if got := d.do(reader, "GET", "/api/v1/documents?format=yaml", "", 200, nil); got != d.do(reader, "GET", doc+"?format=yaml", "", 200, nil) || !strings.Contains(got, "value: 2s") {
		t.Errorf("export %s", got)
	}
	if got := d.do(reader, "GET", "/api/v1/guarantees/cart/openslo", "", 200, nil); !strings.HasPrefix(got, "apiVersion: openslo/v1\nkind: SLO\n") {
		t.Errorf("openslo %s", got)
	}
	d.do(key, "POST", doc+"/review", `{"decision":"keep"}`, 201, nil)
	var detail struct {
		Owner   string
		Reviews []struct{ Decision, Actor string }
		Due     *guarantee.ReviewDue `json:"review_due"`
	}
	d.do(reader, "GET", "/api/v1/guarantees/cart", "", 200, &detail)
	if detail.Owner != "shop" || len(detail.Reviews) != 1 || detail.Reviews[0].Decision != "keep" || detail.Due == nil || detail.Due.Overdue {
		t.Errorf("detail %+v", detail)
	}
	d.do(reader, "GET", "/api/v1/guarantees", "", 200, nil)
	d.do(reader, "GET", "/api/v1/guarantees/cart/attainment?days=0", "", 400, nil)
	d.do(reader, "GET", "/api/v1/guarantees/cart/attainment", "", 200, nil)
	if got := d.do(reader, "GET", "/api/v1/reviews?format=csv", "", 200, nil); !strings.Contains(got, "\r\ncart,cart,shop,90d,") {
		t.Errorf("reviews %s", got)
	}
	d.do(reader, "GET", "/api/v1/alerts?state=firing", "", 200, nil)
	d.do(reader, "GET", "/api/v1/alerts?cursor=x", "", 400, nil)
	d.do(reader, "GET", "/api/v1/alerts/none", "", 404, nil)
	d.do(reader, "GET", "/api/v1/documents/Flag/x", "", 404, nil)
}

func TestAWebhookOverHTTP(t *testing.T) {
	t.Parallel()
	d := open(t)
	key, reader := d.key("control", "read"), d.key("read")
	type message struct {
		header http.Header
		body   []byte
	}
	got := make(chan message, 8)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			got <- message{r.Header.Clone(), body}
		}
	}))
	t.Cleanup(srv.Close)
	var hook struct{ ID, Secret string }
	d.do(reader, "GET", "/api/v1/webhooks", "", 403, nil)
	d.do(key, "POST", "/api/v1/webhooks", `{"name":"ops","url":"http://10.0.0.1/"}`, 422, nil)
	d.do(key, "POST", "/api/v1/webhooks", `{"name":"ops","url":"ftp://x"}`, 400, nil)
	d.do(key, "POST", "/api/v1/webhooks", fmt.Sprintf(`{"name":"ops","url":%q}`, srv.URL), 201, &hook)
	path := "/api/v1/webhooks/" + hook.ID
	if list := d.do(key, "GET", "/api/v1/webhooks", "", 200, nil); strings.Contains(list, hook.Secret) || strings.Contains(d.do(key, "GET", path, "", 200, nil), hook.Secret) {
		t.Error("the secret is shown again")
	}
	d.do(key, "POST", path+"/test", "", 202, nil)
	wh, err := standardwebhooks.NewWebhook(hook.Secret)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case m := <-got:
		if err := wh.Verify(m.body, m.header); err != nil {
			t.Errorf("%v in %s", err, m.body)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("no message came")
	}
	d.do(key, "GET", path+"/deliveries", "", 200, nil)
	d.do(key, "PUT", path, fmt.Sprintf(`{"name":"ops","url":%q,"enabled":false,"severities":["page"]}`, srv.URL), 200, nil)
	d.do(key, "DELETE", path+"?reason=done", "", 204, nil)
	d.do(key, "GET", path, "", 404, nil)
}

// TestWhatAFeaturePromisesHasABound: each objective is judged anew every few seconds.
func TestWhatAFeaturePromisesHasABound(t *testing.T) {
	t.Parallel()
	d := open(t)
	key := d.namedKey("operator", "control", "read")
	const objective = "    - {sli: time_to_visibility, value: VALUE, target: 0.99, window: 28d}\n"
	promises := func(version string, objectives int, names ...string) string {
		docs := make([]string, len(names))
		for i, name := range names {
			all := ""
			for n := range objectives {
				all += strings.Replace(objective, "VALUE", fmt.Sprintf("%ds", n+1), 1)
			}
			doc := strings.Replace(cart, strings.Replace(objective, "VALUE", "2s", 1), all, 1)
			docs[i] = strings.NewReplacer("{name: cart}", "{name: "+name+"}", "1.0.0", version).Replace(doc)
		}
		return strings.Join(docs, "---\n")
	}
	names := func(from, n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprintf("cart-%d", from+i))
		}
		return out
	}
	apply := func(docs string, want int) {
		t.Helper()
		told := d.do(key, http.MethodPost, "/api/v1/documents/apply?reason=try", docs, want, nil)
		if want != http.StatusOK && !strings.Contains(told, "at most 50 with 200 are allowed") {
			t.Errorf("the bound is not said: %s", told)
		}
	}
	apply(promises("1.0.0", 32, names(0, 6)...), http.StatusOK) // 192 objectives
	apply(promises("1.0.0", 9, "more"), http.StatusUnprocessableEntity)
	apply(promises("1.0.0", 8, "more"), http.StatusOK)
	apply(promises("1.1.0", 9, "more"), http.StatusUnprocessableEntity)
	apply(promises("2.0.0", 7, "more"), http.StatusOK) // what takes away is allowed
	apply(strings.ReplaceAll(promises("1.0.0", 9, "another"), "feature: cart", "feature: feed"), http.StatusOK)
	apply(strings.ReplaceAll(promises("1.0.0", 1, names(100, 50)...), "feature: cart", "feature: search"), http.StatusOK)
	apply(strings.ReplaceAll(promises("1.0.0", 1, "one-more"), "feature: cart", "feature: search"), http.StatusUnprocessableEntity)
}
