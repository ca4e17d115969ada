package rollup

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"tidemark/metrics"
)

// seen remembers every entity that was ever resident, so that an event of one
// that is not can be told from the first event of a new one.
//
// The log is cut into marks of equally many events. The entities of the two newest
// marks are kept as lists (a restart replays these marks, so they are not stored);
// older marks are stored as lists, and in memory in the filter that is sealed once a
// partition of them is full: a sender can make each event name three new entities.
type seen struct {
	closed []*filter // sealed partitions, oldest first
	open   *filter   // everything since the last sealed partition

	start metrics.Position // of the open partition
	mark  metrics.Position // start of the mark being filled
	lists [][]uint64       // entities new in each mark of the open partition
	let   int              // how many of them, the first ones, were let go: they are in old
	old   *filter

	sealed int // sealed partitions ever, names their blobs

	// shared is how many partitions there were, the open one included, when an earlier
	// program wrote the last of those that tell writes and sessions apart by their id alone;
	// 0 = none did.
	shared int

	size seenSize
}

// seenSize says how the log is cut.
type seenSize struct {
	mark       metrics.Position // events in a mark
	marks      int              // in a partition
	entities   int              // in a mark; sizes a filter, more raises false positives
	partitions int              // kept; a write further back is taken for a new one
}

// defaultSeenSize bounds filters to 8 × 12.8 MB, which cover 134 M events, and what
// a restart replays to half a million events.
var defaultSeenSize = seenSize{mark: 1 << 18, marks: 64, entities: 100_000, partitions: 8}

func newSeen(size seenSize) *seen {
	return &seen{open: size.filter(), old: size.filter(), lists: [][]uint64{nil}, size: size}
}

func (z seenSize) filter() *filter { return newFilter(z.marks * z.entities) }

// replayFrom is where a replay after a restart begins.
func (s *seen) replayFrom() metrics.Position {
	if s.mark < s.start+s.size.mark {
		return s.start
	}
	return s.mark - s.size.mark
}

func (s *seen) has(h uint64) bool {
	if s.open.has(h) {
		return true
	}
	for _, f := range s.closed {
		if f.has(h) {
			return true
		}
	}
	return false
}

// hasOwn reports whether a write or session of a feature may have been resident. Those of
// others with the same id say nothing of it, but where an earlier program did not tell
// them apart.
func (s *seen) hasOwn(f *feature, ent metrics.Entity) bool {
	return s.has(f.own(ent)) || s.sealed-len(s.closed) < s.shared && s.has(uint64(ent))
}

func (s *seen) add(h uint64) {
	s.open.add(h)
	last := len(s.lists) - 1
	s.lists[last] = append(s.lists[last], h)
}

func listBlob(start metrics.Position) string { return fmt.Sprintf("seen-list-%020d", start) }
func filterBlob(i int) string                { return fmt.Sprintf("seen-filter-%08d", i) }

const seenBlob = "seen"

// advance tells that the log was folded up to pos. When a mark is full it stores
// the list of the mark before the one just filled, and seals a full partition.
func (s *seen) advance(pos metrics.Position, cp *metrics.Checkpoint) {
	for pos >= s.mark+s.size.mark {
		s.mark += s.size.mark
		s.lists = append(s.lists, nil)
		s.seal(cp)
		if i := len(s.lists) - 3; i >= s.let {
			cp.Blobs[listBlob(s.start+metrics.Position(i)*s.size.mark)] = encodeHashes(s.lists[i])
			s.letGo(i + 1)
		}
		cp.Blobs[seenBlob] = s.header()
	}
}

// letGo keeps the entities of the first n marks in the filter of what will be sealed.
func (s *seen) letGo(n int) {
	for ; s.let < n; s.let++ {
		for _, h := range s.lists[s.let] {
			s.old.add(h)
		}
		s.lists[s.let] = nil
	}
}

