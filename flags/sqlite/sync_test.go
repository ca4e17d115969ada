package sqlite

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"

	"tidemark/metrics"
)

// TestNothingIsChangedAfterAFailedSync lets one commit fail as a sync does that loses
// pages. The disk is well again at once, and yet no change is acknowledged before the
// store was opened anew; what was stored before can be read all the time.
func TestNothingIsChangedAfterAFailedSync(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	create := func(name string) error {
		k, _ := newKey(t, name, time.Hour, "read")
		return s.CreateKey(t.Context(), k, "cli:test", "test")
	}
	if err := create("before"); err != nil {
		t.Fatal(err)
	}
	fsync := sqlite3.Error{Code: sqlite3.ErrIoErr, ExtendedCode: sqlite3.ErrIoErrFsync}
	s.commit = func(tx *sql.Tx) error { return errors.Join(fsync, tx.Rollback()) }
	if err := create("failing"); !errors.Is(err, metrics.ErrUnsynced) {
		t.Fatalf("the change that fails: %v", err)
	}
	s.commit = (*sql.Tx).Commit
	if err := create("after"); !errors.Is(err, metrics.ErrUnsynced) || s.Err() == nil {
		t.Fatalf("the change after it: %v; the store says %v", err, s.Err())
	}
	if keys, err := s.Keys(t.Context()); err != nil || len(keys) != 1 {
		t.Fatalf("reading: %d keys, %v", len(keys), err)
	}
	again, err := Open(t.Context(), s.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	k, _ := newKey(t, "anew", time.Hour, "read")
	if err := again.CreateKey(t.Context(), k, "cli:test", "test"); err != nil {
		t.Fatal(err)
	}
	keys, err := again.Keys(t.Context())
	if err != nil || len(keys) != 2 {
		t.Fatalf("opened anew: %d keys, %v", len(keys), err)
	}
}

// TestAFileThatMayOnlyBeReadIsRefused: SQLite would open it, and fail at its first change.
func TestAFileThatMayOnlyBeReadIsRefused(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	if err := migrate(t.Context(), s.write); err != nil {
		t.Errorf("a file that may be written: %v", err)
	}
	db, err := open(s.path, 1, true, "ro")
	if err != nil {
		t.Fatal(err)
	}
	if err := migrate(t.Context(), db); err == nil {
		t.Error("a file that may only be read was taken")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
