package wire_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tidemark/web/wire"
)

// recorder is a listener whose connections keep how large each piece was that was sent.
type recorder struct {
	net.Listener

	mu     sync.Mutex
	pieces []int
}

func (r *recorder) Accept() (net.Conn, error) {
	c, err := r.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &recorded{c, r}, nil
}

func (r *recorder) take() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.pieces
	r.pieces = nil
	return out
}

type recorded struct {
	net.Conn
	to *recorder
}

func (c *recorded) Write(p []byte) (int, error) {
	c.to.mu.Lock()
	c.to.pieces = append(c.to.pieces, len(p))
	c.to.mu.Unlock()
	return c.Conn.Write(p)
}

// serve answers on loopback until the test ends.
func serve(t *testing.T, h http.HandlerFunc) (*recorder, *bufio.Reader, net.Conn) {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{Listener: ln}
	s := &http.Server{Handler: h, ConnContext: wire.Context}
	var served sync.WaitGroup
	served.Go(func() { _ = s.Serve(wire.Listen(rec)) })
	t.Cleanup(func() {
		_ = s.Close()
		served.Wait()
	})
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil { // What waits for ever fails.
		t.Fatal(err)
	}
	return rec, bufio.NewReader(c), c
}

// answer writes a body of the size, byte by byte different, in parts.
func answer(w http.ResponseWriter, size, parts int) {
	body := make([]byte, size)
	for i := range body {
		body[i] = byte(i * 7)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(size))
	for i := range parts {
		_, _ = w.Write(body[i*size/parts : (i+1)*size/parts])
	}
}

// TestAnAnswerGoesOutInOnePiece, whatever its size up to the largest, and however its
// handler writes it. Those that follow on the connection are as the handler wrote them.
func TestAnAnswerGoesOutInOnePiece(t *testing.T) {
	t.Parallel()
	rec, r, c := serve(t, func(w http.ResponseWriter, req *http.Request) {
		size, _ := strconv.Atoi(req.FormValue("size"))
		parts, _ := strconv.Atoi(req.FormValue("parts"))
		if req.FormValue("whole") != "" {
			wire.Whole(req.Context(), size)
		}
		answer(w, size, parts)
	})
	ask := func(size, parts int, whole string) []int {
		t.Helper()
		if _, err := io.WriteString(c, "GET /?size="+strconv.Itoa(size)+"&parts="+strconv.Itoa(parts)+"&whole="+whole+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		if err != nil || len(got) != size {
			t.Fatalf("%d bytes of %d: %v", len(got), size, err)
		}
		for i := range got {
			if got[i] != byte(i*7) {
				t.Fatalf("byte %d of %d is another", i, size)
			}
		}
		return rec.take()
	}
	for _, size := range []int{1, 100, 2047, 2048, 2049, 3900, 3950, 3960, 3970, 3980, 4000, 4096, 4097, 5700, 8192, 20_000, wire.MaxWhole} {
		for _, parts := range []int{1, 2, 7} {
			if p := ask(size, parts, "yes"); len(p) != 1 {
				t.Errorf("%d bytes in %d parts went out as %v", size, parts, p)
			}
			if p := ask(size, parts, ""); size > 4096 && len(p) < 2 {
				t.Errorf("%d bytes went out as %v unasked: net/http has changed, and this package may go", size, p)
			}
		}
	}
	if p := ask(wire.MaxWhole+1, 1, "yes"); len(p) < 2 {
		t.Errorf("the largest are not held, but went out as %v", p)
	}
}

// TestAnAnswerThatIsNotFinishedEndsItsConnection, instead of leaving the client to wait.
func TestAnAnswerThatIsNotFinishedEndsItsConnection(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"short": func(w http.ResponseWriter, r *http.Request) {
			wire.Whole(r.Context(), 9000)
			w.Header().Set("Content-Length", "9000")
			_, _ = w.Write(make([]byte, 5000))
		},
		"panics": func(w http.ResponseWriter, r *http.Request) {
			wire.Whole(r.Context(), 9000)
			w.Header().Set("Content-Length", "9000")
			_, _ = w.Write(make([]byte, 5000))
			panic(http.ErrAbortHandler)
		},
	} {
		_, r, c := serve(t, h)
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || len(got) > 0 {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// TestReadersAreCopied: what comes from a reader, a file for one, arrives with and
// without having been asked for in one piece.
func TestReadersAreCopied(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("tide ", 1500)
	rec, r, c := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/whole" {
			wire.Whole(req.Context(), len(body))
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.(io.ReaderFrom).ReadFrom(strings.NewReader(body))
	})
	for _, path := range []string{"/", "/whole", "/"} {
		if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !bytes.Equal(got, []byte(body)) {
			t.Errorf("%s: %d bytes, %v", path, len(got), err)
		}
		if p := rec.take(); (path == "/whole") != (len(p) == 1) {
			t.Errorf("%s went out as %v", path, p)
		}
	}
}
