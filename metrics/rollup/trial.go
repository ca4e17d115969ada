package rollup

import (
	"math/bits"
	"strings"

	"github.com/twmb/murmur3"
	"github.com/zeebo/xxh3"

	"tidemark/metrics"
)

// defaultHorizon is when a write counts as not visible where no deadline was promised.
const defaultHorizon = 10_000_000_000

// trial is a followed trial: what its units experienced, each kept apart.
type trial struct {
	def                metrics.Trial
	candidate, control uint32 // variants, by name
	horizon            int64
	units              map[string]*unit
	steps              map[int]map[*unit]*unitCell
	young              []youngWrite // writes that may not have passed the horizon, oldest first
	counts             trialCounts
	dirty              []*unitCell
}

// trialCounts is what is counted of a trial beside its units.
type trialCounts struct {
	LastEvent    int64 `json:"last_event"`
	Writes       int64 `json:"writes"`
	NoUnit       int64 `json:"no_unit"`
	OtherVariant int64 `json:"other_variant"`
	Overflow     int64 `json:"overflow"`
}

// unit is one unit of a trial.
type unit struct {
	name   string
	bucket int // 0..9999
}

// arm is the part of a trial that a unit is in at a step.
type arm uint8

const (
	armRest arm = iota
	armCandidate
	armControl
)

// unitCell is what one unit experienced in one step: the sum of what its writes,
// reads and conflicts contribute, so it can be taken back.
type unitCell struct {
	step  int
	unit  *unit
	arm   arm
	dirty bool

	writes, visible, onTime, reads int64
	lag                            int64 // ns, of the visible ones
	conflicts, violations, checks  int64
	errors, replays                int64

	// The write with the least hash of its id stands for the unit where one sample is
	// wanted. A write may leave: an event that comes late can move its beginning into
	// another step, or name another unit or variant. Then the next one stands in.
	samples  [maxSamples]lagSample // the first nSamples, by hash
	nSamples int
}

// maxSamples is how many writes of the least hashes a cell keeps. The first is exact as
// long as no more than maxSamples−1 of them have left.
const maxSamples = 4

type lagSample struct {
	hash uint64
	at   int64 // when the write began
	lag  int64 // −1: not visible everywhere
}

// addSample takes a write in, when its hash is among the least.
func (c *unitCell) addSample(s lagSample) {
	i := c.nSamples
	for i > 0 && s.hash < c.samples[i-1].hash {
		i--
	}
	if i == maxSamples {
		return
	}
	c.nSamples = min(c.nSamples+1, maxSamples)
	copy(c.samples[i+1:c.nSamples], c.samples[i:])
	c.samples[i] = s
}

// dropSample takes a write out.
func (c *unitCell) dropSample(hash uint64) {
	for i := range c.nSamples {
		if c.samples[i].hash == hash {
			copy(c.samples[i:], c.samples[i+1:c.nSamples])
			c.nSamples--
			c.samples[c.nSamples] = lagSample{}
			return
		}
	}
}

// trialRef is a write's, or a read's, part in a trial.
type trialRef struct {
	t    *trial
	unit *unit // nil: it named none
	hash uint64
}

// youngWrite is a write that is in a trial and may still be within its horizon.
type youngWrite struct {
	w  *write
	at int64
}

// trialOf returns the trial that an event belongs to; nil when none.
func (e *Engine) trialOf(f *feature, ev *metrics.Event) *trial {
	if len(e.trials) == 0 || ev.Flag == "" {
		return nil
	}
	t := e.trials[ev.Flag]
	if t == nil || (t.def.Feature != "" && t.def.Feature != f.name) {
		return nil
	}
	return t
}

// joinTrial gives a write its part in a trial. Events of one write should agree on flag
// and unit; when they do not, the least of both holds, an event with a unit before one
// without.
func (e *Engine) joinTrial(w *write, ev *metrics.Event) {
	t := e.trialOf(w.f, ev)
	if t == nil {
		return
	}
	t.counts.LastEvent = max(t.counts.LastEvent, ev.ObservedAt)
	if !w.hear(saidTrial, ev).takes(w.trial.orders(t, ev.Unit) > 0) {
		return
	}
	switch {
	case w.trial == nil:
		w.trial = &trialRef{hash: xxh3.HashString(w.id)}
	case w.trial.t != t:
		w.young = false
	}
	w.trial.t, w.trial.unit = t, nil
	if ev.Unit != "" {
		w.trial.unit = t.unitOf(e, ev.Unit)
	}
}

// orders compares a part with the one that an event gives: by flag, then by unit, no unit
// and no part last.
func (r *trialRef) orders(t *trial, unit string) int {
	switch {
	case r == nil:
		return 1
	case r.t != t:
		return strings.Compare(r.t.def.Flag, t.def.Flag)
	case unit == "":
		return -1
	case r.unit == nil:
		return 1
	}
	return strings.Compare(r.unit.name, unit)
}

// bucketOf is flagd's fractional bucketing ("v2") with weights that sum to 10,000.
func bucketOf(salt, unit string) int {
	return int(uint64(murmur3.StringSum32(salt+unit)) * 10_000 >> 32)
}

// stepAt returns the step in force at a time; nil when nobody is compared then.
func (t *trial) stepAt(at int64) *metrics.TrialStep {
	for i := len(t.def.Steps) - 1; i >= 0; i-- {
		if s := &t.def.Steps[i]; s.From <= at {
			if s.Index < 0 || s.Percent == 0 {
				return nil
			}
			return s
		}
	}
	return nil
}

