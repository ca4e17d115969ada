package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"syscall"

	"github.com/mattn/go-sqlite3"

	"tidemark/metrics"
	"tidemark/metrics/sqlite/segment"
)

// wrap says what failed in the words of metrics: a full disk is metrics.ErrFull,
// broken bytes metrics.ErrDamaged. It returns nil for nil.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	what := fmt.Sprintf(format, args...)
	switch {
	case isFull(err):
		return fmt.Errorf("%s: %w: %w", what, metrics.ErrFull, err)
	case isDamage(err):
		return fmt.Errorf("%s: %w: %w", what, metrics.ErrDamaged, err)
	case errors.Is(err, sql.ErrConnDone):
		return fmt.Errorf("%s: %w", what, metrics.ErrClosed)
	}
	return fmt.Errorf("%s: %w", what, err)
}

func isFull(err error) bool {
	if e, ok := errors.AsType[sqlite3.Error](err); ok {
		return e.Code == sqlite3.ErrFull || isFullErrno(e.SystemErrno)
	}
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		return isFullErrno(e)
	}
	return false
}

func isFullErrno(e syscall.Errno) bool {
	return e == syscall.ENOSPC || e == syscall.EDQUOT || e == syscall.EFBIG
}

func isDamage(err error) bool {
	if errors.Is(err, segment.ErrDamaged) {
		return true
	}
	e, ok := errors.AsType[sqlite3.Error](err)
	return ok && (e.Code == sqlite3.ErrCorrupt || e.Code == sqlite3.ErrNotADB ||
		e.ExtendedCode == sqlite3.ErrIoErrShortRead)
}
