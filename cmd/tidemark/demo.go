package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"tidemark/cmd/internal/app"
	"tidemark/flags/access"
	"tidemark/flags/guarantee"
	control "tidemark/flags/sqlite"
	"tidemark/metrics/client"
	"tidemark/metrics/simulate"
)

// demoCmd is "tidemark demo".
type demoCmd struct {
	Port int    `help:"Port on 127.0.0.1; when it is taken, a free one is used." default:"7460" env:"TIDEMARK_DEMO_PORT"`
	Seed uint64 `help:"Seed of the simulated traffic." default:"1"`
}

// Run implements the verb: a server with a temporary store and live traffic, until
// it is interrupted.
func (c *demoCmd) Run(e *env) (err error) {
	if c.Port < 0 || c.Port > 65535 {
		return usagef("port: %d: want 0 to 65535", c.Port)
	}
	dir, err := os.MkdirTemp("", "tidemark-demo-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	start := e.now().Add(-simulate.DemoHistory)
	key, err := furnish(e.ctx, dir, start)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	a, err := c.serve(e, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopDemo(e, a)) }()
	return c.show(e, a, key, start)
}

// furnish writes what the demonstration promises, as if it had been promised all
// along, and returns an API key for its traffic.
func furnish(ctx context.Context, dir string, since time.Time) (key string, err error) {
	store, err := control.Open(ctx, filepath.Join(dir, control.FileName))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	files, err := simulate.DemoGuarantees()
	if err != nil {
		return "", err
	}
	docs, err := guarantee.Load(files)
	if err != nil {
		return "", err
	}
	past := func() time.Time { return since.Add(-time.Minute) }
	by := guarantee.Author{Actor: "cli:demo", Reason: "The demonstration's promises."}
	if _, err := guarantee.NewCatalogue(guarantee.Options{Store: store, Now: past}).Apply(ctx, docs, by); err != nil {
		return "", err
	}
	k, token, err := access.NewKey(access.NewKeyOptions{Name: "demo-traffic", Env: "demo", Scopes: []string{"publish:*", "consume:*"}}, time.Now())
	if err != nil {
		return "", err
	}
	return token, store.CreateKey(ctx, k, by.Actor, "Simulated traffic.")
}

// serve starts the server on loopback, on another port if the wanted one is taken.
func (c *demoCmd) serve(e *env, dir string) (*app.App, error) {
	a, err := startDemo(e, dir, c.Port)
	if errors.Is(err, syscall.EADDRINUSE) {
		fmt.Fprintf(e.stderr, "Port %d is taken; using a free one.\n", c.Port)
		a, err = startDemo(e, dir, 0)
	}
	return a, err
}

func startDemo(e *env, dir string, port int) (*app.App, error) {
	a, err := app.New(app.Options{Data: dir, Listen: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Log: e.log, Now: e.now, Version: version()})
	if err != nil {
		return nil, usageError{err}
	}
	return a, a.Start(e.ctx)
}

func stopDemo(e *env, a *app.App) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), 10*time.Second)
	defer cancel()
	return a.Stop(ctx)
}

// show prints the link and plays the traffic: the past as fast as it goes, then
// the present.
func (c *demoCmd) show(e *env, a *app.App, key string, start time.Time) error {
	sc, err := simulate.Named("demo")
	if err != nil {
		return err
	}
	run, err := simulate.New(sc, c.Seed, start)
	if err != nil {
		return err
	}
	t, err := newTraffic(e, client.Options{URL: "http://" + a.Addr().String(), Key: key})
	if err != nil {
		return err
	}
	link, err := a.SignInLink(e.ctx)
	if err != nil {
		return errors.Join(err, t.finish())
	}
	fmt.Fprintf(e.stderr, "tidemark demo listens on %s, for this machine alone.\n"+
		"Open this link to sign in; it works once, within %d minutes:\n", a.Addr(), access.SignInLife/time.Minute)
	fmt.Fprintln(e.stdout, link)
	fmt.Fprintf(e.stderr, "Filling in the last %d minutes; then live traffic follows. Press Ctrl-C to stop; nothing is kept.\n",
		simulate.DemoHistory/time.Minute)

	ctx, cancel := context.WithCancelCause(e.ctx)
	defer cancel(nil)
	go func() {
		select {
		case err := <-a.Failed():
			cancel(err)
		case <-ctx.Done():
		}
	}()
	t.play(ctx, run)
	if err := t.finish(); err != nil && e.ctx.Err() == nil {
		return errors.Join(context.Cause(ctx), err)
	}
	if e.ctx.Err() != nil {
		fmt.Fprintln(e.stderr, "Stopped.")
		return nil
	}
	return context.Cause(ctx)
}
