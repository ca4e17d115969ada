package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"tidemark/metrics"
	"tidemark/metrics/sqlite/segment"
	"tidemark/migrations"
)

// partition is one file of raw events.
type partition struct {
	number int64
	path   string
	first  metrics.Position

	// guarded by rawLog.mu
	events, segments int64
	oldest, newest   int64
	sealed           bool
	tail             []tailSegment // segments without an index run, in order
	runs             []run         // in order; nil until loaded; see loadRuns
	runsLoaded       bool

	swept bool // no chunks of no run are left; of the upkeep

	trip    *trip      // of the store
	opening sync.Mutex // guards file
	file    *file
	inUse   sync.RWMutex // read-locked by readers; locked to delete the file
	gone    bool
}

// tailSegment is a segment that no index run covers yet.
type tailSegment struct {
	first          metrics.Position
	count          int64
	oldest, newest int64
	entities       segment.Entities
}

func (t *tailSegment) past() metrics.Position { return t.first + metrics.Position(t.count) }

func (p *partition) past() metrics.Position { return p.first + metrics.Position(p.events) }

const (
	partitionPrefix = "telemetry-"
	partitionSuffix = ".db"
)

func partitionPath(dir string, number int64) string {
	return filepath.Join(dir, fmt.Sprintf("%s%06d%s", partitionPrefix, number, partitionSuffix))
}

// partitionNumbers lists the partitions in a folder, ascending.
func partitionNumbers(dir string) ([]int64, error) {
	entries, err := os.ReadDir(dir) // sorted, and numbers have leading zeros
	if err != nil {
		return nil, wrap(err, "list %s", dir)
	}
	var found []int64
	for _, e := range entries {
		text, ok := strings.CutPrefix(e.Name(), partitionPrefix)
		text, isDB := strings.CutSuffix(text, partitionSuffix)
		if n, err := strconv.ParseInt(text, 10, 64); ok && isDB && err == nil {
			found = append(found, n)
		}
	}
	return found, nil
}

// db opens the file when it is not open yet.
func (p *partition) db(ctx context.Context) (*file, error) {
	p.opening.Lock()
	defer p.opening.Unlock()
	if p.file != nil {
		return p.file, nil
	}
	sqls, err := migrations.Partition()
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	p.file, err = openFile(ctx, p.path, partitionPage, sqls, p.trip)
	return p.file, err
}

func (p *partition) close() error {
	p.opening.Lock()
	defer p.opening.Unlock()
	if p.file == nil {
		return nil
	}
	f := p.file
	p.file = nil
	return f.close()
}

// read runs fn with the file, unless retention has deleted it: then ok is false.
func (p *partition) read(ctx context.Context, fn func(*sql.DB) error) (ok bool, err error) {
	p.inUse.RLock()
	defer p.inUse.RUnlock()
	if p.gone {
		return false, nil
	}
	f, err := p.db(ctx)
	if err != nil {
		return true, err
	}
	return true, fn(f.r)
}

// remove deletes the file once nobody reads it.
func (p *partition) remove() error {
	p.inUse.Lock()
	defer p.inUse.Unlock()
	p.gone = true
	errs := []error{p.close()}
	for _, suffix := range []string{"-wal", "-shm", ""} {
		if err := os.Remove(p.path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return wrap(errors.Join(errs...), "delete %s", p.path)
}

// stored is a segment as it was read.
type stored struct {
	first metrics.Position
	count int64
	data  []byte
}

// holding reads the segment that holds a position; ok is false when none does.
func (p *partition) holding(ctx context.Context, db *sql.DB, pos metrics.Position) (s stored, ok bool, err error) {
	row := db.QueryRowContext(ctx, "SELECT first, count, data FROM segment WHERE first <= ? ORDER BY first DESC LIMIT 1", int64(pos))
	err = row.Scan(&s.first, &s.count, &s.data)
	if errors.Is(err, sql.ErrNoRows) {
		return s, false, nil
	}
	if err != nil {
		return s, false, wrap(err, "%s: read the segment at position %d", p.path, pos)
	}
	return s, pos < s.first+metrics.Position(s.count), nil
}

// open starts to decode a stored segment.
func (p *partition) open(d *segment.Decoder, s *stored) error {
	n, err := d.Open(s.data)
	if err == nil && int64(n) != s.count {
		err = fmt.Errorf("%w: it holds %d events, not %d", segment.ErrDamaged, n, s.count)
	}
	return wrap(err, "%s: segment at position %d", p.path, s.first)
}
