package api

import "sync"

// memory is what all bodies being handled may take, in bytes. One identity has at most
// its share, so that nobody leaves nothing to the others.
type memory struct {
	most, share int64

	mu   sync.Mutex
	used int64
	by   map[string]int64
}

// newMemory shares out so many bytes: half to one identity, and at least as much as one
// body needs, if there is.
func newMemory(most, body int64) *memory {
	return &memory{most: most, share: min(most, max(most/2, body)), by: map[string]int64{}}
}

// take books n bytes more for somebody, or nothing.
func (m *memory) take(who string, n int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.used+n > m.most || m.by[who]+n > m.share {
		return false
	}
	m.used += n
	m.by[who] += n
	return true
}

// give gives back what somebody booked.
func (m *memory) give(who string, n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used -= n
	if m.by[who] -= n; m.by[who] <= 0 {
		delete(m.by, who)
	}
}
