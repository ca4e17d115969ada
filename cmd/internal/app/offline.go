package app

import (
	"context"
	"errors"

	"tidemark/metrics/ingest"
	"tidemark/metrics/rollup"
	telemetry "tidemark/metrics/sqlite"
)

// Open opens the stores and starts the pipeline, without a server: for verbs that
// work on a stopped store. End it with Stop.
func (a *App) Open(ctx context.Context) error {
	return a.begin(ctx, a.lookAtFolder, a.openControl, a.openPromises, a.openTelemetry)
}

// Pipeline takes events, once opened.
func (a *App) Pipeline() *ingest.Pipeline { return a.pipeline }

// Rebuild makes the rollups of a stopped store anew from its raw events. progress
// is told how many of total events are done.
func (a *App) Rebuild(ctx context.Context, progress func(done, total uint64)) error {
	if err := a.begin(ctx, a.lookAtFolder, a.openControl, a.openPromises); err != nil {
		return err
	}
	store, err := telemetry.Open(ctx, telemetry.Options{Dir: a.o.Data, Logger: a.log, AllowGap: true})
	if err != nil {
		return errors.Join(err, a.Stop(ctx))
	}
	a.onStop("telemetry store", func(context.Context) error { return store.Close() })
	configs, o, err := a.folding(ctx)
	if err == nil {
		_, err = rollup.Rebuild(ctx, store, configs, o, progress)
	}
	return errors.Join(err, a.Stop(context.WithoutCancel(ctx)))
}
