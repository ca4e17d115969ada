package client_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"tidemark/metrics"
	"tidemark/metrics/client"
	"tidemark/metrics/ingest/decode"
)

// server keeps events as tidemark does: a set by event id. Each request first
// asks plan what to do with it.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	set      map[string]metrics.Event
	requests int
	largest  int // bytes of a body, decompressed
	// plan is asked with the number of the request, from 1; true = it has answered.
	plan func(n int, w http.ResponseWriter, r *http.Request) bool
}

func newServer(t *testing.T, plan func(n int, w http.ResponseWriter, r *http.Request) bool) *server {
	t.Helper()
	s := &server{set: map[string]metrics.Event{}, plan: plan}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v1/time" {
		now := time.Now().Add(time.Hour).UnixNano()
		fmt.Fprintf(w, `{"t1":0,"t2":%d,"t3":%d}`, now, now)
		return
	}
	s.mu.Lock()
	s.requests++
	n := s.requests
	s.mu.Unlock()
	if s.plan != nil && s.plan(n, w, r) {
		return
	}
	s.accept(w, r)
}

func (s *server) accept(w http.ResponseWriter, r *http.Request) {
	body, err := inflate(r)
	var b decode.Batch
	if err == nil {
		err = decode.Native(bytes.Clone(body), r.Header.Get("Content-Type"), &b)
	}
	if err != nil || r.URL.Path != "/v1/events" || r.Header.Get("Authorization") != "Bearer tmk_test" {
		http.Error(w, fmt.Sprint(err), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.largest = max(s.largest, len(body))
	var dup int
	for _, e := range b.Events {
		e.EventID = strings.Clone(e.EventID)
		if _, ok := s.set[e.EventID]; ok {
			dup++
		}
		s.set[e.EventID] = e
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"accepted": len(b.Events) - dup, "duplicates": dup, "rejected": append([]metrics.Rejection{}, b.Rejected...),
	})
}

func inflate(r *http.Request) ([]byte, error) {
	switch r.Header.Get("Content-Encoding") {
	case "zstd":
		d, err := zstd.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		defer d.Close()
		return io.ReadAll(d)
	case "gzip":
		d, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(d)
	}
	return io.ReadAll(r.Body)
}

func (s *server) stored() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.set)
}

// quick are options whose waits are short enough for a test.
func quick(url string) client.Options {
	return client.Options{
		URL: url, Key: "tmk_test", Service: "api", MaxAge: time.Hour, RetryMin: time.Millisecond,
		RetryMax: 2 * time.Millisecond, MeasureClock: -1,
	}
}

func start(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = c.Close(ctx)
	})
	return c
}

func event(i int) *metrics.Event {
	return &metrics.Event{Kind: metrics.KindInitiated, Feature: "cart", WriteID: fmt.Sprintf("w%d", i), Key: "k"}
}

func send(t *testing.T, c *client.Client, n int) {
	t.Helper()
	for i := range n {
		if err := c.Send(event(i)); err != nil {
			t.Fatal(err)
		}
	}
}

func flush(t *testing.T, c *client.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := c.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

func status(code int) func(int, http.ResponseWriter, *http.Request) bool {
	return func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, `{"code":"x","detail":"because"}`, code)
		return true
	}
}

func TestSendsBatches(t *testing.T) {
	t.Parallel()
	for _, how := range []client.Compression{client.Zstd, client.Gzip, client.Uncompressed} {
		s := newServer(t, nil)
		o := quick(s.URL)
		o.Compression, o.MaxEvents = how, 100
		c := start(t, o)
		send(t, c, 1050)
		flush(t, c)
		if got := s.stored(); got != 1050 || s.requests != 11 {
			t.Errorf("%s: %d events in %d requests; want 1050 in 11", how, got, s.requests)
		}
		if st := c.Stats(); st.Sent != 1050 || st.Enqueued != 1050 || st.Buffered != 0 || st.BufferedBytes != 0 {
			t.Errorf("%s: stats %+v", how, st)
		}
	}
}

func TestBatchesAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	o := quick(s.URL)
	o.MaxBytes, o.MaxEvents = 2000, 20_000
	c := start(t, o)
	send(t, c, 300)
	flush(t, c)
	if s.stored() != 300 || s.largest > 2000 || s.largest < 1500 {
		t.Errorf("%d events, largest body %d bytes; want 300 and nearly 2000", s.stored(), s.largest)
	}
}

