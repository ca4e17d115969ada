package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Backup implements metrics.Store: dir is created, or must be empty. Rollups are
// copied first and the log after them, while no checkpoint or pruning happens, so
// the copy of the log is at least as long as what the rollups include. Events go on
// being appended meanwhile.
func (s *Store) Backup(ctx context.Context, dir string) error {
	done, err := s.use(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return wrap(err, "back up into %s", dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return wrap(err, "back up into %s", dir)
	}
	if len(entries) > 0 {
		return fmt.Errorf("back up into %s: the folder must be empty, it holds %q", dir, entries[0].Name())
	}
	s.upkeep.one.Lock() // no sealing
	defer s.upkeep.one.Unlock()
	s.commits.Lock() // no checkpoint, no pruning
	defer s.commits.Unlock()
	if err := copyTo(ctx, s.main.path, filepath.Join(dir, "telemetry.db")); err != nil {
		return err
	}
	s.log.mu.RLock()
	partitions := slices.Clone(s.log.partitions)
	s.log.mu.RUnlock()
	for _, p := range partitions {
		_, err := p.read(ctx, func(*sql.DB) error {
			return copyTo(ctx, p.path, filepath.Join(dir, filepath.Base(p.path)))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// copyTo writes a compact copy of a file as of now. It needs a connection of its own:
// those of readers may not write, not even into another file.
func copyTo(ctx context.Context, from, to string) error {
	db, err := sql.Open("sqlite3", dsn(from))
	if err == nil {
		_, err = db.ExecContext(ctx, "VACUUM INTO ?", to)
		err = errors.Join(err, db.Close())
	}
	return wrap(err, "copy %s to %s", from, to)
}
