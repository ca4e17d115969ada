// Package wire is what stands between net/http and the network: connections that send an
// answer of several thousand bytes in one piece. By itself net/http sends its first
// 4 KiB, header included, and then the rest: two calls of the system, two segments,
// and a client that is woken twice.
package wire

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
)

// MaxWhole is the largest body that is held until all of it is there. Of a larger one
// the second piece is most, so that there is little to gain.
const MaxWhole = 32 << 10

// Listen returns a listener whose connections can send an answer in one piece.
func Listen(ln net.Listener) net.Listener { return listener{ln} }

type listener struct{ net.Listener }

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err //nolint:wrapcheck // net/http looks at what it is.
	}
	return &conn{Conn: c}, nil
}

type connKey struct{}

// Context remembers the connection of a request, for http.Server.ConnContext.
func Context(ctx context.Context, c net.Conn) context.Context {
	if own, ok := c.(*conn); ok {
		return context.WithValue(ctx, connKey{}, own)
	}
	return ctx
}

// Whole says that the answer to the request of ctx, of which nothing has been written,
// will have a Content-Length of body, and that many bytes: they are sent together with
// the header. It does nothing for larger ones, and where the connection is another's.
func Whole(ctx context.Context, body int) {
	if c, ok := ctx.Value(connKey{}).(*conn); ok && body > 0 && body <= MaxWhole {
		c.body = body
	}
}

// conn is one connection. Like the answers on it, it is written by one goroutine at a
// time. Of an answer that its handler does not finish, nothing is sent.
type conn struct {
	net.Conn

	body int     // of the answer that is to go out in one piece; 0: none is
	left int     // of that answer, with its header; meant when held is not nil
	held *[]byte // of that answer, what is there already
}

// buffers are for what is held.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, 8<<10)
	return &b
}}

// Write sends p, or holds it when it is a part of an answer whose rest is to come.
func (c *conn) Write(p []byte) (int, error) {
	if c.body > 0 && !c.begin(p) || c.held == nil {
		return c.Conn.Write(p) //nolint:wrapcheck // net/http looks at what it is.
	}
	*c.held = append(*c.held, p...)
	if c.left -= len(p); c.left > 0 {
		return len(p), nil
	}
	if err := c.release(); err != nil {
		return 0, err
	}
	return len(p), nil
}

// begin looks at the beginning of an answer. One whose header is not all there, or that
// is all there, is not held.
func (c *conn) begin(p []byte) (hold bool) {
	header := bytes.Index(p, []byte("\r\n\r\n")) + 4
	all := header + c.body
	c.body = 0
	if header < 4 || len(p) >= all {
		return false
	}
	c.left = all
	c.held, _ = buffers.Get().(*[]byte)
	return true
}

// release sends what is held.
func (c *conn) release() error {
	held := c.held
	c.held = nil
	_, err := c.Conn.Write(*held)
	*held = (*held)[:0]
	buffers.Put(held)
	return err //nolint:wrapcheck // net/http looks at what it is.
}

// ReadFrom keeps the short way from a file to the network.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if c.body > 0 || c.held != nil {
		return io.Copy(struct{ io.Writer }{c}, r) //nolint:wrapcheck // net/http looks at what it is.
	}
	return io.Copy(c.Conn, r) //nolint:wrapcheck // net/http looks at what it is.
}

// CloseWrite tells the client that nothing more comes. net/http asks for it.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite() //nolint:wrapcheck // net/http looks at what it is.
	}
	return nil
}
