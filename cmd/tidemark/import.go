package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"tidemark/cmd/internal/app"
	"tidemark/metrics"
	"tidemark/metrics/ingest"
	"tidemark/metrics/ingest/decode"
)

// importCmd is "tidemark import".
type importCmd struct {
	placeFlags  `embed:""`
	decodeFlags `embed:""`

	File string `arg:"" help:"NDJSON, JSON, or OTLP JSON (spans or logs); gzip and zstd are unpacked; - is standard input."`
	JSON bool   `help:"Print the counts as a JSON object." name:"json"`
}

// imported counts what became of the events of a file.
type imported struct {
	Accepted   int `json:"accepted"`
	Duplicates int `json:"duplicates"`
	Rejected   int `json:"rejected"`
	// Quarantined events are stored, and counted only once their labels are declared.
	Quarantined int `json:"quarantined"`
}

// taken is what became of one request. Its rejections count items of the request.
type taken struct {
	accepted, duplicates, quarantined int
	why                               string // some are in quarantine
	rejected                          []metrics.Rejection
	untold                            int // rejected too, for the reason in why
}

// taker takes one request of telemetry.
type taker func(ctx context.Context, kind string, body []byte) (taken, error)

// Run implements the verb.
func (c *importCmd) Run(e *env) (err error) {
	online, err := c.online()
	if err != nil {
		return err
	}
	o, err := c.decodeFlags.options()
	if err != nil {
		return err
	}
	in, size, err := c.open(e)
	if err != nil {
		return err
	}
	defer in.Close()
	m := newMeter(e.stderr, "Importing", size)
	defer m.end()
	counted := &counting{r: in, tell: func(n int64) { m.set(n, size) }}
	content, err := unpack(c.File, counted)
	if err != nil {
		return err
	}
	take := c.remoteTaker()
	if !online {
		a, err := c.local(e, o)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, a.Stop(context.WithoutCancel(e.ctx))) }()
		take = localTaker(a.Pipeline(), o, e.now)
	}
	sum, err := importAll(e, content, take)
	m.end()
	return errors.Join(err, c.report(e, sum))
}

func (c *importCmd) report(e *env, sum imported) error {
	if c.JSON {
		return json.NewEncoder(e.stdout).Encode(sum)
	}
	fmt.Fprintf(e.stderr, "Accepted %d events, %d known already, %d rejected.\n", sum.Accepted, sum.Duplicates, sum.Rejected)
	if sum.Quarantined > 0 {
		fmt.Fprintf(e.stderr, "%d more are in quarantine: declare their labels by documents of kind Label, and they count.\n", sum.Quarantined)
	}
	if sum.Rejected > 0 && sum.Accepted+sum.Duplicates+sum.Quarantined == 0 {
		return errors.New("import: nothing could be accepted")
	}
	return nil
}

func (c *importCmd) open(e *env) (io.ReadCloser, int64, error) {
	if c.File == "-" {
		return io.NopCloser(e.stdin), 0, nil
	}
	f, err := os.Open(c.File)
	if err != nil {
		return nil, 0, usagef("import: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("import: %w", err), f.Close())
	}
	return f, info.Size(), nil
}

func (c *importCmd) local(e *env, o *decode.Options) (*app.App, error) {
	opts, err := c.dataFlag.options(e)
	if err != nil {
		return nil, err
	}
	opts.Decode = o
	a, err := app.New(opts)
	if err != nil {
		return nil, usageError{err}
	}
	return a, a.Open(e.ctx)
}

// counting tells how much was read.
type counting struct {
	r    io.Reader
	n    int64
	tell func(int64)
}

// Read implements io.Reader.
func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.tell(c.n)
	return n, err
}

// unpack tells a packed file by how it begins, whatever it is called: standard input has
// no name. What an editor put before the text, to say that it is UTF-8, is not of it.
func unpack(name string, r io.Reader) (io.Reader, error) {
	br := bufio.NewReader(r)
	head, err := br.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("import %s: %w", name, err)
	}
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, fmt.Errorf("import %s: %w", name, err)
		}
		return z, nil
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		z, err := zstd.NewReader(br, zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return nil, fmt.Errorf("import %s: %w", name, err)
		}
		return z.IOReadCloser(), nil
	case bytes.HasPrefix(head, []byte("\ufeff")):
		_, err := br.Discard(len("\ufeff"))
		return br, err
	}
	return br, nil
}

