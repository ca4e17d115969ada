package app

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tidemark/flags"
	"tidemark/metrics"
	"tidemark/web/api"
	"tidemark/web/auth"
)

func (a *App) quarantineRoutes(door *api.API) []auth.Route {
	return api.NewQuarantine(door, api.QuarantineOptions{
		Held: a.telemetry, Orders: a.control, Order: a.OrderQuarantine, Labels: a.pipeline.Labels, Policy: a.policies,
	}).Routes()
}

// quarantineEvery is how often the quarantine is looked at when nothing asks for it.
const quarantineEvery = 30 * time.Second

// keepQuarantine lets events go whose labels were declared, and carries out what people
// decided about them. It begins with what an earlier process left undone.
func (a *App) keepQuarantine(context.Context) error {
	ctx := a.running
	a.background.Go(func() {
		t := time.NewTicker(quarantineEvery)
		defer t.Stop()
		for {
			if err := a.emptyQuarantine(ctx); err != nil && ctx.Err() == nil {
				a.log.ErrorContext(ctx, "events stay in quarantine; it will be tried again", "error", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-a.pipeline.Waiting():
			case <-t.C:
			}
		}
	})
	return nil
}

// openOrders bounds how many orders are read at once.
const openOrders = 100

func (a *App) emptyQuarantine(ctx context.Context) error {
	orders, err := a.control.QuarantineOrders(ctx, true, openOrders)
	if err != nil {
		return err
	}
	for _, o := range orders {
		if err := a.obeyOrder(ctx, o); err != nil {
			return err
		}
	}
	n, err := a.pipeline.ReleaseKnown(ctx)
	if n > 0 {
		a.log.InfoContext(ctx, "released from quarantine", "events", n)
	}
	return err
}

func (a *App) obeyOrder(ctx context.Context, o flags.QuarantineOrder) error {
	q := metrics.HeldQuery{Feature: o.Feature, Label: o.Label, Through: o.Through}
	do := a.pipeline.Release
	if o.Action == flags.QuarantineDiscard {
		do = a.pipeline.Discard
	}
	n, err := do(ctx, q)
	if err != nil {
		return fmt.Errorf("%s ordered by %s: %w", o.Action, o.Actor, err)
	}
	a.log.InfoContext(ctx, "quarantine: order carried out", "action", o.Action, "events", n, "actor", o.Actor)
	return a.control.FinishQuarantineOrder(ctx, o.ID, a.o.Now())
}

// OrderQuarantine stores a decision about what is held now, and has it carried out.
func (a *App) OrderQuarantine(ctx context.Context, action flags.QuarantineAction, feature, label string, by flags.Author) (flags.QuarantineOrder, error) {
	o := flags.QuarantineOrder{Action: action, Feature: feature, Label: label, Actor: by.Actor, Reason: by.Reason, At: a.o.Now()}
	if err := by.Check(true); err != nil {
		return o, err
	}
	last, err := a.telemetry.Held(ctx, metrics.HeldQuery{Feature: feature, Label: label, Newest: true, Limit: 1})
	if err != nil {
		return o, err
	}
	if len(last) == 0 {
		return o, fmt.Errorf("quarantine: no such event is held: %w", flags.ErrNotFound)
	}
	o.Through = last[0].Number
	if o.Events, err = a.telemetry.HeldNumber(ctx, feature, label); err != nil {
		return o, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return o, fmt.Errorf("quarantine: %w", err)
	}
	o.ID = id.String()
	if err := a.control.AddQuarantineOrder(ctx, o); err != nil {
		return o, err
	}
	a.pipeline.Nudge()
	return o, nil
}

// expireQuarantine removes what was held for too long.
func (a *App) expireQuarantine(ctx context.Context, now time.Time) error {
	before := now.Add(-a.o.Retention.withDefaults().Held)
	n, err := a.pipeline.Discard(ctx, metrics.HeldQuery{HeldBefore: before.UnixNano()})
	if n > 0 {
		a.log.WarnContext(ctx, "removed from quarantine: held for too long", "events", n)
	}
	return err
}
