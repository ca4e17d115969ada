package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"tidemark/flags/audit"
	control "tidemark/flags/sqlite"
	"tidemark/metrics"
)

// Restore writes a backup into a data folder that must be empty or missing. All of it
// is written beside that folder, checked there, and then put in its place at once:
// when it fails or is killed, there is no data folder that looks whole. trust is what
// the audit log must fit besides what came with the backup.
func Restore(ctx context.Context, backup io.Reader, trust audit.Trust, actor string, o Options, progress func(done, total int64)) (*Manifest, error) {
	if err := emptyFolder(o.Data); err != nil {
		return nil, err
	}
	data := filepath.Clean(o.Data)
	dir, err := os.MkdirTemp(filepath.Dir(data), filepath.Base(data)+".restoring-*")
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	m, err := restoreInto(ctx, backup, trust, actor, dir, o, progress)
	if err == nil {
		err = settleInto(dir, data)
	}
	if err != nil {
		return nil, fmt.Errorf("restore: %w", errors.Join(err, os.RemoveAll(dir)))
	}
	return m, nil
}

func restoreInto(ctx context.Context, backup io.Reader, trust audit.Trust, actor, dir string, o Options, progress func(done, total int64)) (*Manifest, error) {
	var done int64
	m, err := ReadBackup(backup, func(about About, name string, _ int64, r io.Reader) error {
		err := writeFile(ctx, filepath.Join(dir, name), r, func(n int64) {
			done += n
			progress(done, max(about.Bytes, done))
		})
		if err == nil {
			err = whole(ctx, filepath.Join(dir, name))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if _, err := verifyControl(ctx, filepath.Join(dir, control.FileName), m.Audit, trust); err != nil {
		return nil, err
	}
	o.Data = dir
	x, err := Examine(ctx, o)
	if err == nil && !x.OK() {
		err = fmt.Errorf("%w: what was restored does not pass its check: %s", metrics.ErrDamaged, x.Trouble())
	}
	if err != nil {
		return nil, err
	}
	return m, recordRestore(ctx, m, actor, o)
}

// recordRestore notes in the restored log that it was restored: whoever reads it later
// knows why time is missing.
func recordRestore(ctx context.Context, m *Manifest, actor string, o Options) error {
	s, err := control.Open(ctx, filepath.Join(o.Data, control.FileName))
	if err != nil {
		return err
	}
	after, err := audit.State(map[string]any{"made": m.Made, "program": m.Program, "audit_size": m.Audit.Size, "audit_root": m.Audit.Root})
	if err == nil {
		err = s.Record(ctx, audit.Record{At: o.Now(), Actor: actor, Action: "backup.restore", Subject: "store/backup", After: after})
	}
	return errors.Join(err, s.Close())
}

// settleInto puts a checked folder in its place.
func settleInto(dir, data string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries { // what opening left beside the databases
		if strings.HasSuffix(e.Name(), "-shm") || strings.HasSuffix(e.Name(), ".lock") {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := syncFolder(dir); err != nil {
		return err
	}
	// An empty folder is in the way of os.Rename; one that is not is not removed.
	err = os.Remove(data)
	if err == nil || errors.Is(err, os.ErrNotExist) {
		err = os.Rename(dir, data)
	}
	if err != nil {
		return fmt.Errorf("%w; when %s is where a file system is mounted, restore into a new folder below it", err, data)
	}
	return syncFolder(filepath.Dir(data))
}

func syncFolder(dir string) error {
	f, err := os.Open(dir) //nolint:gosec // The operator names the folder.
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// emptyFolder refuses a folder that holds something.
func emptyFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("restore: %s must be empty, it holds %q: move it away first", dir, entries[0].Name())
	}
	return nil
}

// writeFile writes a new file and syncs it.
func writeFile(ctx context.Context, path string, r io.Reader, wrote func(n int64)) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // The operator names the folder.
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buf := make([]byte, 1<<20)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(buf)
		if _, werr := f.Write(buf[:n]); werr != nil {
			return werr
		}
		wrote(int64(n))
		if errors.Is(err, io.EOF) {
			return f.Sync()
		}
		if err != nil {
			return err
		}
	}
}
