//go:build unix

package sqlite

import (
	"errors"
	"syscall"
	"testing"

	"tidemark/metrics"
)

// TestTheLockGoesWhileAnotherProcessIsStarted holds a copy of the lock's file, as a child
// has between fork and exec, while the store is closed and opened again.
func TestTheLockGoesWhileAnotherProcessIsStarted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openIndexed(t, dir, defaultIndexing())
	fd, err := syscall.Dup(int(s.lock.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if _, err := Open(t.Context(), Options{Dir: dir}); !errors.Is(err, metrics.ErrLocked) {
		t.Fatalf("a second opener: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if holder, err := Holder(dir); holder != "" || err != nil {
		t.Fatalf("the closed store is held by %q, %v", holder, err)
	}
	openIndexed(t, dir, defaultIndexing())
}
