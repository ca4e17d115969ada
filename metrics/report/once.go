package report

import (
	"context"
	"sync"

	"tidemark/metrics"
)

// once keeps what several questions of one page have in common.
type once struct {
	open  memo[string, *openList]
	hops  memo[Query, *Hops]
	heard memo[struct{}, []metrics.Heard]
}

// Once returns a Reporter for the questions of one page, which are about one moment:
// what several of them need is read once. It is for one context and a short time,
// since it keeps what it read.
func (r *Reporter) Once() *Reporter {
	one := *r
	one.once = &once{}
	return &one
}

// memo keeps answers by what was asked. Who asks while another does waits for it.
type memo[K comparable, T any] struct {
	mu      sync.Mutex
	answers map[K]func() (T, error)
}

func (m *memo[K, T]) get(k K, ask func() (T, error)) (T, error) {
	m.mu.Lock()
	answer, ok := m.answers[k]
	if !ok {
		if m.answers == nil {
			m.answers = map[K]func() (T, error){}
		}
		answer = sync.OnceValues(ask)
		m.answers[k] = answer
	}
	m.mu.Unlock()
	return answer()
}

// open reads the open writes of a feature, or of all.
func (r *Reporter) open(ctx context.Context, feature string) (*openList, error) {
	if r.once == nil {
		return r.readOpen(ctx, feature)
	}
	return r.once.open.get(feature, func() (*openList, error) { return r.readOpen(ctx, feature) })
}

// Hops returns the edges of a feature over q's range. With q.Replica only those of
// the paths that end there are returned. By is not used.
func (r *Reporter) Hops(ctx context.Context, q Query) (*Hops, error) {
	if r.once == nil {
		return r.readHops(ctx, q)
	}
	return r.once.hops.get(q, func() (*Hops, error) { return r.readHops(ctx, q) })
}

// sources says when each source was last heard.
func (r *Reporter) sources(ctx context.Context) ([]metrics.Heard, error) {
	if r.once == nil {
		return r.r.Heard(ctx)
	}
	return r.once.heard.get(struct{}{}, func() ([]metrics.Heard, error) { return r.r.Heard(ctx) })
}
