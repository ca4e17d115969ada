package ofrep_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"tidemark/flags/eval"
)

const one = "/ofrep/v1/evaluate/flags/"

func TestAnswersHaveTheProtocolsForm(t *testing.T) {
	t.Parallel()
	s := open(t, compile(t, shop, rollout(10_000)))
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	for name, c := range map[string]struct {
		key, body string
		status    int
		want      string
	}{
		"targeted":     {"banner", `{"context":{"targetingKey":"u","email":"a@shop.example"}}`, 200, `{"key":"banner","value":true,"reason":"TARGETING_MATCH","variant":"on","metadata":{"flagSetId":"shop","owner":"growth","team":"web"}}`},
		"default":      {"banner", `{"context":{"targetingKey":"u"}}`, 200, `"value":false,"reason":"DEFAULT","variant":"off"`},
		"static":       {"colour", `{"context":{}}`, 200, `"value":"#f00","reason":"STATIC","variant":"red"`},
		"number":       {"limit", ``, 200, `"value":10,"reason":"STATIC"`},
		"disabled":     {"off", `{}`, 200, `{"key":"off","reason":"DISABLED","metadata":`},
		"code default": {"own", `{"context":null}`, 200, `{"key":"own","reason":"DEFAULT","metadata":`},
		"split":        {"profile", `{"context":{"targetingKey":"u"}}`, 200, `"reason":"SPLIT","variant":"causal","metadata":{"flagSetId":"shop","team":"web","rollout":"r1","step":2,"arm":"candidate"}`},
		"no unit":      {"profile", `{}`, 200, `"reason":"SPLIT","variant":"causal","metadata":{"flagSetId":"shop","team":"web","rollout":"r1","step":2}}`},
		"unknown":      {"nope", `{}`, 404, `{"key":"nope","errorCode":"FLAG_NOT_FOUND","errorDetails":`},
		"long key":     {strings.Repeat("k", 300), `{}`, 404, `"errorCode":"FLAG_NOT_FOUND"`},
		"no JSON":      {"colour", `hello`, 400, `{"key":"colour","errorCode":"PARSE_ERROR","errorDetails":`},
		"cut off":      {"colour", `{"context":{`, 400, `"errorCode":"PARSE_ERROR"`},
		"two values":   {"colour", `{} {}`, 400, `"errorCode":"PARSE_ERROR"`},
		"no object":    {"colour", `{"context":[1]}`, 400, `"errorCode":"INVALID_CONTEXT"`},
		"numeric unit": {"colour", `{"context":{"targetingKey":7}}`, 400, `targetingKey: want a string`},
		"too deep":     {"colour", `{"context":` + deep + `}`, 400, `deeper than 32`},
		"too large":    {"colour", `{"context":{"a":"` + strings.Repeat("x", 10<<20) + `"}}`, 400, `larger than 262144 bytes`},
		"too many":     {"colour", `{"context":{"a":[` + strings.Repeat("1,", 10_001) + `1]}}`, 400, `more than 10000 members`},
	} {
		r := s.request(http.MethodPost, one+c.key, c.body)
		if got := text(t, r); r.StatusCode != c.status || !strings.Contains(got, c.want) || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s\nwant %d %s", name, r.StatusCode, got, c.status, c.want)
		}
	}
}

