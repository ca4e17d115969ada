// Package app wires tidemark together: from settings to a server that runs, and
// back down in the reverse order. A test can start one and stop it.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/open-feature/go-sdk/openfeature"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"tidemark/flags/access"
	"tidemark/flags/alert"
	"tidemark/flags/flagset"
	"tidemark/flags/guarantee"
	"tidemark/flags/policy"
	"tidemark/flags/reconcile"
	"tidemark/flags/rollout"
	control "tidemark/flags/sqlite"
	"tidemark/metrics"
	"tidemark/metrics/clock"
	"tidemark/metrics/ingest"
	"tidemark/metrics/ingest/decode"
	"tidemark/metrics/provenance"
	"tidemark/metrics/report"
	"tidemark/metrics/rollup"
	telemetry "tidemark/metrics/sqlite"
	"tidemark/web"
	"tidemark/web/api"
	"tidemark/web/auth"
	"tidemark/web/live"
	"tidemark/web/ofrep"
	flagsync "tidemark/web/sync"
)

// Options are the settings of a server. The zero value of a field is its default.
type Options struct {
	Data   string // folder of the store; required, created when missing
	Listen string // HOST:PORT; port 0 takes any free one; default 127.0.0.1:8080
	// MetricsListen serves /metrics alone, to anyone who reaches it; "" = nowhere.
	MetricsListen string
	// SyncListen serves flagd's gRPC sync; "" = nowhere.
	SyncListen string
	// Origins are those whose pages may evaluate flags; see ofrep.Options.
	Origins []string
	// PublicURL is how browsers reach the server, for sign-in links; default
	// http://LISTEN. With https the cookies are for HTTPS alone.
	PublicURL string
	Proxies   []netip.Prefix
	// TLS serves HTTPS with these files; the zero TLS serves HTTP.
	TLS TLSFiles
	// Provider is where people sign in elsewhere; nil = they do not.
	Provider *auth.ProviderOptions
	// PasswordCost is what hashing a password costs; default access.DefaultCost.
	PasswordCost access.PasswordCost
	Limits       web.Limits
	// Version is the program's, as pages show it.
	Version string
	// LogRequests logs every request.
	LogRequests bool

	Retention Retention
	Ingest    ingest.Options  // Now and Folded are set here
	Decode    *decode.Options // how telemetry of others maps to features
	Resident  int             // writes kept in memory; see rollup.Options
	// BodyMemory is how many bytes all bodies being handled may take.
	BodyMemory int64
	// CheckpointFile gets the signed heads of the audit log appended, at most once an
	// hour; "" = none.
	CheckpointFile string
	// WebhookAllow lists networks that are not public and may get webhooks all the same.
	WebhookAllow []netip.Prefix

	Log *slog.Logger
	Now func() time.Time
	// Registry collects tidemark's own numbers; a new one by default.
	Registry *prometheus.Registry
}

// App is a tidemark server.
type App struct {
	o      Options
	log    *slog.Logger
	ready  atomic.Bool
	failed chan error

	control   *control.Store
	keys      *access.Keyring
	catalogue *guarantee.Catalogue
	judge     *guarantee.Evaluator
	flags     *flagset.Catalogue
	own       *openfeature.Client // of those flags, for the dashboard itself
	policies  *policy.Book
	attempts  *policy.Attempts
	hooks     *alert.Hooks
	asker     *alert.Asker
	telemetry *telemetry.Store
	engine    *rollup.Engine
	pipeline  *ingest.Pipeline
	started   time.Time // when the pipeline began to count
	steady    clock.Steady
	rate      rate
	report    *report.Reporter
	teller    *provenance.Teller
	rollouts  *rollout.Controller
	conflicts *reconcile.Judge
	desk      *reconcile.Desk
	replays   *reconcile.Jobs
	ofrep     *ofrep.Handler
	sync      *flagsync.Server
	syncAddr  net.Addr
	hub       *live.Hub
	feed      *live.Feed
	server    *web.Server
	who       *auth.Auth
	passwords *access.Passwords
	// certificate serves HTTPS; nil = HTTP.
	certificate *web.Certificate
	ln          net.Listener

	running    context.Context // done when background work must end
	leaving    context.Context // done when the server begins to stop
	background sync.WaitGroup
	cleanups   []cleanup
}

// cleanup is one step down, with a name for the log.
type cleanup struct {
	name string
	run  func(context.Context) error
}

