package web

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestMetricsWaitForNobody: the address that asks nobody who they are closes the
// connection of who sends no body, and of who sends nothing more.
func TestMetricsWaitForNobody(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := MetricsServer(prometheus.NewRegistry(), &Limits{ReadBody: 50 * time.Millisecond, Idle: 50 * time.Millisecond})
	t.Cleanup(func() { _ = srv.Close() })
	go func() { _ = srv.Serve(ln) }()
	for name, head := range map[string]string{
		"a body that does not come": "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n",
		"nothing more":              "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprint(conn, head); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Errorf("%s: %v; want the end", name, err)
		}
		_ = conn.Close()
	}
	if srv.MaxHeaderBytes != 64<<10 || srv.WriteTimeout == 0 {
		t.Errorf("headers of %d bytes, answers of %s", srv.MaxHeaderBytes, srv.WriteTimeout)
	}
}
