package rollup

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/session"
)

// Engine folds the log into series. Fold and Checkpoint are for one caller at a
// time each; everything else is safe for concurrent use. It implements
// metrics.Reader.
type Engine struct {
	opts  Options
	store metrics.Store

	mu       sync.RWMutex // guards everything below
	names    names
	features map[string]*feature
	lastF    *feature
	configs  map[string][]metrics.FeatureConfig
	book     *book

	vocabulary  *metrics.Vocabulary // nil = no hop is judged
	labelsFresh bool                // not in a checkpoint yet

	writes   table[write]
	keys     table[keyState]
	sessions table[sessionState]
	reads    map[string]*read // without a session, by id
	conflict map[string]*conflictState
	storing  map[string]*conflictState // of the checkpoint being stored; they do not change
	lru      *lru
	resident int // writes and reads

	seen     *seen
	openKeys *filter // keys of state-based features with open writes put down

	dirtyWrites    []*write
	dirtySessions  []*sessionState
	dirtyReads     []*read
	dirtyConflicts []*conflictState
	loaded         loaded
	ops            []session.Op // scratch, as are the next three
	opsOf          []sessionOp
	found          []counted
	id             []byte
	warming        warming // scratch
	warmth         uint64  // keeps warm from being optimised away
	check          session.Checker

	verdicts map[verdictKey]*series
	stale    map[staleKey]staleSeries

	// Rows for the next checkpoint.
	violations     map[string]metrics.Violation
	violationsGone map[string]struct{}
	staleKeys      []*keyState // with an index
	postponed      []*keyState // whose satisfactions are settled with the batch
	unlinked       []*keyState // whose reads are linked with it
	holes          uint64      // how often a key that is not complete may have got reads without a write
	settled        uint64      // how often what was touched was settled
	takenAt        []bool      // see taken
	spilledRows    map[metrics.WriteName]metrics.OpenWrite
	spilledGone    map[metrics.WriteName]struct{}
	opens          openLists
	putDown        putDown // open writes since the last checkpoint,
	puttingDown    putDown // and those of one that is being stored
	exemplars      map[exemplarKey]exemplar
	heard          map[heardKey]*heard
	heardLast      [64]lastHeard

	trials     map[string]*trial // by flag
	trialUnits unitCount
	trialsGone []string // ids, for the next checkpoint

	clocks clockBook

	pos      metrics.Position // folded up to here
	base     metrics.Position // of the batch being folded
	silent   bool             // replaying what a checkpoint already counts
	partial  []*keyState      // to be dropped at the end of that; see dropPartial
	flushing *metrics.Checkpoint
	reload   reloadBudget
	stats    Stats
	err      error // of a read-back that had no caller to tell
	ctx      context.Context

	commitMu   sync.Mutex   // one checkpoint at a time
	committing sync.RWMutex // held while a checkpoint is stored
	flushed    atomic.Uint64
	again      atomic.Uint64 // checkpoints at the position of the one before
}

// Stats are counts of the fold since it was opened, Unfolded since the rollups were
// last made from the log.
type Stats struct {
	Folded         uint64 // events
	Unfolded       uint64 // late events not counted for want of time to read back; a rebuild counts them
	Reloads        uint64 // states read back from the log
	Evicted        uint64
	Resident       int
	Series         int
	DroppedSamples int64 // of series beyond MaxSeries or FeatureSeries
	Position       metrics.Position
	Checkpointed   metrics.Position
}

// Open loads what the store has checkpointed, replays recent events to bring
// their states back into memory, and folds the rest of the log.
func Open(ctx context.Context, store metrics.Store, configs []metrics.FeatureConfig, opts Options) (*Engine, error) {
	if _, err := store.Blob(ctx, rebuildBlob); err == nil {
		return nil, fmt.Errorf("open fold: %w", errCutOff)
	}
	e := newEngine(store, opts)
	e.SetConfigs(configs)
	done, err := store.Checkpointed(ctx)
	if err != nil {
		return nil, fmt.Errorf("open fold: %w", err)
	}
	var replay metrics.Position
	if e.seen, replay, err = loadSeen(ctx, store, e.opts.seen); err != nil {
		return nil, err
	}
	if err := e.loadState(ctx); err != nil {
		return nil, err
	}
	stored, err := store.ListSeries(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("open fold: %w", err)
	}
	e.book.load(stored)
	if err := e.loadLabels(ctx); err != nil {
		return nil, err
	}
	e.flushed.Store(uint64(done))
	e.pos = max(replay, store.Begin())
	err = store.Scan(ctx, e.pos, func(first metrics.Position, events []metrics.Event) error {
		return e.replay(ctx, first, events, done)
	})
	if err != nil {
		return nil, fmt.Errorf("open fold: replay the log from %d: %w", e.pos, err)
	}
	if err := e.SetLabels(ctx, opts.Labels); err != nil {
		return nil, fmt.Errorf("open fold: %w", err)
	}
	return e, nil
}