// New checks the settings. It opens nothing.
func New(o Options) (*App, error) {
	if o.Data == "" {
		return nil, errors.New("data: a folder is required (--data or TIDEMARK_DATA)")
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:8080"
	}
	for name, addr := range map[string]string{"listen": o.Listen, "metrics-listen": o.MetricsListen, "sync-listen": o.SyncListen} {
		if _, _, err := net.SplitHostPort(addr); err != nil && addr != "" {
			return nil, fmt.Errorf("%s: %q: want HOST:PORT", name, addr)
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Decode == nil {
		o.Decode = &decode.Options{}
	}
	if err := o.Retention.Validate(); err != nil {
		return nil, err
	}
	if err := o.TLS.check(o.PublicURL); err != nil {
		return nil, err
	}
	if err := checkOrigins(o.Origins); err != nil {
		return nil, err
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.PasswordCost == (access.PasswordCost{}) {
		o.PasswordCost = access.DefaultCost()
	}
	a := &App{o: o, log: o.Log, failed: make(chan error, 1), passwords: access.NewPasswords(o.PasswordCost)}
	a.steady.Settle = settleRetention
	a.steady.Tell(o.Now())
	a.hub = live.NewHub(live.Options{})
	a.feed = live.NewFeed(a.hub)
	return a, nil
}

// Start opens the stores, listens and serves. When it fails, all that was begun is
// undone. The context is for starting only; Stop ends what was started.
func (a *App) Start(ctx context.Context) error {
	if err := os.MkdirAll(a.o.Data, 0o700); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	err := a.begin(ctx, a.lookAtFolder, a.openControl, a.openPromises, a.openTelemetry, a.clearStages, a.startBackground, a.keepQuarantine, a.signAudit, a.openPolicies, a.openFlags, a.openOwnFlags, a.openEvaluation, a.openConflicts, a.runRollouts, a.judgePromises, a.buildServer, a.listen, a.listenSync)
	if err == nil {
		a.ready.Store(true)
	}
	return err
}

// begin takes steps up; when one fails, those before it are taken back.
func (a *App) begin(ctx context.Context, steps ...func(context.Context) error) error {
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return errors.Join(err, a.cleanUp(context.WithoutCancel(ctx)))
		}
	}
	return nil
}

// lookAtFolder refuses a folder before anything of it is changed: one that another
// process has, whose control data a newer program would bring up to date under it, and
// one that lost its control data, which would begin anew without a word.
func (a *App) lookAtFolder(context.Context) error {
	holder, err := telemetry.Holder(a.o.Data)
	if err != nil {
		return err
	}
	if holder != "" {
		return fmt.Errorf("%s: %w (process %s)", a.o.Data, metrics.ErrLocked, holder)
	}
	// SQLite would say of a folder that is read-only that there is no such file. On a full
	// disk it says what is so.
	if err := writable(a.o.Data); errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("data: cannot be written: %w", err)
	}
	if hasBytes(filepath.Join(a.o.Data, control.FileName)) || hasBytes(filepath.Join(a.o.Data, control.FileName+"-wal")) {
		return nil
	}
	there, err := filepath.Glob(filepath.Join(a.o.Data, "telemetry*.db"))
	if err != nil || !slices.ContainsFunc(there, hasBytes) {
		return err
	}
	return fmt.Errorf("%w: %s has telemetry, but no control.db: restore a backup; without one, tidemark keys create begins control data anew", metrics.ErrDamaged, a.o.Data)
}

func hasBytes(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Size() > 0
}

func (a *App) openControl(ctx context.Context) error {
	store, err := control.Open(ctx, filepath.Join(a.o.Data, control.FileName))
	if err != nil {
		return err
	}
	a.control = store
	a.onStop("control store", func(context.Context) error { return store.Close() })
	a.keys = access.NewKeyring(access.KeyringOptions{Store: store, Now: a.o.Now})
	a.onStop("last use of keys", a.keys.Flush)
	return nil
}

// startBackground begins what goes on beside requests; it ends with Stop.
func (a *App) startBackground(context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	a.running = ctx
	a.onStop("background work", func(context.Context) error {
		cancel()
		a.background.Wait()
		return nil
	})
	a.background.Go(func() { a.feed.Run(ctx, time.Second) })
	sessions := &control.Sessions{Store: a.control, Now: a.o.Now}
	a.every(30*time.Second, "last use of keys", a.keys.Flush)
	a.every(time.Hour, "old sessions", sessions.Prune)
	a.every(10*time.Minute, "retention", a.prune)
	a.every(5*time.Second, "rate", func(context.Context) error {
		a.rate.read(a.o.Now(), a.pipeline.Stats().Accepted)
		return nil
	})
	return nil
}

// every runs a piece of upkeep periodically. A failure is logged, and the next
// period tries again.
func (a *App) every(period time.Duration, name string, run func(context.Context) error) {
	ctx := a.running
	a.background.Go(func() {
		t := time.NewTicker(period)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				if err := run(ctx); err != nil && ctx.Err() == nil {
					a.log.ErrorContext(ctx, "upkeep failed", "what", name, "error", err)
				}
			}
		}
	})
}

