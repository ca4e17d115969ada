package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"tidemark/flags/audit"
	control "tidemark/flags/sqlite"
)

// auditCmd is "tidemark audit".
type auditCmd struct {
	Verify     auditVerifyCmd     `cmd:"" help:"Compute every hash of the audit log anew, and name the first entry that does not fit."`
	Export     auditExportCmd     `cmd:"" help:"Print the whole audit log as NDJSON, with its signed checkpoint as the last line."`
	Checkpoint auditCheckpointCmd `cmd:"" help:"Sign the head of the audit log and print it, or append it to a file, to be kept elsewhere."`
}

// auditVerifyCmd is "tidemark audit verify".
type auditVerifyCmd struct {
	placeFlags `embed:""`

	File       string   `arg:"" optional:"" help:"An export to check instead of a store or a server; - reads standard input."`
	Checkpoint []string `help:"A checkpoint, or a file of them, that was kept elsewhere and that the log must continue; may be repeated." placeholder:"FILE" type:"existingfile"`
	Public     string   `help:"The log's public key; by default that of a file of checkpoints, else the one that the log comes with." placeholder:"KEY"`
	JSON       bool     `help:"Print a JSON object." name:"json"`
}

// verification is what audit verify prints with --json.
type verification struct {
	OK          bool   `json:"ok"`
	Size        int64  `json:"size"`
	Root        string `json:"root"`
	Checkpoints int    `json:"checkpoints"`
	Key         string `json:"key"`
	// FirstBad and LastBad bound the first entry that does not fit.
	FirstBad *int64 `json:"first_bad,omitempty"`
	LastBad  *int64 `json:"last_bad,omitempty"`
	Error    string `json:"error,omitempty"`
}

// Run implements the verb.
func (c *auditVerifyCmd) Run(e *env) error {
	trust, err := keptCheckpoints(c.Public, c.Checkpoint)
	if err != nil {
		return err
	}
	v, err := c.verify(e, trust)
	if c.JSON {
		out := verification{OK: err == nil, Size: v.Head.Size, Root: v.Head.Root.String(), Checkpoints: v.Checkpoints, Key: v.Public}
		if bad, ok := errors.AsType[*audit.BadEntryError](err); ok {
			out.FirstBad, out.LastBad = &bad.First, &bad.Last
		}
		if err != nil {
			out.Error = err.Error()
		}
		return errors.Join(err, json.NewEncoder(e.stdout).Encode(out))
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%d entries fit, and so do %d checkpoints.\nroot %s\nkey  %s\n", v.Head.Size, v.Checkpoints, v.Head.Root, v.Public)
	return err
}

func (c *auditVerifyCmd) verify(e *env, trust audit.Trust) (v audit.Verified, err error) {
	if c.File != "" {
		return c.verifyFile(e, trust)
	}
	online, err := c.online()
	if err != nil {
		return v, err
	}
	if online {
		err = c.auditExport(e, func(r io.Reader) (err error) {
			v, err = audit.VerifyExport(r, trust)
			return err
		})
		return v, err
	}
	err = c.inspectControl(e.ctx, func(s *control.Store) error {
		v, err = s.VerifyAgainst(e.ctx, trust)
		return err
	})
	return v, err
}

func (c *auditVerifyCmd) verifyFile(e *env, trust audit.Trust) (audit.Verified, error) {
	if c.File == "-" {
		return audit.VerifyExport(e.stdin, trust)
	}
	f, err := os.Open(c.File)
	if err != nil {
		return audit.Verified{}, fmt.Errorf("export: %w", err)
	}
	defer f.Close()
	return audit.VerifyExport(f, trust)
}

// auditExport reads the log of a server, up to now.
func (f *remoteFlags) auditExport(e *env, fn func(io.Reader) error) error {
	if err := f.call(e.ctx, http.MethodPost, "/api/v1/audit/checkpoint", nil, nil); err != nil {
		return err
	}
	return f.stream(e.ctx, http.MethodGet, "/api/v1/audit/export", fn)
}

// auditExportCmd is "tidemark audit export".
type auditExportCmd struct {
	placeFlags `embed:""`
}

// Run implements the verb.
func (c *auditExportCmd) Run(e *env) error {
	online, err := c.online()
	if err != nil {
		return err
	}
	if online {
		return c.auditExport(e, func(r io.Reader) error {
			_, err := io.Copy(e.stdout, r)
			return err
		})
	}
	return c.withControl(e.ctx, func(s *control.Store) error {
		if _, err := s.Checkpoint(e.ctx, e.now()); err != nil {
			return err
		}
		return s.Export(e.ctx, e.stdout)
	})
}
