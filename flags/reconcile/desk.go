package reconcile

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tidemark/flags"
	"tidemark/metrics"
)

// DeskOptions are what a Desk needs.
type DeskOptions struct {
	Judge *Judge
	Store flags.DecisionStore
	// Promised is the rule that a feature's guarantee names; nil when none does.
	Promised func(ctx context.Context, feature string) (*flags.Reconciliation, error)
	// Submit makes events durable, as the door of telemetry does.
	Submit func(ctx context.Context, events []metrics.Event) error
	Now    func() time.Time
}

// Desk is where people decide conflicts. It is safe for concurrent use.
type Desk struct{ o DeskOptions }

// NewDesk returns a desk.
func NewDesk(o DeskOptions) *Desk { return &Desk{o} }

// Service is who reports what people decided.
const Service = "tidemark"

// File is all that is known of a conflict: its writes, what the rule in force proposes,
// and what people decided.
type File struct {
	Case
	Decisions []flags.ConflictDecision // oldest first
	// Promised says that the rule is what the feature's guarantee names, because the
	// conflict's events name none.
	Promised bool

	rest []Sibling // the writes that no rule looks at
}

// InForce is the latest decision; nil when nobody decided.
func (f *File) InForce() *flags.ConflictDecision {
	if len(f.Decisions) == 0 {
		return nil
	}
	return &f.Decisions[len(f.Decisions)-1]
}

// Overruled says that a later report decided otherwise than the decision in force, and
// is what the telemetry counts; false as well while the decision is on its way.
func (f *File) Overruled() bool {
	d := f.InForce()
	return d != nil && !d.ToldAt.IsZero() && f.Conflict.ResolvedEvent > tagOf(d) && (f.Conflict.Winner != d.Winner || f.Conflict.Auto != metrics.No)
}

// tagOf is the place of a decision's event among the resolutions of its conflict, as
// the fold writes it.
func tagOf(d *flags.ConflictDecision) string {
	return fmt.Sprintf("%020d:%s", d.EventAt.UnixNano(), d.EventID)
}

// File reads a conflict for who may see some contents; metrics.ErrNotFound when it is
// not known.
func (d *Desk) File(ctx context.Context, id string, may May) (*File, error) {
	c, err := d.o.Judge.o.Reader.Conflict(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("conflict %q: %w", id, err)
	}
	promised, err := d.promised(ctx, c)
	if err != nil {
		return nil, err
	}
	x, err := d.o.Judge.Case(ctx, id, promised, may)
	if err != nil {
		return nil, err
	}
	f := &File{Case: *x, Promised: promised != nil}
	if f.rest, err = loadRest(ctx, d.o.Judge.o.Reader, x.Conflict); err != nil {
		return nil, err
	}
	if f.Decisions, err = d.o.Store.Decisions(ctx, id); err != nil {
		return nil, err
	}
	for i := range f.Decisions {
		f.hideIn(&f.Decisions[i], may)
	}
	return f, nil
}

// promised is the rule of the feature's guarantee, for a conflict whose events name none.
func (d *Desk) promised(ctx context.Context, c *metrics.Conflict) (*flags.Reconciliation, error) {
	if c.Rule != "" || d.o.Promised == nil {
		return nil, nil //nolint:nilnil // None is asked for, which is no error.
	}
	return d.o.Promised(ctx, c.Feature)
}

// Seen names a proposal, so that nobody accepts another one than they saw.
func (o *Outcome) Seen() string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\x00%s\x00%s", o.Kind, o.Winner, o.Merged)
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// Command is what a person decides.
type Command struct {
	Action flags.DecisionAction
	Winner string          // of an override
	Merged json.RawMessage // of a merge
	// Seen is the Seen of the proposal that is accepted.
	Seen string
	// Base is the revision of the decision that was in force when it was made; 0 = none.
	Base int64
	// May is what who decides may see: what is hidden from them they do not accept.
	May May
}

// Limits of a decision.
const (
	MaxMerged = metrics.MaxDelta
	maxActor  = metrics.MaxText
)

// Decide records a decision, with its audit record, and tells the telemetry of it. The
// decision holds once it is recorded: when the telemetry cannot take it now, Tell does
// later. flags.ErrChanged when somebody else decided meanwhile, or the proposal that was
// accepted is no longer the same.
func (d *Desk) Decide(ctx context.Context, id string, cmd Command, by flags.Author) (flags.ConflictDecision, error) {
	if err := by.Check(true); err != nil {
		return flags.ConflictDecision{}, err
	}
	f, err := d.File(ctx, id, cmd.May)
	if err != nil {
		return flags.ConflictDecision{}, err
	}
	made, err := d.make(f, cmd, by)
	if err != nil {
		return flags.ConflictDecision{}, err
	}
	if err := d.o.Store.Decide(ctx, made, nil); err != nil {
		return flags.ConflictDecision{}, err
	}
	if err := d.tell(ctx, &made); err != nil && ctx.Err() != nil {
		return made, nil //nolint:nilerr // It is recorded; Tell goes on where this stopped.
	}
	return made, nil
}

