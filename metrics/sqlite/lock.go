//go:build unix

package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"tidemark/metrics"
)

// lock takes the folder for this process until the file is closed; the system lets
// go of it when the process ends in whatever way.
func lock(dir string) (*os.File, error) {
	path := filepath.Join(dir, "tidemark.lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock %s: %w", path, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		holder, _ := os.ReadFile(path)
		return nil, errors.Join(fmt.Errorf("%s: %w (process %s)", dir, metrics.ErrLocked,
			strings.TrimSpace(string(holder))), f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	// Who holds the lock is only for the message above, so a full disk is no reason to stop.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	}
	return f, nil
}

// unlock lets go of the folder. Closing the file is not enough: a process that is being
// started meanwhile has a copy of it until it runs its program, and the lock is of all
// copies.
func unlock(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}

// Holder tells which process has the store of a folder open; "" when none has.
func Holder(dir string) (string, error) {
	path := filepath.Join(dir, "tidemark.lock")
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("open lock %s: %w", path, err)
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if err == nil {
		return "", syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	}
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return "", err
	}
	pid, err := os.ReadFile(path)
	if text := strings.TrimSpace(string(pid)); text != "" {
		return text, err
	}
	return "unknown", err
}