func (u *unit) armIn(s *metrics.TrialStep) arm {
	switch {
	case u.bucket < s.Percent:
		return armCandidate
	case u.bucket >= 10_000-min(s.Percent, 5_000):
		return armControl
	}
	return armRest
}

// cellAt returns the cell of a unit at a time; nil when it is not compared. other is
// true when it would be, had it the variant of its arm.
func (t *trial) cellAt(u *unit, at int64, variant uint32) (c *unitCell, other bool) {
	s := t.stepAt(at)
	if s == nil {
		return nil, false
	}
	a := u.armIn(s)
	switch {
	case a == armRest:
		return nil, false
	case a == armCandidate && variant != t.candidate, a == armControl && variant != t.control:
		return nil, true
	}
	return t.cell(u, s.Index, a), false
}

func (t *trial) cell(u *unit, step int, a arm) *unitCell {
	cells := t.steps[step]
	if cells == nil {
		cells = map[*unit]*unitCell{}
		t.steps[step] = cells
	}
	c := cells[u]
	if c == nil {
		c = &unitCell{step: step, unit: u, arm: a}
		cells[u] = c
	}
	return c
}

// touch notes that a cell changes before the next checkpoint.
func (t *trial) touch(c *unitCell) {
	if !c.dirty {
		c.dirty = true
		t.dirty = append(t.dirty, c)
	}
}

// contributeTrial adds or takes away what a write's state is to its trial: a pure
// function of the state and of the trial's definition.
func (e *Engine) contributeTrial(w *write, t0 int64, sign int64) {
	r := w.trial
	s := r.t.stepAt(t0)
	if s == nil {
		return
	}
	r.t.counts.Writes += sign
	if r.unit == nil {
		r.t.counts.NoUnit += sign
		return
	}
	c, other := r.t.cellAt(r.unit, t0, w.variant)
	if other {
		r.t.counts.OtherVariant += sign
	}
	if c == nil {
		return
	}
	r.t.touch(c)
	c.writes += sign
	lag := w.lagEverywhere(t0)
	if lag >= 0 {
		c.visible += sign
		c.lag += sign * lag
		if lag <= r.t.horizon {
			c.onTime += sign
		}
	}
	for i := range w.reps {
		c.replays += sign * int64(bits.OnesCount64(w.reps[i].attempts))
		c.errors += sign * int64(bits.OnesCount64(w.reps[i].failed))
	}
	if sign > 0 {
		c.addSample(lagSample{r.hash, t0, lag})
	} else {
		c.dropSample(r.hash)
	}
}

// lagEverywhere is the write's time to visibility at every expected replica, ns, at
// least 0; −1 when some has not satisfied it, or nothing is expected.
func (w *write) lagEverywhere(t0 int64) int64 {
	last := int64(minTime)
	expect := w.expected()
	for _, r := range expect {
		p := w.peek(r)
		if p == nil || p.sat == noTime {
			return -1
		}
		last = max(last, p.sat)
	}
	if len(expect) == 0 {
		return -1
	}
	return max(last-t0, 0)
}

// noteYoung remembers a write of a trial until it has passed the horizon.
func (e *Engine) noteYoung(w *write) {
	if w.trial == nil || w.trial.unit == nil || w.young {
		return
	}
	t0, ok := w.begun()
	if !ok || t0+w.trial.t.horizon <= e.opts.Now().UnixNano() {
		return
	}
	w.young = true
	w.trial.t.young = append(w.trial.t.young, youngWrite{w: w, at: t0})
}

// joinReadTrial gives a read its part in a trial.
func (e *Engine) joinReadTrial(r *read, ev *metrics.Event) {
	r.trial = nil
	t := e.trialOf(r.f, ev)
	if t == nil || ev.Unit == "" {
		return
	}
	t.counts.LastEvent = max(t.counts.LastEvent, ev.ObservedAt)
	if u := t.unitOf(e, ev.Unit); u != nil {
		r.trial = &trialRef{t: t, unit: u}
	}
}

func (r *read) contributeTrial(sign int64) {
	if r.trial == nil {
		return
	}
	if c, _ := r.trial.t.cellAt(r.trial.unit, r.at.t, r.variant); c != nil {
		r.trial.t.touch(c)
		c.reads += sign
	}
}

// trialCell is where a verdict on an operation counts; nil when nowhere.
func (o sessionOp) trialCell(at int64) (*trial, *unitCell) {
	ref, variant := (*trialRef)(nil), uint32(0)
	if o.w != nil {
		ref, variant = o.w.trial, o.w.variant
	} else {
		ref, variant = o.r.trial, o.r.variant
	}
	if ref == nil || ref.unit == nil {
		return nil, nil
	}
	c, _ := ref.t.cellAt(ref.unit, at, variant)
	return ref.t, c
}

// count adds a verdict to, or takes it from, its unit.
func (c *counted) count(sign int64) {
	if c.cell == nil {
		return
	}
	c.trial.touch(c.cell)
	c.cell.checks += sign
	if c.violation != "" {
		c.cell.violations += sign
	}
}

// contributeConflictTrial counts a conflict at the unit that it names.
func (e *Engine) contributeConflictTrial(c *conflictState, at, sign int64) {
	r := &c.row
	t := e.trials[r.Flag]
	if t == nil || r.Unit == "" || (t.def.Feature != "" && t.def.Feature != r.Feature) {
		return
	}
	u := t.unitOf(e, r.Unit)
	if u == nil {
		return
	}
	if cell, _ := t.cellAt(u, at, e.names.id(r.Variant)); cell != nil {
		t.touch(cell)
		cell.conflicts += sign
	}
}
