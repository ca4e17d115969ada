package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/pressly/goose/v3"
)

// ErrNewer means that a file was written by a newer program: this one would not
// understand what it holds.
var ErrNewer = errors.New("written by a newer tidemark")

// Apply brings a database up to the newest of the migrations, each in a transaction
// of its own. It refuses, and changes nothing, when the database is newer than that.
// Some migrations were added with a lower number than others had that stores were made
// with: such a store gets them too. It fails for a file that may only be read.
func Apply(ctx context.Context, db *sql.DB, files fs.FS) error {
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithAllowOutofOrder(true))
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	is, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	if known := Newest(p); is > known {
		return fmt.Errorf("%w: its schema is %d, this program knows up to %d; run the newer program, or restore a backup from before the upgrade", ErrNewer, is, known)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	return changeable(ctx, db)
}

// changeable fails for a file that may only be read: it would be opened so, and fail at
// its first change. What it changes, it takes back.
func changeable(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "PRAGMA user_version = 1")
	return errors.Join(err, tx.Rollback())
}

// Schema is the number of the newest migration that a database has with all before it;
// more than the newest of files when it has a newer one.
func Schema(ctx context.Context, db *sql.DB, files fs.FS) (schema int64, err error) {
	known, err := numbers(files)
	if err != nil {
		return 0, err
	}
	rows, err := db.QueryContext(ctx, "SELECT version_id FROM goose_db_version WHERE is_applied")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	applied, newest := map[int64]bool{}, int64(0)
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return 0, err
		}
		applied[n], newest = true, max(newest, n)
	}
	if err := rows.Err(); err != nil || newest > known[len(known)-1] {
		return newest, err
	}
	for _, n := range known {
		if !applied[n] {
			break
		}
		schema = n
	}
	return schema, nil
}

// Latest is the number of the newest migration of a folder of them.
func Latest(files fs.FS) (int64, error) {
	all, err := numbers(files)
	if err != nil {
		return 0, err
	}
	return all[len(all)-1], nil
}

// numbers are those of a folder of migrations, in order; there is one at least.
func numbers(files fs.FS) (all []int64, err error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	for _, e := range entries {
		n, err := goose.NumericComponent(e.Name())
		if err != nil {
			return nil, fmt.Errorf("migrations: %w", err)
		}
		all = append(all, n)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("migrations: %w", fs.ErrNotExist)
	}
	slices.Sort(all)
	return all, nil
}

// Newest is the number of the newest migration that a provider has; 0 without any.
func Newest(p *goose.Provider) int64 {
	var n int64
	for _, s := range p.ListSources() {
		n = max(n, s.Version)
	}
	return n
}
