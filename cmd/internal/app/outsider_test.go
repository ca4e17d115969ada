package app_test

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"tidemark/metrics"
)

// hostile is what somebody may send as a name: markup, a formula, a header, a path.
func hostile() []string {
	return []string{
		`"><img src=x onerror=alert(1)><script>alert(1)</script>`,
		`'-alert(1)-'`,
		`{{7*7}}${7*7}`,
		`=HYPERLINK("http://evil.example","x")`,
		`@SUM(1+1)*cmd|' /C calc'!A0`,
		`../../../etc/passwd`,
		`javascript:alert(1)`,
		"\u202Etxt.exe",
	}
}

// hostileEvents report a conflict between two writes with that name everywhere.
func hostileEvents(name string, n int) string {
	quoted, _ := json.Marshal(name)
	at := time.Now().UnixNano()
	var b strings.Builder
	for i, kind := range []string{"initiated", "visible", "read", "conflict_detected", "heartbeat"} {
		w, _ := json.Marshal(fmt.Sprintf("%s-%d", name, n))
		fmt.Fprintf(&b, `{"event_id":"h%d-%d","kind":%q,"write_id":%s,"feature":%s,"key":%s,"entity":%s,"service":%s,"replica":%s,"region":%s,"actor":%s,`+
			`"delta":{"x":%s},"variant":%s,"rule":%s,"reason":%s,"conflict_id":%s,"with":[%s],"session_id":%s,"session_seq":%d,"version":{"seq":1},"occurred_at":%d}`+"\n",
			n, i, kind, w, quoted, quoted, quoted, quoted, quoted, quoted, quoted, quoted, quoted, quoted, quoted, w, quoted, quoted, i+1, at)
	}
	return b.String()
}

// TestHostileNamesStayText sends names that are markup, formulas and paths, and reads
// every page and every table of them.
func TestHostileNamesStayText(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	key := d.namedKey("all", "publish:*", "read", "control")
	for i, name := range hostile() {
		if w := d.post(key, "/v1/events", hostileEvents(name, i), "Content-Type: application/x-ndjson"); w.Code != http.StatusOK || strings.Contains(w.Body.String(), `"accepted":0`) {
			t.Fatalf("%q: %d %s", name, w.Code, w.Body)
		}
		// As reason of a change, it is on the Audit page.
		root.post(http.StatusOK, "/access/people/new", "name", fmt.Sprintf("p%d", i), "role", "viewer", "reason", name)
	}
	for _, route := range d.app.Server().Routes() {
		if route.Method != http.MethodGet || route.Stream {
			continue
		}
		for i, name := range hostile() {
			safe := url.PathEscape(name)
			path := strings.NewReplacer(":feature", safe, ":kind", "ConsistencyGuarantee", ":name", safe, ":key", safe,
				":id", url.PathEscape(fmt.Sprintf("%s-%d", name, i)), ":n", "1", "*", safe, ":verb", safe).Replace(route.Path)
			checkHostile(t, path, root.get(path+"?q="+url.QueryEscape(name)))
			checkHostile(t, path, root.get(path+"?feature="+url.QueryEscape(name)))
			if strings.HasPrefix(path, "/api/") {
				checkTable(t, path, d.get(key, path+"?format=csv"))
			}
		}
	}
}

