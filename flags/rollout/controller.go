package rollout

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"tidemark/flags"
	"tidemark/metrics"
	"tidemark/metrics/clock"
)

// How the controller works.
const (
	// leaseFor is how long another server waits when this one goes without a word.
	leaseFor = 15 * time.Second
	// readEvery is how often rollouts are read again, for what other servers did.
	readEvery = 10 * time.Second
	// noteEvery is how often clocks are stored; a crash loses no more of them.
	noteEvery = 5 * time.Second
	// choreEvery is how often what completing has left to do is tried again.
	choreEvery = 10 * time.Second
)

// Options are what a Controller needs.
type Options struct {
	Store flags.RolloutStore
	Flags Flags
	// Promises knows guarantees; nil when there are none.
	Promises Promises
	// Trials gives the evidence.
	Trials flags.EvidenceSource
	// Telemetry answers what arms cannot; nil when nothing does.
	Telemetry Telemetry
	// Asker asks webhooks; nil when there are none.
	Asker Asker
	Judge JudgeFunc
	Now   func() time.Time
	// Holder names this server in the lease; "" makes a name up.
	Holder string
	// Changed is called after a rollout changed or was judged again; may be nil. It
	// must not block.
	Changed func(id string)
	// NewID makes ids of rollouts; nil means UUIDv7.
	NewID func() (string, error)
}

// Controller drives rollouts: it feeds the machine, stores what it decides, and then
// tells the flags and the telemetry. It is safe for concurrent use.
type Controller struct {
	opt     Options
	machine Machine
	asked   questions
	health  health
	steady  clock.Steady

	// mu is held by whoever decides and stores, so that each decision is made on what
	// is stored. Evidence is read without it: a revert never waits for a question.
	mu     sync.Mutex
	known  map[string]flags.Rollout
	readAt time.Time // zero: read before anything else
	noted  map[string]note
	chores map[string]time.Time // when a chore was last tried
	// assigned and followed are what the flags and the telemetry were last told; nil
	// before the first time and after a failure.
	assigned []flags.Assignment
	followed []metrics.Trial
}

// note is what was last stored of a rollout's clocks.
type note struct {
	at   time.Time
	verb flags.Verb
}

// New returns a controller. It does nothing before its first Tick or command.
func New(opt Options) (*Controller, error) {
	if opt.NewID == nil {
		opt.NewID = newID
	}
	if opt.Changed == nil {
		opt.Changed = func(string) {}
	}
	if opt.Holder == "" {
		id, err := newID()
		if err != nil {
			return nil, err
		}
		opt.Holder = id
	}
	c := &Controller{
		opt: opt, machine: Machine{Judge: opt.Judge},
		known: map[string]flags.Rollout{}, noted: map[string]note{}, chores: map[string]time.Time{},
		steady: clock.Steady{Settle: settle},
	}
	c.asked.init(&c.opt)
	return c, nil
}

func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return id.String(), nil
}

// newSalt makes what decides which bucket a unit falls into: its own for each
// rollout, so that nobody is always the first.
func newSalt() (string, error) {
	b := make([]byte, 8)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("make a salt: %w", err)
	}
	return hex.EncodeToString(b), nil
}

// Tick does everything that is due: decisions, schedules, drained reverts, and what
// failed before. One rollout's trouble does not keep the others waiting; all of it is
// returned.
func (c *Controller) Tick(ctx context.Context) error {
	leads, err := c.tick(ctx)
	c.health.note(c.opt.Now(), leads, err)
	return err
}

func (c *Controller) tick(ctx context.Context) (leads bool, err error) {
	now := c.opt.Now()
	c.steady.Tell(now) // Also while there is nothing to decide.
	leads, err = c.opt.Store.Lease(ctx, c.opt.Holder, now.Add(leaseFor), now)
	if err != nil {
		return false, fmt.Errorf("rollouts: %w", err)
	}
	open, err := c.unfinished(ctx, now)
	if err != nil {
		return leads, err
	}
	var all []error
	if leads {
		for i := range open {
			in := c.input(ctx, now, &open[i])
			if err := c.tickOne(ctx, open[i].ID, in); err != nil {
				all = append(all, err)
			}
		}
	}
	all = append(all, c.publish(ctx))
	return leads, errors.Join(all...)
}

