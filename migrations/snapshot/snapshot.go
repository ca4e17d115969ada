// Package snapshot copies SQLite files as they are at one moment, while others go on
// writing them. It knows nothing of what they hold, so that both stores can use it.
package snapshot

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	"github.com/mattn/go-sqlite3"
)

// ErrDamaged means that a file is not a whole database.
var ErrDamaged = errors.New("not a whole database")

// Snapshot is a file as it was when it was pinned. While it is held, the write-ahead
// log of the file grows instead of being reused.
type Snapshot struct {
	db   *sql.DB
	conn *sql.Conn
	path string
}

// Pin fixes the moment. The caller closes what it gets.
func Pin(ctx context.Context, path string) (*Snapshot, error) {
	db, err := sql.Open("sqlite3", uri(path, "_busy_timeout=10000&_query_only=on"))
	if err != nil {
		return nil, fmt.Errorf("pin %s: %w", path, err)
	}
	s := &Snapshot{db: db, path: path}
	if s.conn, err = db.Conn(ctx); err == nil {
		err = s.begin(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("pin %s: %w", path, errors.Join(err, s.Close()))
	}
	return s, nil
}

// begin starts a transaction that has read something: from then on it sees what was
// there at that moment.
func (s *Snapshot) begin(ctx context.Context) error {
	if _, err := s.conn.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	var tables int
	return s.conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables)
}

// Close lets go of the moment.
func (s *Snapshot) Close() error {
	var errs []error
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	return errors.Join(append(errs, s.db.Close())...)
}

// stepPages is how many pages are copied before the context and the progress are
// looked after.
const stepPages = 1024

// CopyTo writes the file as it was into a new one, page by page, and syncs it.
func (s *Snapshot) CopyTo(ctx context.Context, to string) error {
	db, err := sql.Open("sqlite3", uri(to, "_synchronous=FULL"))
	if err != nil {
		return fmt.Errorf("copy %s: %w", s.path, err)
	}
	conn, err := db.Conn(ctx)
	if err == nil {
		err = errors.Join(s.copyInto(ctx, conn), conn.Close())
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("copy %s to %s: %w", s.path, to, err)
	}
	return nil
}

func (s *Snapshot) copyInto(ctx context.Context, to *sql.Conn) error {
	return to.Raw(func(dst any) error {
		return s.conn.Raw(func(src any) (err error) {
			from, okFrom := src.(*sqlite3.SQLiteConn)
			into, okInto := dst.(*sqlite3.SQLiteConn)
			if !okFrom || !okInto {
				return fmt.Errorf("the connections are %T and %T: %w", src, dst, errors.ErrUnsupported)
			}
			b, err := into.Backup("main", from, "main")
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, b.Finish()) }()
			for done := false; !done; {
				if err := ctx.Err(); err != nil {
					return err
				}
				if done, err = b.Step(stepPages); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// Check reads a file that nobody has open and looks whether it is a whole database.
// It writes nothing, also not beside it.
func Check(ctx context.Context, path string) (err error) {
	db, err := sql.Open("sqlite3", uri(path, "mode=ro&immutable=1"))
	if err != nil {
		return fmt.Errorf("check %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var answer string
	err = db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&answer)
	if err == nil && answer != "ok" {
		err = errors.New(answer)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %w", path, ErrDamaged, err)
	}
	return nil
}

func uri(path, params string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + params
}