func TestWhoMayNotIsToldInTheProtocolsForm(t *testing.T) {
	t.Parallel()
	s := open(t, compile(t, shop))
	reader, _ := s.key("read")
	for name, c := range map[string]struct {
		headers []string
		status  int
	}{
		"nobody":    {[]string{"Authorization", ""}, 401},
		"wrong key": {[]string{"Authorization", "Bearer tmk_x"}, 401},
		"no scope":  {[]string{"Authorization", "Bearer " + reader}, 403},
		"X-API-Key": {[]string{"Authorization", "", "X-API-Key", s.token}, 200},
	} {
		r := s.request(http.MethodPost, one+"colour", `{}`, c.headers...)
		got := text(t, r)
		if r.StatusCode != c.status || (c.status != 200 && !strings.HasPrefix(got, `{"errorDetails":"`)) {
			t.Errorf("%s: %d %s", name, r.StatusCode, got)
		}
	}
	s.revoke(s.keyID)
	if r := s.request(http.MethodPost, one+"colour", `{}`); r.StatusCode != 401 {
		t.Errorf("a revoked key: %d", r.StatusCode)
	}
	var last *answer
	for range 5 {
		last = s.request(http.MethodPost, one+"colour", `{}`, "Authorization", "Bearer tmk_x")
	}
	if last.StatusCode != 429 || last.Header.Get("Retry-After") == "" {
		t.Errorf("after many wrong keys: %d %v", last.StatusCode, last.Header)
	}
}

// TestAnswersAreSentAsData: with what keeps a browser from taking them for something
// else, and without what is about pages.
func TestAnswersAreSentAsData(t *testing.T) {
	t.Parallel()
	s := open(t, compile(t, shop))
	for name, r := range map[string]*answer{
		"one":     s.request(http.MethodPost, one+"colour", `{}`),
		"all":     s.request(http.MethodPost, "/ofrep/v1/evaluate/flags", `{}`),
		"refused": s.request(http.MethodPost, one+"colour", `{}`, "Authorization", "Bearer x"),
	} {
		for header, want := range map[string]string{
			"Content-Type": "application/json", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin",
			"Referrer-Policy": "", "Cross-Origin-Opener-Policy": "",
		} {
			if got := r.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
		if csp := r.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") {
			t.Errorf("%s: Content-Security-Policy is %q", name, csp)
		}
	}
}

func TestBulkAnswersAndItsETag(t *testing.T) {
	t.Parallel()
	s := open(t, compile(t, shop))
	s.flags.record = true
	ask := func(context, etag string) *answer {
		return s.request(http.MethodPost, "/ofrep/v1/evaluate/flags", `{"context":`+context+`}`, "If-None-Match", etag)
	}
	r := ask(`{"targetingKey":"u"}`, "")
	body, etag := text(t, r), r.Header.Get("ETag")
	for _, want := range []string{`{"flags":[{"key":"banner"`, `"metadata":{"flagSetId":"shop","team":"web"}`, `"eventStreams":[{"type":"sse","endpoint":{"requestUri":"/ofrep/v1/stream?token=`, `"inactivityDelaySec":120`} {
		if !strings.Contains(body, want) {
			t.Errorf("%s: no %s", body, want)
		}
	}
	if len(s.flags.observed) != 6 {
		t.Errorf("observed %v", s.flags.observed)
	}
	if r := ask(`{"targetingKey":"u"}`, etag); r.StatusCode != 304 || text(t, r) != "" {
		t.Errorf("the same question: %d", r.StatusCode)
	}
	if r := ask(`{"targetingKey":"u"}`, `"x", W/`+etag); r.StatusCode != 304 {
		t.Errorf("a list with a weak tag: %d", r.StatusCode)
	}
	if r := ask(`{"targetingKey":"u","email":"a@shop.example"}`, etag); r.StatusCode != 200 {
		t.Errorf("a context with another result: %d", r.StatusCode)
	}
	s.at(t0.Add(time.Hour))
	if r := ask(`{"targetingKey":"u"}`, etag); r.StatusCode != 200 {
		t.Errorf("the stream's address must be renewed: %d", r.StatusCode)
	}
	s.at(t0)
	s.flags.put(compile(t, strings.Replace(shop, "#f00", "#f01", 1)))
	if r := ask(`{"targetingKey":"u"}`, etag); r.StatusCode != 200 {
		t.Errorf("after a change: %d", r.StatusCode)
	}
	if r := s.request(http.MethodPost, "/ofrep/v1/evaluate/flags", `{"context":1}`); r.StatusCode != 400 || !strings.HasPrefix(text(t, r), `{"errorCode":"INVALID_CONTEXT"`) {
		t.Errorf("a bad context: %d", r.StatusCode)
	}
}

