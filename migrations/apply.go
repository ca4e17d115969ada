package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// ErrNewer means that a file was written by a newer program: this one would not
// understand what it holds.
var ErrNewer = errors.New("written by a newer tidemark")

// Apply brings a database up to the newest of the migrations, each in a transaction
// of its own. It refuses, and changes nothing, when the database is newer than that.
func Apply(ctx context.Context, db *sql.DB, files fs.FS) error {
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files)
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
	return nil
}

// Latest is the number of the newest migration of a folder of them.
func Latest(files fs.FS) (latest int64, err error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return 0, fmt.Errorf("migrations: %w", err)
	}
	for _, e := range entries {
		n, err := goose.NumericComponent(e.Name())
		if err != nil {
			return 0, fmt.Errorf("migrations: %w", err)
		}
		latest = max(latest, n)
	}
	return latest, nil
}

// Newest is the number of the newest migration that a provider has; 0 without any.
func Newest(p *goose.Provider) int64 {
	var n int64
	for _, s := range p.ListSources() {
		n = max(n, s.Version)
	}
	return n
}
