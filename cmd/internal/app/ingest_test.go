package app_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"tidemark/cmd/internal/app"
	"tidemark/metrics/ingest"
	"tidemark/metrics/ingest/decode"
	"tidemark/web"
)

// openWith starts a server with settings of its own.
func openWith(t *testing.T, o app.Options) *door {
	t.Helper()
	return openIn(t, t.TempDir(), o)
}

// openIn starts a server with settings and a folder of its own.
func openIn(t *testing.T, dir string, o app.Options) *door {
	t.Helper()
	o.Data, o.Listen = dir, "127.0.0.1:0"
	a, err := app.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	running := a
	t.Cleanup(func() {
		if err := running.Stop(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
		running = nil // the test is kept until all are done, and its clean-ups with it
	})
	return &door{t: t, app: a}
}

// post sends a body to a path; headers are "Name: value".
func (d *door) post(key, path, body string, headers ...string) *httptest.ResponseRecorder {
	d.t.Helper()
	r := httptest.NewRequestWithContext(d.t.Context(), http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+key)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	return d.serve(r)
}

// event is one event of a write, now.
func event(kind, write, feature, rest string) string {
	return fmt.Sprintf(`{"event_id":"%s-%s","kind":"%s","write_id":"%s","feature":"%s","key":"k","service":"s","occurred_at":%d%s}`,
		write, kind, kind, write, feature, time.Now().UnixNano(), rest)
}

type receipt struct {
	Accepted, Duplicates int
	Rejected             []struct {
		Index         int
		EventID       string `json:"event_id"`
		Code, Message string
	}
}

func read[T any](t *testing.T, w *httptest.ResponseRecorder, status int) (out T) {
	t.Helper()
	if w.Code != status {
		t.Fatalf("status %d, want %d: %s", w.Code, status, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	return out
}

type problem struct {
	Status      int
	Code, Field string
}

func TestEventsAreTakenOrRejectedOneByOne(t *testing.T) {
	t.Parallel()
	d := open(t)
	key := d.namedKey("shop", "publish:cart", "consume:feed")
	body := "[" + strings.Join([]string{
		event("initiated", "w1", "cart", ""),              // 0
		event("initiated", "w2", "feed", ""),              // 1: may only consume
		event("visible", "w2", "feed", `,"replica":"eu"`), // 2
		event("wobbled", "w3", "cart", ""),                // 3
		event("visible", "w4", "other", `,"replica":"x"`), // 4
		event("initiated", "w1", "cart", ""),              // 5: again
		`{"kind":"initiated","feature":"cart"}`,           // 6
	}, ",") + "]"
	got := read[receipt](t, d.post(key, "/v1/events", body, "Content-Type: application/json"), http.StatusOK)
	if got.Accepted != 2 || got.Duplicates != 1 {
		t.Errorf("accepted %d, duplicates %d; want 2 and 1", got.Accepted, got.Duplicates)
	}
	codes := map[int]string{}
	for _, r := range got.Rejected {
		codes[r.Index] = r.Code
		if r.Message == "" {
			t.Errorf("no message: %+v", r)
		}
	}
	want := map[int]string{1: "not_authorized", 3: "kind_unknown", 4: "not_authorized", 6: codes[6]}
	if fmt.Sprint(codes) != fmt.Sprint(want) || codes[6] == "" {
		t.Errorf("rejected %v, want %v", codes, want)
	}
	for _, r := range got.Rejected {
		if r.Index == 1 && (r.EventID != "w2-initiated" || !strings.Contains(r.Message, "publish:feed")) {
			t.Errorf("rejection %+v", r)
		}
	}
	again := read[receipt](t, d.post(key, "/v1/events", event("initiated", "w1", "cart", "")), http.StatusOK)
	if again.Accepted != 0 || again.Duplicates != 1 {
		t.Errorf("sent again: %+v", again)
	}
	pipeline := read[struct {
		Ingest ingest.Stats
	}](t, d.get(d.namedKey("reader", "read"), "/api/v1/pipeline"), http.StatusOK)
	if s := pipeline.Ingest; s.Accepted != 2 || s.Duplicates != 2 || s.Rejected["not_authorized"] != 2 {
		t.Errorf("pipeline %+v", s)
	}
}

// leavesAtEnd is a body whose sender goes when all of it was read.
type leavesAtEnd struct {
	io.Reader
	leave func()
}

func (b leavesAtEnd) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil {
		b.leave()
	}
	return n, err
}

// TestWhatIsGivenUpIsNotDecided: a request whose sender is gone asks the policies of none of
// its features, and nothing of it is stored or counted.
func TestWhatIsGivenUpIsNotDecided(t *testing.T) {
	t.Parallel()
	d := open(t)
	key, reader := d.namedKey("shop", "publish:cart"), d.namedKey("reader", "read")
	ctx, leave := context.WithCancel(t.Context())
	body := event("initiated", "w1", "cart", "") + "\n" + event("initiated", "w2", "other", "")
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/events", leavesAtEnd{strings.NewReader(body), leave})
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/x-ndjson")
	if p := read[problem](t, d.serve(r), 499); p.Code != "client_gone" {
		t.Errorf("code %s", p.Code)
	}
	told := read[struct{ Ingest ingest.Stats }](t, d.get(reader, "/api/v1/pipeline"), http.StatusOK)
	if s := told.Ingest; s.Accepted != 0 || s.Rejected["not_authorized"] != 0 {
		t.Errorf("given up, and yet %d were stored and %d refused", s.Accepted, s.Rejected["not_authorized"])
	}
}

func (d *door) get(key, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(d.t.Context(), http.MethodGet, path, http.NoBody)
	r.Header.Set("Authorization", "Bearer "+key)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	return d.serve(r)
}

func pack(t *testing.T, encoding, body string) string {
	t.Helper()
	var buf bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&buf)
	if encoding == "zstd" {
		z, err := zstd.NewWriter(&buf)
		if err != nil {
			t.Fatal(err)
		}
		w = z
	}
	if _, err := io.WriteString(w, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func TestBodiesThatCannotBeTaken(t *testing.T) {
	t.Parallel()
	d := open(t)
	key := d.key("publish:*")
	huge := strings.Repeat(" ", 21<<20)
	for name, c := range map[string]struct {
		path, body string
		headers    []string
		status     int
		code       string
	}{
		"no JSON":          {"/v1/events", "hello", nil, 400, "bad_body"},
		"empty":            {"/v1/events", "", nil, 400, "bad_body"},
		"cut gzip":         {"/v1/events", pack(t, "gzip", "[]")[:12], []string{"Content-Encoding: gzip"}, 400, "bad_body"},
		"no gzip":          {"/v1/events", "[]", []string{"Content-Encoding: gzip"}, 400, "bad_body"},
		"too large":        {"/v1/events", huge, nil, 413, "too_large"},
		"gzip bomb":        {"/v1/events", pack(t, "gzip", huge), []string{"Content-Encoding: gzip"}, 413, "too_large"},
		"zstd bomb":        {"/v1/events", pack(t, "zstd", huge), []string{"Content-Encoding: zstd"}, 413, "too_large"},
		"too many":         {"/v1/events", strings.Repeat("{}\n", 20_001), []string{"Content-Type: application/x-ndjson"}, 413, "too_many_events"},
		"unknown encoding": {"/v1/events", "[]", []string{"Content-Encoding: br"}, 415, "encoding_unknown"},
		"unknown type":     {"/v1/events", "[]", []string{"Content-Type: text/html"}, 415, "media_type_unknown"},
		"form":             {"/v1/events", "a=b", []string{"Content-Type: application/x-www-form-urlencoded"}, 415, "media_type_unknown"},
		"OTLP as text":     {"/v1/traces", "{}", []string{"Content-Type: text/plain"}, 415, "media_type_unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := d.post(key, c.path, c.body, c.headers...)
			if p := read[problem](t, w, c.status); p.Code != c.code || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("%+v of type %s, want code %s", p, w.Header().Get("Content-Type"), c.code)
			}
		})
	}
}

func TestCompressedBodiesAreTaken(t *testing.T) {
	t.Parallel()
	d := open(t)
	key := d.key("publish:*")
	for _, encoding := range []string{"gzip", "zstd"} {
		got := read[receipt](t, d.post(key, "/v1/events", pack(t, encoding, event("initiated", encoding, "cart", "")), "Content-Encoding: "+encoding), http.StatusOK)
		if got.Accepted != 1 {
			t.Errorf("%s: %+v", encoding, got)
		}
	}
	w := d.post(key, "/v1/events", "[]", "Content-Encoding: br")
	if got := w.Header().Get("Accept-Encoding"); w.Code != http.StatusUnsupportedMediaType || got != "gzip, zstd" {
		t.Errorf("br: %d, Accept-Encoding %q", w.Code, got)
	}
}

func TestOTLPAnswersInItsOwnWay(t *testing.T) {
	t.Parallel()
	d := open(t)
	key := d.key("publish:*")
	if w := d.post(key, "/v1/traces", `{"resourceSpans":[]}`, "Content-Type: application/json"); w.Code != 200 || strings.TrimSpace(w.Body.String()) != "{}" {
		t.Errorf("JSON: %d %s", w.Code, w.Body)
	}
	empty, err := proto.Marshal(&collector.ExportTraceServiceRequest{})
	if err != nil {
		t.Fatal(err)
	}
	w := d.post(key, "/v1/traces", string(empty), "Content-Type: application/x-protobuf")
	answer := &collector.ExportTraceServiceResponse{}
	if err := proto.Unmarshal(w.Body.Bytes(), answer); w.Code != 200 || err != nil || w.Header().Get("Content-Type") != "application/x-protobuf" {
		t.Errorf("protobuf: %d %v %v", w.Code, w.Header(), err)
	}
	status := read[struct {
		Code    int
		Message string
	}](t, d.post(key, "/v1/logs", `{"resourceLogs":7}`, "Content-Type: application/json"), http.StatusBadRequest)
	if status.Code != 3 || status.Message == "" {
		t.Errorf("status %+v, want INVALID_ARGUMENT", status)
	}
}

// TestARefusalDoesNotTellWhatIsMapped: which feature a table or destination belongs to is
// for whoever may send its events.
func TestARefusalDoesNotTellWhatIsMapped(t *testing.T) {
	t.Parallel()
	d := openWith(t, app.Options{Decode: &decode.Options{
		Tables: []decode.Table{{Pattern: "public.carts", Feature: "hidden"}}, Destinations: []decode.Mapping{{Pattern: "carts", Feature: "hidden"}},
	}})
	key, now := d.key("publish:feed"), time.Now().UnixMilli()
	row := fmt.Sprintf(`{"op":"c","before":null,"after":{"id":1},"source":{"schema":"public","table":"carts","lsn":1,"ts_ms":%d},"ts_ms":%d}`, now, now)
	span := func(attributes string) string {
		return fmt.Sprintf(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"%032d","spanId":"%016d","kind":4,"startTimeUnixNano":"%d","endTimeUnixNano":"%d","attributes":[{"key":"messaging.destination.name","value":{"stringValue":"carts"}}%s]}]}]}]}`,
			1, 1, now*1e6, now*1e6, attributes)
	}
	for name, x := range map[string]struct {
		path, body string
		named      bool
	}{
		"a row":            {"/v1/events", row, false},
		"a span":           {"/v1/traces", span(""), false},
		"a span that says": {"/v1/traces", span(`,{"key":"tidemark.feature","value":{"stringValue":"hidden"}}`), true},
		"an event":         {"/v1/events", event("initiated", "w", "hidden", ""), true},
	} {
		w := d.post(key, x.path, x.body, "Content-Type: application/json")
		if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, "not_authorized") || strings.Contains(body, "publish:hidden") != x.named || strings.Contains(body, "hidden") != x.named {
			t.Errorf("%s: %d %s", name, w.Code, body)
		}
	}
}

func TestOverloadIsRefusedEarly(t *testing.T) {
	t.Parallel()
	d := openWith(t, app.Options{BodyMemory: 1 << 10})
	key := d.key("publish:*")
	// One body may take everything there is; while it is read there is nothing left.
	hold, send := io.Pipe()
	first := make(chan int, 1)
	go func() {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/events", hold)
		r.ContentLength = 5000
		r.Header.Set("Authorization", "Bearer "+key)
		first <- d.serve(r).Code
	}()
	if _, err := send.Write([]byte("[")); err != nil { // It is being read now.
		t.Fatal(err)
	}
	w := d.post(key, "/v1/events", event("initiated", "w", "cart", ""))
	if p := read[problem](t, w, http.StatusTooManyRequests); p.Code != "overloaded" || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%+v, Retry-After %q", p, w.Header().Get("Retry-After"))
	}
	if _, err := send.Write([]byte("]")); err != nil {
		t.Fatal(err)
	}
	_ = send.Close()
	if code := <-first; code != http.StatusOK {
		t.Errorf("the first: %d", code)
	}
}

func TestRequestsOfOneKeyAreLimited(t *testing.T) {
	t.Parallel()
	var later atomic.Int64
	start := time.Now()
	clock := func() time.Time { return start.Add(time.Duration(later.Load())) }
	d := openWith(t, app.Options{Now: clock, Limits: web.Limits{KeyRate: 1, KeyBurst: 3}})
	key, other := d.namedKey("a", "read"), d.namedKey("b", "read")
	for i := range 3 {
		if w := d.get(key, "/v1/time"); w.Code != http.StatusOK {
			t.Fatalf("request %d: %d", i, w.Code)
		}
	}
	w := d.get(key, "/v1/time")
	if p := read[problem](t, w, http.StatusTooManyRequests); p.Code != "rate_limited" || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%+v, Retry-After %q", p, w.Header().Get("Retry-After"))
	}
	if w := d.get(other, "/v1/time"); w.Code != http.StatusOK {
		t.Errorf("another key: %d", w.Code)
	}
	later.Store(int64(time.Second))
	if w := d.get(key, "/v1/time"); w.Code != http.StatusOK {
		t.Errorf("a second later: %d", w.Code)
	}
}

func TestRequestsOfOneAddressAreLimited(t *testing.T) {
	t.Parallel()
	now := time.Now()
	d := openWith(t, app.Options{Now: func() time.Time { return now }, Limits: web.Limits{AddressRate: 1, AddressBurst: 2}})
	code := func(addr, forwarded string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz", http.NoBody)
		r.RemoteAddr = addr
		r.Header.Set("X-Forwarded-For", forwarded)
		return d.serve(r).Code
	}
	got := []int{code("198.51.100.1:1", "1.1.1.1"), code("198.51.100.1:2", "2.2.2.2"), code("198.51.100.1:3", "3.3.3.3"), code("198.51.100.2:1", "")}
	if want := []int{200, 200, 429, 200}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v: X-Forwarded-For must not be believed", got, want)
	}
}

// dial opens a connection and sends the beginning of a request.
func (d *door) dial(head string) net.Conn {
	d.t.Helper()
	var dialer net.Dialer
	c, err := dialer.DialContext(d.t.Context(), "tcp", d.app.Addr().String())
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		d.t.Fatal(err)
	}
	if _, err := io.WriteString(c, head); err != nil {
		d.t.Fatal(err)
	}
	return c
}

func TestSlowSendersAreCutOff(t *testing.T) {
	t.Parallel()
	d := openWith(t, app.Options{Limits: web.Limits{ReadBody: 50 * time.Millisecond, ReadHeader: 50 * time.Millisecond}})
	key := d.key("publish:*")
	// The body stops arriving: the server answers, and closes.
	c := d.dial("POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key + "\r\nContent-Length: 100\r\n\r\n[")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestTimeout || !resp.Close {
		t.Errorf("%s, close %v", resp.Status, resp.Close)
	}
	// The headers stop arriving: the connection ends without an answer worth having.
	rest, err := io.ReadAll(d.dial("GET /healthz HTTP/1.1\r\nHost:"))
	if err != nil || bytes.Contains(rest, []byte("200 OK")) {
		t.Errorf("slow headers: %q, %v", rest, err)
	}
}

func TestHeadersHaveALimit(t *testing.T) {
	t.Parallel()
	d := open(t)
	c := d.dial("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Big: " + strings.Repeat("a", 80<<10) + "\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%s", resp.Status)
	}
}

func TestWaitUntilVisible(t *testing.T) {
	t.Parallel()
	d := open(t)
	key := d.key("publish:*", "read")
	read[receipt](t, d.post(key, "/v1/events", event("initiated", "w/1", "cart", `,"expect":["eu","us"]`)), http.StatusOK)
	answer := make(chan *httptest.ResponseRecorder, 1)
	go func() { answer <- d.get(key, "/v1/writes/w%2F1/status?wait=1m&replica=eu") }()
	read[receipt](t, d.post(key, "/v1/events", event("visible", "w/1", "cart", `,"replica":"eu"`)), http.StatusOK)
	status := read[struct {
		Progress string
		Reached  []string
	}](t, <-answer, http.StatusOK)
	if status.Progress != "1 of 2" || len(status.Reached) != 1 || status.Reached[0] != "eu" {
		t.Errorf("%+v", status)
	}
	if w := d.get(key, "/v1/writes/none/status"); w.Code != http.StatusNotFound {
		t.Errorf("unknown write: %d", w.Code)
	}
}

func TestQuestionsNameWhatIsWrong(t *testing.T) {
	t.Parallel()
	d := open(t)
	key := d.key("read")
	for path, field := range map[string]string{
		"/api/v1/features?form=1h":                               "form",
		"/api/v1/features?from=yesterday":                        "from",
		"/api/v1/features/cart/lag?step=-1s":                     "step",
		"/api/v1/features/cart/lag?by=colour":                    "by",
		"/api/v1/features/cart/lag?range=1h&from=-2h":            "range",
		"/api/v1/writes?feature=cart&limit=501":                  "limit",
		"/api/v1/writes?feature=cart&pending=perhaps":            "pending",
		"/api/v1/writes":                                         "feature",
		"/v1/writes/x/status?wait=2m":                            "wait",
		"/v1/writes/x/status?replica=eu":                         "replica",
		"/api/v1/events/stream?kind=wobbled":                     "kind",
		"/api/v1/live?topic=feature:":                            "topic",
		"/v1/time?t1=noon":                                       "t1",
		"/api/v1/features?from=-1h&to=-2h":                       "from",
		"/api/v1/conflicts?state=undecided":                      "state",
		"/api/v1/violations?guarantee=" + strings.Repeat("x", 9): "guarantee",
	} {
		w := d.get(key, path)
		if p := read[problem](t, w, http.StatusBadRequest); p.Field != field {
			t.Errorf("%s: field %q, want %q: %s", path, p.Field, field, w.Body)
		}
	}
}

func TestTablesComeAsCSV(t *testing.T) {
	t.Parallel()
	d := open(t)
	admin := d.key("publish:*", "read", "control", "admin")
	read[receipt](t, d.post(admin, "/v1/events", event("initiated", "w", "=cart", `,"expect":["eu"]`)), http.StatusOK)
	for path, first := range map[string]string{
		"/api/v1/features": "feature,", "/api/v1/topology": "from,", "/api/v1/writes?feature=cart": "write_id,", "/api/v1/conflicts": "id,", "/api/v1/violations": "id,",
		"/api/v1/pipeline": "feature,service,", "/api/v1/pipeline?table=clocks": "feature,a,b,", "/api/v1/pipeline?table=rejected": "code,",
		"/api/v1/documents": "kind,", "/api/v1/guarantees": "guarantee,", "/api/v1/reviews": "guarantee,", "/api/v1/alerts": "id,", "/api/v1/webhooks": "id,",
		"/api/v1/owners": "feature,", "/api/v1/teams": "name,", "/api/v1/users": "name,", "/api/v1/keys": "id,", "/api/v1/audit": "n,",
		"/api/v1/rules": "name,", "/api/v1/labels": "name,", "/api/v1/ownership": "name,", "/api/v1/quarantine/orders": "id,",
	} {
		asked := "?"
		if strings.Contains(path, "?") {
			asked = "&"
		}
		for _, w := range []*httptest.ResponseRecorder{d.get(admin, path, "Accept: text/csv"), d.get(admin, path+asked+"format=csv")} {
			if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/csv") || !strings.HasPrefix(w.Body.String(), first) {
				t.Errorf("%s: %d %v %.200s", path, w.Code, w.Header().Get("Content-Type"), w.Body)
			}
		}
	}
}

// A list is read to its end by what each page names as the next, as JSON and as CSV.
func TestListsArePagedByCursor(t *testing.T) {
	t.Parallel()
	d := open(t)
	key := d.key("publish:*", "consume:*", "read")
	want := []string{"done-1", "done-2", "open-1", "open-2", "open-3"}
	for _, id := range want {
		read[receipt](t, d.post(key, "/v1/events", event("initiated", id, "cart", `,"expect":["eu"]`)), http.StatusOK)
		if strings.HasPrefix(id, "done") {
			read[receipt](t, d.post(key, "/v1/events", event("visible", id, "cart", `,"replica":"eu"`)), http.StatusOK)
		}
	}
	all := func() int {
		w := d.get(key, "/api/v1/writes?feature=cart&format=csv")
		return strings.Count(w.Body.String(), "\n") - 1
	}
	for began := time.Now(); all() < len(want); { // Events are acknowledged before they are folded.
		if time.Since(began) > time.Minute {
			t.Fatalf("%d writes are listed", all())
		}
	}
	for _, format := range []string{"json", "csv"} {
		var got []string
		for path := "/api/v1/writes?feature=cart&limit=2&format=" + format; path != ""; {
			w := d.get(key, path)
			if w.Code != http.StatusOK || len(got) > len(want) {
				t.Fatalf("%s: %d %s after %v", path, w.Code, w.Body, got)
			}
			for _, id := range want {
				if strings.Contains(w.Body.String(), id) {
					got = append(got, id)
				}
			}
			path, _ = strings.CutSuffix(strings.TrimPrefix(w.Header().Get("Link"), "<"), `>; rel="next"`)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: pages hold %v, want each of %v once", format, got, want)
		}
	}
	for _, bad := range []string{"x", "cDE", "cHggYQ", "cTEgYQ"} {
		if p := read[problem](t, d.get(key, "/api/v1/writes?feature=cart&cursor="+bad), http.StatusBadRequest); p.Field != "cursor" {
			t.Errorf("cursor %q: %+v", bad, p)
		}
	}
}

func TestTheServersClock(t *testing.T) {
	t.Parallel()
	d := open(t)
	before := time.Now().UnixNano()
	got := read[map[string]int64](t, d.get(d.key("consume:x"), "/v1/time?t1="+strconv.FormatInt(before, 10)), http.StatusOK)
	if got["t1"] != before || got["t2"] < before || got["t3"] < got["t2"] || got["t3"] > time.Now().UnixNano() {
		t.Errorf("%v since %d", got, before)
	}
}

func TestKeysOverHTTP(t *testing.T) {
	t.Parallel()
	d := open(t)
	admin := d.namedKey("admin", "admin", "control")
	made := read[struct{ ID, Key string }](t, d.post(admin, "/api/v1/keys", `{"name":"shop","scopes":["publish:cart"],"expires":"90d"}`), http.StatusCreated)
	if w := d.post(made.Key, "/v1/events", event("initiated", "w", "cart", "")); w.Code != http.StatusOK {
		t.Errorf("the new key: %d %s", w.Code, w.Body)
	}
	if w := d.get(admin, "/api/v1/keys"); strings.Contains(w.Body.String(), made.Key) || !strings.Contains(w.Body.String(), made.ID) {
		t.Errorf("list: %s", w.Body)
	}
	for body, code := range map[string]string{
		`{"name":"shop"}`: "bad_request", `{"name":"","scopes":["read"]}`: "bad_request",
		`{"name":"x","scopes":["read"],"expires":"soon"}`: "bad_request", `{"name":"x","scope":["read"]}`: "bad_request", `[]`: "bad_request",
	} {
		if p := read[problem](t, d.post(admin, "/api/v1/keys", body), http.StatusBadRequest); p.Code != code {
			t.Errorf("%s: %+v", body, p)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodDelete, "/api/v1/keys/"+made.ID+"?reason=test", http.NoBody)
	r.Header.Set("Authorization", "Bearer "+admin)
	if w := d.serve(r); w.Code != http.StatusNoContent {
		t.Fatalf("revoke: %d %s", w.Code, w.Body)
	}
	if w := d.get(made.Key, "/v1/time"); w.Code != http.StatusUnauthorized {
		t.Errorf("a revoked key works at once no more: %d", w.Code)
	}
	log := read[struct {
		Items []struct{ Action, Actor, Subject, Reason string }
	}](t, d.get(admin, "/api/v1/audit?limit=1"), http.StatusOK)
	if len(log.Items) != 1 || log.Items[0].Action != "key.revoke" || log.Items[0].Reason != "test" || !strings.HasPrefix(log.Items[0].Actor, "key:admin:") {
		t.Errorf("audit %+v", log)
	}
}

// TestARestartKnowsWhatItHad stops a server and starts another on the same folder.
func TestARestartKnowsWhatItHad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start := func() *door {
		a, err := app.New(app.Options{Data: dir, Listen: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		return &door{t: t, app: a}
	}
	d := start()
	key := d.key("publish:*", "read")
	body := event("initiated", "w", "cart", `,"expect":["eu"]`)
	read[receipt](t, d.post(key, "/v1/events", body), http.StatusOK)
	if err := d.app.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	d = start()
	defer func() {
		if err := d.app.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	if got := read[receipt](t, d.post(key, "/v1/events", body), http.StatusOK); got.Duplicates != 1 {
		t.Errorf("sent again after a restart: %+v", got)
	}
	if w := d.get(key, "/v1/writes/w/status"); w.Code != http.StatusOK {
		t.Errorf("status after a restart: %d %s", w.Code, w.Body)
	}
	if _, err := app.New(app.Options{Data: dir, Listen: "nonsense"}); err == nil {
		t.Error("a wrong address passed")
	}
	second, err := app.New(app.Options{Data: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(t.Context()); err == nil {
		t.Error("a second server opened the same folder")
	}
}
