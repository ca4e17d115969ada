package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"tidemark/metrics"
	"tidemark/migrations/snapshot"
)

// Snapshot is the store as it is at one moment, to be copied file by file. Rollups are
// those of the moment; the log, which is copied after them, is at least as long as what
// they include. Meanwhile the store goes on as ever, but prunes nothing.
type Snapshot struct {
	store      *Store
	main       *snapshot.Snapshot
	partitions []*partition
	end        func()
}

// Pin fixes the moment. The caller closes what it gets; a second one fails with
// metrics.ErrLocked until then.
func (s *Store) Pin(ctx context.Context) (*Snapshot, error) {
	done, err := s.use(ctx)
	if err != nil {
		return nil, err
	}
	if !s.pruning.TryLock() {
		done()
		return nil, fmt.Errorf("%s: %w: another backup, or retention, is at work", s.opts.Dir, metrics.ErrLocked)
	}
	p := &Snapshot{store: s, end: func() { s.pruning.Unlock(); done() }}
	if p.main, err = snapshot.Pin(ctx, s.main.path); err != nil {
		p.end()
		return nil, wrap(err, "%s", s.main.path)
	}
	s.log.mu.RLock()
	p.partitions = slices.Clone(s.log.partitions)
	s.log.mu.RUnlock()
	return p, nil
}

// Files are the names of what is to be copied, in the order in which it must be.
func (p *Snapshot) Files() []string {
	names := []string{filepath.Base(p.store.main.path)}
	for _, part := range p.partitions {
		names = append(names, filepath.Base(part.path))
	}
	return names
}

// Bytes is about how much there is to copy, and how large the largest file is.
func (p *Snapshot) Bytes() (all, largest int64) {
	for _, name := range p.Files() {
		n := (&file{path: filepath.Join(p.store.opts.Dir, name)}).size()
		all, largest = all+n, max(largest, n)
	}
	return all, largest
}

// CopyTo writes one of Files into a new file.
func (p *Snapshot) CopyTo(ctx context.Context, name, to string) error {
	if name == filepath.Base(p.store.main.path) {
		return wrap(p.main.CopyTo(ctx, to), "%s", name)
	}
	for _, part := range p.partitions {
		if filepath.Base(part.path) != name {
			continue
		}
		_, err := part.read(ctx, func(*sql.DB) error { return copyFile(ctx, part.path, to) })
		return wrap(err, "%s", name)
	}
	return fmt.Errorf("%s: %w", name, metrics.ErrNotFound)
}

func copyFile(ctx context.Context, from, to string) error {
	s, err := snapshot.Pin(ctx, from)
	if err != nil {
		return err
	}
	return errors.Join(s.CopyTo(ctx, to), s.Close())
}

// Close lets go of the moment.
func (p *Snapshot) Close() error {
	err := p.main.Close()
	p.end()
	return err
}
