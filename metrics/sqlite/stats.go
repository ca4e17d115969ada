package sqlite

import (
	"context"

	"tidemark/metrics"
)

// Stats implements metrics.Store.
func (s *Store) Stats(ctx context.Context) (metrics.StoreStats, error) {
	done, err := s.use(ctx)
	if err != nil {
		return metrics.StoreStats{}, err
	}
	defer done()
	st := s.figures()
	st.RawBytes = s.rawBytes()
	st.CellBytes = s.main.size()
	return st, nil
}

// figures are the statistics that need no look at the disk.
func (s *Store) figures() metrics.StoreStats {
	s.log.mu.RLock()
	defer s.log.mu.RUnlock()
	var st metrics.StoreStats
	for _, p := range s.log.partitions {
		if st.Events == 0 {
			st.OldestRaw = p.oldest
		}
		st.Events += uint64(p.events)
		st.Segments += p.segments
		st.Partitions++
	}
	return st
}

func (s *Store) rawBytes() (n int64) {
	s.log.mu.RLock()
	defer s.log.mu.RUnlock()
	for _, p := range s.log.partitions {
		n += (&file{path: p.path}).size()
	}
	return n
}
