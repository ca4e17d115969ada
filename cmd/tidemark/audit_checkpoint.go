package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"golang.org/x/mod/sumdb/tlog"

	"tidemark/flags/audit"
	control "tidemark/flags/sqlite"
)

// auditCheckpointCmd is "tidemark audit checkpoint".
type auditCheckpointCmd struct {
	placeFlags `embed:""`

	Append string `help:"Append the checkpoint to this file as a line, such as one in Git, instead of printing it; only when the log grew, and only when it continues what the file ends with." placeholder:"FILE" type:"path"`
}

// Run implements the verb.
func (c *auditCheckpointCmd) Run(e *env) error {
	online, err := c.online()
	if err != nil {
		return err
	}
	if c.Append != "" {
		return c.append(e, online)
	}
	point, _, err := c.sign(e, online)
	if err == nil {
		_, err = io.Copy(e.stdout, bytes.NewReader(point.Note))
	}
	return err
}

// sign returns a checkpoint of the log as it is now, with the key that verifies it.
func (c *auditCheckpointCmd) sign(e *env, online bool) (point audit.Checkpoint, public string, err error) {
	if !online {
		err = c.withControl(e.ctx, func(s *control.Store) error {
			if point, err = s.Checkpoint(e.ctx, e.now()); err == nil {
				public, err = s.Public(e.ctx)
			}
			return err
		})
		return point, public, err
	}
	var signed struct{ Note, Key string }
	if err := c.call(e.ctx, http.MethodPost, "/api/v1/audit/checkpoint", nil, &signed); err != nil {
		return point, "", err
	}
	point, err = audit.OpenCheckpoint([]byte(signed.Note), signed.Key)
	return point, signed.Key, err
}

// append adds a checkpoint to a file whose last one the log must continue.
func (c *auditCheckpointCmd) append(e *env, online bool) error {
	kept, err := os.ReadFile(c.Append)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("append: %w", err)
	}
	if len(kept) > 0 && !bytes.HasPrefix(kept, []byte("{")) || len(kept) > 0 && !bytes.HasSuffix(kept, []byte("\n")) {
		return fmt.Errorf("append: %s is not a file of whole lines that this verb made", c.Append)
	}
	point, public, err := c.sign(e, online)
	if err != nil {
		return err
	}
	last, err := lastKept(kept, public)
	if err != nil {
		return fmt.Errorf("append: %s: %w", c.Append, err)
	}
	if last != nil {
		if err := c.continues(e, online, &point, last); err != nil {
			return fmt.Errorf("append: %s: %w", c.Append, err)
		}
		if last.Size == point.Size {
			fmt.Fprintf(e.stderr, "Nothing was added to the log of %d entries since.\n", point.Size)
			return nil
		}
	}
	line, err := point.Line(public)
	if err != nil {
		return err
	}
	if err := appendTo(c.Append, line); err != nil {
		return fmt.Errorf("append: %w", err)
	}
	fmt.Fprintf(e.stderr, "Appended a checkpoint of %d entries.\n", point.Size)
	return nil
}

// lastKept is the checkpoint that a file ends with; nil when it is empty. The key in the
// file is the one that counts: a log that was made anew has another.
func lastKept(kept []byte, public string) (*audit.Checkpoint, error) {
	if len(kept) == 0 {
		return nil, nil //nolint:nilnil // None is no error.
	}
	notes, key, err := audit.ReadKept(kept)
	if err != nil {
		return nil, err
	}
	if key != public {
		return nil, fmt.Errorf("%w: the log is signed with another key than before: was %s, is %s", audit.ErrTampered, key, public)
	}
	last, err := audit.OpenCheckpoint(notes[len(notes)-1], key)
	return &last, err
}

// continues says how a log does not continue an earlier checkpoint: a store is read and
// hashed anew, a server has to prove it.
func (c *auditCheckpointCmd) continues(e *env, online bool, now, before *audit.Checkpoint) error {
	if before.Size > now.Size {
		return audit.Missing(now.Size, fmt.Sprintf("a checkpoint of %d entries was kept, the log has %d", before.Size, now.Size))
	}
	if !online {
		return c.inspectControl(e.ctx, func(s *control.Store) error {
			_, err := s.VerifyAgainst(e.ctx, audit.Trust{Kept: [][]byte{before.Note}})
			return err
		})
	}
	var head struct {
		audit.Head

		Proof tlog.TreeProof `json:"proof"`
	}
	path := fmt.Sprintf("/api/v1/audit/head?since=%d&size=%d", before.Size, now.Size)
	if err := c.call(e.ctx, http.MethodGet, path, nil, &head); err != nil {
		return err
	}
	return audit.CheckHead(now.Head, before.Head, head.Proof)
}

func appendTo(path string, line []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(line); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
