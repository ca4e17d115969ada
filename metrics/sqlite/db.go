package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"github.com/mattn/go-sqlite3"

	"tidemark/migrations"
)

// minVersion is the first SQLite without a bug that could corrupt a WAL.
const minVersion = 3051003

func checkVersion() error {
	text, num, _ := sqlite3.Version()
	return newEnough(text, num)
}

func newEnough(text string, num int) error {
	if num < minVersion {
		return fmt.Errorf("SQLite %s is linked: 3.51.3 or later is needed", text)
	}
	return nil
}

// dsn names a file with the pragmas that every one of its connections needs.
func dsn(path string, params ...string) string {
	p := append([]string{
		"_journal_mode=WAL", "_synchronous=FULL", "_busy_timeout=10000", "_foreign_keys=on",
	}, params...)
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + strings.Join(p, "&")
}

// file is one database file: one connection that writes and several that read.
type file struct {
	path string
	w, r *sql.DB
	trip *trip // of the store
}

// readers is how many connections read one file at once.
const readers = 8

// openFile opens a database file, creating it with the page size, and brings its
// schema up to date.
func openFile(ctx context.Context, path string, pageSize int, sqls fs.FS, t *trip) (*file, error) {
	if err := create(ctx, path, pageSize); err != nil {
		return nil, err
	}
	w, err := sql.Open("sqlite3", dsn(path, "_txlock=immediate", "_cache_size=-8192"))
	if err != nil {
		return nil, wrap(err, "open %s", path)
	}
	w.SetMaxOpenConns(1)
	f := &file{path: path, w: w, trip: t}
	if err := settle(ctx, w); err != nil {
		return nil, errors.Join(wrap(err, "store the write-ahead log of %s", path), f.close())
	}
	if err := migrations.Apply(ctx, w, sqls); err != nil {
		return nil, errors.Join(wrap(err, "bring %s up to date", path), f.close())
	}
	if err := f.openReaders(); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func (f *file) openReaders() (err error) {
	if f.r, err = sql.Open("sqlite3", dsn(f.path, "_query_only=on", "_cache_size=-2048")); err != nil {
		return wrap(err, "open %s", f.path)
	}
	f.r.SetMaxOpenConns(readers)
	f.r.SetMaxIdleConns(2)
	return nil
}

// create makes an empty database: its page size can only be chosen before the first page.
func create(ctx context.Context, path string, pageSize int) error {
	if st, err := os.Stat(path); err == nil && st.Size() > 0 {
		return nil
	}
	db, err := sql.Open("sqlite3", "file:"+(&url.URL{Path: path}).EscapedPath())
	if err != nil {
		return wrap(err, "create %s", path)
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf("PRAGMA page_size = %d; PRAGMA journal_mode = WAL", pageSize))
	return wrap(errors.Join(err, db.Close()), "create %s", path)
}

func (f *file) close() error {
	var errs []error
	if f.r != nil {
		errs = append(errs, f.r.Close())
	}
	if f.w != nil {
		errs = append(errs, f.w.Close())
	}
	return wrap(errors.Join(errs...), "close %s", f.path)
}

// tx runs fn in one write transaction, unless an earlier one tripped the store.
func (f *file) tx(ctx context.Context, fn func(*sql.Tx) error) error {
	if err := f.trip.err(); err != nil {
		return err
	}
	return f.trip.note(f.transact(ctx, fn))
}

func (f *file) transact(ctx context.Context, fn func(*sql.Tx) error) error {
	conn, tx, err := begin(ctx, f.w, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := fn(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	err = f.trip.commit(tx)
	if err != nil {
		// A commit that failed may leave the connection inside the transaction; when it
		// does not, this fails and changes nothing.
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	}
	return err
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

// exec runs one statement as a transaction.
func (f *file) exec(ctx context.Context, statement string, args ...any) error {
	return f.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, statement, args...)
		return err
	})
}

// size is what the file takes on the disk, with its WAL.
func (f *file) size() int64 {
	var n int64
	for _, suffix := range []string{"", "-wal"} {
		if st, err := os.Stat(f.path + suffix); err == nil {
			n += st.Size()
		}
	}
	return n
}
