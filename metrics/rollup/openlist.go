package rollup

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"tidemark/metrics"
)

// What the store holds of open writes changes with a checkpoint and at no other
// time, while each page asks for it: so it is read once and kept until it changes.
const (
	keptLists = 16    // questions whose answers are kept
	keptRows  = 4_000 // of one answer; a longer one is read each time
)

// openLists keeps the store's answers to what is asked about open writes.
type openLists struct {
	stored atomic.Uint64 // counts the checkpoints that changed them

	mu    sync.Mutex
	of    uint64 // the count that lists are of
	lists map[metrics.SpilledQuery][]metrics.OpenWrite
}

// changed notes a checkpoint that is in the store.
func (l *openLists) changed(cp *metrics.Checkpoint) {
	if len(cp.Spilled)+len(cp.SpilledGone) > 0 {
		l.stored.Add(1)
	}
}

// spilled answers from the store, or as it did before. The answer is shared: nobody
// may change it.
func (l *openLists) spilled(ctx context.Context, store metrics.Rollups, q metrics.SpilledQuery) ([]metrics.OpenWrite, error) {
	if q.KeyEntity != 0 { // few ask twice for one key
		return l.read(ctx, store, q)
	}
	// The count is taken before reading: an answer that is newer than its count is
	// read again, and none can be older.
	at := l.stored.Load()
	l.mu.Lock()
	rows, ok := l.lists[q]
	ok = ok && l.of == at
	l.mu.Unlock()
	if ok {
		return rows, nil
	}
	rows, err := l.read(ctx, store, q)
	if err == nil {
		l.keep(at, q, rows)
	}
	return rows, err
}

func (l *openLists) read(ctx context.Context, store metrics.Rollups, q metrics.SpilledQuery) ([]metrics.OpenWrite, error) {
	rows, err := store.Spilled(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("open writes: %w", err)
	}
	return rows, nil
}

func (l *openLists) keep(at uint64, q metrics.SpilledQuery, rows []metrics.OpenWrite) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at < l.of || len(rows) > keptRows {
		return
	}
	if at > l.of || len(l.lists) >= keptLists {
		l.of, l.lists = at, nil
	}
	if l.lists == nil {
		l.lists = map[metrics.SpilledQuery][]metrics.OpenWrite{}
	}
	l.lists[q] = rows
}
