package app

import (
	"context"
	"errors"
	"fmt"
	"os"

	"tidemark/metrics"
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
	configs, err := a.catalogue.FeatureConfigs(ctx)
	if err == nil {
		_, err = rollup.Rebuild(ctx, store, configs, rollup.Options{Now: a.o.Now, Resident: a.o.Resident}, progress)
	}
	return errors.Join(err, a.Stop(context.WithoutCancel(ctx)))
}

// Check is one thing that Examine looked at.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

// Examination is what Examine found.
type Examination struct {
	Data   string  `json:"data"`
	Checks []Check `json:"checks"`
}

// OK reports whether every check passed.
func (x *Examination) OK() bool { return x.Trouble() == "" }

// Trouble names the first check that did not pass, and why.
func (x *Examination) Trouble() string {
	for _, c := range x.Checks {
		if !c.OK {
			return c.Name + ": " + c.Text
		}
	}
	return ""
}

func (x *Examination) add(name string, err error, format string, args ...any) {
	if err != nil {
		x.Checks = append(x.Checks, Check{name, false, err.Error()})
		return
	}
	x.Checks = append(x.Checks, Check{name, true, fmt.Sprintf(format, args...)})
}

// Examine opens a stopped store, brings its schema up to date, and checks that what
// it holds is whole. The error is about examining; what is wrong is in the result.
func Examine(ctx context.Context, o Options) (*Examination, error) {
	a, err := New(o)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(o.Data); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	x := &Examination{Data: o.Data}
	a.examineControl(ctx, x)
	a.examineTelemetry(ctx, x)
	return x, a.Stop(context.WithoutCancel(ctx))
}

func (a *App) examineControl(ctx context.Context, x *Examination) {
	if err := a.openControl(ctx); err != nil {
		x.add("control store", err, "")
		return
	}
	v, err := a.control.Version(ctx)
	x.add("control store", err, "opens; schema %d", v)
	x.add("control file", a.control.Check(ctx), "is whole")
	h, err := a.control.Verify(ctx)
	x.add("audit log", err, "%d entries verify; root %s", h.Size, h.Root)
}

func (a *App) examineTelemetry(ctx context.Context, x *Examination) {
	store, err := telemetry.Open(ctx, telemetry.Options{Dir: a.o.Data, Logger: a.log})
	if err != nil {
		x.add("telemetry store", err, "")
		return
	}
	a.onStop("telemetry store", func(context.Context) error { return store.Close() })
	x.add("telemetry store", nil, "opens")
	stats, err := store.Stats(ctx)
	x.add("events", err, "%d in %d files, %d bytes; rollups %d bytes", stats.Events, stats.Partitions, stats.RawBytes, stats.CellBytes)
	var read uint64
	err = store.Scan(ctx, store.Begin(), func(_ metrics.Position, events []metrics.Event) error {
		read += uint64(len(events))
		return nil
	})
	if want := uint64(store.End() - store.Begin()); err == nil && read != want {
		err = fmt.Errorf("%w: %d events can be read, %d were stored", metrics.ErrDamaged, read, want)
	}
	x.add("event log", err, "%d events can be read", read)
	done, err := store.Checkpointed(ctx)
	x.add("rollups", err, "include %d events; the next start counts %d more", done, uint64(store.End())-min(uint64(done), uint64(store.End())))
}
