package rollup

import (
	"cmp"
	"slices"
	"strings"

	"tidemark/metrics"
)

// Bounds of what is kept of clocks.
const (
	maxClocks       = 1_000 // names of one feature
	maxClockPairs   = 500   // of one feature
	allClockPairs   = 10_000
	maxClockMinutes = 15
)

// clockNames gives the clocks of one feature small numbers. They are names that nobody
// admitted, so only so many are known; once they are too many, all are forgotten, but no
// more than once a minute, and those still in use get new numbers. Numbers are never used
// twice, and 0 is a clock that is not known.
type clockNames struct {
	names
	base  uint32 // what was added to the numbers of those that were forgotten
	since int64  // minute (Unix seconds) in which they were begun
}

// number returns the number of a clock at a time (Unix ns).
func (c *clockNames) number(clock string, now int64) uint32 {
	if clock == "" {
		return 0
	}
	if c.ids == nil {
		c.names = newNames()
	}
	if id, ok := c.known(clock); ok {
		return c.base + id
	}
	if len(c.text) > maxClocks {
		minute := metrics.Level1m.Start(now)
		if minute <= c.since {
			return 0
		}
		c.base += uint32(len(c.text))
		c.names, c.since = newNames(), minute
	}
	return c.base + c.id(clock)
}

// named returns the clock with that number; "" when it is not known any more.
func (c *clockNames) named(number uint32) string {
	if number <= c.base {
		return ""
	}
	return c.text[number-c.base]
}

// stampOf is the corrected time of an event, by its clock.
func (f *feature) stampOf(ev *metrics.Event) stamp {
	clock := ev.ClockID
	if clock == "" {
		clock = ev.Service
	}
	return stamp{t: ev.Corrected(), clock: f.clocks.number(clock, ev.ObservedAt)}
}

// stampOf is the corrected time of a read, whose clock nobody asks for.
func (e *Engine) stampOf(ev *metrics.Event) stamp { return stamp{t: ev.Corrected()} }

// observeClocks notes the difference between the clocks at both ends of a hop.
func (e *Engine) observeClocks(w *write, at stamp, ev *metrics.Event) {
	if e.silent || e.loaded.depth > 0 {
		return
	}
	from := w.published
	if !from.known() {
		from = w.committed
	}
	if !from.known() {
		from = w.initiated
	}
	if !from.known() || from.clock == at.clock {
		return
	}
	c := &w.f.clocks
	if a, b := c.named(from.clock), c.named(at.clock); a != "" && b != "" {
		e.clocks.observe(w.f, a, b, at.t-from.t, ev.ObservedAt)
	}
}

// clockBook keeps, for pairs of clocks of one feature, the least difference in each
// minute. What one feature says of its clocks is nothing to another that names them too.
type clockBook struct {
	of    map[*feature]*featureClocks
	pairs int
}

type featureClocks struct {
	pairs map[[2]string]*clockPair
	swept int64 // when pairs that nobody measured lately were let go, Unix seconds
}

type clockPair struct{ minutes []metrics.ClockPair } // newest last

func newClockBook() clockBook { return clockBook{of: map[*feature]*featureClocks{}} }

func (b *clockBook) observe(f *feature, from, to string, diff, observed int64) {
	start := metrics.Level1m.Start(observed)
	p := b.pair(f, from, to, start)
	if p == nil {
		return
	}
	if n := len(p.minutes); n == 0 || p.minutes[n-1].Start < start {
		if n == maxClockMinutes {
			p.minutes = slices.Delete(p.minutes, 0, 1)
		}
		p.minutes = append(p.minutes, metrics.ClockPair{Feature: f.name, From: from, To: to, Start: start, MinDiff: diff})
	}
	m := &p.minutes[len(p.minutes)-1]
	m.MinDiff = min(m.MinDiff, diff)
	m.Samples++
	if diff < 0 {
		m.Negative++
	}
}

// pair returns a pair of a feature, making it; nil when there are too many.
func (b *clockBook) pair(f *feature, from, to string, now int64) *clockPair {
	c := b.of[f]
	if c == nil {
		c = &featureClocks{pairs: map[[2]string]*clockPair{}}
		b.of[f] = c
	}
	p := c.pairs[[2]string{from, to}]
	if p != nil {
		return p
	}
	if b.full(c) && c.swept < now {
		b.sweep(now)
	}
	if b.full(c) {
		return nil
	}
	p = &clockPair{}
	c.pairs[[2]string{from, to}] = p
	b.pairs++
	return p
}

func (b *clockBook) full(c *featureClocks) bool {
	return len(c.pairs) >= maxClockPairs || b.pairs >= allClockPairs
}

// sweep lets go of what was not measured for as long as minutes are kept.
func (b *clockBook) sweep(now int64) {
	for _, c := range b.of {
		c.swept = now
		for k, p := range c.pairs {
			if p.minutes[len(p.minutes)-1].Start < now-maxClockMinutes*int64(metrics.Level1m) {
				delete(c.pairs, k)
				b.pairs--
			}
		}
	}
}

func (e *Engine) clockPairs() []metrics.ClockPair {
	var out []metrics.ClockPair
	for _, c := range e.clocks.of {
		for _, p := range c.pairs {
			out = append(out, p.minutes...)
		}
	}
	slices.SortFunc(out, func(a, b metrics.ClockPair) int {
		return cmp.Or(strings.Compare(a.Feature, b.Feature), strings.Compare(a.From, b.From),
			strings.Compare(a.To, b.To), cmp.Compare(a.Start, b.Start))
	})
	return out
}
