package app

import (
	"context"
	"time"

	"tidemark/flags/alert"
	"tidemark/flags/document"
	"tidemark/flags/guarantee"
)

// judgeEvery is how often promises are judged, and outboxEvery how often webhooks
// that wait are tried.
const (
	judgeEvery  = 10 * time.Second
	outboxEvery = 2 * time.Second
)

// openPromises makes what is promised known, before telemetry is counted by it.
func (a *App) openPromises(context.Context) error {
	a.catalogue = guarantee.NewCatalogue(guarantee.Options{Store: a.control, Now: a.o.Now, Changed: a.promisesChanged})
	a.asker = alert.NewAsker(alert.AskerOptions{Store: a.control, Now: a.o.Now, Allow: a.o.WebhookAllow})
	a.hooks = alert.NewHooks(alert.HooksOptions{Store: a.control, Now: a.o.Now, Allow: a.o.WebhookAllow})
	return nil
}

// documents are those of every kind.
func (a *App) documents() *document.Catalogue {
	return document.New(document.Options{
		Promises: a.catalogue, Flags: a.flags, Rollouts: a.control, Webhooks: a.asker, Now: a.o.Now, Stored: a.rollouts.Reload,
	})
}

// promisesChanged tells the fold and the judge that documents changed.
func (a *App) promisesChanged(ctx context.Context) error {
	if a.judge == nil {
		return nil // A verb on a stopped store: the next start reads it.
	}
	configs, err := a.catalogue.FeatureConfigs(ctx)
	if err != nil {
		return err
	}
	a.engine.SetConfigs(configs)
	return a.judge.Reload(ctx)
}

// Judge judges promises and policy; for tests, which do not wait for its turn.
func (a *App) Judge() *guarantee.Evaluator { return a.judge }

// judgePromises begins to judge promises and to tell of alerts.
func (a *App) judgePromises(ctx context.Context) error {
	machine := alert.NewMachine(alert.Options{Alerts: a.control, Webhooks: a.control})
	a.judge = guarantee.NewEvaluator(guarantee.EvaluatorOptions{
		Store: a.control, Observer: &guarantee.ReportObserver{Reader: a.engine, Reporter: a.report}, Alert: machine.Step,
		Team: func(feature string) string { return a.policies.Set().Team(feature) },
	})
	if err := a.judge.Tick(ctx, a.o.Now()); err != nil {
		a.log.WarnContext(ctx, "promises could not be judged yet", "error", err)
	}
	sender := alert.NewSender(alert.SenderOptions{Store: a.control, Now: a.o.Now, Allow: a.o.WebhookAllow})
	a.every(judgeEvery, "judge promises", func(ctx context.Context) error { return a.judge.Tick(ctx, a.o.Now()) })
	a.background.Go(func() {
		sender.Run(a.running, outboxEvery, func(err error) {
			a.log.ErrorContext(a.running, "upkeep failed", "what", "webhooks", "error", err)
		})
	})
	return nil
}
