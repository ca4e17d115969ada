package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// stream sends a request without a body and gives the answer's body to fn, however
// long it is and takes.
func (f *remoteFlags) stream(ctx context.Context, method, path string, fn func(io.Reader) error) error {
	if err := f.check(); err != nil {
		return err
	}
	req, err := f.request(ctx, method, path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, errors.Unwrap(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		return answerProblem(resp.StatusCode, body)
	}
	return fn(resp.Body)
}