// Close waits for questions that are being asked, and gives the lease back, so that
// the next server need not wait for it to run out.
func (c *Controller) Close(ctx context.Context) error {
	c.asked.wait()
	now := c.opt.Now()
	if _, err := c.opt.Store.Lease(ctx, c.opt.Holder, now, now); err != nil {
		return fmt.Errorf("give back the lease of rollouts: %w", err)
	}
	return nil
}

// unfinished returns the rollouts with something left to do, oldest first, so that
// whoever waited longer for a flag gets it. A draft waits for people.
func (c *Controller) unfinished(ctx context.Context, now time.Time) ([]flags.Rollout, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.readAt) >= readEvery || now.Before(c.readAt) {
		c.readAt = time.Time{}
	}
	if err := c.read(ctx); err != nil {
		return nil, err
	}
	out := []flags.Rollout{}
	for _, r := range c.sorted() {
		if r.State != flags.RolloutDraft && !r.State.Final() || len(r.Pending) > 0 {
			out = append(out, r)
		}
	}
	return out, nil
}

// read fills known from the store when it is not current. The caller holds mu.
func (c *Controller) read(ctx context.Context) error {
	if !c.readAt.IsZero() {
		return nil
	}
	rs, err := c.opt.Store.Rollouts(ctx)
	if err != nil {
		return fmt.Errorf("rollouts: %w", err)
	}
	known := make(map[string]flags.Rollout, len(rs))
	for _, r := range rs {
		// Who leads has newer clocks of the same revision in memory. For whoever follows,
		// what is stored is newer: what completing left to do goes without a revision.
		if old, ok := c.known[r.ID]; ok && old.Revision == r.Revision && old.TickedAt.After(r.TickedAt) {
			r = old
		}
		known[r.ID] = r
	}
	c.known, c.readAt = known, c.opt.Now()
	return nil
}

