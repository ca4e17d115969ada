package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/mattn/go-sqlite3"

	"tidemark/metrics"
	"tidemark/metrics/sqlite/segment"
	"tidemark/migrations"
)

// EngineVersion is the SQLite that is linked; the error says when it is too old.
func EngineVersion() (string, error) {
	text, _, _ := sqlite3.Version()
	return text, checkVersion()
}

// Inspection is what Inspect found.
type Inspection struct {
	Files []FileReport
	// NoRollups says that telemetry.db is missing: no server was ever started, or it was
	// moved away to be made anew.
	NoRollups bool
	// Begin and End bound the log; Checkpointed is what the rollups include.
	Begin, End, Checkpointed metrics.Position
	// Newest is when the latest event was observed, in Unix ns; 0 without any.
	Newest int64
	// Read is how many events were decoded; 0 when that was not asked for.
	Read uint64
	// Err is what is wrong with the files together; each has its own besides.
	Err error
}

// FileReport is about one file.
type FileReport struct {
	Name          string
	Bytes, WAL    int64
	Schema, Known int64
	Err           error
}

// Inspect reads the files of a folder and writes nothing, so that it also works beside
// a server. deep also decodes every event, as a rebuild would. The error is about
// inspecting; what is wrong is in the result.
func Inspect(ctx context.Context, dir string, deep bool) (*Inspection, error) {
	x := &Inspection{}
	if err := x.main(ctx, dir); err != nil {
		return nil, err
	}
	numbers, err := partitionNumbers(dir)
	if err != nil {
		return nil, err
	}
	for i, n := range numbers {
		if err := x.partition(ctx, partitionPath(dir, n), i == 0, deep); err != nil {
			return nil, err
		}
	}
	if x.Err == nil && x.Checkpointed > x.End {
		x.Err = fmt.Errorf("%w: the log ends at position %d, but the rollups include events up to %d", metrics.ErrDamaged, x.End, x.Checkpointed)
	}
	return x, nil
}

// inspectFile opens a file read-only, checks it and gives it to fn. What is wrong with
// it ends in its report.
func (x *Inspection) inspectFile(ctx context.Context, path string, files func() (fs.FS, error), fn func(*sql.DB) error) error {
	r := FileReport{Name: filepath.Base(path), Bytes: bytesOf(path), WAL: bytesOf(path + "-wal")}
	sqls, err := files()
	if err == nil {
		r.Known, err = migrations.Latest(sqls)
	}
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	r.Err = wrap(readOnly(ctx, path, func(db *sql.DB) (err error) {
		if r.Schema, err = migrations.Schema(ctx, db, sqls); err != nil {
			return err
		}
		if r.Schema > r.Known {
			return fmt.Errorf("%w: its schema is %d, this program knows up to %d", migrations.ErrNewer, r.Schema, r.Known)
		}
		if err := quickCheck(ctx, db); err != nil {
			return err
		}
		return fn(db)
	}), "%s", path)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	x.Files = append(x.Files, r)
	return nil
}

// readOnly runs fn with a database that cannot be written, not even at its closing.
func readOnly(ctx context.Context, path string, fn func(*sql.DB) error) error {
	if st, err := os.Stat(path); err != nil {
		return err
	} else if st.Size() == 0 {
		return fmt.Errorf("%w: the file is empty", metrics.ErrDamaged)
	}
	db, err := sql.Open("sqlite3", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro&_busy_timeout=10000")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	return errors.Join(fn(db), db.Close(), ctx.Err())
}

func quickCheck(ctx context.Context, db *sql.DB) error {
	var answer string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&answer); err != nil {
		return err
	}
	if answer != "ok" {
		return fmt.Errorf("%w: %s", metrics.ErrDamaged, answer)
	}
	return nil
}

func (x *Inspection) main(ctx context.Context, dir string) error {
	path := filepath.Join(dir, "telemetry.db")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		x.NoRollups = true
		return nil
	}
	return x.inspectFile(ctx, path, migrations.Telemetry, func(db *sql.DB) error {
		return db.QueryRowContext(ctx, selectPosition).Scan(&x.Checkpointed)
	})
}

// partition looks at a file of raw events: whether its segments follow one another and
// the file before.
func (x *Inspection) partition(ctx context.Context, path string, first, deep bool) error {
	return x.inspectFile(ctx, path, migrations.Partition, func(db *sql.DB) error {
		d, err := segment.NewDecoder()
		if err != nil {
			return err
		}
		rows, err := db.QueryContext(ctx, "SELECT first, count, newest, CASE WHEN ? THEN data END FROM segment ORDER BY first", deep)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s stored
			var newest int64
			if err := rows.Scan(&s.first, &s.count, &newest, &s.data); err != nil {
				return err
			}
			if first {
				x.Begin, x.End, first = s.first, s.first, false
			}
			if s.first != x.End {
				return fmt.Errorf("%w: the segment at position %d is missing, the next one begins at %d", metrics.ErrDamaged, x.End, s.first)
			}
			x.End, x.Newest = s.first+metrics.Position(s.count), max(x.Newest, newest)
			if err := x.decode(d, &s, deep); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

func (x *Inspection) decode(d *segment.Decoder, s *stored, deep bool) error {
	if !deep {
		return nil
	}
	if err := (&partition{}).open(d, s); err != nil {
		return err
	}
	events, err := d.Events()
	if err != nil {
		return fmt.Errorf("segment at position %d: %w", s.first, err)
	}
	x.Read += uint64(len(events))
	return nil
}

func bytesOf(path string) int64 {
	if st, err := os.Stat(path); err == nil {
		return st.Size()
	}
	return 0
}
