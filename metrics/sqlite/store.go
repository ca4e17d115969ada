package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"tidemark/metrics"
	"tidemark/migrations"
)

// Store is a metrics.Store in the files of one folder. Its methods are safe for
// concurrent use; appends, and commits, wait for one another.
type Store struct {
	opts Options
	lock *os.File
	main *file // telemetry.db
	inst *instruments
	trip *trip

	closed  atomic.Bool
	inUse   sync.WaitGroup // calls that use the files
	gate    sync.RWMutex   // guards closed against inUse
	encoder chan *Encoder  // of Append
	log     rawLog
	series  seriesList
	commits sync.Mutex // one checkpoint, reset or pruning at a time
	pruning sync.Mutex // held while retention deletes, and while a Snapshot is
	upkeep  upkeep

	quarantine quarantined
}

var _ metrics.Store = (*Store)(nil)

// Page sizes: small rows and blocks of cells in telemetry.db, large BLOBs in the others.
const (
	mainPage      = 8 << 10
	partitionPage = 16 << 10
)

// Open opens the store in a folder, creating both when they do not exist. It fails with
// metrics.ErrLocked while another process has it open, and with metrics.ErrDamaged
// when a file is missing, not a database or ends before the checkpoint.
func Open(ctx context.Context, o Options) (*Store, error) {
	o.fill()
	if err := checkVersion(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, wrap(err, "create %s", o.Dir)
	}
	l, err := lock(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{opts: o, lock: l, trip: newTrip(), encoder: make(chan *Encoder, 2)}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.closeFiles())
	}
	s.startUpkeep()
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	sqls, err := migrations.Telemetry()
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	if s.main, err = openFile(ctx, filepath.Join(s.opts.Dir, "telemetry.db"), mainPage, sqls, s.trip); err != nil {
		return err
	}
	if s.inst, err = newInstruments(s); err != nil {
		return err
	}
	if err := s.series.load(ctx, s.main.r); err != nil {
		return err
	}
	if err := s.loadQuarantine(ctx); err != nil {
		return err
	}
	if err := s.openLog(ctx); err != nil {
		return err
	}
	return s.checkGap(ctx)
}

// checkGap compares the end of the log with the checkpoint: rollups that include
// events which are not there cannot be continued.
func (s *Store) checkGap(ctx context.Context) error {
	pos, err := s.checkpointed(ctx)
	if err != nil {
		return err
	}
	if end := s.End(); pos > end && !s.opts.AllowGap {
		return fmt.Errorf("%s: %w: the log ends at position %d, but the rollups include events up to %d; "+
			"restore a backup, or rebuild the rollups from what is left", s.log.lastPath(), metrics.ErrDamaged, end, pos)
	}
	return nil
}

// use marks the files as in use until the returned function is called.
func (s *Store) use(ctx context.Context) (done func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed.Load() {
		return nil, metrics.ErrClosed
	}
	s.inUse.Add(1)
	return s.inUse.Done, nil
}

// Close waits for calls that are under way, then closes the files. Later calls
// return metrics.ErrClosed.
func (s *Store) Close() error {
	s.gate.Lock()
	was := s.closed.Swap(true)
	s.gate.Unlock()
	if was {
		return nil
	}
	s.stopUpkeep()
	s.inUse.Wait()
	return s.closeFiles()
}

func (s *Store) closeFiles() error {
	errs := []error{s.log.close()}
	if s.main != nil {
		errs = append(errs, s.main.close())
	}
	if s.inst != nil {
		s.inst.unregister()
	}
	return errors.Join(append(errs, unlock(s.lock))...)
}
