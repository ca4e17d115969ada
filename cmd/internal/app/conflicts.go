package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tidemark/flags/reconcile"
	"tidemark/metrics"
)

// tellDecisionsEvery is how often decisions are sent that the telemetry did not take
// when they were made.
const tellDecisionsEvery = 10 * time.Second

// openConflicts makes what judges conflicts, and where people decide them.
func (a *App) openConflicts(ctx context.Context) error {
	a.conflicts = reconcile.NewJudge(reconcile.JudgeOptions{Reader: a.engine, Rules: a.control, Now: a.o.Now})
	a.desk = reconcile.NewDesk(reconcile.DeskOptions{
		Judge: a.conflicts, Store: a.control, Promised: a.catalogue.Reconciliation, Submit: a.submitOwn, Now: a.o.Now,
	})
	run, cancel := context.WithCancel(a.running)
	a.replays = reconcile.NewJobs(run, a.conflicts, a.o.Now)
	a.onStop("replays of rules", func(context.Context) error {
		cancel()
		a.replays.Wait()
		return nil
	})
	if err := a.desk.Tell(ctx); err != nil {
		a.log.WarnContext(ctx, "decisions wait for the telemetry", "error", err)
	}
	a.every(tellDecisionsEvery, "tell decisions", a.desk.Tell)
	return nil
}

// submitOwn takes in events of tidemark itself, as durably as those of anybody.
func (a *App) submitOwn(ctx context.Context, events []metrics.Event) error {
	r, err := a.pipeline.SubmitOwn(ctx, events)
	if err != nil {
		return err
	}
	var refused []error
	for _, x := range r.Rejected {
		refused = append(refused, fmt.Errorf("%s: %s: %s", x.EventID, x.Code, x.Message))
	}
	return errors.Join(refused...)
}
