package flagset

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tidemark/flags/eval"
)

// Bounds of the sample of contexts by which cohorts are estimated. It is kept in
// memory only and shown only as counts.
const (
	// SampleSize is how many contexts it holds at most, over its two halves.
	SampleSize = 10_000
	// SampleSpan is how long one half collects; the sample reaches back between one
	// and two of them.
	SampleSpan = time.Hour
	// MaxSampledBytes is the largest context, as JSON, that is taken.
	MaxSampledBytes = 2048
)

// sample is a uniform sample of recent contexts: two reservoirs (Vitter's algorithm
// R), the one that fills and the one before it.
type sample struct {
	now   func() time.Time
	young atomic.Pointer[reservoir]

	mu  sync.Mutex // turning
	old *reservoir
}

// reservoir holds each of the seen contexts with the same probability.
type reservoir struct {
	begun time.Time
	seen  atomic.Uint64
	large atomic.Uint64 // contexts that were due and too large

	mu    sync.Mutex
	taken [][]byte // JSON
}

func newSample(now func() time.Time) *sample {
	s := &sample{now: now}
	s.young.Store(&reservoir{begun: now()})
	return s
}

// offer takes the context with the probability that keeps the sample uniform.
func (s *sample) offer(ctx eval.Context) {
	r := s.young.Load()
	n := r.seen.Add(1)
	at := n - 1
	if n > SampleSize/2 {
		if at = rand.Uint64N(n); at >= SampleSize/2 {
			return
		}
	}
	raw, err := json.Marshal(withoutPin(ctx))
	if err != nil || len(raw) > MaxSampledBytes {
		r.large.Add(1)
		return
	}
	r.put(int(at), raw) //nolint:gosec // Below SampleSize.
}

// withoutPin leaves out the pin, which says nothing about who asks.
func withoutPin(ctx eval.Context) eval.Context {
	own, _, _ := strings.Cut(eval.PinKey, ".")
	out := maps.Clone(ctx)
	delete(out, eval.PinKey)
	delete(out, own)
	return out
}

func (r *reservoir) put(at int, raw []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at < len(r.taken) {
		r.taken[at] = raw
		return
	}
	if len(r.taken) < SampleSize/2 {
		r.taken = append(r.taken, raw)
	}
}

// turn begins a new half when the present one has collected long enough.
func (s *sample) turn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	young, now := s.young.Load(), s.now()
	age := now.Sub(young.begun)
	if age < SampleSpan {
		return
	}
	s.old = young
	if age >= 2*SampleSpan {
		s.old = nil // Nobody turned for so long that it is not recent any more.
	}
	s.young.Store(&reservoir{begun: now})
}

// weighed is one sampled context with how many it stands for.
type weighed struct {
	context eval.Context
	weight  float64
}

// sampled is the sample at one moment.
type sampled struct {
	contexts []weighed
	seen     uint64 // evaluations that it was drawn from
	large    uint64
	since    time.Time
}

func (s *sample) take() sampled {
	s.turn()
	s.mu.Lock()
	halves := []*reservoir{s.old, s.young.Load()}
	s.mu.Unlock()
	out := sampled{}
	for _, r := range halves {
		if r != nil {
			out.add(r)
		}
	}
	return out
}

func (s *sampled) add(r *reservoir) {
	r.mu.Lock()
	raws := append([][]byte(nil), r.taken...)
	r.mu.Unlock()
	seen := r.seen.Load()
	s.seen += seen
	s.large += r.large.Load()
	if s.since.IsZero() {
		s.since = r.begun
	}
	for _, raw := range raws {
		var c eval.Context
		if json.Unmarshal(raw, &c) == nil {
			s.contexts = append(s.contexts, weighed{c, float64(seen) / float64(len(raws))})
		}
	}
}