func newEngine(store metrics.Store, opts Options) *Engine {
	opts = opts.withDefaults()
	return &Engine{
		opts: opts, store: store,
		names: newNames(), features: map[string]*feature{}, configs: map[string][]metrics.FeatureConfig{},
		book: newBook(opts.MaxSeries, opts.FeatureSeries), vocabulary: metrics.NewVocabulary(opts.Labels),
		reads:    map[string]*read{},
		conflict: map[string]*conflictState{}, lru: newLRU(), seen: newSeen(opts.seen),
		openKeys: newFilter(opts.seen.entities * openKeysMarks), verdicts: map[verdictKey]*series{}, stale: map[staleKey]staleSeries{},
		violations: map[string]metrics.Violation{}, violationsGone: map[string]struct{}{},
		spilledRows: map[metrics.WriteName]metrics.OpenWrite{}, spilledGone: map[metrics.WriteName]struct{}{}, putDown: putDown{},
		exemplars: map[exemplarKey]exemplar{}, heard: map[heardKey]*heard{}, trials: map[string]*trial{}, trialUnits: unitCount{of: map[string]int{}},
		clocks: newClockBook(), reload: reloadBudget{share: opts.ReloadShare},
	}
}

// replay folds a run of the log, silently up to the checkpoint.
func (e *Engine) replay(ctx context.Context, first metrics.Position, events []metrics.Event, done metrics.Position) error {
	if first < done {
		n := min(int(done-first), len(events))
		e.silent = true
		err := e.Fold(ctx, first, events[:n])
		e.silent = false
		if err != nil {
			return err
		}
		e.mu.Lock()
		e.advanceSeen(&metrics.Checkpoint{Blobs: map[string][]byte{}})
		if e.pos == done {
			e.dropPartial()
		}
		e.mu.Unlock()
		first, events = first+metrics.Position(n), events[n:]
	}
	if len(events) == 0 {
		return nil
	}
	if err := e.Fold(ctx, first, events); err != nil {
		return err
	}
	if e.Due(time.Time{}) {
		return e.Checkpoint(ctx)
	}
	return nil
}

// together is how many events of small batches are folded as one. What is settled once a
// batch may cost as much as all that is in memory of a key, so that requests of one event
// each must not be as many batches.
const together = 4096

// Fold adds events of the log, in its order: first is the position of the first.
// The events' strings are not kept. Readers get their turn every few thousand events.
func (e *Engine) Fold(ctx context.Context, first metrics.Position, batches ...[]metrics.Event) error {
	for len(batches) > 0 {
		n, some := len(batches[0]), 1
		for some < len(batches) && n+len(batches[some]) <= together {
			n += len(batches[some])
			some++
		}
		if err := e.foldBatch(ctx, first, n, batches[:some]); err != nil {
			return err
		}
		first += metrics.Position(n)
		batches = batches[some:]
	}
	return nil
}

func (e *Engine) foldBatch(ctx context.Context, first metrics.Position, n int, parts [][]metrics.Event) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.base, e.ctx = first, ctx
	e.holes++ // what was put down after the batch before
	e.reload.begin(e.opts.Now())
	for _, events := range parts {
		if err := e.foldPart(ctx, events); err != nil {
			return err
		}
	}
	e.stats.Folded += uint64(n) //nolint:gosec // not negative
	e.pos = first + metrics.Position(n)
	if err := e.settleDirty(ctx); err != nil {
		return err
	}
	e.evict()
	return nil
}

func (e *Engine) foldPart(ctx context.Context, events []metrics.Event) error {
	for i := range events {
		if i%warmAhead == 0 {
			e.warm(events[i:min(i+warmAhead, len(events))])
		}
		if err := e.fold(ctx, &events[i]); err != nil {
			return fmt.Errorf("fold event %q: %w", events[i].EventID, err)
		}
	}
	return nil
}

func (e *Engine) fold(ctx context.Context, ev *metrics.Event) error {
	f := e.feature(ev.Feature)
	f.latest = max(f.latest, ev.Corrected())
	if !e.silent {
		e.hear(ev)
	}
	switch ev.Kind {
	case metrics.KindRead:
		return e.skipped(f, ev, e.foldRead(ctx, f, ev))
	case metrics.KindConflictDetected, metrics.KindConflictResolved:
		return e.foldConflict(ctx, f, ev)
	case metrics.KindHeartbeat:
		return nil
	}
	return e.skipped(f, ev, e.foldWrite(ctx, f, ev))
}

