package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"tidemark/tests/tidemark"
)

// measureStored fills a store, then measures what was asked for.
func measureStored(ctx context.Context, o options, dir string) error {
	s, t, err := start(ctx, o.bin, dir)
	if err != nil {
		return err
	}
	defer func() { s.Kill() }()
	if o.fill > 0 {
		if err := fill(ctx, o, t, s, dir); err != nil {
			return err
		}
	}
	if o.reads {
		if err := measureReads(ctx, o, t, s, dir); err != nil {
			return err
		}
	}
	if o.restart {
		return measureRestart(ctx, o, dir, s)
	}
	return nil
}

// fill loads events whose writes are spread evenly over the time before now.
func fill(ctx context.Context, o options, t target, s *tidemark.Server, dir string) error {
	requests := max(o.fill/perRequest, 1)
	writes := requests * ((perRequest + perWrite - 1) / perWrite)
	step := max(int64(o.span)/int64(writes), 1)
	fmt.Fprintf(os.Stderr, "filling %d events over %v…\n", o.fill, o.span)
	m, err := measure(ctx, t, plan{format: formatNDJSON, conns: 4, items: o.fill, begin: time.Now().Add(-o.span).UnixNano(), step: step}, s.PID())
	if err != nil {
		return err
	}
	disk, err := onDisk(dir)
	fmt.Printf("Filled %d events over %v in %v: %.0f events/s, %.2f µs of CPU an event, %.0f MB at most, %.0f bytes an event on disk so far.\n\n",
		m.items, o.span, m.elapsed.Round(time.Millisecond), m.perSecond(), float64(m.cpu.Nanoseconds())/1e3/float64(m.items),
		float64(m.peak)/1e6, float64(disk)/float64(m.items))
	return errors.Join(err, rememberWrites(dir, m.ids))
}

// sampled is how many writes are looked at in turn.
const sampled = 64

// rememberWrites keeps the ids of some writes, spread evenly over all and the last of
// them at the end, beside the store: pages may be measured by a later run.
func rememberWrites(dir string, ids []string) error {
	some := make([]string, 0, sampled)
	for i := range min(sampled, len(ids)) {
		some = append(some, ids[(i+1)*len(ids)/min(sampled, len(ids))-1])
	}
	return os.WriteFile(writesFile(dir), []byte(strings.Join(some, "\n")), 0o600)
}

func writesFile(dir string) string { return filepath.Join(dir, "bench-writes") }

// writesToRead returns the ids of writes that are stored; in a store that is empty it
// loads some.
func writesToRead(ctx context.Context, t target, dir string) ([]string, error) {
	b, err := os.ReadFile(writesFile(dir))
	if err == nil {
		return strings.Fields(string(b)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	r, err := load(ctx, t, plan{format: formatNDJSON, conns: 1, items: perRequest})
	if err != nil {
		return nil, err
	}
	return r.ids, nil
}

// measureReads gets pages, one after the other, while events come in.
func measureReads(ctx context.Context, o options, t target, s *tidemark.Server, dir string) error {
	browser, err := signIn(ctx, s.SignIn)
	if err != nil {
		return err
	}
	writes, err := writesToRead(ctx, t, dir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var ingest *result
	var ingestErr error
	var background sync.WaitGroup
	if o.background > 0 {
		background.Go(func() {
			ingest, ingestErr = load(ctx, t, plan{format: formatNDJSON, conns: 4, rate: o.background})
		})
	}
	fmt.Println("| page | bytes | p50 | p95 | p99 |")
	fmt.Println("|---|---|---|---|---|")
	paths := make([]string, len(writes))
	for i, id := range writes {
		paths[i] = "/writes/" + id
	}
	for _, p := range []struct {
		name  string
		paths []string
	}{
		{"`/`", []string{"/"}},
		{"`/features/" + feature + "`", []string{"/features/" + feature}},
		{"the last write loaded", paths[len(paths)-1:]},
		{fmt.Sprintf("%d writes of all the time, in turn", len(paths)), paths},
	} {
		if err := readPages(ctx, browser, t.url, p.name, p.paths, o.duration); err != nil {
			return err
		}
	}
	cancel()
	background.Wait()
	if ingest != nil {
		fmt.Printf("\nMeanwhile %.0f events/s came in, p99 to acknowledgement %v.\n", ingest.perSecond(), quantile(ingest.latencies, 0.99).Round(10*time.Microsecond))
	}
	return ingestErr
}

// signIn is a browser that has followed the one-time link and pressed its button.
func signIn(ctx context.Context, link string) (*http.Client, error) {
	u, err := url.Parse(link)
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	c := &http.Client{Jar: jar, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	form := url.Values{"token": {u.Query().Get("token")}}.Encode()
	u.RawQuery = ""
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(form))
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.Do(req)
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther && resp.StatusCode != http.StatusFound {
		return nil, fmt.Errorf("sign in: status %d; want to be sent to the first page", resp.StatusCode)
	}
	return c, nil
}

func get(ctx context.Context, c *http.Client, url string) (status int, text []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Accept", "text/html")
	resp, err := c.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	return resp.StatusCode, text, err
}

// readPages gets pages in turn, one after the other, for a time.
func readPages(ctx context.Context, browser *http.Client, base, name string, paths []string, d time.Duration) error {
	var latencies []time.Duration
	size := 0
	for began := time.Now(); time.Since(began) < d && ctx.Err() == nil; {
		path := paths[len(latencies)%len(paths)]
		sent := time.Now()
		status, text, err := get(ctx, browser, base+path)
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("page %s: status %d: %.300s", path, status, text)
		}
		latencies, size = append(latencies, time.Since(sent)), len(text)
	}
	slices.Sort(latencies)
	round := func(q float64) time.Duration { return quantile(latencies, q).Round(10 * time.Microsecond) }
	fmt.Printf("| %s | %d | %v | %v | %v |\n", name, size, round(0.5), round(0.95), round(0.99))
	return nil
}

// measureRestart kills the server and times the next one until it is ready.
func measureRestart(ctx context.Context, o options, dir string, s *tidemark.Server) error {
	s.Kill()
	began := time.Now()
	again, err := tidemark.Run(o.bin, nil, "serve", "--data", dir, "--log-level", "warn")
	if err != nil {
		return err
	}
	defer again.Kill()
	fmt.Printf("\nReady %v after a start that followed kill -9.\n", again.Ready.Sub(began).Round(time.Millisecond))
	return errors.Join(ctx.Err(), again.Stop(time.Minute))
}