func (d *Desk) make(f *File, cmd Command, by flags.Author) (flags.ConflictDecision, error) {
	c, now := f.Conflict, d.o.Now()
	made := flags.ConflictDecision{
		Conflict: c.ID, Revision: int64(len(f.Decisions)) + 1, Feature: c.Feature, Key: c.Key, Writes: slices.Clone(c.Writes),
		Action: cmd.Action, Rule: f.Rule.Name, RuleVersion: f.Rule.Version, Proposed: f.Outcome.short(),
		Reason: strings.TrimSpace(by.Reason), Actor: by.Actor, At: now,
	}
	for _, s := range slices.Concat(f.Siblings, f.rest) {
		made.Labels = append(made.Labels, s.Labels...)
	}
	made.Labels = append(made.Labels, c.Labels...)
	slices.Sort(made.Labels)
	made.Labels = slices.Compact(made.Labels)
	made.EventID = "decision-" + rand.Text() // Nobody can use it up beforehand.
	made.EventAt = eventTime(now, c)
	if cmd.Base != int64(len(f.Decisions)) {
		last := f.InForce()
		if last == nil {
			return made, fmt.Errorf("%w: base: nobody has decided conflict %q yet; want 0", flags.ErrInvalid, c.ID)
		}
		return made, fmt.Errorf("conflict %q: %w: %s decided it at %s (%q)", c.ID, flags.ErrChanged, last.Actor, last.At.UTC().Format("15:04:05 UTC"), last.Reason)
	}
	if err := cmd.fill(&made, f); err != nil {
		return made, err
	}
	if made.Merged != nil {
		made.Salt = rand.Text()
	}
	return made, nil
}

// fill sets what was decided.
func (cmd *Command) fill(made *flags.ConflictDecision, f *File) error {
	o := &f.Outcome
	switch cmd.Action {
	case flags.DecisionAccept:
		switch {
		case o.Kind != Keep && o.Kind != Merged:
			return fmt.Errorf("%w: action: there is nothing to accept: %s", flags.ErrRefused, o.Why)
		case cmd.Seen != "" && cmd.Seen != o.Seen():
			return fmt.Errorf("conflict %q: %w: the rule now proposes something else, as more became known", made.Conflict, flags.ErrChanged)
		}
		made.Winner, made.Merged = o.Winner, nil
		if o.Kind == Merged {
			made.Merged = o.Merged
		}
	case flags.DecisionOverride:
		if !slices.Contains(made.Writes, cmd.Winner) {
			return fmt.Errorf("%w: winner: %q is none of the conflict's writes; allowed: %s", flags.ErrInvalid, cmd.Winner, strings.Join(made.Writes, ", "))
		}
		made.Winner = cmd.Winner
	case flags.DecisionMerge:
		if f.Conflict.MoreWrites {
			return fmt.Errorf("%w: action: the conflict has more than %d writes, so that nobody could be shown what they were merged into; choose a write", flags.ErrRefused, metrics.MaxConflictWrites)
		}
		return cmd.fillMerge(made)
	default:
		return fmt.Errorf("%w: action: %q is not known; allowed: accept, override, merge", flags.ErrInvalid, string(cmd.Action))
	}
	return nil
}

func (cmd *Command) fillMerge(made *flags.ConflictDecision) error {
	text := bytes.TrimSpace(cmd.Merged)
	switch {
	case len(text) == 0 || string(text) == "null":
		return fmt.Errorf("%w: merged: is empty; it must be the result, as JSON", flags.ErrInvalid)
	case len(text) > MaxMerged:
		return fmt.Errorf("%w: merged: is %d bytes; at most %d are allowed", flags.ErrInvalid, len(text), MaxMerged)
	case !utf8.Valid(text):
		return fmt.Errorf("%w: merged: is not UTF-8 text", flags.ErrInvalid)
	}
	v, err := decode(string(text))
	if err != nil {
		return fmt.Errorf("%w: merged: is not JSON: %w", flags.ErrInvalid, err)
	}
	made.Merged = json.RawMessage(canonical(v))
	return nil
}

// eventTime is when a decision's event says that it happened: now, but after whatever
// was decided before it, whose clock may be ahead of ours. Of several resolutions the
// latest one holds.
func eventTime(now time.Time, c *metrics.Conflict) time.Time {
	text, _, _ := strings.Cut(c.ResolvedEvent, ":")
	last, err := strconv.ParseInt(text, 10, 64)
	if err == nil && last >= now.UnixNano() {
		return time.Unix(0, last+1).UTC()
	}
	return now
}

// Tell sends the decisions that the telemetry does not have yet.
func (d *Desk) Tell(ctx context.Context) error {
	const batch = 100
	all, err := d.o.Store.Untold(ctx, batch)
	if err != nil {
		return err
	}
	var failed []error
	for i := range all {
		if err := d.tell(ctx, &all[i]); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

func (d *Desk) tell(ctx context.Context, made *flags.ConflictDecision) error {
	if err := d.o.Submit(ctx, []metrics.Event{eventOf(made)}); err != nil {
		return fmt.Errorf("decision %d about conflict %q is recorded, and not yet in the telemetry: %w", made.Revision, made.Conflict, err)
	}
	made.ToldAt = d.o.Now()
	return d.o.Store.Told(ctx, made.Conflict, made.Revision, made.ToldAt)
}

// eventOf is the event of a decision. It holds no contents: those are with the
// decision, for who may see them.
func eventOf(made *flags.ConflictDecision) metrics.Event {
	e := metrics.Event{
		EventID: made.EventID, Kind: metrics.KindConflictResolved, Feature: made.Feature, Key: made.Key, Service: Service,
		OccurredAt: made.EventAt.UnixNano(), ClockID: Service, ConflictID: metrics.OwnConflict(made.Feature, made.Conflict), Rule: made.Rule, RuleVersion: clip(made.RuleVersion, metrics.MaxShort),
		Winner: made.Winner, Outcome: "kept_one", Auto: metrics.No, Actor: clip(made.Actor, maxActor), Reason: clip(made.Reason, metrics.MaxReason),
		Labels: made.Labels[:min(len(made.Labels), metrics.MaxLabels)],
	}
	if made.Merged != nil {
		e.Outcome = "merged"
	}
	if len(made.Writes) > 0 {
		// Of no write of its own: one would bear the labels of all.
		e.With = made.Writes[:min(len(made.Writes), metrics.MaxParents)]
	}
	return e
}

// clip cuts a text at the end of a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