func checkHostile(t *testing.T, path string, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code >= http.StatusInternalServerError {
		t.Errorf("%s: %d", path, w.Code)
	}
	for name, values := range w.Header() {
		if strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
			t.Errorf("%s: header %s is %q", path, name, values)
		}
	}
	if to := w.Header().Get("Location"); to != "" && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.Contains(to, `\`)) {
		t.Errorf("%s: leads to %s", path, to)
	}
	if strings.Contains(w.Body.String(), "root:x:0:0") {
		t.Errorf("%s: shows a file of the machine", path)
	}
	if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		return
	}
	checkBaseline(t, path, w)
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(w.Body.String()))
	check(t, err)
	doc.Find("*").Each(func(_ int, s *goquery.Selection) {
		for _, a := range s.Nodes[0].Attr {
			if strings.HasPrefix(strings.ToLower(a.Key), "on") {
				t.Errorf("%s: <%s %s=%q>", path, goquery.NodeName(s), a.Key, a.Val)
			}
		}
	})
}

func checkTable(t *testing.T, path string, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/csv") {
		return
	}
	rows, err := csv.NewReader(w.Body).ReadAll()
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=@\t\r", rune(cell[0])) {
				t.Errorf("%s: a spreadsheet runs the cell %q", path, cell)
			}
		}
	}
}

// TestPathsLeadNowhereElse asks for files beside those that are served.
func TestPathsLeadNowhereElse(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	for _, path := range []string{
		"/static/../../../../etc/passwd", "/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/static/..%2f..%2f..%2fetc/passwd", "/static//etc/passwd",
		"/static/", "/static/css/", "/static/..\\..\\control.db", "/control.db", "/telemetry.db", "/tidemark.lock", "/.git/config", "/debug/pprof/",
		"/debug/vars", "/api/v1/../../control.db", "/.env", "/static/embed.go",
	} {
		w := root.get(path)
		if w.Code == http.StatusOK || strings.Contains(w.Body.String(), "root:") {
			t.Errorf("%s: %d %.100s", path, w.Code, w.Body)
		}
	}
}

// TestHeadersCannotBeForged writes requests by hand, as no client of Go's does.
func TestHeadersCannotBeForged(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	key := d.namedKey("reader", "read")
	for name, head := range map[string]string{
		"a request id with a line break": "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\n b\r\n",
		"a forwarded address":            "GET /api/v1/features HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key + "\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n",
		"another host":                   "GET / HTTP/1.1\r\nHost: evil.example\r\nAccept: text/html\r\n",
		"a host with markup":             "GET /nowhere HTTP/1.1\r\nHost: \"><script>\r\nAccept: text/html\r\n",
		"an address with a line break":   "GET /signin?next=/%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n",
		"two lengths":                    "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
		"a length and chunks":            "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
		"chunks of another kind":         "POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n",
		"a space before the colon":       "GET /healthz HTTP/1.1\r\nHost : x\r\n",
		"a control character":            "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\x00b\r\n",
	} {
		conn := d.dial(head + "Connection: close\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			continue // The connection was closed: nothing was believed.
		}
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		resp.Body.Close()
		conn.Close()
		if resp.Header.Get("Set-Cookie") == "a=b" || strings.Contains(resp.Header.Get("Location"), "evil") || strings.Contains(string(body), "evil.example") || strings.Contains(string(body), "<script>") {
			t.Errorf("%s: %v %.300s", name, resp.Header, body)
		}
		if id := resp.Header.Get("X-Request-Id"); strings.ContainsAny(id, "\r\n\x00 ") {
			t.Errorf("%s: the request id is %q", name, id)
		}
		if resp.StatusCode >= http.StatusInternalServerError && resp.StatusCode != http.StatusNotImplemented {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
}

// TestWebhooksReachNoInside names addresses inside in every spelling that resolvers know.
func TestWebhooksReachNoInside(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	operator := d.namedKey("operator", "control")
	for _, to := range []string{
		"http://127.0.0.1/", "http://[::1]/", "http://0.0.0.0/", "http://[::]/", "http://169.254.169.254/latest/meta-data/",
		"http://[::ffff:127.0.0.1]/", "http://[fe80::1]/", "http://[fd00::1]/", "http://10.1.2.3/", "http://192.168.1.1/", "http://172.16.0.1/",
		"http://100.64.0.1/", "http://[64:ff9b::7f00:1]/",
		"file:///etc/passwd", "gopher://127.0.0.1/", "http://user:pass@127.0.0.1/", "//127.0.0.1/", "http:///", "http://127.0.0.1:22/",
	} {
		body, _ := json.Marshal(map[string]string{"name": "in" + regexp.MustCompile(`\W`).ReplaceAllString(to, ""), "url": to})
		w := d.post(operator, "/api/v1/webhooks", string(body), "Content-Type: application/json")
		if w.Code < http.StatusBadRequest {
			t.Errorf("%s was taken: %s", to, w.Body)
		}
	}
}

// TestWebhooksReachNoInsideByName names this machine by words that only a resolver
// understands: the webhook is taken, and refused when it is dialled.
func TestWebhooksReachNoInsideByName(t *testing.T) {
	t.Parallel()
	reached := make(chan string, 16)
	inside := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached <- r.Host }))
	t.Cleanup(inside.Close)
	_, port, _ := strings.Cut(strings.TrimPrefix(inside.URL, "http://"), ":")
	d := openQuick(t)
	operator := d.namedKey("operator", "control")
	for i, host := range []string{"localhost", "LOCALHOST.", "2130706433", "0x7f000001", "0177.0.0.1", "127.1"} {
		var hook struct{ ID string }
		w := d.post(operator, "/api/v1/webhooks", fmt.Sprintf(`{"name":"in%d","url":"http://%s:%s/"}`, i, host, port), "Content-Type: application/json")
		if w.Code != http.StatusCreated {
			continue // Refused at once is as well.
		}
		check(t, json.Unmarshal(w.Body.Bytes(), &hook))
		d.post(operator, "/api/v1/webhooks/"+hook.ID+"/test", "")
		var list struct {
			Items []struct {
				Attempts int
				State    string
				Error    string
			}
		}
		for len(list.Items) == 0 || list.Items[0].Attempts == 0 {
			w := d.get(operator, "/api/v1/webhooks/"+hook.ID+"/deliveries")
			check(t, json.Unmarshal(w.Body.Bytes(), &list))
			if t.Context().Err() != nil {
				t.Fatal("no attempt was made")
			}
		}
		if list.Items[0].State == "delivered" || list.Items[0].Error == "" {
			t.Errorf("%s: %+v", host, list.Items[0])
		}
	}
	select {
	case host := <-reached:
		t.Errorf("a webhook reached this machine by the name %s", host)
	default:
	}
}

// TestNamesAreAsLongAsTheyMayBe keeps the limits that the documents name.
func TestNamesAreAsLongAsTheyMayBe(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	key := d.namedKey("all", "publish:*", "read")
	long := strings.Repeat("a", metrics.MaxName+1)
	w := d.post(key, "/v1/events", `{"kind":"heartbeat","feature":"`+long+`","service":"s","replica":"r","occurred_at":1}`, "Content-Type: application/x-ndjson")
	if !strings.Contains(w.Body.String(), `"field":"feature"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := d.get(key, "/api/v1/features/"+strings.Repeat("a", 60_000)); w.Code >= http.StatusInternalServerError {
		t.Errorf("a long path: %d", w.Code)
	}
}
