package app

import (
	"context"
	"time"

	"tidemark/web/api"
	"tidemark/web/ui"
)

// pages makes what people see.
func (a *App) pages() (*ui.UI, error) {
	operations, err := operations()
	if err != nil {
		return nil, err
	}
	return ui.New(ui.Options{
		Now: a.o.Now, Report: a.report, Reader: a.engine, Teller: a.teller, Policy: a.policies, Attempts: a.attempts, People: a.control, Keys: a.control, Hub: a.hub,
		Snapshot: a.judge.Snapshot, Catalogue: a.catalogue, Documents: a.control, Alerts: a.control, Webhooks: a.control, Audit: a.control,
		Rollouts: a.rollouts, Evidence: a.engine, Flags: a.flags, Desk: a.desk, Judge: a.conflicts, Replays: a.replays,
		Quarantine: ui.Quarantine{Held: a.telemetry, Orders: a.control, Order: a.OrderQuarantine, Labels: a.pipeline.Labels},
		Updates:    a.updates, Pipeline: a.pipelineView, Operations: operations, Base: a.URL, Version: a.o.Version,
	}), nil
}

func (a *App) pipelineView(ctx context.Context) (ui.Pipeline, error) {
	r, err := a.PipelineReport(ctx)
	if err != nil {
		return ui.Pipeline{}, err
	}
	return ui.Pipeline{
		Since: time.Unix(0, r.Since), Stats: r.Ingest, Store: r.Store, PerSecond: r.PerSecond,
		Unfolded: r.Fold.Unfolded, Error: r.Error,
	}, nil
}

// operations lists the API for its page, group by group.
func operations() ([]ui.Operation, error) {
	groups, err := api.Groups()
	if err != nil {
		return nil, err
	}
	var out []ui.Operation
	for _, g := range groups {
		for _, e := range g.Endpoints {
			o := ui.Operation{Group: g.Name, Method: e.Method, Path: e.Path, Text: e.Summary, Needs: e.Permission, More: e.Description}
			for _, p := range e.Parameters {
				o.Parameters = append(o.Parameters, ui.Parameter{Name: p.Name, In: p.In, Text: p.Description, Required: p.Required})
			}
			out = append(out, o)
		}
	}
	return out, nil
}
