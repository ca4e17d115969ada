// Package sqlite keeps control data in one SQLite file: API keys, sign-in links,
// browser sessions, documents, alerts, and the audit log of every change.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mattn/go-sqlite3"

	"tidemark/flags/audit"
	"tidemark/metrics"
	"tidemark/migrations"
	"tidemark/migrations/snapshot"
)

// FileName is the name of the file within a data folder.
const FileName = "control.db"

// Store is the control store. One connection writes, several read, so that
// readers never wait for the writer. It is safe for concurrent use, also by
// several processes.
type Store struct {
	write *sql.DB
	read  *sql.DB
	path  string
	// unsynced is why nothing more is changed; see update.
	unsynced atomic.Pointer[error]
	// commit ends a transaction; a test may let it fail.
	commit func(*sql.Tx) error
}

// Open opens the file, creates it when it is missing, and brings its schema up to
// date.
func Open(ctx context.Context, path string) (*Store, error) {
	s := &Store{path: path, commit: (*sql.Tx).Commit}
	var err error
	if s.write, err = open(path, 1, true); err != nil {
		return nil, err
	}
	if err := settle(ctx, s.write); err != nil {
		return nil, errors.Join(fmt.Errorf("control store %s: %w", path, err), s.write.Close())
	}
	if err := migrate(ctx, s.write); err != nil {
		return nil, errors.Join(fmt.Errorf("control store %s: %w", path, err), s.write.Close())
	}
	if s.read, err = open(path, max(4, runtime.NumCPU()), false); err != nil {
		return nil, errors.Join(err, s.write.Close())
	}
	return s, nil
}

// open puts the pragmas in the DSN, so that every pooled connection has them.
func open(path string, conns int, writer bool, mode ...string) (*sql.DB, error) {
	q := url.Values{
		"mode":          mode,
		"_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_busy_timeout": {"5000"},
		"_foreign_keys": {"1"}, "_txlock": {"deferred"},
	}
	if writer {
		q.Set("_txlock", "immediate")
	} else {
		q.Set("_query_only", "1")
	}
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath(), RawQuery: q.Encode()}
	db, err := sql.Open("sqlite3", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("control store %s: %w", path, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	files, err := migrations.Control()
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	return migrations.Apply(ctx, db, files)
}

// Inspect opens a file that exists and only reads it: nothing is written, no newer
// schema and nothing of its write-ahead log.
func Inspect(ctx context.Context, path string) (*Store, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("control store: %w", err)
	}
	s := &Store{path: path, commit: (*sql.Tx).Commit}
	var err error
	if s.read, err = open(path, 2, false, "ro"); err != nil {
		return nil, err
	}
	s.write = s.read
	if _, err := s.Version(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("control store %s is none of tidemark: %w", path, err), s.read.Close())
	}
	return s, nil
}

// Version returns the number of the newest migration that was applied, with all before
// it.
func (s *Store) Version(ctx context.Context) (int64, error) {
	files, err := migrations.Control()
	if err != nil {
		return 0, fmt.Errorf("migrations: %w", err)
	}
	v, err := migrations.Schema(ctx, s.read, files)
	if err != nil {
		return 0, fmt.Errorf("control store version: %w", err)
	}
	return v, nil
}

// Known is the number of the newest migration that this program has.
func Known() (int64, error) {
	files, err := migrations.Control()
	if err != nil {
		return 0, fmt.Errorf("migrations: %w", err)
	}
	return migrations.Latest(files)
}

// ChangeCount returns a number that grows when anybody, this process or another,
// changes control data: how many records the audit log has.
func (s *Store) ChangeCount(ctx context.Context) (int64, error) {
	return auditSize(ctx, s.read)
}

// Check runs SQLite's quick check of the file.
func (s *Store) Check(ctx context.Context) error {
	var answer string
	if err := s.read.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&answer); err != nil {
		return fmt.Errorf("control store check: %w", err)
	}
	if answer != "ok" {
		return fmt.Errorf("control store %s is damaged: %s", s.path, answer)
	}
	return nil
}

