package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/client"
	"tidemark/metrics/simulate"
)

// simulateCmd is "tidemark simulate".
type simulateCmd struct {
	remoteFlags

	Scenario string        `arg:"" optional:"" help:"Named scenario; without one they are listed."`
	Rate     float64       `help:"Events a second, on average; the default is the scenario's own." placeholder:"N"`
	For      time.Duration `help:"How long users act, a duration of simulated time; 0 is until interrupted." default:"1m"`
	Seed     uint64        `help:"Seed: the same scenario, seed and start give the same events." default:"1"`
	Out      string        `help:"Write NDJSON here instead of sending it; - is standard output." placeholder:"FILE"`
	Obey     string        `help:"Flag that each session asks the server for over OFREP, pins included, and obeys; the key needs the scope evaluate." placeholder:"FLAG"`
	Declare  bool          `help:"Declare the labels of the scenario that nobody declared yet, for the services that carry them; the key needs the scope control."`
	Start    string        `help:"When it begins, RFC 3339; the past is sent as fast as possible. Default: now." placeholder:"TIME"`
}

// Run implements the verb.
func (c *simulateCmd) Run(e *env) error {
	if c.Scenario == "" {
		return listScenarios(e.stdout)
	}
	var flags *obedience
	if c.Obey != "" {
		flags = newObedience(e, c.To, c.Key)
	}
	run, err := c.prepare(e.now(), flags)
	if err != nil {
		return err
	}
	if c.Declare {
		if err := c.declare(e); err != nil {
			return err
		}
	}
	if c.Out != "" {
		err = c.write(e, run)
	} else {
		err = c.send(e, run)
	}
	return errors.Join(err, tellObedience(e, flags))
}

// tellObedience says how often the flag was asked for. Units that got no answer did what
// their code does by default, which is worth knowing, and an error when none got one.
func tellObedience(e *env, flags *obedience) error {
	if flags == nil {
		return nil
	}
	asked, failed, first := flags.report()
	fmt.Fprintf(e.stderr, "simulate: %d evaluations, %d of them failed\n", asked, failed)
	if failed > 0 && failed == asked {
		return fmt.Errorf("simulate: no evaluation succeeded: %w", first)
	}
	return nil
}

func listScenarios(w io.Writer) error {
	for _, name := range simulate.Names() {
		sc, err := simulate.Named(name)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%-15s %s\n", name, sc.Summary); err != nil {
			return err
		}
	}
	return nil
}

// prepare checks the settings and starts the virtual clock.
func (c *simulateCmd) prepare(now time.Time, flags *obedience) (*simulate.Simulation, error) {
	sc, err := simulate.Named(c.Scenario)
	if err != nil {
		return nil, usageError{err}
	}
	switch {
	case c.For < 0:
		return nil, usagef("for: %v: want 0 or more", c.For)
	case c.Out != "" && c.For == 0:
		return nil, usagef("for: 0 is without end; a file needs one")
	case c.Declare && (c.To == "" || c.Key == ""):
		return nil, usagef("declare: want --to URL and --key KEY to declare labels at")
	case c.Obey != "" && (c.To == "" || c.Key == ""):
		return nil, usagef("obey: want --to URL and --key KEY to ask for the flag")
	case c.Out == "" && (c.To == "" || c.Key == ""):
		return nil, usagef("want --to URL and --key KEY to send events, or --out FILE to write them")
	}
	if c.Rate != 0 {
		if sc, err = sc.AtRate(c.Rate); err != nil {
			return nil, usageError{err}
		}
	}
	if c.Start != "" {
		if now, err = time.Parse(time.RFC3339, c.Start); err != nil {
			return nil, usagef("start: %q: want a time such as 2026-03-01T12:00:00Z", c.Start)
		}
	}
	sc.Duration = c.For
	if flags != nil {
		sc = obeying(sc, c.Obey, flags.ask)
	}
	run, err := simulate.New(sc, c.Seed, now)
	if err != nil {
		return nil, usageError{err}
	}
	return run, nil
}

// declare makes a document of each label that nobody declared, by itself or with its
// family.
func (c *simulateCmd) declare(e *env) error {
	sc, err := simulate.Named(c.Scenario)
	if err != nil {
		return usageError{err}
	}
	for _, l := range sc.Labels() {
		body := map[string]any{
			"definition": map[string]any{"services": l.Services, "description": "A label of the simulation " + c.Scenario + "."},
			"reason":     "tidemark simulate --declare",
		}
		err := c.call(e.ctx, http.MethodPut, "/api/v1/labels/"+url.PathEscape(l.Label), body, nil)
		if p, ok := errors.AsType[*problemError](err); ok && p.Code == "changed" {
			continue // Somebody declared it, who knows better.
		}
		if err != nil {
			return fmt.Errorf("declare label %s: %w", l.Label, err)
		}
	}
	return nil
}

