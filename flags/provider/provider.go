package provider

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-feature/go-sdk/openfeature"

	"tidemark/flags/eval"
	"tidemark/metrics/client"
)

// Name is the provider's, as OpenFeature shows it.
const Name = "tidemark"

// Options configure a Provider. URL and Key, or Source, are required.
type Options struct {
	URL string // base of the server, http or https
	Key string // API key with the scope sync

	// Source takes the place of URL and Key.
	Source Source
	// Observe is told of each answer, such as to count it; nil tells nobody. It must be
	// quick, and keep nothing of what it gets.
	Observe func(flag string, r *eval.Result)
	// Telemetry reports what is tracked; nil drops it.
	Telemetry *client.Client
	// Feature is what tracked events belong to when they do not say; default "tracking".
	Feature string

	InitWait time.Duration // how long Init waits for the first flags; default 5 s
	RetryMin time.Duration // first wait before connecting again, doubled each time; default 200 ms
	RetryMax time.Duration // longest wait; default 30 s

	HTTP *http.Client     // default: one of its own, which follows no redirects
	Now  func() time.Time // default time.Now
}

// Provider evaluates flags in process. It is safe for concurrent use.
type Provider struct {
	o      Options
	source Source
	events chan openfeature.Event

	held atomic.Pointer[held]

	mu   sync.Mutex
	stop context.CancelFunc // nil: not running
	done chan struct{}
}

// held is the flags of one snapshot.
type held struct {
	set  *eval.Set
	hash string
}

// The contracts that OpenFeature knows of.
var (
	_ openfeature.FeatureProvider          = (*Provider)(nil)
	_ openfeature.ContextAwareStateHandler = (*Provider)(nil)
	_ openfeature.EventHandler             = (*Provider)(nil)
	_ openfeature.Tracker                  = (*Provider)(nil)
)

// New checks the options. It does not talk to the server before Init.
func New(o Options) (*Provider, error) {
	setDefault(&o.InitWait, 5*time.Second)
	setDefault(&o.RetryMin, 200*time.Millisecond)
	setDefault(&o.RetryMax, 30*time.Second)
	if o.Feature == "" {
		o.Feature = "tracking"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &Provider{o: o, source: o.Source, events: make(chan openfeature.Event, 64)}
	if p.source == nil {
		r, err := newRemote(&o)
		if err != nil {
			return nil, err
		}
		p.source = r
	}
	return p, nil
}

func setDefault(v *time.Duration, d time.Duration) {
	if *v <= 0 {
		*v = d
	}
}

// Metadata implements openfeature.FeatureProvider.
func (p *Provider) Metadata() openfeature.Metadata { return openfeature.Metadata{Name: Name} }

// EventChannel implements openfeature.EventHandler.
func (p *Provider) EventChannel() <-chan openfeature.Event { return p.events }

// Hash names the flags that are held; "" before the first.
func (p *Provider) Hash() string {
	if h := p.held.Load(); h != nil {
		return h.hash
	}
	return ""
}

// Init implements openfeature.StateHandler.
func (p *Provider) Init(c openfeature.EvaluationContext) error {
	return p.InitWithContext(context.Background(), c)
}

// InitWithContext begins to listen to the server and waits for the first flags. When
// they do not come in time it fails, and the provider goes on trying: it says that it
// is ready when it is.
func (p *Provider) InitWithContext(ctx context.Context, _ openfeature.EvaluationContext) error {
	first := make(chan error, 1)
	p.mu.Lock()
	if p.stop == nil {
		run, stop := context.WithCancel(context.Background())
		p.stop, p.done = stop, make(chan struct{})
		f := &follower{p: p, first: first}
		go func(done chan struct{}) {
			defer close(done)
			f.run(run)
		}(p.done)
	}
	p.mu.Unlock()
	wait := time.NewTimer(p.o.InitWait)
	defer wait.Stop()
	select {
	case err := <-first:
		return err
	case <-ctx.Done():
		return fmt.Errorf("provider: no flags yet: %w", ctx.Err())
	case <-wait.C:
		return &openfeature.ProviderInitError{ErrorCode: openfeature.GeneralCode, Message: fmt.Sprintf("no flags came within %s; still trying", p.o.InitWait)}
	}
}

// Shutdown implements openfeature.StateHandler.
func (p *Provider) Shutdown() { _ = p.ShutdownWithContext(context.Background()) } // Without an end to wait for, it cannot fail.

// ShutdownWithContext stops listening. Flags can still be evaluated, as they were.
func (p *Provider) ShutdownWithContext(ctx context.Context) error {
	p.mu.Lock()
	stop, done := p.stop, p.done
	p.stop = nil
	p.mu.Unlock()
	if stop == nil {
		return nil
	}
	stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("provider: shut down: %w", ctx.Err())
	}
}

