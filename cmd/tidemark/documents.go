package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"tidemark/flags"
	"tidemark/flags/guarantee"
	control "tidemark/flags/sqlite"
)

// documentTimeout bounds one request about documents, and maxDocumentAnswer what
// is read of its answer.
const (
	documentTimeout   = 30 * time.Second
	maxDocumentAnswer = 64 << 20
)

// planned is the server's answer about a plan, and what apply prints with --json.
type planned struct {
	Applied bool             `json:"applied"`
	Summary string           `json:"summary"`
	Steps   []guarantee.Step `json:"steps"`
}

// readDocumentsFrom reads a folder, a file, or standard input for "-".
func readDocumentsFrom(e *env, path string) ([]flags.Document, error) {
	if path == "-" {
		data, err := io.ReadAll(io.LimitReader(e.stdin, guarantee.MaxFileBytes+1))
		if err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
		return guarantee.Parse("standard input", data)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read documents: %w", err)
	}
	if info.IsDir() {
		return guarantee.Load(os.DirFS(path))
	}
	if info.Size() > guarantee.MaxFileBytes {
		return nil, fmt.Errorf("%s is %d bytes; at most %d are allowed", path, info.Size(), guarantee.MaxFileBytes)
	}
	data, err := fs.ReadFile(os.DirFS(filepath.Dir(path)), filepath.Base(path))
	if err != nil {
		return nil, fmt.Errorf("read documents: %w", err)
	}
	return guarantee.Parse(path, data)
}

// openCatalogue opens the documents of a data folder that exists.
func openCatalogue(e *env, data string) (*guarantee.Catalogue, func() error, error) {
	path := filepath.Join(data, control.FileName)
	if _, err := os.Stat(path); err != nil {
		return nil, nil, fmt.Errorf("data: %s holds no tidemark store: %w", data, err)
	}
	store, err := control.Open(e.ctx, path)
	if err != nil {
		return nil, nil, err
	}
	return guarantee.NewCatalogue(guarantee.Options{Store: store, Now: e.now}), store.Close, nil
}

// cliActor is who changes a store from the command line.
func cliActor() string {
	if u, err := user.Current(); err == nil {
		return "cli:" + u.Username
	}
	return "cli:unknown"
}

// checkPlace asks for a server or a folder, not both.
func checkPlace(to, key, data string) error {
	switch {
	case data != "" && to != "":
		return usagef("give --to URL or --data DIR, not both")
	case data == "" && to == "":
		return usagef("want --to URL and --key KEY for a server, or --data DIR for a stopped store")
	case to != "" && key == "":
		return usagef("want --key KEY (or TIDEMARK_KEY) with --to")
	}
	return nil
}

// remoteProblem is what a server says when it refuses.
type remoteProblem struct {
	Status   int                 `json:"status"`
	Code     string              `json:"code"`
	Detail   string              `json:"detail"`
	Problems []guarantee.Problem `json:"problems"`
	Plan     *planned            `json:"plan"`
}

// Error implements error.
func (p *remoteProblem) Error() string {
	if len(p.Problems) > 0 {
		return (&guarantee.ProblemsError{Problems: p.Problems}).Error()
	}
	return fmt.Sprintf("the server answered %d %s: %s", p.Status, p.Code, p.Detail)
}

// callServer sends one request and returns the body of a 200. Another answer is a
// *remoteProblem.
func callServer(ctx context.Context, r remoteFlags, method, path string, query url.Values, body io.Reader) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, documentTimeout)
	defer cancel()
	u := strings.TrimSuffix(r.To, "/") + path
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, u, body)
	if err != nil {
		return nil, usagef("to: %v", err)
	}
	req.Header.Set("Authorization", "Bearer "+r.Key)
	if body != nil {
		req.Header.Set("Content-Type", "application/yaml")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxDocumentAnswer))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return nil, fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	if resp.StatusCode == http.StatusOK {
		return answer, nil
	}
	p := &remoteProblem{Status: resp.StatusCode}
	if err := json.Unmarshal(answer, p); err != nil || p.Code == "" {
		return nil, fmt.Errorf("%s %s: the server answered %s", method, path, resp.Status)
	}
	return nil, p
}
