package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"tidemark/metrics/clock"
)

const (
	burst       = 5  // exchanges a measurement
	maxExchange = 20 // latest exchanges of which the best counts
)

// serverTime is the answer of GET /v1/time: the server's clock when the request
// came and when the answer left, Unix ns.
type serverTime struct {
	Received int64 `json:"t2"`
	Sent     int64 `json:"t3"`
}

// measure keeps the offset to the server's clock known. A burst of exchanges now
// and then, of which the quickest counts, resists the queues on the way; old ones
// are forgotten, because clocks drift.
func (c *Client) measure() {
	var recent []clock.Exchange
	for {
		for range burst {
			x, err := c.exchange(c.ctx)
			if err != nil {
				break
			}
			recent = append(recent, x)
		}
		if n := len(recent); n > maxExchange {
			recent = append(recent[:0], recent[n-maxExchange:]...)
		}
		if best := clock.Best(recent); best.Known == clock.Both {
			c.mu.Lock()
			c.offset = best
			c.mu.Unlock()
		}
		t := time.NewTimer(c.o.MeasureClock)
		select {
		case <-t.C:
		case <-c.ctx.Done():
			t.Stop()
			return
		}
	}
}

// exchange asks the server for its time once. The client's two readings come from
// one wall reading and a monotonic difference, so a step of the client's clock in
// between does no harm.
func (c *Client) exchange(ctx context.Context) (clock.Exchange, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.time, nil)
	if err != nil {
		return clock.Exchange{}, fmt.Errorf("client: ask for the time: %w", err)
	}
	sent := c.o.Now()
	resp, err := c.do(req)
	if err != nil {
		return clock.Exchange{}, fmt.Errorf("client: ask for the time: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	got := sent.Add(c.o.Now().Sub(sent))
	if err != nil || resp.StatusCode != http.StatusOK {
		return clock.Exchange{}, fmt.Errorf("client: ask for the time: %s: %w", resp.Status, err)
	}
	var s serverTime
	if err := json.Unmarshal(text, &s); err != nil {
		return clock.Exchange{}, fmt.Errorf("client: read the server's time: %w", err)
	}
	if s.Received == 0 || s.Sent == 0 {
		return clock.Exchange{}, fmt.Errorf("client: read the server's time: t2 or t3 is missing")
	}
	return clock.Exchange{
		ClientSent: sent.UnixNano(), ServerReceived: s.Received,
		ServerSent: s.Sent, ClientReceived: got.UnixNano(),
	}, nil
}
