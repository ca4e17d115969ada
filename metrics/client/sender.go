package client

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"tidemark/metrics"
)

const (
	maxAnswer     = 8 << 20         // bytes of an answer that are read
	maxRetryAfter = 5 * time.Minute // longest wait that a server may ask for
)

// run sends batches until the client is closed.
func (c *Client) run() {
	for {
		b := c.takeBatch()
		if b == nil {
			return
		}
		c.deliver(b)
	}
}

// takeBatch waits for a batch; nil means that there will be none.
func (c *Client) takeBatch() *batch {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 && c.ctx.Err() == nil {
		c.work.Wait()
	}
	if c.ctx.Err() != nil {
		return nil
	}
	b := c.queue[0]
	c.queue[0] = nil
	c.queue = c.queue[1:]
	return b
}

// deliver sends a batch until the server has taken or refused it for good.
func (c *Client) deliver(b *batch) {
	body, err := c.compress(b.body)
	if err != nil {
		c.settle(b, answer{}, err)
		return
	}
	for wait := c.o.RetryMin; ; wait = min(2*wait, c.o.RetryMax) {
		a, err := c.post(c.ctx, body)
		var again *retryError
		switch {
		case c.ctx.Err() != nil && err != nil:
			return // closed: the batch stays counted as buffered
		case errors.As(err, &again):
			c.failed(err)
			if !c.pause(max(jitter(wait), again.after)) {
				return
			}
		case errors.Is(err, errTooLarge) && b.events > 1:
			c.split(b)
			return
		default:
			c.settle(b, a, err)
			return
		}
	}
}

// jitter spreads the retries of many clients: half of the wait is random.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d/2 + rand.N(d/2+1)
}

// pause waits; it returns false when the client is closed meanwhile.
func (c *Client) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.ctx.Done():
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Retries++
	return true
}

func (c *Client) failed(err error) {
	c.mu.Lock()
	c.last = err
	c.mu.Unlock()
	if c.o.OnError != nil {
		c.o.OnError(err)
	}
}

// split sends a batch that is too large for the server as two halves.
func (c *Client) split(b *batch) {
	half, at := b.events/2, 0
	for range half {
		at += bytes.IndexByte(b.body[at:], '\n') + 1
	}
	first, second := newBatch(), newBatch()
	first.body, first.events = b.body[:at:at], half
	second.body, second.events = b.body[at:], b.events-half
	c.mu.Lock()
	c.live[first], c.live[second] = struct{}{}, struct{}{}
	c.mu.Unlock()
	c.deliver(first)
	c.deliver(second)
	c.mu.Lock()
	delete(c.live, b)
	c.mu.Unlock()
	close(b.done)
}

// settle counts what became of a batch and forgets it.
func (c *Client) settle(b *batch, a answer, err error) {
	c.mu.Lock()
	if err != nil {
		c.last = err
		c.stats.Failed += uint64(b.events)
	} else {
		c.stats.Sent += uint64(max(b.events-len(a.Rejected), 0))
		c.stats.Duplicates += uint64(max(a.Duplicates, 0))
		c.stats.Rejected += uint64(min(len(a.Rejected), b.events))
		c.stats.Quarantined += uint64(max(a.Quarantined, 0))
	}
	c.stats.Buffered -= b.events
	c.stats.BufferedBytes -= len(b.body)
	delete(c.live, b)
	c.mu.Unlock()
	if err != nil && c.o.OnError != nil {
		c.o.OnError(err)
	}
	if c.o.OnQuarantine != nil && a.Quarantined > 0 {
		c.o.OnQuarantine(a.Quarantined, a.Quarantine.Message)
	}
	if c.o.OnReject != nil {
		for _, r := range a.Rejected {
			c.o.OnReject(r)
		}
	}
	close(b.done)
}

func (c *Client) compress(body []byte) ([]byte, error) {
	switch c.o.Compression {
	case Zstd:
		return c.enc.EncodeAll(body, nil), nil
	case Gzip:
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		if _, err := w.Write(body); err != nil {
			return nil, fmt.Errorf("client: compress: %w", err)
		}
		if err := w.Close(); err != nil {
			return nil, fmt.Errorf("client: compress: %w", err)
		}
		return out.Bytes(), nil
	case Uncompressed:
	}
	return body, nil
}

// answer is what the server says about a request that it took.
type answer struct {
	Accepted   int                 `json:"accepted"`
	Duplicates int                 `json:"duplicates"`
	Rejected   []metrics.Rejection `json:"rejected"`

	Quarantined int `json:"quarantined"`
	Quarantine  struct {
		Message string `json:"message"`
	} `json:"quarantine"`
}

// retryError is a failure that may be over soon.
type retryError struct {
	err   error
	after time.Duration // what the server asked for; 0 = nothing
}

func (e *retryError) Error() string { return e.err.Error() }
func (e *retryError) Unwrap() error { return e.err }

var errTooLarge = errors.New("request is too large for the server")

// post sends one request. A *retryError is worth another try; any other error is
// final.
func (c *Client) post(ctx context.Context, body []byte) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.events, bytes.NewReader(body))
	if err != nil {
		return answer{}, fmt.Errorf("client: send: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	if c.o.Compression != Uncompressed {
		req.Header.Set("Content-Encoding", string(c.o.Compression))
	}
	resp, err := c.do(req)
	if err != nil {
		return answer{}, &retryError{err: fmt.Errorf("client: send: %w", err)}
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode != http.StatusOK {
		return answer{}, c.refused(resp, text)
	}
	var a answer
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil {
		// Whether the events are durable is not known; sending them again is harmless.
		return answer{}, &retryError{err: fmt.Errorf("client: read the server's answer: %w", err)}
	}
	return a, nil
}

func (c *Client) do(req *http.Request) (*http.Response, error) {
	req.Header.Set("Authorization", "Bearer "+c.o.Key)
	req.Header.Set("User-Agent", "tidemark-client-go")
	return c.o.HTTP.Do(req)
}

// refused makes an error of an answer other than 200.
func (c *Client) refused(resp *http.Response, text []byte) error {
	var p struct{ Code, Title, Detail string }
	_ = json.Unmarshal(text, &p) // an answer of a proxy need not be a problem document
	err := fmt.Errorf("client: server answered %s %s %s", resp.Status, p.Code, p.Detail)
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500 && code != http.StatusNotImplemented:
		return &retryError{err, c.retryAfter(resp.Header.Get("Retry-After"))}
	case code == http.StatusRequestEntityTooLarge:
		return fmt.Errorf("%w: %w", errTooLarge, err)
	}
	return err
}

// retryAfter reads a Retry-After header: seconds or a date.
func (c *Client) retryAfter(s string) time.Duration {
	if s == "" {
		return 0
	}
	d := time.Duration(0)
	if n, err := strconv.ParseInt(s, 10, 32); err == nil {
		d = time.Duration(n) * time.Second
	} else if t, err := http.ParseTime(s); err == nil {
		d = t.Sub(c.o.Now())
	}
	return min(max(d, 0), maxRetryAfter)
}