func (a *App) buildServer(ctx context.Context) error {
	a.o.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	https := a.https()
	pages, err := a.pages()
	if err != nil {
		return err
	}
	if err := a.people(ctx, pages); err != nil {
		return err
	}
	door := api.New(api.Options{
		Log: a.log, Now: a.o.Now, Ingest: a.pipeline, Decode: a.o.Decode, BodyMemory: a.o.BodyMemory,
		Report: a.report, Teller: a.teller, Policy: a.policies, Attempts: a.attempts, Hub: a.hub, Feed: a.feed,
		Pipeline: func(ctx context.Context) (api.PipelineReport, error) { return a.PipelineReport(ctx) },
		Keys:     a.control, Keyring: a.keys, Audit: a.control, Registry: a.o.Registry, DocsPage: pages.Docs,
		Backup: a.Backup, Desk: a.desk,
	})
	rulesAPI := api.NewRules(door, api.RuleOptions{
		Judge: a.conflicts, Desk: a.desk, Replays: a.replays, Rules: a.control, Bindings: a.catalogue.Bindings,
	})
	promises := api.NewPromises(door, api.PromiseOptions{
		Catalogue: a.catalogue, Documents: a.documents(), Verdicts: a.judge.Snapshot, Store: a.control, Alerts: a.control, Hooks: a.hooks,
		Rollouts: a.rollouts,
	})
	a.server, err = web.New(web.Options{
		Log: a.log, Now: a.o.Now, Auth: a.who, Limits: a.o.Limits, Ready: a.Ready, Registry: a.o.Registry,
		Routes:  [][]auth.Route{door.Routes(), promises.Routes(), a.flagRoutes(door), a.quarantineRoutes(door), rulesAPI.Routes(), api.NewRollouts(a.rollouts, a.flags).Routes(), a.evaluationRoutes(), a.peopleRoutes(door, pages), pages.Routes()},
		Proxies: a.o.Proxies, HTTPS: https, TLS: a.certificate, LogRequests: a.o.LogRequests, ErrorPage: pages.ErrorPage,
	})
	return err
}

// listen begins to serve.
func (a *App) listen(ctx context.Context) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", a.o.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	a.ln = ln
	leaving, leave := context.WithCancel(context.Background())
	a.leaving = leaving
	a.serve("server", a.server.Serve, ln, func(ctx context.Context) error {
		a.ready.Store(false)
		leave()
		a.hub.Close() // Streams end, so that shutting down need not wait for them.
		return a.server.Shutdown(ctx)
	})
	if a.o.MetricsListen == "" {
		return nil
	}
	if ln, err = lc.Listen(ctx, "tcp", a.o.MetricsListen); err != nil {
		return fmt.Errorf("metrics-listen: %w", err)
	}
	srv := web.MetricsServer(a.o.Registry, &a.o.Limits)
	a.serve("metrics server", srv.Serve, ln, srv.Shutdown)
	return nil
}

// serve runs a server until its clean-up; if it ends by itself, Failed tells.
func (a *App) serve(name string, serve func(net.Listener) error, ln net.Listener, stop func(context.Context) error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
			select {
			case a.failed <- fmt.Errorf("%s: %w", name, err):
			default: // The first failure is the one that is told.
			}
		}
	}()
	a.onStop(name, func(ctx context.Context) error {
		err := stop(ctx)
		<-done
		return err
	})
}

// Addr is where the server listens.
func (a *App) Addr() net.Addr { return a.ln.Addr() }

// Server is the HTTP server, once started.
func (a *App) Server() *web.Server { return a.server }

// Access keeps the keys, once started.
func (a *App) Access() access.Store { return a.control }

// Failed receives an error when the server ends by itself.
func (a *App) Failed() <-chan error { return a.failed }

// Ready says why the server cannot serve; nil when it can.
func (a *App) Ready(context.Context) error {
	if !a.ready.Load() {
		return errors.New("starting or stopping")
	}
	return a.trouble()
}

// trouble is what keeps the server from doing its work, though it answers.
func (a *App) trouble() error {
	for _, err := range []error{a.telemetry.Err(), a.control.Err()} {
		if err != nil {
			return err
		}
	}
	return a.pipeline.Err()
}

// Stop takes everything down, last begun first: it stops listening, finishes the
// requests being answered, writes what is in memory, and closes the stores. The
// context bounds how long requests are waited for.
func (a *App) Stop(ctx context.Context) error { return a.cleanUp(ctx) }

func (a *App) onStop(name string, run func(context.Context) error) {
	a.cleanups = append(a.cleanups, cleanup{name, run})
}

func (a *App) cleanUp(ctx context.Context) error {
	var all []error
	for _, c := range slices.Backward(a.cleanups) {
		a.log.DebugContext(ctx, "stopping", "what", c.name)
		if err := c.run(ctx); err != nil {
			all = append(all, fmt.Errorf("stop %s: %w", c.name, err))
		}
	}
	a.cleanups = nil
	return errors.Join(all...)
}
