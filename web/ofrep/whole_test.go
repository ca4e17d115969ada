package ofrep_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"tidemark/web"
)

// counted is a listener that counts the pieces in which its connections send.
type counted struct {
	net.Listener

	pieces atomic.Int64
}

func (l *counted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countedConn{c, l}, nil
}

type countedConn struct {
	net.Conn
	of *counted
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.of.pieces.Add(1)
	return c.Conn.Write(p)
}

// TestManyAnswersGoOutInOnePiece over the server's own connections.
func TestManyAnswersGoOutInOnePiece(t *testing.T) {
	t.Parallel()
	s := open(t, compile(t, manyFlags(50)))
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := &counted{Listener: inner}
	server := s.Handler.(*web.Server)
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(ln) })
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		_ = server.Shutdown(t.Context())
		_ = ln.Close()
		served.Wait()
	})
	for n := int64(1); n <= 3; n++ {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+inner.Addr().String()+"/ofrep/v1/evaluate/flags", strings.NewReader(benchBody))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+s.token)
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		var answer struct{ Flags []json.RawMessage }
		if err != nil || json.Unmarshal(body, &answer) != nil || len(answer.Flags) != 50 || len(body) < 4096 {
			t.Fatalf("%d flags in %d bytes: %v", len(answer.Flags), len(body), err)
		}
		if got := ln.pieces.Load(); got != n {
			t.Errorf("%d answers went out in %d pieces", n, got)
		}
	}
}
