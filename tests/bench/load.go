package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// target is a server to load.
type target struct {
	url, key string
}

// plan says how to load it.
type plan struct {
	format string
	conns  int
	// Exactly one of these ends it: a time or a number of items.
	duration time.Duration
	items    int
	rate     int // items a second in all; 0 = as many as possible
	// begin and step are when the first write begins and how far apart writes are;
	// zero means that they happen now.
	begin, step int64
}

// result is what a load came to.
type result struct {
	items     int // events or spans
	events    int // what they came to
	requests  int
	bytes     int64
	elapsed   time.Duration
	latencies []time.Duration // of each request, sorted
	refused   int             // answers 429 and 503, sent again
	ids       []string        // of one write of each request, in order of time once summed up
}

// perSecond is how many events came in a second.
func (r *result) perSecond() float64 { return float64(r.events) / r.elapsed.Seconds() }

// quantile is the latency that a share q of the requests did not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// load sends requests over conns connections, each of which waits for its answer.
func load(ctx context.Context, t target, p plan) (*result, error) {
	if p.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.duration)
		defer cancel()
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: p.conns, DisableCompression: true}}
	defer client.CloseIdleConnections()
	workers := make([]*worker, p.conns)
	errs := make([]error, p.conns)
	began := time.Now()
	var all sync.WaitGroup
	for i := range workers {
		b, err := newBody(p.format, rand.New(rand.NewPCG(uint64(began.UnixNano()), uint64(i))))
		if err != nil {
			return nil, err
		}
		workers[i] = &worker{t: t, p: p, n: i, client: client, body: b}
		all.Go(func() { errs[i] = workers[i].run(ctx, began) })
	}
	all.Wait()
	sum := &result{elapsed: time.Since(began)}
	for i, w := range workers {
		if errs[i] != nil {
			return nil, errs[i]
		}
		sum.add(&w.result)
	}
	slices.Sort(sum.latencies)
	slices.Sort(sum.ids) // they begin with a time
	return sum, nil
}

func (r *result) add(o *result) {
	r.items += o.items
	r.events += o.events
	r.requests += o.requests
	r.bytes += o.bytes
	r.refused += o.refused
	r.latencies = append(r.latencies, o.latencies...)
	r.ids = append(r.ids, o.ids...)
}

// worker is one connection.
type worker struct {
	result
	t      target
	p      plan
	n      int
	client *http.Client
	body   *body
}

func (w *worker) run(ctx context.Context, began time.Time) error {
	writes := w.body.patches[len(w.body.patches)-1].write + 1
	for i := 0; ctx.Err() == nil; i++ {
		turn := i*w.p.conns + w.n // among the requests of all connections
		if w.p.items > 0 && turn*w.body.items >= w.p.items {
			break
		}
		if w.p.rate > 0 {
			due := began.Add(time.Duration(float64(turn*w.body.items) / float64(w.p.rate) * float64(time.Second)))
			if !sleepUntil(ctx, due) {
				break
			}
		}
		if w.p.step > 0 {
			w.body.renew(w.p.begin+int64(turn*writes)*w.p.step, w.p.step)
		} else {
			w.body.renew(time.Now().UnixNano()-200e6, 1e5)
		}
		if err := w.send(ctx); err != nil {
			return err
		}
	}
	return nil
}

func sleepUntil(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// send sends the body until it is taken. A request that the end of the time cuts
// off does not count.
func (w *worker) send(ctx context.Context) error {
	for {
		sent := time.Now()
		status, answer, err := w.post(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the time is up; that is no failure
		}
		if err != nil {
			return err
		}
		switch {
		case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
			w.refused++
			sleepUntil(ctx, time.Now().Add(50*time.Millisecond))
			continue
		case status != http.StatusOK:
			return fmt.Errorf("%s: status %d: %.500s", w.body.path, status, answer)
		case bytes.Contains(answer, []byte(`"rejected":[{`)):
			return fmt.Errorf("%s: %.500s", w.body.path, answer)
		}
		w.latencies = append(w.latencies, time.Since(sent))
		w.items += w.body.items
		w.events += w.body.events
		w.requests++
		w.bytes += int64(len(w.body.bytes))
		w.ids = append(w.ids, w.body.lastID)
		return nil
	}
}

func (w *worker) post(ctx context.Context) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.t.url+w.body.path, bytes.NewReader(w.body.bytes))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", w.body.kind)
	req.Header.Set("Authorization", "Bearer "+w.t.key)
	resp, err := w.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}