// Pin fixes the moment of a copy and calls also within it: no change is made between
// the two. The caller closes what it gets.
func (s *Store) Pin(ctx context.Context, also func() error) (p *snapshot.Snapshot, err error) {
	err = s.update(ctx, func(*sql.Tx) error {
		if p, err = snapshot.Pin(ctx, s.path); err != nil {
			return err
		}
		if err := also(); err != nil {
			return errors.Join(err, p.Close())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("control store: %w", err)
	}
	return p, nil
}

// Record appends a record about the store itself, such as that it was copied.
func (s *Store) Record(ctx context.Context, rec audit.Record) error {
	return s.change(ctx, func(*sql.Tx) (audit.Record, error) { return rec, nil })
}

// Close waits for running statements and closes the file.
func (s *Store) Close() error {
	return errors.Join(s.read.Close(), s.write.Close())
}

// change runs fn in a write transaction and appends the record that it returns to
// the audit log in the same transaction: all of it happens or nothing does.
func (s *Store) change(ctx context.Context, fn func(*sql.Tx) (audit.Record, error)) error {
	return s.changes(ctx, func(tx *sql.Tx) ([]audit.Record, error) {
		rec, err := fn(tx)
		return []audit.Record{rec}, err
	})
}

// changes is change for what makes several records, in their order.
func (s *Store) changes(ctx context.Context, fn func(*sql.Tx) ([]audit.Record, error)) error {
	return s.update(ctx, func(tx *sql.Tx) error {
		recs, err := fn(tx)
		if err != nil {
			return err
		}
		for _, rec := range recs {
			if err := appendAudit(ctx, tx, rec); err != nil {
				return err
			}
		}
		return nil
	})
}

// update runs fn in a write transaction without an audit record: for what is not a
// change of control data, such as sessions and the last use of a key.
//
// After a commit that left the disk unknown, nothing is changed until the store is
// opened anew: a change that was acknowledged on top of it could be lost with it.
func (s *Store) update(ctx context.Context, fn func(*sql.Tx) error) error {
	if err := s.Err(); err != nil {
		return err
	}
	err := s.transact(ctx, fn)
	if leavesUnknown(err) {
		err = fmt.Errorf("%w; restart the server once the disk is well: %w", metrics.ErrUnsynced, err)
		s.unsynced.CompareAndSwap(nil, &err)
	}
	return err
}

func (s *Store) transact(ctx context.Context, fn func(*sql.Tx) error) error {
	conn, tx, err := begin(ctx, s.write, nil)
	if err != nil {
		return fmt.Errorf("control store: begin: %w", err)
	}
	defer conn.Close()
	if err := fn(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := s.commit(tx); err != nil {
		// It may leave the connection inside the transaction; when it does not, this
		// fails and changes nothing.
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return fmt.Errorf("control store: commit: %w", err)
	}
	return nil
}

// begin waits for a connection until ctx ends, and begins a transaction that does not
// end with it: database/sql would roll that back behind our back, and the connection
// would outlive the store that closes meanwhile.
func begin(ctx context.Context, db *sql.DB, o *sql.TxOptions) (*sql.Conn, *sql.Tx, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, nil, err
	}
	tx, err := conn.BeginTx(context.WithoutCancel(ctx), o)
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return conn, tx, nil
}

// Err says why nothing more is changed, until the store is opened anew; nil when all
// is well.
func (s *Store) Err() error {
	if err := s.unsynced.Load(); err != nil {
		return *err
	}
	return nil
}

// leavesUnknown reports whether nobody can tell what a failed transaction left on the
// disk: a sync that failed may look as if it had succeeded from then on. A full disk
// is told before anything is lost, except by a sync.
func leavesUnknown(err error) bool {
	e, ok := errors.AsType[sqlite3.Error](err)
	switch {
	case !ok:
		return false
	case e.ExtendedCode == sqlite3.ErrIoErrFsync, e.ExtendedCode == sqlite3.ErrIoErrDirFsync:
		return true
	case e.Code == sqlite3.ErrIoErr:
		return e.SystemErrno != syscall.ENOSPC && e.SystemErrno != syscall.EDQUOT && e.SystemErrno != syscall.EFBIG
	}
	return e.Code == sqlite3.ErrCorrupt || e.Code == sqlite3.ErrNotADB
}

// settle writes what an earlier process left in the write-ahead log into the file and
// syncs it: what that process could not sync may look stored. When others have the
// file open, they do so.
func settle(ctx context.Context, db *sql.DB) error {
	var busy, logged, stored int
	err := db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &logged, &stored)
	if err != nil {
		return fmt.Errorf("store the write-ahead log: %w", err)
	}
	return nil
}

// nanos is how times are stored; the zero time is 0.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// fromNanos reads what nanos wrote, in UTC.
func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
