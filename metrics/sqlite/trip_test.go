package sqlite

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mattn/go-sqlite3"

	"tidemark/metrics"
	"tidemark/metrics/storetest"
	"tidemark/migrations"
)

// TestNothingIsStoredAfterAFailedSync lets one commit fail as a sync does that loses
// pages. The disk is well again at once, and yet nothing more is acknowledged before
// the store was opened anew.
func TestNothingIsStoredAfterAFailedSync(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fails  error
		sticks bool
	}{
		"a sync":              {sqlite3.Error{Code: sqlite3.ErrIoErr, ExtendedCode: sqlite3.ErrIoErrFsync}, true},
		"a sync without room": {sqlite3.Error{Code: sqlite3.ErrIoErr, ExtendedCode: sqlite3.ErrIoErrFsync, SystemErrno: syscall.ENOSPC}, true},
		"a folder's sync":     {sqlite3.Error{Code: sqlite3.ErrIoErr, ExtendedCode: sqlite3.ErrIoErrDirFsync}, true},
		"a write":             {sqlite3.Error{Code: sqlite3.ErrIoErr, ExtendedCode: sqlite3.ErrIoErrWrite, SystemErrno: syscall.EIO}, true},
		"a damaged page":      {sqlite3.Error{Code: sqlite3.ErrCorrupt}, true},
		"a full disk":         {sqlite3.Error{Code: sqlite3.ErrFull}, false},
		"a write without room": {sqlite3.Error{
			Code: sqlite3.ErrIoErr, ExtendedCode: sqlite3.ErrIoErrWrite,
			SystemErrno: syscall.ENOSPC,
		}, false},
		"another writer": {sqlite3.Error{Code: sqlite3.ErrBusy}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := openAt(t, dir)
			tr := storetest.NewTraffic(3, storetest.Start)
			mustAppend(t, s, tr.Events(10))

			s.trip.commit = func(tx *sql.Tx) error { return errors.Join(c.fails, tx.Rollback()) }
			_, err := s.Append(t.Context(), tr.Events(10))
			if err == nil || errors.Is(err, metrics.ErrUnsynced) != c.sticks {
				t.Fatalf("the append that fails: %v", err)
			}
			s.trip.commit = (*sql.Tx).Commit

			_, err = s.Append(t.Context(), tr.Events(10))
			if errors.Is(err, metrics.ErrUnsynced) != c.sticks || (err == nil) == c.sticks {
				t.Fatalf("the append after it: %v", err)
			}
			commit := s.Commit(t.Context(), &metrics.Checkpoint{Position: s.End()})
			if errors.Is(commit, metrics.ErrUnsynced) != c.sticks || (s.Err() == nil) == c.sticks {
				t.Fatalf("the commit after it: %v; the store says: %v", commit, s.Err())
			}
			want := s.End()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openAt(t, dir)
			if s.End() != want || s.Err() != nil {
				t.Fatalf("opened anew it ends at %d, not %d, and says %v", s.End(), want, s.Err())
			}
			mustAppend(t, s, tr.Events(10))
		})
	}
}

func openAt(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func mustAppend(t *testing.T, s *Store, events []metrics.Event) {
	t.Helper()
	if _, err := s.Append(t.Context(), events); err != nil {
		t.Fatal(err)
	}
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// TestWhatWasLeftBehindIsStoredAtOpening closes no file, as a killed process does: the
// next one must not append behind a write-ahead log that it did not sync itself.
func TestWhatWasLeftBehindIsStoredAtOpening(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openAt(t, dir)
	mustAppend(t, s, storetest.NewTraffic(4, storetest.Start).Events(3000))
	path := partitionPath(dir, 1)
	if n := sizeOf(t, path+"-wal"); n == 0 {
		t.Fatal("the write-ahead log is empty: nothing was left behind")
	}
	if err := s.lock.Close(); err != nil { // as the system does
		t.Fatal(err)
	}
	again := openAt(t, dir)
	if n := sizeOf(t, path+"-wal"); n != 0 {
		t.Fatalf("the write-ahead log still holds %d bytes", n)
	}
	if again.End() != 3000 {
		t.Fatalf("it ends at %d", again.End())
	}
}

func TestAnEngineThatCorruptsIsRefused(t *testing.T) {
	t.Parallel()
	if err := newEnough("3.51.2", 3051002); err == nil || !strings.Contains(err.Error(), "3.51.2") {
		t.Errorf("3.51.2: %v", err)
	}
	if err := newEnough("3.51.3", 3051003); err != nil {
		t.Error(err)
	}
	if _, err := EngineVersion(); err != nil {
		t.Error(err)
	}
}

// TestAFileThatMayOnlyBeReadIsRefused: SQLite would open it, and fail at its first change.
func TestAFileThatMayOnlyBeReadIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	if err := create(t.Context(), path, 4096); err != nil {
		t.Fatal(err)
	}
	files, err := migrations.Telemetry()
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"rw", "ro"} { // The second has nothing to bring up to date.
		db, err := sql.Open("sqlite3", "file:"+path+"?_txlock=immediate&mode="+mode)
		if err != nil {
			t.Fatal(err)
		}
		if err := migrations.Apply(t.Context(), db, files); (err != nil) != (mode == "ro") {
			t.Errorf("opened %s: %v", mode, err)
		}
		var v int
		if err := errors.Join(db.QueryRowContext(t.Context(), "PRAGMA user_version").Scan(&v), db.Close()); err != nil || v != 0 {
			t.Errorf("it was changed: %d, %v", v, err)
		}
	}
}