// seal closes the partition once it is full beside the two newest marks.
func (s *seen) seal(cp *metrics.Checkpoint) {
	if len(s.lists) < s.size.marks+2 {
		return
	}
	s.letGo(s.size.marks)
	f := s.old
	s.old, s.let = s.size.filter(), 0
	for i := range s.size.marks {
		name := listBlob(s.start + metrics.Position(i)*s.size.mark)
		delete(cp.Blobs, name)
		cp.BlobsGone = append(cp.BlobsGone, name)
	}
	cp.Blobs[filterBlob(s.sealed)] = f.encode()
	s.sealed++
	s.closed = append(s.closed, f)
	if len(s.closed) > s.size.partitions {
		s.closed = s.closed[1:]
		cp.BlobsGone = append(cp.BlobsGone, filterBlob(s.sealed-len(s.closed)-1))
	}
	s.start += metrics.Position(s.size.marks) * s.size.mark
	s.lists = append([][]uint64(nil), s.lists[s.size.marks:]...)
	s.open = s.size.filter()
	for _, list := range s.lists {
		for _, h := range list {
			s.open.add(h)
		}
	}
}

func (s *seen) header() []byte {
	var b []byte
	b = binary.AppendUvarint(b, uint64(s.start))
	b = binary.AppendUvarint(b, uint64(s.mark))
	b = binary.AppendUvarint(b, uint64(s.sealed))
	b = binary.AppendUvarint(b, uint64(len(s.closed)))
	return binary.AppendUvarint(b, uint64(s.shared))
}

// loadSeen reads what advance stored. replay is the position from which the log
// must be replayed to bring back the lists that were not stored.
func loadSeen(ctx context.Context, st metrics.Store, size seenSize) (s *seen, replay metrics.Position, err error) {
	s = newSeen(size)
	head, err := st.Blob(ctx, seenBlob)
	if errors.Is(err, metrics.ErrNotFound) {
		return s, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("load seen entities: %w", err)
	}
	var v [4]uint64
	for i := range v {
		n, k := binary.Uvarint(head)
		if k <= 0 {
			return nil, 0, fmt.Errorf("load seen entities: %w: short header", metrics.ErrDamaged)
		}
		v[i], head = n, head[k:]
	}
	s.start, s.sealed, s.shared = metrics.Position(v[0]), int(v[2]), int(v[2])+1
	if n, k := binary.Uvarint(head); k > 0 {
		s.shared = int(n)
	}
	stored := metrics.Position(v[1])
	for i := s.sealed - int(v[3]); i < s.sealed; i++ {
		b, err := st.Blob(ctx, filterBlob(i))
		if err != nil {
			return nil, 0, fmt.Errorf("load seen filter %d: %w", i, err)
		}
		f, err := decodeFilter(b)
		if err != nil {
			return nil, 0, fmt.Errorf("load seen filter %d: %w", i, err)
		}
		s.closed = append(s.closed, f)
	}
	s.lists = nil
	s.mark = s.start
	for s.mark+2*s.size.mark <= stored {
		b, err := st.Blob(ctx, listBlob(s.mark))
		if errors.Is(err, metrics.ErrNotFound) {
			break
		}
		if err != nil {
			return nil, 0, fmt.Errorf("load seen list at %d: %w", s.mark, err)
		}
		for _, h := range decodeHashes(b) {
			s.open.add(h)
			s.old.add(h)
		}
		s.lists = append(s.lists, nil)
		s.let++
		s.mark += s.size.mark
	}
	s.lists = append(s.lists, nil)
	return s, s.mark, nil
}

func encodeHashes(hs []uint64) []byte {
	b := make([]byte, 0, 8*len(hs))
	for _, h := range hs {
		b = binary.LittleEndian.AppendUint64(b, h)
	}
	return b
}

func decodeHashes(b []byte) []uint64 {
	hs := make([]uint64, 0, len(b)/8)
	for ; len(b) >= 8; b = b[8:] {
		hs = append(hs, binary.LittleEndian.Uint64(b))
	}
	return hs
}
