package main

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"tidemark/cmd/internal/app"
	"tidemark/flags/alert"
	"tidemark/metrics"
	"tidemark/metrics/ingest"
	"tidemark/web"
)

// serveCmd is "tidemark serve".
type serveCmd struct {
	dataFlag

	Listen        string        `help:"Address to listen on, HOST:PORT; port 0 takes any free one." default:"127.0.0.1:8080" env:"TIDEMARK_LISTEN" placeholder:"HOST:PORT"`
	MetricsListen string        `help:"Second address that serves /metrics alone, without asking who reads it; none by default." env:"TIDEMARK_METRICS_LISTEN" placeholder:"HOST:PORT"`
	SyncListen    string        `help:"Address that serves flagd's gRPC sync (flagd.sync.v1); none by default." env:"TIDEMARK_SYNC_LISTEN" placeholder:"HOST:PORT"`
	CORSOrigin    []string      `help:"Origins whose pages may evaluate flags over OFREP, such as https://shop.example, or *; none by default." name:"cors-origin" env:"TIDEMARK_CORS_ORIGIN" placeholder:"ORIGIN"`
	PublicURL     string        `help:"How browsers reach the server, for sign-in links; https here makes cookies HTTPS-only. Default: http://LISTEN, or https with tls-cert." name:"public-url" env:"TIDEMARK_PUBLIC_URL" placeholder:"URL"`
	TrustedProxy  []string      `help:"Networks whose X-Forwarded-For is believed, as CIDR; none by default." env:"TIDEMARK_TRUSTED_PROXY" placeholder:"CIDR"`
	LogRequests   bool          `help:"Log every request, not only those that fail or take over 1 s." env:"TIDEMARK_LOG_REQUESTS"`
	WebhookAllow  []string      `help:"Networks that are not public and may get webhooks all the same, as CIDR; none by default." env:"TIDEMARK_WEBHOOK_ALLOW" placeholder:"CIDR"`
	Checkpoints   string        `help:"File that signed heads of the audit log are appended to, a line at most once an hour; best one that this machine can only append to. None by default." name:"checkpoint-file" env:"TIDEMARK_CHECKPOINT_FILE" placeholder:"FILE" type:"path"`
	StopWait      time.Duration `help:"How long to wait for running requests when stopping, a duration." default:"20s" env:"TIDEMARK_STOP_WAIT"`

	TLS  tlsFlags  `embed:"" prefix:"tls-" envprefix:"TIDEMARK_TLS_"`
	OIDC oidcFlags `embed:"" prefix:"oidc-" envprefix:"TIDEMARK_OIDC_"`

	decodeFlags    `embed:""`
	retentionFlags `embed:""`
	limitFlags     `embed:""`
	runtimeFlags   `embed:""`
}

// limitFlags bound what clients may take.
type limitFlags struct {
	KeyRate          float64       `help:"Requests a second of one API key." default:"10000" env:"TIDEMARK_KEY_RATE"`
	AddressRate      float64       `help:"Requests a second of one address." default:"20000" env:"TIDEMARK_ADDRESS_RATE"`
	InFlight         int           `help:"Requests being answered at once." default:"1024" env:"TIDEMARK_IN_FLIGHT"`
	AddressInFlight  int           `help:"Requests of one address without a key or a session being answered at once." default:"64" env:"TIDEMARK_ADDRESS_IN_FLIGHT"`
	Streams          int           `help:"Live streams and waiting requests at once." default:"4000" env:"TIDEMARK_STREAMS"`
	OwnStreams       int           `help:"Live streams and waiting requests of one key or person at once." default:"200" env:"TIDEMARK_OWN_STREAMS"`
	ReadBody         time.Duration `help:"Time to receive a body, a duration." default:"30s" env:"TIDEMARK_READ_BODY"`
	BodyMemory       int64         `help:"Memory for all bodies being handled and their events, MiB; beyond it 429." default:"256" env:"TIDEMARK_BODY_MEMORY"`
	Queue            int           `help:"Events that may wait to be stored; beyond it 429." default:"100000" env:"TIDEMARK_QUEUE"`
	RecentIDs        int           `help:"Event ids that are remembered to drop duplicates at once, 24 bytes each." name:"recent-ids" default:"500000" env:"TIDEMARK_RECENT_IDS"`
	Resident         int           `help:"Writes and reads that are kept in memory, about 0.6 kB each, larger ones counted for as many; others are read back when needed." default:"100000" env:"TIDEMARK_RESIDENT"`
	MaxFeatures      int           `help:"Distinct features; events of further ones are rejected." default:"2000" env:"TIDEMARK_MAX_FEATURES"`
	UnknownLabels    string        `help:"What becomes of events with a label that no document declares: quarantine keeps them apart until it is declared, take counts them without judging their hops by it." enum:"quarantine,take" default:"quarantine" env:"TIDEMARK_UNKNOWN_LABELS" placeholder:"quarantine|take"`
	QuarantineEvents int64         `help:"Events that may be in quarantine, half of them of one feature; beyond it they are rejected." default:"100000" env:"TIDEMARK_QUARANTINE_EVENTS"`
	QuarantineBytes  int64         `help:"Size of events in quarantine as JSON, MiB, half of it of one feature; beyond it they are rejected." default:"64" env:"TIDEMARK_QUARANTINE_BYTES"`
	MaxReplicas      int           `help:"Distinct replicas of a feature; events of further ones are rejected." default:"200" env:"TIDEMARK_MAX_REPLICAS"`
}

