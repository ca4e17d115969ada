package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"os"
	"runtime/debug"
	"time"

	"tidemark/cmd/internal/app"
	"tidemark/web"
)

// serveCmd is "tidemark serve".
type serveCmd struct {
	dataFlag

	Listen        string        `help:"Address to listen on, HOST:PORT; port 0 takes any free one." default:"127.0.0.1:8080" env:"TIDEMARK_LISTEN" placeholder:"HOST:PORT"`
	MetricsListen string        `help:"Second address that serves /metrics alone, without asking who reads it; none by default." env:"TIDEMARK_METRICS_LISTEN" placeholder:"HOST:PORT"`
	PublicURL     string        `help:"How browsers reach the server, for sign-in links; https here makes cookies HTTPS-only. Default: http://LISTEN." name:"public-url" env:"TIDEMARK_PUBLIC_URL" placeholder:"URL"`
	TrustedProxy  []string      `help:"Networks whose X-Forwarded-For is believed, as CIDR; none by default." env:"TIDEMARK_TRUSTED_PROXY" placeholder:"CIDR"`
	LogRequests   bool          `help:"Log every request, not only those that fail or take over 1 s." env:"TIDEMARK_LOG_REQUESTS"`
	StopWait      time.Duration `help:"How long to wait for running requests when stopping, a duration." default:"20s" env:"TIDEMARK_STOP_WAIT"`

	limitFlags   `embed:""`
	runtimeFlags `embed:""`
}

// limitFlags bound what clients may take.
type limitFlags struct {
	KeyRate     float64       `help:"Requests a second of one API key." default:"10000" env:"TIDEMARK_KEY_RATE"`
	AddressRate float64       `help:"Requests a second of one address." default:"20000" env:"TIDEMARK_ADDRESS_RATE"`
	InFlight    int           `help:"Requests being answered at once." default:"1024" env:"TIDEMARK_IN_FLIGHT"`
	Streams     int           `help:"Live streams and waiting requests at once." default:"1000" env:"TIDEMARK_STREAMS"`
	ReadBody    time.Duration `help:"Time to receive a body, a duration." default:"30s" env:"TIDEMARK_READ_BODY"`
}

// runtimeFlags set the Go runtime's trade of memory for time.
type runtimeFlags struct {
	GoGC        int   `help:"Growth of the heap before a collection, percent (GOGC); more is faster and larger." name:"gogc" default:"400" env:"TIDEMARK_GOGC,GOGC"`
	MemoryLimit int64 `help:"Memory at which the collector works harder, MiB (GOMEMLIMIT); 0 = no limit." default:"1024" env:"TIDEMARK_MEMORY_LIMIT"`
}

func (f runtimeFlags) apply() error {
	if f.GoGC < 10 {
		return usagef("gogc: %d: want at least 10 percent", f.GoGC)
	}
	if f.MemoryLimit < 0 || (f.MemoryLimit > 0 && f.MemoryLimit < 64) {
		return usagef("memory-limit: %d: want 0 or at least 64 MiB", f.MemoryLimit)
	}
	debug.SetGCPercent(f.GoGC)
	if _, set := os.LookupEnv("GOMEMLIMIT"); set {
		return nil // The runtime has read its own variable.
	}
	limit := int64(math.MaxInt64)
	if f.MemoryLimit > 0 {
		limit = f.MemoryLimit << 20
	}
	debug.SetMemoryLimit(limit)
	return nil
}

// options checks the settings that a type alone does not.
func (c *serveCmd) options(e *env) (app.Options, error) {
	var proxies []netip.Prefix
	for _, p := range c.TrustedProxy {
		prefix, err := netip.ParsePrefix(p)
		if err != nil {
			return app.Options{}, usagef("trusted-proxy: %q: want a network such as 10.0.0.0/8", p)
		}
		proxies = append(proxies, prefix)
	}
	if u, err := url.Parse(c.PublicURL); c.PublicURL != "" && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || (u.Path != "" && u.Path != "/")) {
		return app.Options{}, usagef("public-url: %q: want http://HOST or https://HOST without a path", c.PublicURL)
	}
	if c.KeyRate <= 0 || c.AddressRate <= 0 || c.InFlight <= 0 || c.Streams <= 0 || c.ReadBody <= 0 || c.StopWait <= 0 {
		return app.Options{}, usagef("key-rate, address-rate, in-flight, streams, read-body and stop-wait must be greater than 0")
	}
	return app.Options{
		Data: c.Data, Listen: c.Listen, MetricsListen: c.MetricsListen, PublicURL: c.PublicURL, Proxies: proxies,
		LogRequests: c.LogRequests, Log: e.log, Now: e.now, Version: version(),
		Limits: web.Limits{KeyRate: c.KeyRate, AddressRate: c.AddressRate, InFlight: c.InFlight, Streams: c.Streams, ReadBody: c.ReadBody},
	}, nil
}

// Run implements the verb: it serves until it is told to stop.
func (c *serveCmd) Run(e *env) error {
	o, err := c.options(e)
	if err != nil {
		return err
	}
	if err := c.apply(); err != nil {
		return err
	}
	a, err := app.New(o)
	if err != nil {
		return usageError{err}
	}
	if err := a.Start(e.ctx); err != nil {
		return err
	}
	link, err := a.SignInLink(e.ctx)
	if err != nil {
		return errors.Join(err, c.stop(e, a))
	}
	fmt.Fprintf(e.stderr, "tidemark %s listens on %s\nSign in (once, within 15 minutes): %s\n", version(), a.Addr(), link)
	select {
	case <-e.ctx.Done():
		e.log.Info("stopping")
		return c.stop(e, a)
	case err := <-a.Failed():
		return errors.Join(err, c.stop(e, a))
	}
}

func (c *serveCmd) stop(e *env, a *app.App) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), c.StopWait)
	defer cancel()
	return a.Stop(ctx)
}