func TestOnlyListedOriginsMayCall(t *testing.T) {
	t.Parallel()
	s := open(t, compile(t, shop))
	for origin, want := range map[string]string{"https://shop.example": "https://shop.example", "https://evil.example": ""} {
		for _, r := range []*answer{
			s.request(http.MethodOptions, one+"colour", "", "Origin", origin, "Authorization", ""),
			s.request(http.MethodPost, one+"colour", `{}`, "Origin", origin),
			s.request(http.MethodPost, one+"colour", `{}`, "Origin", origin, "Authorization", "Bearer x"),
		} {
			if got := r.Header.Get("Access-Control-Allow-Origin"); got != want || r.Header.Get("Vary") != "Origin" || r.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s: %d, allowed %q", origin, r.StatusCode, got)
			}
		}
	}
}

var requestURI = regexp.MustCompile(`"requestUri":"([^"]+)"`)

// listen opens a stream over a real connection and returns its lines of data.
func listen(ctx context.Context, t *testing.T, base, uri string) *bufio.Scanner {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+uri, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("stream: %d", resp.StatusCode)
	}
	return bufio.NewScanner(resp.Body)
}

func nextData(s *bufio.Scanner) string {
	for s.Scan() {
		if d, ok := strings.CutPrefix(s.Text(), "data: "); ok {
			return d
		}
	}
	return ""
}

func TestEveryListenerHearsOfAChange(t *testing.T) {
	t.Parallel()
	s := open(t, compile(t, shop))
	srv := httptest.NewServer(s)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(srv.Close)
	t.Cleanup(cancel)
	uri := requestURI.FindStringSubmatch(text(t, s.request(http.MethodPost, "/ofrep/v1/evaluate/flags", `{}`)))[1]
	after := compile(t, strings.Replace(shop, "#f00", "#f01", 1))
	want := func(set *eval.Set) string {
		return fmt.Sprintf(`{"type":"refetchEvaluation","etag":"\"%s\"","lastModified":%d}`, set.Hash(), t0.Unix())
	}
	const listeners = 50
	var all sync.WaitGroup
	streams := make([]*bufio.Scanner, listeners)
	for i := range streams {
		streams[i] = listen(ctx, t, srv.URL, uri)
		if got := nextData(streams[i]); got != want(s.flags.Set()) {
			t.Fatalf("at first %s", got)
		}
	}
	s.flags.put(after)
	for _, l := range streams {
		all.Go(func() {
			if got := nextData(l); got != want(after) {
				t.Errorf("then %s", got)
			}
		})
	}
	all.Wait()
	s.revoke(s.keyID)
	s.flags.put(compile(t, shop))
	if got := nextData(streams[0]); got != "" {
		t.Errorf("a revoked key still hears %s", got)
	}
}

func TestBadTokensOpenNoStream(t *testing.T) {
	t.Parallel()
	s := open(t, compile(t, shop))
	uri := requestURI.FindStringSubmatch(text(t, s.request(http.MethodPost, "/ofrep/v1/evaluate/flags", `{}`)))[1]
	for name, u := range map[string]string{
		"none": "/ofrep/v1/stream", "noise": "/ofrep/v1/stream?token=!", "long": "/ofrep/v1/stream?token=" + strings.Repeat("A", 300),
		"forged": strings.Replace(uri, "token=AAAA", "token=AAAB", 1), "short": uri[:len(uri)-20],
	} {
		if r := s.request(http.MethodGet, u, "", "Authorization", ""); r.StatusCode != 401 {
			t.Errorf("%s: %d", name, r.StatusCode)
		}
	}
	s.at(t0.Add(2 * time.Hour))
	if r := s.request(http.MethodGet, uri, "", "Authorization", ""); r.StatusCode != 401 {
		t.Errorf("expired: %d", r.StatusCode)
	}
}
