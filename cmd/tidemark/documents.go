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

	"tidemark/flags/alert"
	"tidemark/flags/document"
	"tidemark/flags/flagset"
	"tidemark/flags/guarantee"
	"tidemark/flags/policy"
	"tidemark/flags/rollout"
	control "tidemark/flags/sqlite"
)

// planned is the server's answer about a plan, and what apply prints with --json.
type planned struct {
	Applied bool             `json:"applied"`
	Summary string           `json:"summary"`
	Steps   []guarantee.Step `json:"steps"`
}

// from names the files of the steps of a plan that a server made.
func (p *planned) from(sources map[string]string) {
	for i := range p.Steps {
		if source := sources[p.Steps[i].Source]; source != "" {
			p.Steps[i].Source = source
		}
	}
}

// readDocumentsFrom reads a folder, a file, or standard input for "-".
func readDocumentsFrom(e *env, path string) (*document.Batch, error) {
	if path == "-" {
		data, err := io.ReadAll(io.LimitReader(e.stdin, document.MaxBytes+1))
		if err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
		return document.Parse("standard input", data)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read documents: %w", err)
	}
	if info.IsDir() {
		return document.Load(os.DirFS(path))
	}
	if info.Size() > document.MaxBytes {
		return nil, fmt.Errorf("%s is %d bytes; at most %d are allowed", path, info.Size(), document.MaxBytes)
	}
	data, err := fs.ReadFile(os.DirFS(filepath.Dir(path)), filepath.Base(path))
	if err != nil {
		return nil, fmt.Errorf("read documents: %w", err)
	}
	return document.Parse(path, data)
}

// openCatalogue opens the documents of a data folder that exists.
func openCatalogue(e *env, data string) (*document.Catalogue, func() error, error) {
	path := filepath.Join(data, control.FileName)
	if _, err := os.Stat(path); err != nil {
		return nil, nil, fmt.Errorf("data: %s holds no tidemark store: %w", data, err)
	}
	checker, err := policy.NewChecker()
	if err != nil {
		return nil, nil, err
	}
	store, err := control.Open(e.ctx, path)
	if err != nil {
		return nil, nil, err
	}
	set, err := flagset.Open(e.ctx, flagset.Options{
		Store: store, Rollouts: store, Now: e.now, CheckPlan: rollout.CheckDocument, CheckPolicy: checker.Check,
	})
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return document.New(document.Options{
		Promises: guarantee.NewCatalogue(guarantee.Options{Store: store, Now: e.now}), Flags: set, Rollouts: store, Now: e.now,
		Webhooks: alert.NewAsker(alert.AskerOptions{Store: store, Now: e.now}),
	}), store.Close, nil
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
// sources says where each document came from, by where it stood in the request.
func documentError(err error, sources map[string]string) (*planned, error) {
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
		more.Plan.from(sources)
		return more.Plan, nil
	case len(more.Problems) > 0:
		for i := range more.Problems {
			if source := sources[more.Problems[i].File]; source != "" {
				more.Problems[i].File = source
			}
		}
		return nil, &guarantee.ProblemsError{Problems: more.Problems}
	}
	return nil, err
}
