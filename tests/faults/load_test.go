package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
	"tidemark/metrics/sqlite"
	"tidemark/tests/tidemark"
)

// client sends to a server with a key.
type client struct {
	url, key string
	http     *http.Client
}

func newClient(url, key string) *client {
	return &client{url: url, key: key, http: &http.Client{
		Timeout:   time.Minute,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	}}
}

// answer is what the server said to a request.
type answer struct {
	Status   int
	Header   http.Header
	Body     string // when it is not a receipt
	Accepted int
	// Quarantined events are durable too, and counted nowhere.
	Quarantined int
	Rejected    []metrics.Rejection
}

// post sends a body; an error means that no answer came.
func (c *client) post(ctx context.Context, body io.Reader, headers ...string) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/v1/events", body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Content-Type", "application/x-ndjson")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return nil, err
	}
	a := &answer{Status: resp.StatusCode, Header: resp.Header}
	if resp.StatusCode != http.StatusOK {
		a.Body = string(raw)
		return a, nil
	}
	if err := json.Unmarshal(raw, a); err != nil {
		return nil, fmt.Errorf("the answer %.200q is not a receipt: %w", raw, err)
	}
	return a, nil
}

// get returns the body of an answer of the API.
func (c *client) get(t *testing.T, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	resp, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d, %v\n%.500s", path, resp.StatusCode, err, raw)
	}
	return string(raw)
}

// load makes batches of events, sends them, and remembers which ones the server
// acknowledged. Events of batch b are named "B-I", so that what is stored can be
// told by batch.
type load struct {
	size  int                      // events a batch
	label func(batch int64) string // of its events; nil = none
	start time.Time
	next  atomic.Int64
	sent  int64 // when not 0, batches up to this one were sent by another load

	mu           sync.Mutex
	acknowledged map[int64]int // batch → how many of its events
	refused      map[int]int   // status → how often
	unanswered   int
	noRetryAfter int
	bad          []string
}

func newLoad(size int) *load {
	return &load{size: size, start: time.Now(), acknowledged: map[int64]int{}, refused: map[int]int{}}
}

// batch writes the NDJSON of a batch: writes of four features on their way to two
// replicas, some of them in sessions, some in conflict.
func (l *load) batch(buf *bytes.Buffer, b int64) {
	buf.Reset()
	at := time.Now().UnixNano()
	kinds := [...]string{"initiated", "committed", "applied", "visible", "visible"}
	for i := range l.size {
		w, k := i/len(kinds), i%len(kinds)
		replica := ""
		if k >= 2 {
			replica = `,"replica":"` + [...]string{"search", "search", "cache"}[k-2] + `"`
		}
		session := ""
		if w%3 == 0 && k == 0 {
			session = fmt.Sprintf(`,"session_id":"s%d","session_seq":%d`, b, w+1)
		}
		if l.label != nil {
			session += `,"labels":["` + l.label(b) + `"]`
		}
		fmt.Fprintf(buf, `{"event_id":"%d-%d","kind":"%s","write_id":"w%d-%d","feature":"f%d","key":"k%d","service":"svc%s",`+
			`"occurred_at":%d,"version":{"seq":%d},"expect":["search","cache"]%s%s}`+"\n",
			b, i, kinds[k], b, w, b%4, w%50, strconv.Itoa(k), at+int64(i)*1000, b*1000+int64(w), replica, session)
	}
}

// run sends batches over n connections until ctx is done.
func (l *load) run(ctx context.Context, c *client, n int) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			var buf bytes.Buffer
			for ctx.Err() == nil {
				b := l.next.Add(1)
				l.batch(&buf, b)
				a, err := c.post(ctx, bytes.NewReader(buf.Bytes()))
				l.note(b, a, err)
				if err != nil {
					return // The server is gone.
				}
			}
		})
	}
	wg.Wait()
}

func (l *load) note(b int64, a *answer, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		l.unanswered++
	case a.Status == http.StatusOK:
		l.acknowledged[b] = a.Accepted + a.Quarantined
		if len(a.Rejected) > 0 && len(l.bad) < 5 {
			l.bad = append(l.bad, fmt.Sprintf("batch %d: %+v", b, a.Rejected[0]))
		}
	default:
		l.refused[a.Status]++
		if (a.Status == http.StatusTooManyRequests || a.Status == http.StatusServiceUnavailable) && a.Header.Get("Retry-After") == "" {
			l.noRetryAfter++
		}
		if a.Status < 500 && a.Status != http.StatusTooManyRequests && len(l.bad) < 5 {
			l.bad = append(l.bad, fmt.Sprintf("batch %d: %d %.300s", b, a.Status, a.Body))
		}
	}
}