func (f *limitFlags) check() error {
	return cmp.Or(
		positive("key-rate", f.KeyRate), positive("address-rate", f.AddressRate), positive("in-flight", f.InFlight),
		positive("address-in-flight", f.AddressInFlight),
		positive("streams", f.Streams), positive("own-streams", f.OwnStreams), positive("read-body", f.ReadBody), positive("body-memory", f.BodyMemory),
		positive("queue", f.Queue), positive("recent-ids", f.RecentIDs), positive("resident", f.Resident),
		positive("max-features", f.MaxFeatures), positive("max-replicas", f.MaxReplicas),
		positive("quarantine-events", f.QuarantineEvents), positive("quarantine-bytes", f.QuarantineBytes),
	)
}

// positive refuses a setting that is not more than 0.
func positive[N int | int64 | float64 | time.Duration](name string, n N) error {
	if n > 0 {
		return nil
	}
	return usagef("%s: %v: want more than 0", name, n)
}

// retentionFlags say how long telemetry is kept.
type retentionFlags struct {
	RetainRaw        string `help:"How long events are kept, such as 36h or 7d; at least 1h." default:"7d" env:"TIDEMARK_RETAIN_RAW"`
	Retain10s        string `help:"How long windows of 10 s are kept." name:"retain-10s" default:"2d" env:"TIDEMARK_RETAIN_10S"`
	Retain1m         string `help:"How long windows of 1 min are kept." name:"retain-1m" default:"30d" env:"TIDEMARK_RETAIN_1M"`
	RetainQuarantine string `help:"How long events in quarantine are kept; at least 1h." default:"30d" env:"TIDEMARK_RETAIN_QUARANTINE"`
	Retain1h         string `help:"How long windows of 1 h, conflicts and violations are kept." name:"retain-1h" default:"396d" env:"TIDEMARK_RETAIN_1H"`
}

func (f retentionFlags) retention() (r app.Retention, err error) {
	for _, p := range []struct {
		name, text string
		into       *time.Duration
	}{{"retain-raw", f.RetainRaw, &r.Raw}, {"retain-10s", f.Retain10s, &r.Fine}, {"retain-1m", f.Retain1m, &r.Minute}, {"retain-1h", f.Retain1h, &r.Hour}, {"retain-quarantine", f.RetainQuarantine, &r.Held}} {
		if *p.into, err = days(p.text); err != nil {
			return r, usagef("%s: %w", p.name, err)
		}
	}
	return r, nil
}