// write puts the whole run into a file.
func (c *simulateCmd) write(e *env, run *simulate.Simulation) (err error) {
	out := e.stdout
	if c.Out != "-" {
		f, ferr := os.Create(c.Out)
		if ferr != nil {
			return fmt.Errorf("simulate: %w", ferr)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		out = f
	}
	w := bufio.NewWriterSize(out, 1<<16)
	var line []byte
	n := 0
	for _, ev := range run.All() {
		if n++; n%1024 == 0 && e.ctx.Err() != nil {
			return e.ctx.Err()
		}
		line = append(ev.AppendJSON(line[:0]), '\n')
		if _, err := w.Write(line); err != nil {
			return fmt.Errorf("simulate: write %s: %w", c.Out, err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("simulate: write %s: %w", c.Out, err)
	}
	fmt.Fprintf(e.stderr, "simulate: wrote %d events of %s\n", n, c.Scenario)
	return nil
}

// send reports the run to a server, each event when its time has come.
func (c *simulateCmd) send(e *env, run *simulate.Simulation) error {
	t, err := newTraffic(e, client.Options{URL: c.To, Key: c.Key})
	if err != nil {
		return usageError{err}
	}
	t.play(e.ctx, run)
	err = t.finish()
	s := t.client.Stats()
	fmt.Fprintf(e.stderr, "simulate: %d events are durable (%d of them were known), %d rejected, %d failed\n", s.Sent, s.Duplicates, s.Rejected, s.Failed)
	return err
}

// traffic plays a simulation to a server.
type traffic struct {
	e        *env
	client   *client.Client
	rejected chan metrics.Rejection // the first one
	held     chan string            // what the server says of quarantine, once
	told     time.Time
	present  func() // called once, when the past has been sent; may be nil
}

// newTraffic starts a client that stamps nothing of its own: the events already
// say whose clocks they come from.
func newTraffic(e *env, o client.Options) (*traffic, error) {
	t := &traffic{e: e, rejected: make(chan metrics.Rejection, 1), held: make(chan string, 1), told: e.now()}
	o.MaxAge, o.Senders, o.MeasureClock = 200*time.Millisecond, 4, -1
	o.OnReject = func(r metrics.Rejection) {
		select {
		case t.rejected <- r:
		default: // one is enough to tell what is wrong
		}
	}
	o.OnQuarantine = func(_ int, message string) {
		select {
		case t.held <- message:
		default:
		}
	}
	c, err := client.New(o)
	if err != nil {
		return nil, err
	}
	t.client = c
	return t, nil
}

// early is how much too soon an event may be sent, so that a fast run does not set a
// timer for each.
const early = 2 * time.Millisecond

// play sends events until the run or the context ends. When the server is slower
// than the run, it waits for it.
func (t *traffic) play(ctx context.Context, run *simulate.Simulation) {
	for at, ev := range run.All() {
		if wait := at.Sub(t.e.now()); wait > early {
			t.caughtUp()
			if !pause(ctx, wait) {
				return
			}
		}
		for errors.Is(t.client.Send(ev), client.ErrFull) {
			if !pause(ctx, 20*time.Millisecond) {
				return
			}
		}
		if !t.progress() || ctx.Err() != nil {
			return
		}
	}
}

// caughtUp says, once, that what follows happens now.
func (t *traffic) caughtUp() {
	if t.present != nil {
		t.present()
		t.present = nil
	}
}

// progress looks once a second how it goes, and tells where someone is watching. It
// returns false when the server refuses whole requests: that does not mend itself.
func (t *traffic) progress() bool {
	now := t.e.now()
	if now.Sub(t.told) < time.Second {
		return true
	}
	t.told = now
	s := t.client.Stats()
	if isTerminal(t.e.stderr) {
		fmt.Fprintf(t.e.stderr, "\r\x1b[K%d sent, %d waiting, %d rejected, %d retries", s.Sent, s.Buffered, s.Rejected, s.Retries)
	}
	return s.Failed == 0
}

// finish sends what is left and says what went wrong, if anything.
func (t *traffic) finish() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.e.ctx), 10*time.Second)
	defer cancel()
	err := t.client.Close(ctx)
	if isTerminal(t.e.stderr) {
		fmt.Fprintln(t.e.stderr)
	}
	s := t.client.Stats()
	select {
	case message := <-t.held:
		fmt.Fprintf(t.e.stderr, "simulate: %d of the events are in quarantine. %s Or simulate with --declare.\n", s.Quarantined, message)
	default:
	}
	if s.Failed > 0 {
		err = errors.Join(err, fmt.Errorf("simulate: the server refused %d events: %s", s.Failed, s.LastError))
	}
	select {
	case r := <-t.rejected:
		err = errors.Join(err, fmt.Errorf("simulate: %d events were rejected, the first with %s: %s", s.Rejected, r.Code, r.Message))
	default:
	}
	return err
}

// pause waits; it returns false when the context ends first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
