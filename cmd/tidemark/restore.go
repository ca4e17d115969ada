package main

import (
	"fmt"
	"io"
	"os"

	"tidemark/cmd/internal/app"
	"tidemark/flags/audit"
)

// restoreCmd is "tidemark restore".
type restoreCmd struct {
	dataFlag

	File       string   `arg:"" help:"File of the backup; - reads standard input." type:"path"`
	Checkpoint []string `help:"A checkpoint of the audit log that was kept elsewhere and that the backup must continue; may be repeated." placeholder:"FILE" type:"existingfile"`
	Public     string   `help:"The audit log's public key; by default the one that the backup comes with." placeholder:"KEY"`
}

// Run implements the verb.
func (c *restoreCmd) Run(e *env) error {
	if c.Data == "" {
		return usagef("data: a folder is required (--data or TIDEMARK_DATA)")
	}
	trust, err := keptCheckpoints(c.Public, c.Checkpoint)
	if err != nil {
		return err
	}
	in := e.stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return usagef("restore: %w", err)
		}
		defer f.Close()
		in = f
	}
	m, err := c.restore(e, in, trust)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "Restored %s as of %s: %d files; audit log of %d entries. "+
		"Keys and accounts are as they were then: end again what was ended since.\n",
		c.Data, m.Made.Format("2006-01-02T15:04:05Z"), len(m.Files), m.Audit.Size)
	return nil
}

func (c *restoreCmd) restore(e *env, in io.Reader, trust audit.Trust) (*app.Manifest, error) {
	bar := newMeter(e.stderr, "restoring", 0)
	defer bar.end()
	return app.Restore(e.ctx, in, trust, cliActor(), app.Options{Data: c.Data, Log: e.log, Now: e.now}, bar.set)
}

// keptCheckpoints reads what an audit log must fit: signed notes, or files of many.
func keptCheckpoints(public string, files []string) (audit.Trust, error) {
	trust := audit.Trust{Public: public}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			return trust, fmt.Errorf("checkpoint: %w", err)
		}
		notes, key, err := audit.ReadKept(data)
		if err != nil {
			return trust, fmt.Errorf("checkpoint: %s: %w", path, err)
		}
		trust.Kept = append(trust.Kept, notes...)
		if trust.Public == "" { // The key that was kept is worth more than the one that the log comes with.
			trust.Public = key
		}
	}
	return trust, nil
}
