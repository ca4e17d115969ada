package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"tidemark/cmd/internal/app"
	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/flagset"
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
	keys, err := furnish(e.ctx, dir, start)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	a, err := c.serve(e, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopDemo(e, a)) }()
	return c.show(e, a, keys, start)
}

// furnish writes what the demonstration promises, as if it had been promised all
// along, and returns the API keys that it works with.
func furnish(ctx context.Context, dir string, since time.Time) (keys demoKeys, err error) {
	store, err := control.Open(ctx, filepath.Join(dir, control.FileName))
	if err != nil {
		return keys, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	files, err := simulate.DemoGuarantees()
	if err != nil {
		return keys, err
	}
	docs, err := guarantee.Load(files)
	if err != nil {
		return keys, err
	}
	past := func() time.Time { return since.Add(-time.Minute) }
	by := guarantee.Author{Actor: "cli:demo", Reason: "The demonstration's promises."}
	if _, err := guarantee.NewCatalogue(guarantee.Options{Store: store, Now: past}).Apply(ctx, docs, by); err != nil {
		return keys, err
	}
	if err := errors.Join(writeRules(ctx, store, past), declareDemoLabels(ctx, store, past)); err != nil {
		return keys, err
	}
	traffic, err := newDemoKey(ctx, store, "demo-traffic", "Simulated traffic.", "publish:*", "consume:*", "evaluate")
	if err != nil {
		return keys, err
	}
	operator, err := newDemoKey(ctx, store, "demo-operator", "Starts the demonstration's rollouts.", "read", "control")
	return demoKeys{traffic, operator}, err
}

// declareDemoLabels says which services may carry the labels of the traffic: those that
// it goes through.
func declareDemoLabels(ctx context.Context, store *control.Store, at func() time.Time) error {
	sc, err := simulate.Named("demo")
	if err != nil {
		return err
	}
	catalogue, err := flagset.Open(ctx, flagset.Options{Store: store, Now: at})
	if err != nil {
		return err
	}
	var edits []flagset.Edit
	for _, l := range sc.Labels() {
		content, err := json.Marshal(flagset.Label{Description: "A label of the demonstration.", Services: l.Services})
		if err != nil {
			return fmt.Errorf("label %s: %w", l.Label, err)
		}
		edits = append(edits, flagset.Edit{ID: flags.DocumentID{Kind: flags.KindLabel, Name: l.Label}, Content: content})
	}
	_, err = catalogue.Apply(ctx, edits, flags.Author{Actor: "cli:demo", Reason: "The labels of the demonstration's traffic."}, flagset.Others{})
	return err
}

// demoKeys are the API keys of the demonstration's traffic, and of who starts its
// rollouts.
type demoKeys struct{ traffic, operator string }

func newDemoKey(ctx context.Context, store access.Store, name, reason string, scopes ...string) (token string, err error) {
	k, token, err := access.NewKey(access.NewKeyOptions{Name: name, Env: "demo", Scopes: scopes}, time.Now())
	if err != nil {
		return "", err
	}
	return token, store.CreateKey(ctx, k, "cli:demo", reason)
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
	a, err := app.New(app.Options{Data: dir, Listen: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Log: quiet(e.log), Now: e.now, Version: version()})
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
func (c *demoCmd) show(e *env, a *app.App, keys demoKeys, start time.Time) error {
	base := "http://" + a.Addr().String()
	operator := &demoOperator{e: e, server: remoteFlags{To: base, Key: keys.operator}}
	if err := operator.makeFlags(e.ctx); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	sc, err := simulate.Named("demo")
	if err != nil {
		return err
	}
	flags := newObedience(e, base, keys.traffic)
	sc.Ask = flags.ask
	run, err := simulate.New(sc, c.Seed, start)
	if err != nil {
		return err
	}
	t, err := newTraffic(e, client.Options{URL: base, Key: keys.traffic})
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
	fmt.Fprintf(e.stderr, "Filling in the last %d minutes; then live traffic and two rollouts follow. Press Ctrl-C to stop; nothing is kept.\n",
		simulate.DemoHistory/time.Minute)

	ctx, cancel := context.WithCancelCause(e.ctx)
	defer cancel(nil)
	var telling sync.WaitGroup
	go func() {
		select {
		case err := <-a.Failed():
			cancel(err)
		case <-ctx.Done():
		}
	}()
	t.present = func() {
		telling.Go(func() {
			if err := operator.tell(ctx); err != nil && ctx.Err() == nil {
				cancel(err)
			}
		})
	}
	t.play(ctx, run)
	cancel(nil)
	telling.Wait()
	if err := t.finish(); err != nil && e.ctx.Err() == nil {
		return errors.Join(context.Cause(ctx), err)
	}
	if e.ctx.Err() != nil {
		fmt.Fprintln(e.stderr, "Stopped.")
		return nil
	}
	return context.Cause(ctx)
}