func TestOldBatchesGoWithoutBeingAsked(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	var once sync.Once
	s := newServer(t, func(int, http.ResponseWriter, *http.Request) bool {
		once.Do(func() { close(arrived) })
		return false
	})
	o := quick(s.URL)
	o.MaxAge = time.Millisecond
	c := start(t, o)
	send(t, c, 1)
	<-arrived
}

// An outage, an overload and a lost answer: every event arrives, and counts once.
func TestRetriesUntilDurable(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	s.plan = func(n int, w http.ResponseWriter, r *http.Request) bool {
		switch n % 5 {
		case 1:
			return status(http.StatusServiceUnavailable)(n, w, r)
		case 2:
			return status(http.StatusTooManyRequests)(n, w, r)
		case 3: // the events are stored, but the answer is lost
			s.accept(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case 4: // an answer that makes no sense
			s.accept(httptest.NewRecorder(), r)
			fmt.Fprint(w, "<html>")
			return true
		}
		return false
	}
	o := quick(s.URL)
	o.MaxEvents, o.Senders = 10, 1
	var failures int
	o.OnError = func(error) { failures++ }
	c := start(t, o)
	send(t, c, 100)
	flush(t, c)
	st := c.Stats()
	if s.stored() != 100 || st.Sent != 100 || st.Duplicates != 100 || st.Retries != 40 || failures != 40 {
		t.Errorf("%d events stored, %d failures, stats %+v; want 100 stored and sent, 40 retries", s.stored(), failures, st)
	}
}

func TestServerThatIsAwayComesBack(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	failing := make(chan struct{}, 1000)
	o := quick("http://" + s.Listener.Addr().String())
	up := make(chan struct{})
	o.HTTP = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		select {
		case <-up:
			return http.DefaultTransport.RoundTrip(r)
		default:
			return nil, errors.New("connection refused")
		}
	})}
	o.OnError = func(error) { failing <- struct{}{} }
	c := start(t, o)
	send(t, c, 5)
	go func() { _ = c.Flush(context.Background()) }()
	<-failing
	<-failing
	close(up)
	flush(t, c)
	if s.stored() != 5 {
		t.Errorf("%d events stored; want 5", s.stored())
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestHonoursRetryAfter(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var times []time.Time
	s := newServer(t, func(n int, w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		times = append(times, time.Now())
		mu.Unlock()
		w.Header().Set("Retry-After", "1")
		return n == 1 && status(http.StatusTooManyRequests)(n, w, r)
	})
	c := start(t, quick(s.URL))
	send(t, c, 1)
	flush(t, c)
	if len(times) != 2 || times[1].Sub(times[0]) < time.Second {
		t.Errorf("requests at %v; want the second at least 1 s after the first", times)
	}
}

func TestRejectedEventsAreCountedAndTold(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		fmt.Fprint(w, `{"accepted":2,"duplicates":0,"rejected":[{"index":1,"event_id":"e","code":"forbidden","message":"No."}]}`)
		return true
	})
	o := quick(s.URL)
	var told []metrics.Rejection
	o.OnReject = func(r metrics.Rejection) { told = append(told, r) }
	c := start(t, o)
	send(t, c, 3)
	flush(t, c)
	if st := c.Stats(); st.Sent != 2 || st.Rejected != 1 || st.Buffered != 0 {
		t.Errorf("stats %+v; want 2 sent and 1 rejected", st)
	}
	if len(told) != 1 || told[0].Code != "forbidden" || told[0].Index != 1 {
		t.Errorf("told %+v; want the rejection of index 1", told)
	}
}

func TestRefusedRequestsAreNotRepeated(t *testing.T) {
	t.Parallel()
	for _, code := range []int{400, 401, 403, 404, 415, 302} {
		s := newServer(t, status(code))
		c := start(t, quick(s.URL))
		send(t, c, 3)
		flush(t, c)
		st := c.Stats()
		if s.requests != 1 || st.Failed != 3 || st.Buffered != 0 || !strings.Contains(st.LastError, "because") {
			t.Errorf("%d: %d requests, stats %+v; want one request, 3 failed, the reason", code, s.requests, st)
		}
	}
}

