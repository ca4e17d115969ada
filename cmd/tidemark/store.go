package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"tidemark/cmd/internal/app"
)

// stopped returns the app of a stopped store, for verbs that work on its folder.
func (f *dataFlag) stopped(e *env) (*app.App, error) {
	o, err := f.options(e)
	if err != nil {
		return nil, err
	}
	a, err := app.New(o)
	if err != nil {
		return nil, usageError{err}
	}
	return a, nil
}

// options are those of a folder that must exist, so that a mistyped path does not
// become a new, empty store.
func (f *dataFlag) options(e *env) (app.Options, error) {
	if f.Data == "" {
		return app.Options{}, usagef("data: a folder is required (--data or TIDEMARK_DATA)")
	}
	if _, err := os.Stat(f.Data); err != nil {
		return app.Options{}, usagef("data: %w", err)
	}
	return app.Options{Data: f.Data, Log: e.log, Now: e.now}, nil
}

// meter shows the progress of long work on standard error: a bar on a terminal,
// nothing elsewhere.
type meter struct {
	bars *mpb.Progress
	bar  *mpb.Bar
}

func newMeter(stderr io.Writer, what string, total int64) *meter {
	if !isTerminal(stderr) {
		return &meter{}
	}
	bars := mpb.New(mpb.WithOutput(stderr), mpb.WithRefreshRate(150*time.Millisecond))
	bar := bars.AddBar(total,
		mpb.PrependDecorators(decor.Name(what+" "), decor.Percentage()),
		mpb.AppendDecorators(decor.AverageETA(decor.ET_STYLE_GO)))
	return &meter{bars, bar}
}

// set moves the bar.
func (m *meter) set(done, total int64) {
	if m.bar == nil {
		return
	}
	m.bar.SetTotal(total, false)
	m.bar.SetCurrent(done)
}

// end takes the bar off, whatever became of the work.
func (m *meter) end() {
	if m.bar == nil {
		return
	}
	m.bar.Abort(false)
	m.bars.Wait()
}

// rebuildCmd is "tidemark rebuild".
type rebuildCmd struct {
	dataFlag
}

// Run implements the verb.
func (c *rebuildCmd) Run(e *env) error {
	a, err := c.stopped(e)
	if err != nil {
		return err
	}
	m := newMeter(e.stderr, "Rebuilding", 1)
	var events uint64
	err = a.Rebuild(e.ctx, func(done, total uint64) {
		events = done
		m.set(int64(done), int64(total))
	})
	m.end()
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "Rebuilt the rollups from %d events.\n", events)
	return nil
}
