package app

import (
	"context"
	"sync"
	"time"

	"tidemark/flags/guarantee"
	"tidemark/flags/rollout"
	"tidemark/metrics"
	"tidemark/web/live"
)

// tickEvery is how often rollouts are looked at, and recentEvents how many of the
// newest raw events an estimate of today's traffic reads.
const (
	tickEvery    = time.Second
	recentEvents = 100_000
)

// runRollouts begins to drive rollouts by their evidence. The first tick is made
// before anybody is answered, so that a restart changes nobody's variant.
func (a *App) runRollouts(ctx context.Context) error {
	c, err := rollout.New(rollout.Options{
		Store: a.control, Flags: rollout.FromFlagset(a.flags), Promises: rollout.FromGuarantees(a.catalogue), Trials: a.engine,
		Telemetry: &rollout.Folded{
			Reader: a.engine, Observer: &guarantee.ReportObserver{Reader: a.engine, Reporter: a.report}, Recent: a.recent,
		},
		Asker: a.asker, Judge: rollout.Judge, Now: a.o.Now,
		Changed: func(string) { a.hub.Publish(live.TopicRollouts, "changed", "{}") },
	})
	if err != nil {
		return err
	}
	a.rollouts = c
	var ticking sync.Mutex // The lease that Close gives back must not be taken again.
	closed := false
	a.onStop("rollouts", func(ctx context.Context) error {
		ticking.Lock()
		defer ticking.Unlock()
		closed = true
		defer a.asker.Close()
		return c.Close(ctx)
	})
	if err := c.Tick(ctx); err != nil {
		a.log.ErrorContext(ctx, "upkeep failed", "what", "rollouts", "error", err)
	}
	a.every(tickEvery, "rollouts", func(ctx context.Context) error {
		ticking.Lock()
		defer ticking.Unlock()
		if closed {
			return nil
		}
		return c.Tick(ctx)
	})
	return nil
}

// recent scans the newest raw events.
func (a *App) recent(ctx context.Context, fn func([]metrics.Event) error) error {
	begin, end := a.telemetry.Begin(), a.telemetry.End()
	if end > begin+recentEvents {
		begin = end - recentEvents
	}
	return a.telemetry.Scan(ctx, begin, func(_ metrics.Position, events []metrics.Event) error { return fn(events) })
}

// Rollouts drives the rollouts, once started.
func (a *App) Rollouts() *rollout.Controller { return a.rollouts }
