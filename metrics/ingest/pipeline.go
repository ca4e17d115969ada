package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"tidemark/metrics"
)

// Errors of Submit. Storing errors are those of metrics.Log.
var (
	// ErrOverloaded says that the queue is full: nothing was stored, try later.
	ErrOverloaded = errors.New("too many events are waiting to be stored")
	// ErrStopped says that the pipeline takes no more events.
	ErrStopped = errors.New("the pipeline is stopped")
)

// Folder counts what was made durable. Fold goes on while Checkpoint is at work.
type Folder interface {
	Fold(ctx context.Context, first metrics.Position, batches ...[]metrics.Event) error
	Checkpoint(ctx context.Context) error
	Due(last time.Time) bool
	// Full reports whether folding has to wait for a checkpoint.
	Full() bool
}

// Receipt says what became of submitted events.
type Receipt struct {
	Accepted    int      // durable now
	Duplicates  int      // known already; durable before
	Quarantined int      // durable now, and apart: nothing counts them yet
	Unknown     []string // the labels for which they are; sorted
	Rejected    []metrics.Rejection
}

// Pipeline is the way of an event from the door to the fold.
type Pipeline struct {
	opts  Options
	log   metrics.Log
	fold  Folder
	fresh []fingerprint // scratch of commit
	admit admission
	apart held

	queued  atomic.Int64
	queue   chan *submission
	stored  chan group
	recent  *recent
	stop    sync.RWMutex // held for reading while submitting
	stopped bool
	done    sync.WaitGroup

	mu       sync.Mutex
	foldErr  error
	rejected map[string]int64

	accepted, duplicates, groups, failures atomic.Int64
	storeNanos                             atomic.Int64
}

type submission struct {
	events  []metrics.Event
	ids     []fingerprint
	release func()
	dups    int
	err     error
	durable chan struct{}
}

type group struct {
	first   metrics.Position
	batches [][]metrics.Event
	subs    []*submission
}

// New returns a pipeline that is not started. The names of the series and sources known
// so far are admitted, however many there are.
func New(log metrics.Log, fold Folder, series []metrics.Series, heard []metrics.Heard, opts Options) *Pipeline {
	opts = opts.withDefaults()
	p := &Pipeline{
		opts: opts, log: log, fold: fold,
		queue: make(chan *submission, 4096), stored: make(chan group, opts.FoldBehind),
		recent: newRecent(opts.RecentIDs), rejected: map[string]int64{},
		apart: held{wake: make(chan struct{}, 1)},
	}
	p.admit.limits = opts.Cardinality
	p.admit.known(series, heard)
	return p
}

// Remember notes the ids of events that are in the log already: after a restart, of
// the newest ones.
func (p *Pipeline) Remember(events []metrics.Event) {
	p.recent.turn()
	for i := range events {
		p.recent.add(fingerprintOf(events[i].Feature, events[i].Kind, events[i].EventID))
	}
}

// Start lets the pipeline run until Stop.
func (p *Pipeline) Start() {
	p.done.Add(2)
	go p.write()
	go p.foldAll()
}

// Stop takes no more events, stores and folds what is queued, and takes a last
// checkpoint. Nothing that was acknowledged is lost should ctx end first.
func (p *Pipeline) Stop(ctx context.Context) error {
	p.stop.Lock()
	if p.stopped {
		p.stop.Unlock()
		return nil
	}
	p.stopped = true
	close(p.queue)
	p.stop.Unlock()
	finished := make(chan struct{})
	go func() { p.done.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-ctx.Done():
		return fmt.Errorf("stop the pipeline: %w", ctx.Err())
	}
	if err := p.fold.Checkpoint(ctx); err != nil {
		return fmt.Errorf("stop the pipeline: %w", err)
	}
	return p.Err()
}

// Submit makes events durable and returns when they are. The pipeline may compact
// the slice; it calls release once, when it no longer needs the events and their
// strings, which may be after Submit has returned. ObservedAt is set here.
func (p *Pipeline) Submit(ctx context.Context, events []metrics.Event, release func()) (Receipt, error) {
	return p.submit(ctx, events, release, p.isHeld)
}

// SubmitOwn does so with what tidemark itself says, which waits for no label.
func (p *Pipeline) SubmitOwn(ctx context.Context, events []metrics.Event) (Receipt, error) {
	return p.submit(ctx, events, func() {}, func(*metrics.Event, int64) bool { return false })
}

