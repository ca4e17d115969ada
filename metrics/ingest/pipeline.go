package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
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
}

// Options configure a Pipeline. The zero value of a field means its default.
type Options struct {
	Now func() time.Time
	// QueueEvents is how many events may wait to be stored (default 100,000); beyond
	// it Submit returns ErrOverloaded.
	QueueEvents int
	// GroupEvents is how many events one transaction takes at most (default 4,096,
	// though one request is never split).
	GroupEvents int
	// RecentIDs is how many event ids are remembered at least, to drop duplicates
	// before they are stored (default 500,000, 12 MB). Older duplicates are stored
	// again and counted once.
	RecentIDs int
	// FoldBehind is how many stored groups may wait to be folded (default 8).
	FoldBehind int
	// Cardinality bounds distinct names.
	Cardinality Cardinality
	// Quarantine keeps events with unknown labels apart.
	Quarantine Quarantine
	// Folded is called after events were folded, in log order; it must not keep them.
	Folded func(batches [][]metrics.Event)
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&o.QueueEvents, 100_000)
	set(&o.GroupEvents, 4_096)
	set(&o.RecentIDs, 500_000)
	set(&o.FoldBehind, 8)
	o.Cardinality = o.Cardinality.withDefaults()
	o.Quarantine = o.Quarantine.withDefaults()
	return o
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

// New returns a pipeline that is running. names are the series known so far: their
// names are admitted without counting as new.
func New(log metrics.Log, fold Folder, names []metrics.Series, opts Options) *Pipeline {
	opts = opts.withDefaults()
	p := &Pipeline{
		opts: opts, log: log, fold: fold,
		queue: make(chan *submission, 4096), stored: make(chan group, opts.FoldBehind),
		recent: newRecent(opts.RecentIDs), rejected: map[string]int64{},
		apart: held{wake: make(chan struct{}, 1)},
	}
	p.admit.limits = opts.Cardinality
	for i := range names {
		p.admitKnown(&names[i])
	}
	return p
}

func (p *Pipeline) admitKnown(s *metrics.Series) {
	const all = 1 << 30
	p.admit.features.admit(s.Feature, all)
	f := p.admit.names(s.Feature)
	f.replicas.admit(s.Replica, all)
	f.models.admit(s.Model, all)
	f.variants.admit(s.Variant, all)
	f.regions.admit(s.Region, all)
	f.rules.admit(s.Rule, all)
}

// Remember notes the ids of events that are in the log already: after a restart, of
// the newest ones.
func (p *Pipeline) Remember(events []metrics.Event) {
	p.recent.turn()
	for i := range events {
		p.recent.add(fingerprintOf(events[i].EventID))
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
	var r Receipt
	events, err := p.admitAll(ctx, events, &r)
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
		s.ids[i] = fingerprintOf(events[i].EventID)
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

// admitAll moves events with one name too many to Rejected, and those with a label that
// is not known to quarantine.
func (p *Pipeline) admitAll(ctx context.Context, events []metrics.Event, r *Receipt) ([]metrics.Event, error) {
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
		if len(events[i].Labels) > 0 && p.isHeld(&events[i], now) {
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

// write commits what is queued, group by group.
func (p *Pipeline) write() {
	defer p.done.Done()
	defer close(p.stored)
	for s := range p.queue {
		g := group{subs: []*submission{s}}
		n := p.gather(&g, len(s.events))
		p.commit(&g, n)
	}
}

// yields is how often a group lets requests that are being read catch up with it.
const yields = 2

// gather adds what is queued to a group of n events and returns how many it has then.
// A transaction costs much the same whatever it holds, so the group stands back for
// requests that are ready to run; on an idle machine that takes no time.
func (p *Pipeline) gather(g *group, n int) int {
	for yielded := 0; n < p.opts.GroupEvents; {
		select {
		case s, ok := <-p.queue:
			if !ok {
				return n
			}
			g.subs = append(g.subs, s)
			n += len(s.events)
			continue
		default:
		}
		if yielded == yields {
			return n
		}
		yielded++
		runtime.Gosched()
	}
	return n
}

func (p *Pipeline) commit(g *group, queued int) {
	fresh := p.dropKnown(g)
	began := time.Now()
	var err error
	if len(g.batches) > 0 {
		g.first, err = p.log.Append(context.Background(), g.batches...)
	}
	p.storeNanos.Store(int64(time.Since(began)))
	p.queued.Add(-int64(queued))
	if err != nil {
		p.recent.undo(fresh)
		p.failures.Add(1)
	}
	p.recent.turn()
	for _, s := range g.subs {
		if s.err = err; err == nil {
			p.accepted.Add(int64(len(s.events)))
			p.duplicates.Add(int64(s.dups))
		}
		close(s.durable)
	}
	p.groups.Add(1)
	if err != nil || len(g.batches) == 0 {
		for _, s := range g.subs {
			s.release()
		}
		return
	}
	p.stored <- *g
}

// dropKnown takes out events whose ids are known, and returns the ids that were not.
func (p *Pipeline) dropKnown(g *group) []fingerprint {
	fresh := p.fresh[:0]
	for _, s := range g.subs {
		kept := 0
		for i := range s.events {
			if i%warmAhead == 0 {
				p.recent.warm(s.ids[i:min(i+warmAhead, len(s.ids))])
			}
			if !p.recent.add(s.ids[i]) {
				s.dups++
				continue
			}
			fresh = append(fresh, s.ids[i])
			if kept != i {
				s.events[kept] = s.events[i]
			}
			kept++
		}
		s.events = s.events[:kept]
		if kept > 0 {
			g.batches = append(g.batches, s.events)
		}
	}
	p.fresh = fresh
	return fresh
}

// foldAll folds stored groups and takes checkpoints when they are due. Folding goes
// on while a checkpoint is being stored.
func (p *Pipeline) foldAll() {
	defer p.done.Done()
	ctx := context.Background()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := p.opts.Now()
	storing := make(chan struct{}, 1) // holds a token while a checkpoint is being stored
	defer func() { storing <- struct{}{} }()
	for {
		select {
		case g, ok := <-p.stored:
			if !ok {
				return
			}
			if err := p.fold.Fold(ctx, g.first, g.batches...); err != nil {
				p.fail(err)
			}
			if p.opts.Folded != nil {
				p.opts.Folded(g.batches)
			}
			for _, s := range g.subs {
				s.release()
			}
		case <-tick.C:
		}
		if !p.fold.Due(last) {
			continue
		}
		select {
		case storing <- struct{}{}:
			last = p.opts.Now()
			go func() {
				p.checkpoint(ctx)
				<-storing
			}()
		default: // the last one is not stored yet
		}
	}
}

func (p *Pipeline) checkpoint(ctx context.Context) {
	if err := p.fold.Checkpoint(ctx); err != nil {
		p.fail(err)
	} else {
		p.recovered()
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