func TestTooLargeRequestsAreHalved(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	s.plan = func(n int, w http.ResponseWriter, r *http.Request) bool {
		body, err := inflate(r)
		if err != nil {
			t.Error(err)
		}
		if bytes.Count(body, []byte("\n")) > 10 {
			return status(http.StatusRequestEntityTooLarge)(n, w, r)
		}
		r.Header.Del("Content-Encoding")
		r.Body = io.NopCloser(bytes.NewReader(body))
		return false
	}
	c := start(t, quick(s.URL))
	send(t, c, 137)
	flush(t, c)
	if st := c.Stats(); s.stored() != 137 || st.Sent != 137 || st.Buffered != 0 || st.BufferedBytes != 0 {
		t.Errorf("%d stored, stats %+v; want 137", s.stored(), st)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	s := newServer(t, status(http.StatusServiceUnavailable))
	o := quick(s.URL)
	o.MaxBytes, o.MaxBuffered, o.RetryMin, o.RetryMax = 1000, 10_000, time.Hour, time.Hour
	c := start(t, o)
	var full int
	for i := range 1000 {
		if err := c.Send(event(i)); errors.Is(err, client.ErrFull) {
			full++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	st := c.Stats()
	if full == 0 || st.Dropped != uint64(full) || st.Enqueued != uint64(1000-full) || st.BufferedBytes > 10_000 || st.BufferedBytes < 9000 {
		t.Errorf("%d refused, stats %+v; want a full buffer of 10,000 bytes and all counted", full, st)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var left *client.UnsentError
	if err := c.Close(ctx); !errors.As(err, &left) || left.Events != 1000-full {
		t.Errorf("Close: %v; want UnsentError with %d events", err, 1000-full)
	}
	if err := c.Send(event(1)); !errors.Is(err, client.ErrClosed) {
		t.Errorf("Send after Close: %v; want ErrClosed", err)
	}
}

func TestCloseFlushes(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	c := start(t, quick(s.URL))
	send(t, c, 42)
	if err := c.Close(t.Context()); err != nil || s.stored() != 42 {
		t.Errorf("Close: %v; %d stored; want nil and 42", err, s.stored())
	}
}

func TestInvalidEventsAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	c := start(t, quick("http://127.0.0.1:1"))
	err := c.Send(&metrics.Event{Kind: metrics.KindInitiated, Feature: "cart"}, event(1))
	if !errors.Is(err, client.ErrInvalid) || !strings.Contains(err.Error(), "write_id") {
		t.Errorf("error %v; want ErrInvalid naming write_id", err)
	}
	if st := c.Stats(); st.Invalid != 1 || st.Enqueued != 1 {
		t.Errorf("stats %+v; want one invalid, one taken", st)
	}
}

func TestMeasuresTheClock(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil) // its clock is an hour ahead
	o := quick(s.URL)
	o.MeasureClock = time.Hour
	c := start(t, o)
	for !c.Stats().OffsetKnown {
		flush(t, c)
	}
	send(t, c, 1)
	flush(t, c)
	for _, e := range s.set {
		if d := time.Duration(e.ClockOffset) - time.Hour; !e.HasOffset || d.Abs() > time.Duration(e.ClockError) || e.ClockError <= 0 {
			t.Errorf("offset %v ± %v; want 1 h within the error", time.Duration(e.ClockOffset), time.Duration(e.ClockError))
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*client.Options){
		"URL":         func(o *client.Options) { o.URL = "localhost:1" },
		"Key":         func(o *client.Options) { o.Key = "" },
		"MaxEvents":   func(o *client.Options) { o.MaxEvents = 20_001 },
		"MaxBytes":    func(o *client.Options) { o.MaxBytes = 17 << 20 },
		"MaxBuffered": func(o *client.Options) { o.MaxBuffered = 10 },
		"Senders":     func(o *client.Options) { o.Senders = 65 },
		"RetryMax":    func(o *client.Options) { o.RetryMin = time.Hour },
		"Compression": func(o *client.Options) { o.Compression = "br" },
	} {
		o := quick("http://127.0.0.1:1")
		spoil(&o)
		if _, err := client.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want one that names %s", err, want)
		}
	}
}

func TestConcurrentSenders(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	o := quick(s.URL)
	o.MaxEvents, o.Senders = 7, 4
	c := start(t, o)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 200 {
				if err := c.Send(event(i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	flush(t, c)
	if s.stored() != 1600 {
		t.Errorf("%d events stored; want 1600", s.stored())
	}
}

func BenchmarkSend(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, `{}`)
	}))
	defer s.Close()
	o := quick(s.URL)
	o.MaxBuffered = 1 << 30
	c, err := client.New(o)
	if err != nil {
		b.Fatal(err)
	}
	e := event(1)
	b.ReportAllocs()
	for b.Loop() {
		_ = c.Send(e)
	}
	b.StopTimer()
	_ = c.Close(context.Background())
}