func (p *Pipeline) submit(ctx context.Context, events []metrics.Event, release func(), isHeld func(*metrics.Event, int64) bool) (Receipt, error) {
	var r Receipt
	events, err := p.admitAll(ctx, events, &r, isHeld)
	if err != nil || len(events) == 0 {
		release()
		return r, err
	}
	s, err := p.store(ctx, events, release)
	if err != nil {
		return Receipt{}, err
	}
	r.Duplicates += s.dups
	r.Accepted = len(s.ids) - s.dups
	return r, nil
}

// store puts events into the queue and returns when they are durable.
func (p *Pipeline) store(ctx context.Context, events []metrics.Event, release func()) (*submission, error) {
	s := &submission{events: events, ids: make([]fingerprint, len(events)), release: release, durable: make(chan struct{})}
	for i := range events {
		s.ids[i] = fingerprintOf(events[i].Feature, events[i].Kind, events[i].EventID)
	}
	if err := p.enqueue(s); err != nil {
		release()
		return nil, err
	}
	select {
	case <-s.durable:
	case <-ctx.Done():
		<-s.durable // it is in the queue and will be stored: tell the truth
	}
	return s, s.err
}

// admitAll moves events with one name too many to Rejected, and those that are to be held
// to quarantine.
func (p *Pipeline) admitAll(ctx context.Context, events []metrics.Event, r *Receipt, isHeld func(*metrics.Event, int64) bool) ([]metrics.Event, error) {
	now := p.opts.Now().UnixNano()
	var last lastAdmitted
	var apart []metrics.Event
	var places []int
	kept := 0
	for i := range events {
		if rej := p.admit.admit(&events[i], &last); rej != nil {
			rej.Index = i
			r.Rejected = append(r.Rejected, *rej)
			continue
		}
		if len(events[i].Labels) > 0 && isHeld(&events[i], now) {
			apart, places = append(apart, events[i]), append(places, i)
			continue
		}
		if kept != i {
			events[kept] = events[i]
		}
		events[kept].ObservedAt = now
		kept++
	}
	p.CountRejected(r.Rejected)
	if len(apart) > 0 {
		if err := p.hold(ctx, apart, places, r); err != nil {
			return nil, err
		}
	}
	return events[:kept], nil
}

// CountRejected adds to the counts of rejected events by code.
func (p *Pipeline) CountRejected(rs []metrics.Rejection) {
	if len(rs) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range rs {
		p.rejected[rs[i].Code]++
	}
}

func (p *Pipeline) enqueue(s *submission) error {
	p.stop.RLock()
	defer p.stop.RUnlock()
	if p.stopped {
		return ErrStopped
	}
	n := int64(len(s.events))
	if p.queued.Add(n) > int64(p.opts.QueueEvents) && p.queued.Load() != n {
		p.queued.Add(-n)
		return ErrOverloaded
	}
	select {
	case p.queue <- s:
		return nil
	default:
		p.queued.Add(-n)
		return ErrOverloaded
	}
}

// fail keeps the first error of the fold, for readiness and the pipeline page.
func (p *Pipeline) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.foldErr == nil {
		p.foldErr = err
	}
}

// recovered forgets an error that storing aggregates had, once it works again.
func (p *Pipeline) recovered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if errors.Is(p.foldErr, metrics.ErrFull) || errors.Is(p.foldErr, metrics.ErrLocked) {
		p.foldErr = nil
	}
}

// Err is the first error that kept events from being counted; they are in the log,
// and a rebuild counts them. nil when all is well.
func (p *Pipeline) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.foldErr
}

// Stats are counts since the start.
type Stats struct {
	Accepted   int64            `json:"accepted"`
	Duplicates int64            `json:"duplicates"`
	Rejected   map[string]int64 `json:"rejected"` // by code
	Quarantine QuarantineStats  `json:"quarantine"`
	Failures   int64            `json:"failures"` // transactions that could not be stored
	Groups     int64            `json:"groups"`
	Queued     int64            `json:"queued"` // events waiting to be stored
	QueueLimit int              `json:"queue_limit"`
	FoldBehind int              `json:"fold_behind"`   // groups waiting to be folded
	StoreNanos int64            `json:"store_time_ns"` // of the last transaction
}

// Stats returns counts since the start.
func (p *Pipeline) Stats() Stats {
	p.mu.Lock()
	rejected := make(map[string]int64, len(p.rejected))
	maps.Copy(rejected, p.rejected)
	p.mu.Unlock()
	return Stats{
		Accepted: p.accepted.Load(), Duplicates: p.duplicates.Load(), Rejected: rejected, Quarantine: p.quarantineStats(),
		Failures: p.failures.Load(), Groups: p.groups.Load(), Queued: p.queued.Load(),
		QueueLimit: p.opts.QueueEvents, FoldBehind: len(p.stored), StoreNanos: p.storeNanos.Load(),
	}
}
