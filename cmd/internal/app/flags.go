package app

import (
	"context"
	"time"

	"tidemark/flags"
	"tidemark/flags/eval"
	"tidemark/flags/flagset"
	"tidemark/flags/rollout"
	"tidemark/metrics"
	"tidemark/web/api"
	"tidemark/web/auth"
)

// pinsSecret is the name of the secret that signs pins, and pinsSecretBytes its size.
const (
	pinsSecret      = "pins"
	pinsSecretBytes = 32
)

// flushUsageEvery is how often the counts of evaluations are stored; a crash loses as
// much.
const flushUsageEvery = 10 * time.Second

// openFlags compiles the flags and begins to keep how they are used.
func (a *App) openFlags(ctx context.Context) error {
	secret, err := a.control.Secret(ctx, pinsSecret, pinsSecretBytes, a.o.Now())
	if err != nil {
		return err
	}
	a.flags, err = flagset.Open(ctx, flagset.Options{
		Store: a.control, Usage: a.control, PinCounts: a.control, Rollouts: a.rolloutStore(), Pins: eval.NewPins(secret), Now: a.o.Now,
		CheckPlan: rollout.CheckDocument, LabelsChanged: a.labelsChanged,
		CheckPolicy: a.policies.Checker().Check, PoliciesChanged: a.policies.Reload,
	})
	if err != nil {
		return err
	}
	a.onStop("usage of flags", a.flags.FlushUsage)
	a.every(flushUsageEvery, "usage of flags", a.flags.FlushUsage)
	a.every(time.Hour, "old usage of flags", a.flags.PruneUsage)
	return nil
}

// labelsChanged tells the fold which services may carry which labels from now on.
func (a *App) labelsChanged(ctx context.Context) error {
	rules, err := flagset.LabelRules(ctx, a.control)
	if err != nil {
		return err
	}
	// The fold first: what is let go is then judged by the rules that let it go.
	err = a.engine.SetLabels(context.WithoutCancel(ctx), rules)
	a.pipeline.SetLabels(metrics.NewVocabulary(rules))
	return err
}

// rolloutStore is the control store, where it keeps rollouts.
func (a *App) rolloutStore() flags.RolloutStore {
	store, _ := any(a.control).(flags.RolloutStore)
	return store
}

func (a *App) flagRoutes(door *api.API) []auth.Route {
	return api.NewFlags(door, api.FlagOptions{Catalogue: a.flags, People: a.control, Now: a.o.Now}).Routes()
}

// Flags is the catalogue of flags, once started.
func (a *App) Flags() *flagset.Catalogue { return a.flags }
