package rollup

import (
	"maps"
	"testing"

	"tidemark/metrics"
	"tidemark/metrics/storetest"
)

// What is remembered of entities does not hang on restarts, and no more than two marks of
// them are in memory one by one.
func TestWhatWasSeenIsKeptInFilters(t *testing.T) {
	t.Parallel()
	size := seenSize{mark: 8, marks: 3, entities: 40, partitions: 50}
	whole, st := newSeen(size), storetest.NewMemory()
	restarted, hash := newSeen(size), uint64(1)
	commit := func(cp *metrics.Checkpoint) {
		t.Helper()
		if err := st.Commit(t.Context(), cp); err != nil {
			t.Fatal(err)
		}
	}
	var told []uint64 // in each mark
	for pos := metrics.Position(8); pos <= 8*40; pos += 8 {
		for range 5 {
			hash = hash*0x9e3779b97f4a7c15 + 7
			told = append(told, hash)
			whole.add(hash)
			restarted.add(hash)
		}
		if _, err := st.Append(t.Context(), make([]metrics.Event, 8)); err != nil {
			t.Fatal(err)
		}
		own, cp := &metrics.Checkpoint{Blobs: map[string][]byte{}}, &metrics.Checkpoint{Position: pos, Blobs: map[string][]byte{}}
		whole.advance(pos, own)
		restarted.advance(pos, cp)
		if !maps.EqualFunc(own.Blobs, cp.Blobs, func(a, b []byte) bool { return string(a) == string(b) }) {
			t.Errorf("at %d the checkpoints differ", pos)
		}
		commit(cp)
		inMemory := 0
		for _, list := range whole.lists {
			inMemory += len(list)
		}
		if inMemory > 2*5 {
			t.Errorf("at %d %d entities are in memory one by one", pos, inMemory)
		}
		if pos%40 != 0 {
			continue
		}
		s, replay, err := loadSeen(t.Context(), st, size)
		if err != nil {
			t.Fatal(err)
		}
		for at := replay; at < pos; at += 8 { // as the fold does
			for _, h := range told[at/8*5 : at/8*5+5] {
				if !s.has(h) {
					s.add(h)
				}
			}
			s.advance(at+8, &metrics.Checkpoint{Blobs: map[string][]byte{}})
		}
		restarted = s
		for i, h := range told {
			if !restarted.has(h) {
				t.Fatalf("at %d the entity %d is not known", pos, i)
			}
		}
		if len(restarted.closed) != len(whole.closed) || restarted.start != whole.start || restarted.mark != whole.mark || restarted.open.n != whole.open.n {
			t.Errorf("at %d a restart knows %d partitions from %d, want %d from %d", pos, len(restarted.closed), restarted.start, len(whole.closed), whole.start)
		}
	}
	if len(whole.closed) < 3 {
		t.Errorf("%d partitions are sealed", len(whole.closed))
	}
	for i, f := range whole.closed {
		if string(f.encode()) != string(restarted.closed[i].encode()) {
			t.Errorf("partition %d differs after restarts", i)
		}
	}
}
