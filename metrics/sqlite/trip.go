package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/mattn/go-sqlite3"

	"tidemark/metrics"
)

// trip stops all writing of a store after the first write that failed in a way after
// which nobody can tell what is on the disk. A system that could not sync a page may
// call it clean all the same, so that the next sync succeeds without it: whoever goes
// on then acknowledges on top of a hole. It stays until the store is opened anew,
// which writes out again what the write-ahead log holds; see settle.
type trip struct {
	first atomic.Pointer[error]
	// commit ends a transaction; a test may let it fail.
	commit func(*sql.Tx) error
}

func newTrip() *trip { return &trip{commit: (*sql.Tx).Commit} }

// err is why nothing more may be written; nil when all is well.
func (t *trip) err() error {
	if err := t.first.Load(); err != nil {
		return *err
	}
	return nil
}

// note remembers an error that leaves the disk unknown, and returns what to tell.
func (t *trip) note(err error) error {
	if !leavesUnknown(err) {
		return err
	}
	err = fmt.Errorf("%w; restart the server once the disk is well: %w", metrics.ErrUnsynced, err)
	t.first.CompareAndSwap(nil, &err)
	return err
}

// leavesUnknown reports whether a write that failed so may be half on the disk. A
// full disk is told before anything is lost, except by a sync.
func leavesUnknown(err error) bool {
	e, ok := errors.AsType[sqlite3.Error](err)
	switch {
	case !ok:
		return false
	case e.ExtendedCode == sqlite3.ErrIoErrFsync, e.ExtendedCode == sqlite3.ErrIoErrDirFsync:
		return true
	case e.Code == sqlite3.ErrIoErr:
		return !isFullErrno(e.SystemErrno)
	}
	return e.Code == sqlite3.ErrCorrupt || e.Code == sqlite3.ErrNotADB
}

// settle writes what an earlier process left in the write-ahead log into the file,
// syncs it, and empties the log. What that process could not sync may be in memory
// alone and look stored; appending behind it would make a log with a hole.
func settle(ctx context.Context, db *sql.DB) error {
	var busy, logged, stored int
	err := db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &logged, &stored)
	if err == nil && busy != 0 {
		err = fmt.Errorf("%w, which reads it", metrics.ErrLocked)
	}
	return err
}

// Err says why the store takes nothing more, until it is opened anew; nil when it does.
func (s *Store) Err() error { return s.trip.err() }
