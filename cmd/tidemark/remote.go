package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// callTimeout bounds one request to a server.
const callTimeout = time.Minute

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// problemError is a problem document that a server answered with.
type problemError struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Field  string `json:"field"`

	body []byte // the whole document, for members that only some problems have
}

// Error implements error.
func (p *problemError) Error() string {
	field := ""
	if p.Field != "" {
		field = p.Field + ": "
	}
	detail := strings.TrimPrefix(p.Detail, p.Code+": ") // said once is enough
	return fmt.Sprintf("the server says %d %s: %s%s", p.Status, p.Code, field, detail)
}

// check refuses settings that cannot work.
func (f *remoteFlags) check() error {
	u, err := url.Parse(f.To)
	if f.To == "" || err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return usagef("to: %q: want the server's URL, such as http://127.0.0.1:8080 (or TIDEMARK_URL)", f.To)
	}
	if f.Key == "" {
		return usagef("key: an API key is required (--key or TIDEMARK_KEY)")
	}
	return nil
}

// call sends in as JSON (nothing when nil, as it is when []byte) and reads the
// answer into out (nothing when nil, as it is when *[]byte).
func (f *remoteFlags) call(ctx context.Context, method, path string, in, out any) error {
	if err := f.check(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := f.request(ctx, method, path, in)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, errors.Unwrap(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return answerProblem(resp.StatusCode, body)
	}
	switch out := out.(type) {
	case nil:
	case *[]byte:
		*out = body
	default:
		if err := json.Unmarshal(body, out); err != nil {
			return fmt.Errorf("%s %s: the answer is not what was expected: %w", method, path, err)
		}
	}
	return nil
}

func (f *remoteFlags) request(ctx context.Context, method, path string, in any) (*http.Request, error) {
	var body io.Reader
	switch in := in.(type) {
	case nil:
	case []byte:
		body = bytes.NewReader(in)
	default:
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(f.To, "/")+path, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Authorization", "Bearer "+f.Key)
	switch in.(type) {
	case nil:
	case []byte: // documents
		req.Header.Set("Content-Type", "application/yaml")
	default:
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

func answerProblem(status int, body []byte) error {
	p := &problemError{body: body}
	if json.Unmarshal(body, p) != nil || p.Code == "" {
		return fmt.Errorf("the server says %d %s", status, http.StatusText(status))
	}
	return p
}
