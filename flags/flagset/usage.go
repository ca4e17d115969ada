package flagset

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"tidemark/flags"
	"tidemark/flags/eval"
)

// usage counts answers. Counting is on the way of every evaluation, so it is one look-up
// in a table and one atomic addition, and asks no clock: a flush gives what has come
// since the one before it the time of the flush.
type usage struct {
	counters atomic.Pointer[map[answer]*counter]
	adding   sync.Mutex // held while a new kind of answer is put into the map
	flushing sync.Mutex
	unknown  atomic.Int64 // questions for flags that do not exist
}

// answer is what is counted apart. Flags, their variants and the reasons are few.
type answer struct{ flag, variant, reason string }

// counter has two parts: what a flush took already, and all.
type counter struct {
	all     atomic.Int64
	flushed int64 // guarded by usage.flushing
}

func newUsage() *usage {
	u := &usage{}
	u.counters.Store(&map[answer]*counter{})
	return u
}

func (u *usage) add(a answer) {
	c, ok := (*u.counters.Load())[a]
	if !ok {
		c = u.counter(a)
	}
	c.all.Add(1)
}

// counter returns the counter of a kind of answer, which it makes where there is none.
func (u *usage) counter(a answer) *counter {
	u.adding.Lock()
	defer u.adding.Unlock()
	old := *u.counters.Load()
	if c, ok := old[a]; ok {
		return c
	}
	next := maps.Clone(old)
	c := &counter{}
	next[a] = c
	u.counters.Store(&next)
	return c
}

// counters are those of the answers that one set gives, by their kind. One is nil until
// it is needed: then it is found in the map, where sets that follow each other share it.
type counters []atomic.Pointer[counter]

// Observe counts an answer that a set gave. It is cheap enough for every evaluation.
func (c *Catalogue) Observe(set *eval.Set, r *eval.Result) {
	kind, now := r.Kind(), c.now.Load()
	if kind < 1 || set != now.set { // Not numbered, or the flags were changed meanwhile.
		c.count(r.Key, r)
		return
	}
	n := now.counters[kind].Load()
	if n == nil {
		n = c.usage.counter(answerOf(r.Key, r))
		now.counters[kind].Store(n)
	}
	n.all.Add(1)
	c.countPin(r.Key, r)
}

// Asked may take a context into the sample by which cohorts are estimated. It keeps
// nothing of it. A unit that asks for fifty flags at once is one unit.
func (c *Catalogue) Asked(ctx eval.Context) { c.sample.offer(ctx) }

// Count counts an answer that the server gave itself. Its context is none of the
// traffic's, and that it has no such flag is its own affair.
func (c *Catalogue) Count(flag string, r *eval.Result) {
	if r.Code != eval.CodeFlagNotFound {
		c.count(flag, r)
	}
}

func (c *Catalogue) count(flag string, r *eval.Result) {
	if r.Code == eval.CodeFlagNotFound {
		c.usage.unknown.Add(1)
		return
	}
	c.usage.add(answerOf(flag, r))
	c.countPin(flag, r)
}

func (c *Catalogue) countPin(flag string, r *eval.Result) {
	if r.Metadata.Session.Expires != 0 {
		c.observePin(flag, r)
	}
}

func answerOf(flag string, r *eval.Result) answer {
	return answer{flag, r.Variant, string(r.Reason)}
}

// Unknown is how many questions were for flags that do not exist, since the start.
func (c *Catalogue) Unknown() int64 { return c.usage.unknown.Load() }

// keepUsage is how long counts are kept.
const keepUsage = 400 * flags.Day

// FlushUsage stores what was counted since the last flush, of answers and of pins.
func (c *Catalogue) FlushUsage(ctx context.Context) error {
	return errors.Join(c.flushUsage(ctx), c.flushPins(ctx))
}

func (c *Catalogue) flushUsage(ctx context.Context) error {
	if c.opt.Usage == nil {
		return nil
	}
	c.usage.flushing.Lock()
	defer c.usage.flushing.Unlock()
	now := c.opt.Now()
	pending := c.usage.pending(now)
	if len(pending) == 0 {
		return nil
	}
	if err := c.opt.Usage.AddUsage(ctx, pending); err != nil {
		return fmt.Errorf("flush usage of flags: %w", err)
	}
	for i := range pending {
		p := &pending[i]
		(*c.usage.counters.Load())[answer{p.Flag, p.Variant, p.Reason}].flushed += p.Count
	}
	return nil
}

// pending is what was counted and not flushed. usage.flushing is held.
func (u *usage) pending(now time.Time) []flags.UsageCount {
	var out []flags.UsageCount
	for a, c := range *u.counters.Load() {
		if n := c.all.Load() - c.flushed; n > 0 {
			out = append(out, flags.UsageCount{Flag: a.flag, Day: day(now), Variant: a.variant, Reason: a.reason, Count: n, Last: now})
		}
	}
	return out
}

// PruneUsage removes counts that are too old to matter.
func (c *Catalogue) PruneUsage(ctx context.Context) error {
	if c.opt.Usage == nil {
		return nil
	}
	return c.opt.Usage.PruneUsage(ctx, day(c.opt.Now().Add(-keepUsage))) //nolint:wrapcheck // It says what it did.
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
