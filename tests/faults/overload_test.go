package faults

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"tidemark/tests/tidemark"
)

// maxMemory is what a server may take at most, whatever is done to it: the memory
// limit that these tests start it with (256 MiB, which the collector works towards),
// what all bodies being handled may take (256 MiB), and as much again for what was
// freed but not given back yet.
const maxMemory = 768 << 20

func startLimited(t *testing.T, data string, args ...string) *tidemark.Server {
	t.Helper()
	return tidemark.Start(t, append([]string{"serve", "--data", data, "--memory-limit", "256"}, args...)...)
}

// checkMemory fails the test when the server ever took more than it may.
func checkMemory(t *testing.T, s *tidemark.Server) {
	t.Helper()
	_, peak, err := s.Memory()
	if errors.Is(err, os.ErrNotExist) {
		t.Log("memory is not checked: there is no /proc here")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the most memory it took: %d MiB", peak>>20)
	if peak > maxMemory {
		t.Errorf("it took %d MiB; at most %d are allowed", peak>>20, int64(maxMemory)>>20)
	}
}

// overloadFor is how long TestOverload goes on: TIDEMARK_TEST_OVERLOAD, such as 5m for a
// nightly run, or 15 s.
func overloadFor(t *testing.T) time.Duration {
	t.Helper()
	s := os.Getenv("TIDEMARK_TEST_OVERLOAD")
	if s == "" {
		return 15 * time.Second
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Second {
		t.Fatalf("TIDEMARK_TEST_OVERLOAD=%q: want a duration of at least 1s, such as 5m", s)
	}
	return d
}

// TestOverload sends over 96 connections, each as fast as it is answered, far more
// than may wait. What is too much is refused at once and with a time to try again;
// memory stays bounded; what was accepted is kept.
func TestOverload(t *testing.T) {
	data := t.TempDir()
	k := key(t, data)
	s := startLimited(t, data)
	l := newLoad(2500)
	ctx, cancel := context.WithTimeout(t.Context(), overloadFor(t))
	defer cancel()
	l.run(ctx, newClient(s.URL, k), 96)

	t.Logf("%d events acknowledged, refused by status: %v", l.events(), l.refused)
	if l.refused[http.StatusTooManyRequests] == 0 {
		t.Error("nothing was refused with 429, so this was no overload")
	}
	if n := l.refused[http.StatusInternalServerError]; n > 0 {
		t.Errorf("%d answers 500", n)
	}
	l.check(t)
	checkMemory(t, s)
	l.sendUntil(t, newClient(s.URL, k), http.StatusOK, 20*time.Second)
	s.Kill()
	l.checkStored(t, data)
}

// TestSlowClients opens connections that send a byte now and then. They are cut
// off, and nobody else waits for them.
func TestSlowClients(t *testing.T) {
	data := t.TempDir()
	k := key(t, data)
	s := startLimited(t, data, "--read-body", "3s")
	addr := strings.TrimPrefix(s.URL, "http://")
	head := "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + k + "\r\nContent-Type: application/x-ndjson\r\n"

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	held := make(chan time.Duration, 400)
	for i := range 400 {
		opening := head // then a header that never ends
		if i%2 == 0 {
			opening = head + "Content-Length: 100000\r\n\r\n{" // then a body that never ends
		}
		wg.Go(func() {
			d, err := drip(ctx, addr, opening)
			if err != nil {
				t.Errorf("slow client %d: %v", i, err)
			}
			held <- d
		})
	}
	l := newLoad(50)
	c := newClient(s.URL, k)
	for range 20 {
		begin := time.Now()
		l.sendUntil(t, c, http.StatusOK, 5*time.Second)
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("a quick client waited %s behind slow ones", d)
		}
	}
	wg.Wait()
	close(held)
	for d := range held {
		if d > 12*time.Second {
			t.Errorf("a slow client was kept for %s", d)
			break
		}
	}
	l.check(t)
	checkMemory(t, s)
}

// TestSlowStrangers opens more connections than there are places for requests, without
// any identity, each with a body that does not end. They hold few of the places: health,
// readiness, telemetry and control are answered all the while. Those that are refused are
// cut off as well.
func TestSlowStrangers(t *testing.T) {
	data := t.TempDir()
	k := key(t, data)
	s := startLimited(t, data, "--read-body", "3s")
	addr := strings.TrimPrefix(s.URL, "http://")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var open, wg sync.WaitGroup
	var closed atomic.Bool
	for i := range 1200 {
		path := "/signin"
		if i >= 1100 {
			path = "/v1/events" // refused at once, for want of a key
		}
		opening := "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\nt"
		open.Add(1)
		wg.Go(func() {
			if _, err := dripOn(ctx, addr, opening, open.Done); err != nil {
				t.Errorf("stranger %d: %v", i, err)
			}
			closed.Store(true)
		})
	}
	open.Wait()
	l, c := newLoad(50), newClient(s.URL, k)
	rounds := 0
	for ; !closed.Load(); rounds++ {
		for _, path := range []string{"/healthz", "/readyz"} {
			if status := statusOf(t, s.URL+path); status != http.StatusOK {
				t.Fatalf("round %d: %s: %d", rounds, path, status)
			}
		}
		l.sendUntil(t, c, http.StatusOK, 5*time.Second)
	}
	if len(l.refused) > 0 {
		t.Errorf("a service with a key was refused: %v", l.refused)
	}
	if rounds < 3 {
		t.Errorf("only %d rounds were made before the first was cut off", rounds)
	}
	wg.Wait()
	l.check(t)
	checkMemory(t, s)
}

// drip sends an opening and then a byte every 200 ms until the server closes the
// connection, and returns how long that took.
func drip(ctx context.Context, addr, opening string) (time.Duration, error) {
	return dripOn(ctx, addr, opening, func() {})
}

// dripOn is drip, and says when the opening was sent.
func dripOn(ctx context.Context, addr, opening string, sent func()) (time.Duration, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		sent()
		return 0, err
	}
	defer conn.Close()
	begin := time.Now()
	_, err = io.WriteString(conn, opening)
	sent()
	if err != nil {
		return time.Since(begin), nil // The server has closed it: that is the end.
	}
	closed := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, bufio.NewReader(conn))
		close(closed)
	}()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-closed:
			return time.Since(begin), nil
		case <-ctx.Done():
			return 0, errors.New("the connection was never closed")
		case <-tick.C:
			if _, err := conn.Write([]byte("x")); err != nil {
				return time.Since(begin), nil // The server has closed it: that is the end.
			}
		}
	}
}

