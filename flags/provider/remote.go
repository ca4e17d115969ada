package provider

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tidemark/flags/eval"
	"tidemark/flags/provider/snapshot"
)

// Errors of talking to the server. Test with errors.Is.
var (
	// ErrRefused means that the server does not take the key, or that it lacks the
	// scope sync. Trying again helps only after somebody has seen to that.
	ErrRefused = errors.New("the server refused the API key")
	// ErrSilent means that nothing came for so long that the connection must be dead.
	ErrSilent = errors.New("the server went silent")
)

const (
	// silence is how long a stream may be quiet; the server says that it is alive every
	// 15 s.
	silence = 45 * time.Second
	// maxLine bounds a snapshot, as the limits of flags do.
	maxLine = 256 << 20
)

// remote is the server, over HTTP.
type remote struct {
	url  string
	key  string
	http *http.Client
}

func newRemote(o *Options) (*remote, error) {
	u, err := url.Parse(o.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("provider: URL %q: want http://HOST:PORT or https://HOST", o.URL)
	}
	if o.Key == "" {
		return nil, errors.New("provider: Key is empty; create one with tidemark keys create --scope sync")
	}
	client := o.HTTP
	if client == nil {
		client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // A redirect would carry the key elsewhere.
		}}
	}
	return &remote{url: strings.TrimRight(o.URL, "/") + snapshot.Path, key: o.Key, http: client}, nil
}

// Stream implements Source.
func (r *remote) Stream(ctx context.Context, have string, connected func(), next func(*eval.Set, string)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(silence, func() { cancel(ErrSilent) })
	defer quiet.Stop()
	resp, err := r.open(ctx, have)
	if err != nil {
		return because(ctx, err)
	}
	defer resp.Body.Close()
	connected()
	err = readEvents(resp.Body, func() { quiet.Reset(silence) }, func(e event) error {
		if e.name != snapshot.EventSnapshot {
			return nil
		}
		set, s, err := snapshot.Decode(e.data)
		if err != nil {
			return err
		}
		next(set, s.Hash)
		return nil
	})
	return because(ctx, err)
}

// because prefers the reason for which we gave up to how the connection noticed.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (r *remote) open(ctx context.Context, have string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("stream flags: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+r.key)
	req.Header.Set("Accept", "text/event-stream")
	if have != "" {
		req.Header.Set("Last-Event-ID", have)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("stream flags: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 500)) // What came is all that can be told.
	err = fmt.Errorf("stream flags: status %d: %s", resp.StatusCode, said)
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		err = fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return nil, err
}

// event is one server-sent event.
type event struct {
	name string
	data []byte
}

// readEvents reads a stream of server-sent events to its end, which is an error too:
// a stream of flags has none. Each event's data is one line, as the server writes it.
func readEvents(r io.Reader, alive func(), handle func(event) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	var e event
	for lines.Scan() {
		alive()
		line := lines.Bytes()
		if len(line) == 0 {
			if len(e.data) > 0 {
				if err := handle(e); err != nil {
					return err
				}
			}
			e = event{}
			continue
		}
		field, value, _ := strings.Cut(string(line), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			e.name = value
		case "data":
			e.data = []byte(value)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("stream flags: %w", err)
	}
	return fmt.Errorf("stream flags: %w", io.ErrUnexpectedEOF)
}