// events is how many events were acknowledged.
func (l *load) events() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, k := range l.acknowledged {
		n += k
	}
	return n
}

// acknowledgedNow is what was acknowledged up to now.
func (l *load) acknowledgedNow() map[int64]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.acknowledged)
}

// check fails the test when the server refused what was right, or refused without
// saying when to try again.
func (l *load) check(t *testing.T) {
	t.Helper()
	for _, s := range l.bad {
		t.Errorf("well-formed events were refused: %s", s)
	}
	if l.noRetryAfter > 0 {
		t.Errorf("%d answers 429 or 503 had no Retry-After", l.noRetryAfter)
	}
}

// checkStored opens the data folder of a server that has ended and fails the test
// unless every acknowledged event is in the log, and nothing that was never sent.
func (l *load) checkStored(t *testing.T, data string) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: data})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	defer s.Close()
	stored := kept{}
	err = s.Scan(t.Context(), s.Begin(), func(_ metrics.Position, events []metrics.Event) error {
		for i := range events {
			if _, err := l.keep(stored, events[i].EventID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("read the log: %v", err)
	}
	l.checkKept(t, stored)
}

// kept is the numbers of the events that were found, by batch.
type kept map[int64]map[int32]struct{}

// keep notes an event that was found, and says whether it is the first of its name.
func (l *load) keep(in kept, id string) (first bool, err error) {
	batch, number, ok := strings.Cut(id, "-")
	b, err1 := strconv.ParseInt(batch, 10, 64)
	n, err2 := strconv.ParseInt(number, 10, 32)
	if !ok || err1 != nil || err2 != nil || b > max(l.sent, l.next.Load()) || int(n) >= l.size {
		return false, fmt.Errorf("event %q was never sent", id)
	}
	if in[b] == nil {
		in[b] = map[int32]struct{}{}
	}
	_, again := in[b][int32(n)]
	in[b][int32(n)] = struct{}{}
	return !again, nil
}

// checkKept fails the test when an acknowledged event was not found.
func (l *load) checkKept(t *testing.T, stored kept) {
	t.Helper()
	lost := 0
	for b, n := range l.acknowledged {
		if len(stored[b]) < n {
			lost += n - len(stored[b])
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged events are not stored", lost, l.events())
	}
}

// rollups returns every cell and row of a data folder as text, in order.
func rollups(t *testing.T, data string) []string {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: data})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	defer s.Close()
	series, err := s.ListSeries(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[metrics.Metric]bool{}
	var all []metrics.Metric
	for i := range series {
		if !seen[series[i].Metric] {
			seen[series[i].Metric] = true
			all = append(all, series[i].Metric)
		}
	}
	var out []string
	for _, level := range metrics.Levels {
		q := metrics.CellQuery{Level: level, From: 0, To: 1 << 40, Metrics: all, AllFeatures: true}
		err := s.Cells(t.Context(), q, func(s *metrics.Series, start int64, c *sketch.Cell) error {
			if text := fmt.Sprintf("%d %x", start, c.Append(nil)); !empty(c) {
				out = append(out, fmt.Sprintf("%d %+v %s", level, *s, text))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// empty reports whether a cell adds up to nothing; a store may keep or drop it.
func empty(c *sketch.Cell) bool {
	return c.N == 0 && c.Hits == 0 && c.Neg == 0 && c.Zero == 0 && c.Sum == 0
}

// key makes an API key for a data folder, without a server.
func key(t *testing.T, data string) string {
	t.Helper()
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(tidemark.Verb(t, "keys", "create", "faults", "--data", data, "--scope", "publish:*", "--scope", "read"))
}

// killUnder kills a server at a random moment under this load, and returns after how long.
func (l *load) killUnder(t *testing.T, s *tidemark.Server, key string, moments *rand.Rand) time.Duration {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.run(ctx, newClient(s.URL, key), 4)
	}()
	after := 100*time.Millisecond + time.Duration(moments.Int64N(int64(1500*time.Millisecond)))
	<-time.After(after)
	s.Kill()
	cancel()
	<-done
	return after
}