// errSkip says that an event could not be counted now: its entity was put down and
// is either not wanted (replay) or too costly to read back.
var errSkip = errors.New("not counted")

func (e *Engine) skipped(f *feature, ev *metrics.Event, err error) error {
	if !errors.Is(err, errSkip) {
		return err
	}
	if !e.silent {
		e.stats.Unfolded++
	}
	if ev.Key != "" { // its key is not all in memory
		e.keyFor(f, ev.Key).complete = false
		e.holes++
	}
	return nil
}

func (e *Engine) feature(name string) *feature {
	if e.lastF != nil && e.lastF.name == name {
		return e.lastF
	}
	f, ok := e.features[name]
	if !ok {
		f = newFeature(cloneString(name), &e.names)
		f.setConfigs(e.configs[name])
		e.features[f.name] = f
	}
	e.lastF = f
	return f
}

// SetConfigs replaces the history of what features promise. States in memory are
// counted again by the new configs; to count older ones again, rebuild.
func (e *Engine) SetConfigs(configs []metrics.FeatureConfig) {
	e.mu.Lock()
	defer e.mu.Unlock()
	by := map[string][]metrics.FeatureConfig{}
	for _, c := range configs {
		by[c.Feature] = append(by[c.Feature], c)
	}
	for name := range by {
		e.feature(name)
	}
	e.configs = by
	touched := map[*keyState]bool{}
	for w := range e.writes.all() {
		for ; w != nil; w = w.next {
			e.touchWrite(w)
			if w.key != nil {
				touched[w.key] = true
			}
		}
	}
	for name, f := range e.features {
		f.setConfigs(by[name])
	}
	for k := range touched {
		e.resettle(k)
	}
	e.settleNow()
}

// Stats returns counts of the fold.
func (e *Engine) Stats() Stats {
	e.mu.RLock()
	defer e.mu.RUnlock()
	s := e.stats
	s.Resident, s.Series = e.resident, len(e.book.byKey)
	s.DroppedSamples, s.Position = e.book.dropped, e.pos
	s.Checkpointed = metrics.Position(e.flushed.Load())
	return s
}

// Due reports whether a checkpoint should be taken, given when the last one was.
func (e *Engine) Due(last time.Time) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	behind := uint64(e.pos) - e.flushed.Load()
	return behind >= uint64(e.opts.CheckpointEvents) || e.book.pending >= maxPending ||
		(!last.IsZero() && behind > 0 && e.opts.Now().Sub(last) >= e.opts.CheckpointEvery)
}

// maxPending is how many cells wait for a checkpoint before one is due, and folding waits
// for it: events may tell of any times of a year, each of which has cells of its own.
const maxPending = 500_000

// Full reports whether so much waits for the next checkpoint that folding should wait too.
func (e *Engine) Full() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.book.pending >= maxPending
}

// Checkpoint stores what was folded since the last one.
func (e *Engine) Checkpoint(ctx context.Context) error {
	e.commitMu.Lock()
	defer e.commitMu.Unlock()
	e.mu.Lock()
	cp := e.flushing
	if cp == nil { // else the last attempt failed: try the same again
		cp = e.cut()
		e.flushing = cp
		if uint64(cp.Position) == e.flushed.Load() {
			e.again.Add(1)
		}
	}
	e.mu.Unlock()
	e.committing.Lock()
	defer e.committing.Unlock()
	if err := e.store.Commit(ctx, cp); err != nil {
		return fmt.Errorf("checkpoint at %d: %w", cp.Position, err)
	}
	e.mu.Lock()
	e.flushing, e.storing = nil, nil
	e.lookAgain(e.puttingDown)
	e.puttingDown = nil
	e.flushed.Store(uint64(cp.Position))
	e.opens.changed(cp)
	e.mu.Unlock()
	return nil
}

// cut takes everything pending into a checkpoint.
func (e *Engine) cut() *metrics.Checkpoint {
	cp := &metrics.Checkpoint{Position: e.pos, Deltas: e.book.take(), Blobs: map[string][]byte{}}
	e.advanceSeen(cp)
	e.cutRows(cp)
	e.cutState(cp)
	e.cutTrials(cp)
	e.cutLabels(cp)
	return cp
}

func (e *Engine) advanceSeen(cp *metrics.Checkpoint) { e.seen.advance(e.pos, cp) }