// Kinds of request.
const (
	kindEvents = "events"
	kindTraces = "traces"
	kindLogs   = "logs"
)

// A request of an import holds at most so many values and bytes.
const (
	importValues = 1000
	importBytes  = 4 << 20
)

// maxTold is how many rejections are told one by one.
const maxTold = 20

// importAll reads values and passes them on in requests.
func importAll(e *env, r io.Reader, take taker) (imported, error) {
	var sum imported
	b, told, failed := &request{}, map[string]bool{}, false
	flush := func() error {
		if b.values == 0 {
			return nil
		}
		t, err := take(e.ctx, b.kind, b.body.Bytes())
		if err != nil {
			return fmt.Errorf("import: values %d to %d: %w", b.first+1, b.first+b.values, err)
		}
		sum.Accepted += t.accepted
		sum.Duplicates += t.duplicates
		if sum.Quarantined += t.quarantined; t.why != "" && !told[t.why] {
			told[t.why] = true
			fmt.Fprintln(plain{e.stderr}, t.why)
		}
		for _, rej := range t.rejected {
			if sum.Rejected++; sum.Rejected <= maxTold {
				fmt.Fprintf(plain{e.stderr}, "value %d: %s: %s\n", b.place(rej.Index), rej.Code, rej.Message)
			}
		}
		if t.untold > 0 && sum.Rejected < maxTold {
			fmt.Fprintf(e.stderr, "value %d: %d rejected\n", b.first+1, t.untold)
		}
		sum.Rejected += t.untold
		b.next()
		return nil
	}
	err := readValues(r, func(value []byte) error {
		kind := kindOf(value)
		if b.full(kind, len(value)) {
			if err := flush(); err != nil {
				failed = true
				return err
			}
		}
		b.add(kind, value)
		return e.ctx.Err()
	})
	switch last := b.first + b.values; {
	case e.ctx.Err() != nil:
		return sum, fmt.Errorf("import: interrupted at value %d; the same file goes on when it is imported again: %w", last, context.Cause(e.ctx))
	case err != nil && !failed:
		return sum, errors.Join(flush(), fmt.Errorf("%w; %d values are before it", err, last))
	case err != nil:
		return sum, err
	}
	return sum, flush()
}

// request gathers values of one kind.
type request struct {
	kind   string
	body   bytes.Buffer
	first  int // place of the first value in the file, from 0
	values int
}

// full reports whether a value has to go into the next request: OTLP requests hold
// one value each.
func (b *request) full(kind string, size int) bool {
	return b.values > 0 && (kind != b.kind || kind != kindEvents || b.values >= importValues || b.body.Len()+size > importBytes)
}

func (b *request) add(kind string, value []byte) {
	b.kind = kind
	b.values++
	b.body.Write(value)
	b.body.WriteByte('\n')
}

func (b *request) next() {
	b.first += b.values
	b.values = 0
	b.body.Reset()
}

// place is the value of the file, from 1, that an item of the request is from.
func (b *request) place(index int) int {
	if b.kind != kindEvents {
		return b.first + 1
	}
	return b.first + index + 1
}

// kindOf tells an OTLP export request by the member that it must begin with.
func kindOf(value []byte) string {
	head := value[:min(len(value), 256)]
	switch {
	case bytes.Contains(head, []byte(`"resourceSpans"`)), bytes.Contains(head, []byte(`"resource_spans"`)):
		return kindTraces
	case bytes.Contains(head, []byte(`"resourceLogs"`)), bytes.Contains(head, []byte(`"resource_logs"`)):
		return kindLogs
	}
	return kindEvents
}

