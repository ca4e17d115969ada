package sqlite

import (
	"context"
	"database/sql"
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
	if err := copyTo(ctx, s.main.r, s.main.path, filepath.Join(dir, "telemetry.db")); err != nil {
		return err
	}
	s.log.mu.RLock()
	partitions := slices.Clone(s.log.partitions)
	s.log.mu.RUnlock()
	for _, p := range partitions {
		_, err := p.read(ctx, func(db *sql.DB) error {
			return copyTo(ctx, db, p.path, filepath.Join(dir, filepath.Base(p.path)))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// copyTo writes a compact copy of a file as of now.
func copyTo(ctx context.Context, db *sql.DB, from, to string) error {
	_, err := db.ExecContext(ctx, "VACUUM INTO ?", to)
	return wrap(err, "copy %s to %s", from, to)
}
