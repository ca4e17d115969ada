package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"tidemark/flags/alert"
	"tidemark/flags/audit"
)

// checkpointEvery is how often the head of the audit log is signed, when it grew, and
// publishEvery how often a signed head leaves the store by itself.
const (
	checkpointEvery = time.Minute
	publishEvery    = time.Hour
)

// signAudit signs the head of the audit log now and from then on, and publishes it. A
// log whose signed heads do not fit is told, and does not keep the server from serving:
// whoever looks into it needs the pages.
func (a *App) signAudit(ctx context.Context) error {
	p := &publisher{a: a}
	step := func(ctx context.Context) error {
		point, err := a.control.Checkpoint(ctx, a.o.Now())
		if err != nil {
			return err
		}
		return p.publish(ctx, &point)
	}
	if err := step(ctx); err != nil {
		a.log.ErrorContext(ctx, "the audit log could not be signed or its head not published; run tidemark audit verify", "error", err)
	}
	a.every(checkpointEvery, "sign the audit log", step)
	return nil
}

// publisher brings signed heads of the audit log to where whoever may write the store
// cannot change them. Its step is called by one goroutine at a time.
type publisher struct {
	a    *App
	size int64 // of the head that was published last; 0 = none since the start
	at   time.Time
}

// publish sends a head to the webhooks that want it and appends it to the file, at most
// once in publishEvery. After a failure the next minute tries again.
func (p *publisher) publish(ctx context.Context, point *audit.Checkpoint) error {
	now := p.a.o.Now()
	if point.Size == p.size || (!p.at.IsZero() && now.Sub(p.at) < publishEvery) {
		return nil
	}
	public, err := p.a.control.Public(ctx)
	if err != nil {
		return err
	}
	if p.a.o.CheckpointFile != "" {
		if err := appendCheckpoint(p.a.o.CheckpointFile, point, public); err != nil {
			return fmt.Errorf("checkpoint-file: %w", err)
		}
	}
	err = p.a.hooks.SendCheckpoint(ctx, alert.CheckpointBody{
		Origin: point.Origin, Size: point.Size, Root: point.Root.String(), At: point.At, Checkpoint: string(point.Note), Key: public,
	})
	if err != nil {
		return err
	}
	p.size, p.at = point.Size, now
	return nil
}

// appendCheckpoint adds a line to a file that only grows, unless it ends with it.
func appendCheckpoint(path string, point *audit.Checkpoint, public string) (err error) {
	line, err := point.Line(public)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if n := int64(len(line)); info.Size() >= n {
		last := make([]byte, n)
		if _, err := f.ReadAt(last, info.Size()-n); err != nil {
			return err
		}
		if string(last) == string(line) {
			return nil
		}
	}
	if _, err := f.Write(line); err != nil {
		return err
	}
	return f.Sync()
}
