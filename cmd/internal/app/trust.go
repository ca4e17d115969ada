package app

import (
	"context"
	"time"
)

// checkpointEvery is how often the head of the audit log is signed, when it grew.
const checkpointEvery = time.Minute

// signAudit signs the head of the audit log now and from then on. A log whose signed
// heads do not fit is told, and does not keep the server from serving: whoever looks
// into it needs the pages.
func (a *App) signAudit(ctx context.Context) error {
	sign := func(ctx context.Context) error {
		_, err := a.control.Checkpoint(ctx, a.o.Now())
		return err
	}
	if err := sign(ctx); err != nil {
		a.log.ErrorContext(ctx, "the audit log could not be signed; run tidemark audit verify", "error", err)
	}
	a.every(checkpointEvery, "sign the audit log", sign)
	return nil
}