// localTaker stores through the pipeline of an open store.
func localTaker(p *ingest.Pipeline, o *decode.Options, now func() time.Time) taker {
	return func(ctx context.Context, kind string, body []byte) (taken, error) {
		b := &decode.Batch{}
		// Every request has memory of its own: the pipeline uses it after Submit.
		body = bytes.Clone(body)
		var err error
		switch kind {
		case kindTraces:
			err = decode.Traces(body, true, o, b)
		case kindLogs:
			err = decode.Logs(body, true, o, b)
		default:
			err = decode.Events(http.Header{"Content-Type": {"application/x-ndjson"}}, body, o, b)
		}
		// Values that cannot be read are told one by one. What is too much is not taken in
		// part.
		if err != nil && (kind != kindEvents || !errors.Is(err, decode.ErrBody) || len(b.Rejected) == 0) {
			return taken{}, err
		}
		b.Validate(now().UnixNano())
		r, err := p.Submit(ctx, b.Events, func() {})
		if err != nil {
			return taken{}, err
		}
		for _, rej := range r.Rejected {
			rej.Index = b.Indexes[rej.Index]
			b.Rejected = append(b.Rejected, rej)
		}
		t := taken{accepted: r.Accepted, duplicates: r.Duplicates, quarantined: r.Quarantined, rejected: b.Rejected}
		if len(r.Unknown) > 0 {
			t.why = fmt.Sprintf("in quarantine: nobody declared the labels %q", r.Unknown)
		}
		return t, nil
	}
}

// remoteTaker sends to a server, and waits when it says so.
func (c *importCmd) remoteTaker() taker {
	return func(ctx context.Context, kind string, body []byte) (taken, error) {
		for {
			wait, answer, err := c.post(ctx, "/v1/"+kind, body)
			if err != nil {
				return taken{}, err
			}
			if wait > 0 {
				if err := sleep(ctx, wait); err != nil {
					return taken{}, err
				}
				continue
			}
			return answer.taken(kind), nil
		}
	}
}

// postAnswer is what /v1/events, or an OTLP endpoint, says.
type postAnswer struct {
	Accepted    int                 `json:"accepted"`
	Duplicates  int                 `json:"duplicates"`
	Rejected    []metrics.Rejection `json:"rejected"`
	Quarantined int                 `json:"quarantined"`
	Quarantine  struct {
		Message string `json:"message"`
	} `json:"quarantine"`
	PartialSuccess struct {
		RejectedSpans      string `json:"rejectedSpans"`
		RejectedLogRecords string `json:"rejectedLogRecords"`
		ErrorMessage       string `json:"errorMessage"`
	} `json:"partialSuccess"`
}

// taken of an OTLP request says what was rejected alone: its answer does not say how
// many events its spans were.
func (a *postAnswer) taken(kind string) taken {
	if kind == kindEvents {
		return taken{accepted: a.Accepted, duplicates: a.Duplicates, quarantined: a.Quarantined, why: a.Quarantine.Message, rejected: a.Rejected}
	}
	t := taken{why: a.PartialSuccess.ErrorMessage}
	for _, s := range []string{a.PartialSuccess.RejectedSpans, a.PartialSuccess.RejectedLogRecords} {
		n, _ := strconv.Atoi(s) // "" is none
		t.untold += max(0, n)
	}
	return t
}

// post sends one request; wait > 0 asks to send it again later.
func (c *importCmd) post(ctx context.Context, path string, body []byte) (wait time.Duration, a *postAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := c.request(ctx, http.MethodPost, path, body)
	if err != nil {
		return 0, nil, err
	}
	if path == "/v1/"+kindEvents {
		req.Header.Set("Content-Type", "application/x-ndjson")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("POST %s: %w", path, errors.Unwrap(err))
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, nil, fmt.Errorf("POST %s: %w", path, err)
	}
	switch {
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusServiceUnavailable:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // none said: one second
		return time.Duration(max(1, seconds)) * time.Second, nil, nil
	case resp.StatusCode >= http.StatusBadRequest:
		return 0, nil, answerProblem(resp.StatusCode, raw)
	}
	a = &postAnswer{}
	if err := json.Unmarshal(raw, a); err != nil {
		return 0, nil, fmt.Errorf("POST %s: the answer is not what was expected: %w", path, err)
	}
	return 0, a, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
