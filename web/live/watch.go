package live

import "sync"

// watchers are those who wait for something of one write to happen. A notice says
// only that it did; notices may be merged.
type watchers struct {
	mu   sync.Mutex
	byID map[string]map[chan struct{}]struct{}
}

// Subscribe returns a channel that is sent to whenever an event of the write was
// folded, and closed never. cancel releases it and may be called twice.
func (f *Feed) Subscribe(writeID string) (changed <-chan struct{}, cancel func()) {
	w := &f.watchers
	c := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byID == nil {
		w.byID = map[string]map[chan struct{}]struct{}{}
	}
	if w.byID[writeID] == nil {
		w.byID[writeID] = map[chan struct{}]struct{}{}
	}
	w.byID[writeID][c] = struct{}{}
	f.hub.watched.Add(1)
	var once sync.Once
	return c, func() { once.Do(func() { f.hub.watched.Add(-1); w.remove(writeID, c) }) }
}

func (w *watchers) remove(writeID string, c chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.byID[writeID], c)
	if len(w.byID[writeID]) == 0 {
		delete(w.byID, writeID)
	}
}

func (w *watchers) notify(writeID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.byID[writeID] {
		select {
		case c <- struct{}{}:
		default: // It has a notice already.
		}
	}
}
