package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"

	"tidemark/flags"
	"tidemark/flags/guarantee"
	control "tidemark/flags/sqlite"
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
func checkPlace(r remoteFlags, data string) error {
	switch {
	case data != "" && r.To != "":
		return usagef("give --to URL or --data DIR, not both")
	case data == "" && r.To == "":
		return usagef("want --to URL and --key KEY for a server, or --data DIR for a stopped store")
	case r.To != "":
		return r.check()
	}
	return nil
}

// documentError gives a refusal of documents its details: everything that is wrong
// with them as the error, or the plan that was refused.
func documentError(err error) (*planned, error) {
	problem, ok := errors.AsType[*problemError](err)
	if !ok {
		return nil, err
	}
	var more struct {
		Problems []guarantee.Problem `json:"problems"`
		Plan     *planned            `json:"plan"`
	}
	switch jsonErr := json.Unmarshal(problem.body, &more); {
	case jsonErr != nil:
		return nil, err
	case more.Plan != nil:
		return more.Plan, nil
	case len(more.Problems) > 0:
		return nil, &guarantee.ProblemsError{Problems: more.Problems}
	}
	return nil, err
}
