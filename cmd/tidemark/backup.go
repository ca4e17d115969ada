package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"tidemark/cmd/internal/app"
)

// backupCmd is "tidemark backup".
type backupCmd struct {
	placeFlags `embed:""`

	File   string `arg:"" help:"File for the backup, which must not exist yet; - writes to standard output." type:"path"`
	Reason string `help:"Why, for the audit log."`
}

// Run implements the verb. The backup is read back as it is written, and gets its name
// only when all of it is there.
func (c *backupCmd) Run(e *env) error {
	online, err := c.online()
	if err != nil {
		return err
	}
	source := c.stoppedBackup
	if online {
		source = c.runningBackup
	}
	if c.File == "-" {
		_, err := copyBackup(e, source, e.stdout)
		return err
	}
	m, size, err := c.write(e, source)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "Wrote %s: %d files, %d bytes, as of %s; audit log of %d entries.\n",
		c.File, len(m.Files), size, m.Made.Format("2006-01-02T15:04:05Z"), m.Audit.Size)
	return nil
}

// backupSource writes a backup.
type backupSource func(e *env, w io.Writer) error

func (c *backupCmd) runningBackup(e *env, w io.Writer) error {
	path := "/api/v1/backup"
	if c.Reason != "" {
		path += "?reason=" + url.QueryEscape(c.Reason)
	}
	return c.stream(e.ctx, http.MethodPost, path, func(r io.Reader) error {
		if _, err := io.Copy(w, r); err != nil {
			return fmt.Errorf("the server broke off; its log says why: %w", err)
		}
		return nil
	})
}

func (c *backupCmd) stoppedBackup(e *env, w io.Writer) error {
	a, err := c.stopped(e)
	if err != nil {
		return err
	}
	// A backup from before an upgrade is for the program from before it.
	files, err := app.Schemas(e.ctx, c.Data)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Schema < f.Known {
			return olderSchema(f.Name, f.Schema, f.Known)
		}
	}
	return a.BackupStopped(e.ctx, cliActor(), c.Reason, w)
}

// write makes the file.
func (c *backupCmd) write(e *env, source backupSource) (m *app.Manifest, size int64, err error) {
	if _, err := os.Lstat(c.File); !errors.Is(err, os.ErrNotExist) {
		return nil, 0, errors.Join(fmt.Errorf("backup: %s exists; it is not overwritten", c.File), err)
	}
	partial := c.File + ".partial"
	f, err := os.OpenFile(partial, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, 0, fmt.Errorf("backup: %s is left of a backup that was broken off, or is being written: remove it first", partial)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("backup: %w", err)
	}
	m, err = copyBackup(e, source, f)
	if err == nil {
		size, err = f.Seek(0, io.SeekCurrent)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		// Unlike a rename, a link does not replace what came into being meanwhile.
		err = os.Link(partial, c.File)
	}
	return m, size, errors.Join(err, os.Remove(partial))
}

// copyBackup reads a backup as it comes, and returns what it holds once all of it was
// written and fits its manifest.
func copyBackup(e *env, source backupSource, w io.Writer) (*app.Manifest, error) {
	r, pipe := io.Pipe()
	sent := make(chan error, 1)
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	from := *e
	from.ctx = ctx
	go func() {
		err := source(&from, io.MultiWriter(w, pipe))
		pipe.CloseWithError(err)
		sent <- err
	}()
	bar := newMeter(e.stderr, "backing up", 0)
	var done int64
	m, err := app.ReadBackup(r, func(about app.About, _ string, _ int64, in io.Reader) error {
		_, err := io.Copy(counter(func(n int64) {
			done += n
			bar.set(done, max(about.Bytes, done))
		}), in)
		return err
	})
	if err == nil {
		_, err = io.Copy(io.Discard, r) // what tar adds at the end
	}
	bar.end()
	r.CloseWithError(err)
	if err != nil {
		cancel()
	}
	if cause := <-sent; cause != nil && !errors.Is(cause, io.ErrClosedPipe) {
		return nil, cause
	}
	return m, err
}

// counter is a writer that only counts.
type counter func(n int64)

// Write implements io.Writer.
func (c counter) Write(b []byte) (int, error) {
	c(int64(len(b)))
	return len(b), nil
}
