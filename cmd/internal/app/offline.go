package app

import (
	"context"
	"errors"

	"tidemark/flags/flagset"
	"tidemark/metrics/ingest"
	"tidemark/metrics/rollup"
	telemetry "tidemark/metrics/sqlite"
)

// Open opens the stores and starts the pipeline, without a server: for verbs that
// work on a stopped store. End it with Stop.
func (a *App) Open(ctx context.Context) error {
	return a.begin(ctx, a.openControl, a.openPromises, a.openTelemetry)
}

// Pipeline takes events, once opened.
func (a *App) Pipeline() *ingest.Pipeline { return a.pipeline }

// Rebuild makes the rollups of a stopped store anew from its raw events. progress
// is told how many of total events are done.
func (a *App) Rebuild(ctx context.Context, progress func(done, total uint64)) error {
	if err := a.begin(ctx, a.openControl, a.openPromises); err != nil {
		return err
	}
	store, err := telemetry.Open(ctx, telemetry.Options{Dir: a.o.Data, Logger: a.log, AllowGap: true})
	if err != nil {
		return errors.Join(err, a.Stop(ctx))
	}
	a.onStop("telemetry store", func(context.Context) error { return store.Close() })
	err = a.rebuild(ctx, store, progress)
	return errors.Join(err, a.Stop(context.WithoutCancel(ctx)))
}

func (a *App) rebuild(ctx context.Context, store *telemetry.Store, progress func(done, total uint64)) error {
	configs, err := a.catalogue.FeatureConfigs(ctx)
	if err != nil {
		return err
	}
	labels, err := flagset.LabelRules(ctx, a.control)
	if err != nil {
		return err
	}
	_, err = rollup.Rebuild(ctx, store, configs, rollup.Options{Now: a.o.Now, Resident: a.o.Resident, Labels: labels}, progress)
	return err
}