// TestBombs sends small bodies that are large, deep or endless inside.
func TestBombs(t *testing.T) {
	data := t.TempDir()
	k := key(t, data)
	s := startLimited(t, data)
	c := newClient(s.URL, k)
	// Beside the bad event is a good one, which must be taken.
	deep := func(open, shut string, n int) []byte {
		event := `{"kind":"initiated","feature":"f","write_id":"w","occurred_at":` + fmt.Sprint(time.Now().UnixNano())
		return []byte(event + "}\n" + event + `,"delta":` + strings.Repeat(open, n) + "1" + strings.Repeat(shut, n) + "}\n")
	}
	for _, b := range []struct {
		name    string
		body    []byte
		headers []string
		want    int // status; 200 means that the bad event alone is rejected
	}{
		{"1 GiB of blanks in gzip", gzipOf(t, 1<<30), []string{"Content-Encoding", "gzip"}, http.StatusRequestEntityTooLarge},
		{"1 GiB of blanks in zstd", zstdOf(t, 1<<30), []string{"Content-Encoding", "zstd"}, http.StatusRequestEntityTooLarge},
		{"gzip that is none", []byte("hello"), []string{"Content-Encoding", "gzip"}, http.StatusBadRequest},
		{"gzip cut short", gzipOf(t, 1<<20)[:500], []string{"Content-Encoding", "gzip"}, http.StatusBadRequest},
		{"an unknown encoding", []byte("hello"), []string{"Content-Encoding", "br"}, http.StatusUnsupportedMediaType},
		{"21 MiB as they are", bytes.Repeat([]byte(" "), 21<<20), nil, http.StatusRequestEntityTooLarge},
		{"a million arrays in each other", deep("[", "]", 1_000_000), nil, http.StatusOK},
		{"a million objects in each other", deep(`{"a":`, "}", 1_000_000), nil, http.StatusOK},
		{"a number of a million digits", deep(strings.Repeat("9", 1_000_000), "", 1), nil, http.StatusOK},
	} {
		t.Run(b.name, func(t *testing.T) {
			begin := time.Now()
			a, err := c.post(t.Context(), bytes.NewReader(b.body), b.headers...)
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			if a.Status != b.want {
				t.Errorf("status %d, want %d: %.300s", a.Status, b.want, a.Body)
			}
			if a.Status == http.StatusOK && (a.Accepted != 1 || len(a.Rejected) != 1) {
				t.Errorf("accepted %d, rejected %d; want the good event accepted and the bad one rejected", a.Accepted, len(a.Rejected))
			}
			if d := time.Since(begin); d > 10*time.Second {
				t.Errorf("it took %s to refuse", d)
			}
		})
	}
	// Many at once: what bombs may take together is bounded, too.
	bomb := zstdOf(t, 1<<30)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			a, err := c.post(t.Context(), bytes.NewReader(bomb), "Content-Encoding", "zstd")
			if err != nil || (a.Status != http.StatusRequestEntityTooLarge && a.Status != http.StatusTooManyRequests) {
				t.Errorf("one bomb of many: %+v, %v", a, err)
			}
		})
	}
	wg.Wait()
	checkMemory(t, s)
	l := newLoad(20)
	l.sendUntil(t, c, http.StatusOK, 10*time.Second)
	l.check(t)
}

func gzipOf(t *testing.T, blanks int64) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	pack(t, w, blanks)
	return b.Bytes()
}

func zstdOf(t *testing.T, blanks int64) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	pack(t, w, blanks)
	return b.Bytes()
}

func pack(t *testing.T, w io.WriteCloser, blanks int64) {
	t.Helper()
	if _, err := io.CopyN(w, blank{}, blanks); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// blank reads as blanks without end.
type blank struct{}

// Read implements io.Reader.
func (blank) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