// runtimeFlags set the Go runtime's trade of memory for time.
type runtimeFlags struct {
	GoGC        int   `help:"Growth of the heap before a collection, percent (GOGC); more is faster and larger." name:"gogc" default:"400" env:"TIDEMARK_GOGC,GOGC"`
	MemoryLimit int64 `help:"Memory at which the collector works harder, MiB (GOMEMLIMIT); 0 = no limit." default:"280" env:"TIDEMARK_MEMORY_LIMIT"`
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

func proxyNetworks(texts []string) (proxies []netip.Prefix, err error) {
	for _, p := range texts {
		prefix, err := netip.ParsePrefix(p)
		if err != nil {
			return nil, usagef("trusted-proxy: %q: want a network such as 10.0.0.0/8", p)
		}
		proxies = append(proxies, prefix)
	}
	return proxies, nil
}

// options checks the settings that a type alone does not.
func (c *serveCmd) settings(e *env) (app.Options, error) {
	proxies, err := proxyNetworks(c.TrustedProxy)
	if err != nil {
		return app.Options{}, err
	}
	if u, err := url.Parse(c.PublicURL); c.PublicURL != "" && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || (u.Path != "" && u.Path != "/")) {
		return app.Options{}, usagef("public-url: %q: want http://HOST or https://HOST without a path", c.PublicURL)
	}
	if err := c.check(); err != nil {
		return app.Options{}, err
	}
	mapping, err := c.decodeFlags.options()
	if err != nil {
		return app.Options{}, err
	}
	retention, err := c.retention()
	if err != nil {
		return app.Options{}, err
	}
	allow, err := alert.ParsePrefixes(c.WebhookAllow)
	if err != nil {
		return app.Options{}, usagef("webhook-allow: %w", err)
	}
	provider, err := c.OIDC.provider()
	if err != nil {
		return app.Options{}, err
	}
	if err := positive("stop-wait", c.StopWait); err != nil {
		return app.Options{}, err
	}
	return app.Options{
		Data: c.Data, Listen: c.Listen, MetricsListen: c.MetricsListen, SyncListen: c.SyncListen, Origins: c.CORSOrigin, PublicURL: c.PublicURL, Proxies: proxies,
		TLS: c.TLS.files(), Provider: provider,
		LogRequests: c.LogRequests, Log: e.log, Now: e.now, Version: version(),
		Decode: mapping, Retention: retention, Resident: c.Resident, BodyMemory: c.BodyMemory << 20, WebhookAllow: allow, CheckpointFile: c.Checkpoints,
		Ingest: ingest.Options{
			QueueEvents: c.Queue, RecentIDs: c.RecentIDs,
			Cardinality: ingest.Cardinality{Features: c.MaxFeatures, ReplicasPerFeature: c.MaxReplicas},
			Quarantine: ingest.Quarantine{
				Take: c.UnknownLabels == "take", Most: metrics.HeldTotal{Events: c.QuarantineEvents, Bytes: c.QuarantineBytes << 20},
			},
		},
		Limits: web.Limits{KeyRate: c.KeyRate, AddressRate: c.AddressRate, InFlight: c.InFlight, AddressInFlight: c.AddressInFlight, Streams: c.Streams, OwnStreams: c.OwnStreams, ReadBody: c.ReadBody},
	}, nil
}

// Run implements the verb: it serves until it is told to stop.
func (c *serveCmd) Run(e *env) error {
	o, err := c.settings(e)
	if err != nil {
		return err
	}
	if err := c.apply(); err != nil {
		return err
	}
	signal.Ignore(syscall.SIGPIPE) // Whoever reads the log may end, and the server goes on.
	a, err := app.New(o)
	if err != nil {
		return usageError{err}
	}
	if err := a.Start(e.ctx); err != nil {
		return err
	}
	if err := welcome(e, a); err != nil {
		return errors.Join(err, c.stop(e, a))
	}
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP)
	defer signal.Stop(hangUp)
	for {
		select {
		case <-hangUp:
			if err := a.ReloadTLS(); err != nil {
				e.log.Error("TLS certificate kept", "error", err)
			}
		case <-e.ctx.Done():
			e.log.Info("stopping")
			return c.stop(e, a)
		case err := <-a.Failed():
			return errors.Join(err, c.stop(e, a))
		}
	}
}

func (c *serveCmd) stop(e *env, a *app.App) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), c.StopWait)
	defer cancel()
	return a.Stop(ctx)
}
