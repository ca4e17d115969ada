package flagset

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"tidemark/flags"
	"tidemark/flags/eval"
)

// Bounds of what is kept of pins. Pins themselves are kept nowhere.
const (
	// pinStretches is in how many parts the time that pins last is counted: one is
	// counted for up to so much longer than it is good.
	pinStretches = 24
	// minPinStretch is the shortest part.
	minPinStretch = 5 * time.Second
	// maxPinSketches is how many parts are counted at once, of all rollouts together:
	// 8 MiB.
	maxPinSketches = 4096
)

// pinPart is what is counted apart.
type pinPart struct {
	rollout, variant string
	used             bool
	until, brokenAt  int64
}

// pins counts who holds pins, as usage counts answers: one map look-up and one atomic
// load for most evaluations.
type pins struct {
	parts    atomic.Pointer[map[pinPart]*distinct]
	adding   sync.Mutex // held while a part comes or goes
	flushing sync.Mutex
	over     atomic.Bool // there were more parts than are counted
}

func newPins() *pins {
	p := &pins{}
	p.parts.Store(&map[pinPart]*distinct{})
	return p
}

// observePin counts the pin of an answer: the unit, when it was given a new one, and the
// pin itself, when it came back.
func (c *Catalogue) observePin(flag string, r *eval.Result) {
	s := &r.Metadata.Session
	stretch := max((s.Expires-s.Issued)/pinStretches, int64(minPinStretch))
	part := pinPart{
		rollout: r.Metadata.Rollout, variant: r.Variant, used: s.Returned,
		until: (s.Expires/stretch + 1) * stretch, brokenAt: c.now.Load().pinsBroken[flag],
	}
	d, ok := (*c.pins.parts.Load())[part]
	if !ok {
		d = c.pins.part(part)
	}
	if d == nil {
		return
	}
	who := [16]byte{}
	copy(who[:], s.Unit[:])
	if s.Returned {
		for i := range 8 {
			who[8+i] = byte(s.Issued >> (8 * i))
		}
	}
	d.add(xxhash.Sum64(who[:]))
}

func (p *pins) part(k pinPart) *distinct {
	p.adding.Lock()
	defer p.adding.Unlock()
	old := *p.parts.Load()
	if d, ok := old[k]; ok {
		return d
	}
	if len(old) >= maxPinSketches {
		p.over.Store(true)
		return nil
	}
	next := maps.Clone(old)
	next[k] = &distinct{}
	p.parts.Store(&next)
	return next[k]
}

// drop forgets the parts that have ended.
func (p *pins) drop(now int64) {
	p.adding.Lock()
	defer p.adding.Unlock()
	next := maps.Clone(*p.parts.Load())
	maps.DeleteFunc(next, func(k pinPart, _ *distinct) bool { return k.until < now })
	p.parts.Store(&next)
}

// flushPins stores what was counted since the last flush.
func (c *Catalogue) flushPins(ctx context.Context) error {
	if c.opt.PinCounts == nil {
		return nil
	}
	c.pins.flushing.Lock()
	defer c.pins.flushing.Unlock()
	var changed []flags.PinSketch
	var whose []*distinct
	now := c.opt.Now().UnixNano()
	for k, d := range *c.pins.parts.Load() {
		if k.until >= now && d.grown.Swap(false) {
			changed, whose = append(changed, k.sketch(d)), append(whose, d)
		}
	}
	if len(changed) > 0 {
		if err := c.opt.PinCounts.MergePins(ctx, changed, now); err != nil {
			for _, d := range whose {
				d.grown.Store(true)
			}
			return fmt.Errorf("flush counts of pins: %w", err)
		}
	}
	c.pins.drop(now)
	return nil
}

func (k pinPart) sketch(d *distinct) flags.PinSketch {
	return flags.PinSketch{
		Rollout: k.rollout, Variant: k.variant, Used: k.used, Until: k.until, BrokenAt: k.brokenAt, Registers: d.registers(),
	}
}

// Pinned is how many sessions hold a pin that is good still, by the variant that it holds
// them to. Both numbers are estimates; see Error. What in-process providers and other
// servers gave and did not store here is not in them.
type Pinned struct {
	Variant string `json:"variant"`
	// Sessions came back with their pin: they are what drains. A session does not say
	// when it ends, so that it counts until its pin does.
	Sessions int64 `json:"sessions"`
	// Units were given such a pin. Whether they will come back with it is not known.
	Units int64 `json:"units"`
	// Until is when the last of these pins has ended, to within a 24th of the time that
	// pins last.
	Until time.Time `json:"until"`
	// Error is the relative standard error of both, and Partial says that there were
	// more at once than are counted.
	Error   float64 `json:"error"`
	Partial bool    `json:"partial,omitempty"`
}

// Pinned counts who holds good pins of a rollout, by variant. brokenAt is when its
// flag's pins were last broken: those from before are not good.
func (c *Catalogue) Pinned(ctx context.Context, rollout string, brokenAt time.Time) ([]Pinned, error) {
	parts := []flags.PinSketch{}
	for k, d := range *c.pins.parts.Load() {
		if k.rollout == rollout {
			parts = append(parts, k.sketch(d))
		}
	}
	if c.opt.PinCounts != nil {
		stored, err := c.opt.PinCounts.Pins(ctx, rollout)
		if err != nil {
			return nil, err //nolint:wrapcheck // It says what it did.
		}
		parts = append(parts, stored...)
	}
	var broken int64
	if !brokenAt.IsZero() {
		broken = brokenAt.UnixNano()
	}
	now := c.opt.Now().UnixNano()
	parts = slices.DeleteFunc(parts, func(p flags.PinSketch) bool { return p.Until < now || p.BrokenAt < broken })
	return c.sumPins(parts), nil
}

func (c *Catalogue) sumPins(parts []flags.PinSketch) []Pinned {
	type sum struct {
		merged [2][]byte
		until  int64
	}
	sums := map[string]*sum{}
	for i := range parts {
		p := &parts[i]
		s, ok := sums[p.Variant]
		if !ok {
			s = &sum{merged: [2][]byte{make([]byte, distinctSize), make([]byte, distinctSize)}}
			sums[p.Variant] = s
		}
		kind := 0
		if p.Used {
			kind = 1
		}
		mergeRegisters(s.merged[kind], p.Registers)
		s.until = max(s.until, p.Until)
	}
	out := []Pinned{}
	for variant, s := range sums {
		out = append(out, Pinned{
			Variant: variant, Units: int64(math.Round(distinctCount(s.merged[0]))), Sessions: int64(math.Round(distinctCount(s.merged[1]))),
			Until: time.Unix(0, s.until).UTC(), Error: distinctError, Partial: c.pins.over.Load(),
		})
	}
	slices.SortFunc(out, func(a, b Pinned) int { return cmp.Compare(a.Variant, b.Variant) })
	return out
}