// sorted are the known rollouts, oldest first. The caller holds mu.
func (c *Controller) sorted() []flags.Rollout {
	out := make([]flags.Rollout, 0, len(c.known))
	for _, r := range c.known {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b flags.Rollout) int {
		if n := a.CreatedAt.Compare(b.CreatedAt); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// heldBy names another rollout that decides what the flag answers, or has not yet
// made its candidate the default. The caller holds mu.
func (c *Controller) heldBy(r *flags.Rollout) string {
	for id := range c.known {
		o := c.known[id]
		if o.ID == r.ID || o.Plan.Flag != r.Plan.Flag {
			continue
		}
		if _, ok := o.Assignment(); ok || o.State.Active() {
			return fmt.Sprintf("%s (%q)", o.ID, o.Title)
		}
	}
	return ""
}

// tickOne takes one rollout one tick further.
func (c *Controller) tickOne(ctx context.Context, id string, in Input) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.known[id]
	if !ok {
		return nil
	}
	if len(r.Pending) > 0 {
		return c.chore(ctx, r)
	}
	in.HeldBy = c.heldBy(&r)
	now := c.opt.Now()
	in.Steady = c.steady.Tell(now)
	next, made, err := c.machine.Step(now, r, in)
	if err != nil {
		return fmt.Errorf("rollout %s: %w", id, err)
	}
	if made != nil {
		return c.save(ctx, next, *made)
	}
	c.known[id] = next
	c.opt.Changed(id)
	return c.note(ctx, now, next)
}

// save stores a transition and only then lets anybody hear of it. The caller holds mu.
func (c *Controller) save(ctx context.Context, r flags.Rollout, t flags.Transition) error {
	if err := c.opt.Store.SaveRollout(ctx, r, t); err != nil {
		c.readAt = time.Time{} // Whether it was stored is for the store to say.
		delete(c.known, r.ID)
		return fmt.Errorf("rollout %s: %s: %w", r.ID, t.Action, err)
	}
	c.known[r.ID] = r
	c.noted[r.ID] = note{c.opt.Now(), r.Decision.Verb}
	c.opt.Changed(r.ID)
	if err := c.tell(ctx); err != nil {
		return fmt.Errorf("rollout %s: %s is stored; telling of it is tried again: %w", r.ID, t.Action, err)
	}
	return nil
}

// note stores clocks and decision now and then. The caller holds mu.
func (c *Controller) note(ctx context.Context, now time.Time, r flags.Rollout) error {
	last := c.noted[r.ID]
	since := now.Sub(last.at)
	if r.State == flags.RolloutDraft || last.verb == r.Decision.Verb && since < noteEvery && since >= 0 {
		return nil
	}
	if err := c.opt.Store.NoteRollout(ctx, r); err != nil {
		return fmt.Errorf("rollout %s: %w", r.ID, err)
	}
	c.noted[r.ID] = note{now, r.Decision.Verb}
	return nil
}

// publish tells the flags and the telemetry what is stored, where they do not know yet.
func (c *Controller) publish(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tell(ctx)
}

// tell is publish for a caller that holds mu. A trial is followed before anybody is
// assigned by it; but what takes somebody out does not wait for the telemetry.
func (c *Controller) tell(ctx context.Context) error {
	if err := c.read(ctx); err != nil {
		return err
	}
	rs := c.sorted()
	as := flags.Assignments(rs)
	if widens(c.assigned, as) {
		return errors.Join(c.follow(ctx, trials(rs)), c.assign(ctx, as))
	}
	return errors.Join(c.assign(ctx, as), c.follow(ctx, trials(rs)))
}

// widens reports whether anybody gets a candidate that they did not have.
func widens(old, next []flags.Assignment) bool {
	had := map[string]flags.Percent{}
	for i := range old {
		had[old[i].Rollout] = old[i].Percent
	}
	return slices.ContainsFunc(next, func(a flags.Assignment) bool { return a.Percent > had[a.Rollout] })
}

func (c *Controller) assign(ctx context.Context, as []flags.Assignment) error {
	if c.assigned != nil && reflect.DeepEqual(as, c.assigned) {
		return nil
	}
	c.assigned = nil
	if err := c.opt.Flags.SetAssignments(ctx, as); err != nil {
		return fmt.Errorf("assignments of rollouts: %w", err)
	}
	c.assigned = as
	return nil
}

func (c *Controller) follow(ctx context.Context, ts []metrics.Trial) error {
	if c.followed != nil && reflect.DeepEqual(ts, c.followed) {
		return nil
	}
	c.followed = nil
	if err := c.opt.Trials.SetTrials(ctx, ts); err != nil {
		return fmt.Errorf("trials of rollouts: %w", err)
	}
	c.followed = ts
	return nil
}

// trials are those of the rollouts that still decide something.
func trials(rs []flags.Rollout) []metrics.Trial {
	out := []metrics.Trial{}
	for i := range rs {
		if t, ok := TrialOf(&rs[i]); ok && rs[i].State.Active() {
			out = append(out, t)
		}
	}
	return out
}

// input gathers what a tick depends on.
func (c *Controller) input(ctx context.Context, now time.Time, r *flags.Rollout) Input {
	var in Input
	if r.State != flags.RolloutRunning && r.State != flags.RolloutPaused {
		return in
	}
	if r.Stepped() {
		in.Evidence, in.EvidenceErr = c.evidence(ctx, r.ID)
	}
	c.asked.answer(ctx, now, r, &in)
	return in
}

func (c *Controller) evidence(ctx context.Context, id string) (*metrics.TrialEvidence, error) {
	ev, ok, err := c.opt.Trials.Evidence(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("evidence of rollout %s: %w", id, err)
	}
	if !ok {
		return nil, nil //nolint:nilnil // Not known yet is no error.
	}
	return &ev, nil
}