// emit tells OpenFeature. Nobody waits for a program that does not read its events.
func (p *Provider) emit(t openfeature.EventType, d openfeature.ProviderEventDetails) {
	select {
	case p.events <- openfeature.Event{ProviderName: Name, EventType: t, ProviderEventDetails: d}:
	default:
	}
}

// follower keeps the flags current, from one connection to the next.
type follower struct {
	p     *Provider
	first chan error // told once how the first connection went; nil afterwards
	lost  bool       // stale or in error has been said
	wait  time.Duration
}

func (f *follower) run(ctx context.Context) {
	for {
		err := f.p.source.Stream(ctx, f.p.Hash(), f.connected, f.next)
		if ctx.Err() != nil {
			return
		}
		f.broken(err)
		f.wait = min(max(2*f.wait, f.p.o.RetryMin), f.p.o.RetryMax)
		// Anywhere up to the wait, so that a fleet does not come back at once.
		t := time.NewTimer(f.wait/2 + rand.N(f.wait/2+1)) //nolint:gosec // Spreads load; no secret.
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
}

// connected is the moment from which what is held is in force again.
func (f *follower) connected() {
	f.wait = 0
	if f.lost && f.p.Hash() != "" {
		f.lost = false
		f.p.emit(openfeature.ProviderReady, openfeature.ProviderEventDetails{Message: "connected again"})
	}
}

func (f *follower) next(set *eval.Set, hash string) {
	old := f.p.held.Swap(&held{set, hash})
	switch {
	case f.first != nil:
		f.first <- nil // OpenFeature itself says ready when Init returns.
		f.first = nil
		if f.lost { // Init had given up.
			f.lost = false
			f.p.emit(openfeature.ProviderReady, openfeature.ProviderEventDetails{Message: "the first flags came"})
		}
	case old == nil:
		f.lost = false
		f.p.emit(openfeature.ProviderReady, openfeature.ProviderEventDetails{Message: "the first flags came"})
	default:
		f.p.emit(openfeature.ProviderConfigChange, openfeature.ProviderEventDetails{
			Message: "flags changed", FlagChanges: changes(old.set, set), EventMetadata: map[string]any{"hash": hash},
		})
	}
}

// broken says what a lost connection means: an error when nothing is held or the key
// is refused, else that what is held may be old.
func (f *follower) broken(err error) {
	message := "the connection was lost"
	if err != nil {
		message = err.Error()
	}
	refused := errors.Is(err, ErrRefused)
	if f.first != nil && refused {
		f.first <- &openfeature.ProviderInitError{ErrorCode: openfeature.ProviderFatalCode, Message: message}
		f.first, f.lost = nil, true
		return
	}
	if f.lost {
		return
	}
	f.lost = true
	if refused || f.p.Hash() == "" {
		f.p.emit(openfeature.ProviderError, openfeature.ProviderEventDetails{Message: message, ErrorCode: openfeature.GeneralCode})
		return
	}
	f.p.emit(openfeature.ProviderStale, openfeature.ProviderEventDetails{Message: message})
}
