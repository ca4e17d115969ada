package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// askFor asks over flagConns connections, each of which waits for its answer. It looks at
// them in turn and never sleeps: to wake a generator that does costs the server's core
// more the longer the generator has had nothing to do, so that the slower of two
// servers would be charged more for the same. Nothing is allocated while it measures.
func askFor(ctx context.Context, url, path, key string, d time.Duration) (latencies []time.Duration, elapsed time.Duration, err error) {
	host := strings.TrimPrefix(url, "http://")
	request := "POST " + path + " HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer " + key +
		"\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(askContext)) + "\r\n\r\n" + askContext
	askers := make([]*asker, flagConns)
	for i := range askers {
		a, err := newAsker(ctx, host, request, i)
		if err != nil {
			return nil, 0, err
		}
		defer a.conn.Close()
		askers[i] = a
	}
	latencies = make([]time.Duration, 0, 1<<20)
	began := time.Now()
	for _, a := range askers {
		if err := a.ask(); err != nil {
			return nil, 0, err
		}
	}
	for ; elapsed < d && ctx.Err() == nil; elapsed = time.Since(began) {
		for _, a := range askers {
			done, err := a.look()
			if err != nil {
				return nil, 0, err
			}
			if !done {
				continue
			}
			latencies = append(latencies, time.Since(a.sent))
			if err := a.ask(); err != nil {
				return nil, 0, err
			}
		}
	}
	return latencies, elapsed, ctx.Err()
}

// asker is one connection.
type asker struct {
	conn    net.Conn
	raw     syscall.RawConn
	request []byte
	unit    []byte // the digits in request that say who asks
	n       int
	sent    time.Time

	answer []byte // room for one
	have   int    // bytes of it
	got    int    // by the last read
	err    error  // of the last read
}

func newAsker(ctx context.Context, host, request string, i int) (*asker, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	a := &asker{conn: conn, raw: raw, request: []byte(request), n: i, answer: make([]byte, 256<<10)}
	at := strings.Index(request, markUnit) + len("user-")
	a.unit = a.request[at : at+len(markUnit)-len("user-")]
	return a, nil
}

// ask sends the next question: each is somebody else's.
func (a *asker) ask() error {
	for i, n := len(a.unit)-1, a.n; i >= 0; i, n = i-1, n/10 {
		a.unit[i] = byte('0' + n%10)
	}
	a.n += flagConns
	a.have, a.sent = 0, time.Now()
	_, err := a.conn.Write(a.request)
	return err
}

// look reads what has come, without waiting for more.
func (a *asker) look() (done bool, err error) {
	if err := a.raw.Read(a.read); err != nil {
		return false, err
	}
	switch {
	case errors.Is(a.err, syscall.EAGAIN), errors.Is(a.err, syscall.EINTR):
		return false, nil
	case a.err != nil:
		return false, os.NewSyscallError("read", a.err)
	case a.got == 0:
		return false, io.ErrUnexpectedEOF
	}
	a.have += a.got
	return complete(a.answer[:a.have])
}

func (a *asker) read(fd uintptr) bool {
	a.got, a.err = syscall.Read(int(fd), a.answer[a.have:])
	return true
}

// complete reports whether an answer is all there, and an error when it is not 200. No
// answer that is asked for has a line break in it, so that chunks end where the empty
// one is.
func complete(answer []byte) (bool, error) {
	head, body, ok := bytes.Cut(answer, []byte("\r\n\r\n"))
	if !ok {
		return false, nil
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
		return false, fmt.Errorf("answer %.600s", answer)
	}
	_, length, known := bytes.Cut(head, []byte("\r\nContent-Length: "))
	if !known {
		return bytes.HasSuffix(body, []byte("0\r\n\r\n")), nil
	}
	n := 0
	for _, c := range length {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int(c-'0')
	}
	return len(body) >= n, nil
}
