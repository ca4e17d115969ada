package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"tidemark/flags/audit"
	control "tidemark/flags/sqlite"
	"tidemark/metrics"
	telemetry "tidemark/metrics/sqlite"
	"tidemark/migrations/snapshot"
)

// stagePattern names the folder, within the data folder, in which one file at a time
// is copied before it is sent.
const stagePattern = ".backup-*"

// BackupStopped writes a backup of a stopped store.
func (a *App) BackupStopped(ctx context.Context, actor, reason string, w io.Writer) error {
	if err := a.begin(ctx, a.openControl); err != nil {
		return err
	}
	store, err := telemetry.Open(ctx, telemetry.Options{Dir: a.o.Data, Logger: a.log})
	if err != nil {
		return errors.Join(err, a.Stop(ctx))
	}
	a.telemetry = store
	a.onStop("telemetry store", func(context.Context) error { return store.Close() })
	err = a.Backup(ctx, actor, reason, w)
	return errors.Join(err, a.Stop(context.WithoutCancel(ctx)))
}

// Backup writes a backup of both databases as of one moment, each file checked, while
// the server goes on. Control data and rollups are those of the moment; raw events may
// be a little later. It needs room for the largest file beside the store.
func (a *App) Backup(ctx context.Context, actor, reason string, w io.Writer) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if a.leaving != nil { // A server that stops does not wait for a slow reader.
		defer context.AfterFunc(a.leaving, cancel)()
	}
	if err := a.clearStages(ctx); err != nil {
		return err
	}
	head, err := a.announceBackup(ctx, actor, reason)
	if err != nil {
		return err
	}
	p, err := a.pin(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	all, largest := p.telemetry.Bytes()
	if err := a.roomFor(largest); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(a.o.Data, stagePattern)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// What goes wrong before the first file was checked is told instead of sent.
	first := bufio.NewWriterSize(w, 64<<10)
	out, err := newArchive(first, About{Format: backupFormat, Made: a.o.Now().UTC(), Program: a.o.Version, Bytes: all})
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := p.write(ctx, dir, head, out); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := out.end(head); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return first.Flush()
}

// announceBackup records who takes a copy of everything, and signs the log with it.
func (a *App) announceBackup(ctx context.Context, actor, reason string) (ManifestAudit, error) {
	rec := audit.Record{At: a.o.Now(), Actor: actor, Action: "backup.make", Subject: "store/backup", Reason: reason}
	if err := a.control.Record(ctx, rec); err != nil {
		return ManifestAudit{}, err
	}
	point, err := a.control.Checkpoint(ctx, a.o.Now())
	if err != nil {
		return ManifestAudit{}, err
	}
	public, err := a.control.Public(ctx)
	return manifestAudit(&point, public), err
}

// pinned is both databases at one moment.
type pinned struct {
	control   *snapshot.Snapshot
	telemetry *telemetry.Snapshot
}

func (a *App) pin(ctx context.Context) (*pinned, error) {
	var p pinned
	var err error
	p.control, err = a.control.Pin(ctx, func() (err error) {
		p.telemetry, err = a.telemetry.Pin(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return &p, nil
}

// Close lets go of the moment.
func (p *pinned) Close() error { return errors.Join(p.control.Close(), p.telemetry.Close()) }

// write copies, checks, sends and removes one file after the other.
func (p *pinned) write(ctx context.Context, dir string, head ManifestAudit, out *archiveWriter) error {
	for _, name := range append([]string{control.FileName}, p.telemetry.Files()...) {
		path := filepath.Join(dir, name)
		if err := p.copyTo(ctx, name, path, head); err != nil {
			return err
		}
		if err := send(out, name, path); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

func (p *pinned) copyTo(ctx context.Context, name, path string, head ManifestAudit) error {
	if name != control.FileName {
		if err := p.telemetry.CopyTo(ctx, name, path); err != nil {
			return err
		}
		return whole(ctx, path)
	}
	if err := p.control.CopyTo(ctx, path); err != nil {
		return err
	}
	if err := whole(ctx, path); err != nil {
		return err
	}
	_, err := verifyControl(ctx, path, head, audit.Trust{})
	return err
}

// whole says in the words of metrics that a file is damaged.
func whole(ctx context.Context, path string) error {
	err := snapshot.Check(ctx, path)
	if errors.Is(err, snapshot.ErrDamaged) {
		return fmt.Errorf("%w: %w", metrics.ErrDamaged, err)
	}
	return err
}

// verifyControl computes the audit log of a copy anew and compares it with the signed
// head that came with it and with what was kept elsewhere.
func verifyControl(ctx context.Context, path string, head ManifestAudit, trust audit.Trust) (v audit.Verified, err error) {
	s, err := control.Inspect(ctx, path)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	trust.Kept = append([][]byte{[]byte(head.Checkpoint)}, trust.Kept...)
	return s.VerifyAgainst(ctx, trust)
}

func send(out *archiveWriter, name, path string) error {
	f, err := os.Open(path) //nolint:gosec // A file that was written just now.
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	return out.add(name, st.Size(), f)
}

// clearStages removes what backups that were killed have left.
func (a *App) clearStages(context.Context) error {
	left, err := filepath.Glob(filepath.Join(a.o.Data, stagePattern))
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("backup: %w", err)
		}
	}
	return nil
}

// spareBytes is what a backup leaves free for the events that come meanwhile.
const spareBytes = 64 << 20

// roomFor refuses to begin what would fill the disk.
func (a *App) roomFor(bytes int64) error {
	free, err := freeBytes(a.o.Data)
	if err != nil {
		return fmt.Errorf("backup: free space of %s: %w", a.o.Data, err)
	}
	if need := bytes + spareBytes; free < need {
		return fmt.Errorf("backup: %s has %d bytes free; a copy of the largest file needs %d: %w", a.o.Data, free, need, metrics.ErrFull)
	}
	return nil
}
