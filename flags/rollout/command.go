package rollout

import (
	"fmt"
	"slices"
	"strings"

	"tidemark/flags"
)

// CommandVerb is what somebody asks of a rollout.
type CommandVerb string

// The commands.
const (
	CommandEdit      CommandVerb = "edit"
	CommandApprove   CommandVerb = "approve"
	CommandStart     CommandVerb = "start"
	CommandPause     CommandVerb = "pause"
	CommandResume    CommandVerb = "resume"
	CommandAdvance   CommandVerb = "advance"
	CommandRevert    CommandVerb = "revert"
	CommandComplete  CommandVerb = "complete"
	CommandBreakPins CommandVerb = "break-pins"
	CommandSignOff   CommandVerb = "sign-off"
)

// CommandVerbs lists every command but edit, which brings a plan.
func CommandVerbs() []CommandVerb {
	return []CommandVerb{
		CommandApprove, CommandStart, CommandPause, CommandResume, CommandAdvance,
		CommandRevert, CommandComplete, CommandBreakPins, CommandSignOff,
	}
}

// Command is what somebody asks of a rollout, and why.
type Command struct {
	Verb CommandVerb
	flags.Author
	// Revision is the one that was looked at; the command is refused when it is no
	// longer current. 0 means any, for pause, revert and break-pins alone: what makes
	// things safer must not wait for a second look.
	Revision int64
	// Title and Plan are those of an edit, the plan complete and valid.
	Title string
	Plan  *flags.Plan
	// Document says that the rollout's document makes the edit.
	Document bool
	// Phase is the one that is signed off; "" = the one it is in.
	Phase flags.Phase
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", flags.ErrRefused, fmt.Sprintf(format, args...))
}

func (t *turn) command(c *Command) error {
	switch c.Verb {
	case CommandEdit:
		if c.Plan != nil {
			return t.edit(c)
		}
	case CommandApprove:
		return t.approve(c)
	case CommandStart:
		return t.commandStart(c)
	case CommandPause:
		return t.pause(c)
	case CommandResume:
		return t.resume(c)
	case CommandAdvance:
		return t.commandAdvance(c)
	case CommandRevert:
		return t.commandRevert(c)
	case CommandComplete:
		return t.commandComplete(c)
	case CommandBreakPins:
		return t.breakPins(c)
	case CommandSignOff:
		return t.signOff(c)
	}
	return fmt.Errorf("%w: command: %q is not known; allowed: %s", flags.ErrInvalid, clip(string(c.Verb)), list(CommandVerbs()))
}

// inState refuses a command that makes no sense in the state that the rollout is in.
func (t *turn) inState(c *Command, allowed ...flags.RolloutState) error {
	if slices.Contains(allowed, t.r.State) {
		return nil
	}
	return refuse("the rollout is %s; %s is for one that is %s", t.r.State, c.Verb, list(allowed))
}

// edit replaces the plan. What was approved was another plan, so that approvals go. Nobody
// excuses their own plan from the approvals that it asked for.
func (t *turn) edit(c *Command) error {
	if err := t.inState(c, flags.RolloutDraft, flags.RolloutWaiting); err != nil {
		return err
	}
	if asked := t.r.Plan.Approvals; c.Plan.Approvals < asked && (slices.Contains(t.r.Authors, c.Actor) || !isPerson(c.Actor)) {
		return refuse("the plan asks for %s; only a person who did not write it lets it ask for fewer", count(int64(asked), "approval"))
	}
	byHand := t.r.EditedByHand || !samePlan(&t.r, c.Title, c.Plan)
	t.r.EditedByHand = byHand && t.r.Document != "" && !c.Document
	t.r.Title, t.r.Plan = c.Title, *c.Plan
	t.r.Approvals = []flags.Approval{}
	if !slices.Contains(t.r.Authors, c.Actor) {
		t.r.Authors = append(slices.Clone(t.r.Authors), c.Actor)
	}
	t.r.Decision = flags.Decision{}
	t.move("edit", c.Actor, c.Reason, flags.RolloutDraft)
	return nil
}

// approve adds one person's yes. Nobody approves what they wrote, and a key is nobody: who
// holds it, or holds its successor, may be who wrote the plan.
func (t *turn) approve(c *Command) error {
	if err := t.inState(c, flags.RolloutDraft, flags.RolloutWaiting); err != nil {
		return err
	}
	if !isPerson(c.Actor) {
		return refuse("only people approve, signed in, on the rollout's page; this is %s", c.Actor)
	}
	if slices.Contains(t.r.Authors, c.Actor) {
		return refuse("%s wrote the plan; somebody else approves it", c.Actor)
	}
	if slices.ContainsFunc(t.r.Approvals, func(a flags.Approval) bool { return a.Actor == c.Actor }) {
		return refuse("%s has approved already; each person counts once", c.Actor)
	}
	t.r.Approvals = append(slices.Clone(t.r.Approvals), flags.Approval{Actor: c.Actor, At: t.now, Note: c.Reason})
	t.move("approve", c.Actor, c.Reason, t.r.State)
	return nil
}

// commandStart starts now, or as soon as approvals, schedule and freezes allow.
func (t *turn) commandStart(c *Command) error {
	if err := t.inState(c, flags.RolloutDraft); err != nil {
		return err
	}
	if t.in.HeldBy != "" {
		return refuse("flag %q is held by rollout %s; complete or revert that one first", t.r.Plan.Flag, t.in.HeldBy)
	}
	if why := t.obstacle(); why != "" {
		t.r.Decision = flags.Decision{Verb: flags.VerbHold, Why: why, At: t.now}
		t.move("schedule", c.Actor, c.Reason, flags.RolloutWaiting)
		return nil
	}
	t.start(c.Actor, c.Reason)
	return nil
}

func (t *turn) pause(c *Command) error {
	if err := t.inState(c, flags.RolloutRunning); err != nil {
		return err
	}
	t.move("pause", c.Actor, c.Reason, flags.RolloutPaused)
	return nil
}

// resume goes on where the rollout was paused: what was baked stays baked, and a
// deadline begins anew.
func (t *turn) resume(c *Command) error {
	if err := t.inState(c, flags.RolloutPaused); err != nil {
		return err
	}
	t.r.Ran, t.r.Quiet = 0, 0
	t.move("resume", c.Actor, c.Reason, flags.RolloutRunning)
	return nil
}

// commandAdvance goes to what comes next. Without the evidence's yes it needs a
// reason, and the history says so; against its no it is refused.
func (t *turn) commandAdvance(c *Command) error {
	if err := t.inState(c, flags.RolloutRunning); err != nil {
		return err
	}
	if t.next().complete {
		return refuse("this is the last step; complete the rollout instead")
	}
	action, err := t.override(c)
	if err != nil {
		return err
	}
	t.widen(action, c.Actor, c.Reason)
	return nil
}

// commandComplete ends the rollout with the candidate. It is for the last step alone,
// so that completing widens nothing.
func (t *turn) commandComplete(c *Command) error {
	if err := t.inState(c, flags.RolloutRunning); err != nil {
		return err
	}
	if t.r.Percent != flags.Whole {
		return refuse("the candidate is at %s; a rollout completes from 100%%", percent(t.r.Percent))
	}
	action, err := t.override(c)
	if err != nil {
		return err
	}
	t.complete(action, c.Actor, c.Reason)
	return nil
}

// override decides on the evidence of this moment whether a person may widen.
func (t *turn) override(c *Command) (action string, err error) {
	if w := t.frozen(); w != nil {
		return "", refuse("nothing widens until %s%s%s Reverting is possible", stamp(w.Until), because(w.Reason), t.doubt(w.Until))
	}
	t.clocks()
	t.r.Decision = t.decide()
	switch t.r.Decision.Verb {
	case flags.VerbRevert:
		return "", refuse("the evidence says to revert: %s", t.r.Decision.Why)
	case flags.VerbAdvance, flags.VerbComplete:
		return string(c.Verb), nil
	case flags.VerbHold:
	}
	if strings.TrimSpace(c.Reason) == "" {
		return "", fmt.Errorf("%w: reason: is empty; the evidence says to hold (%s), so that going on needs a reason", flags.ErrInvalid, trimDot(t.r.Decision.Why))
	}
	return string(c.Verb) + "-without-evidence", nil
}

// commandRevert takes the candidate back. It is possible at any time, frozen or not.
func (t *turn) commandRevert(c *Command) error {
	switch t.r.State {
	case flags.RolloutDraft, flags.RolloutWaiting:
		t.move("discard", c.Actor, c.Reason, flags.RolloutReverted)
		return nil
	case flags.RolloutCompleted:
		return refuse("the rollout is completed; restore the flag's earlier version, or make a rollout back to %q", t.r.Plan.Control)
	case flags.RolloutRunning, flags.RolloutPaused, flags.RolloutReverting, flags.RolloutReverted:
	}
	if err := t.inState(c, flags.RolloutRunning, flags.RolloutPaused); err != nil {
		return err
	}
	t.revert("revert", c.Actor, c.Reason)
	return nil
}

// breakPins voids every pin of the flag, so that nobody stays where they were.
func (t *turn) breakPins(c *Command) error {
	if err := t.inState(c, flags.RolloutRunning, flags.RolloutPaused, flags.RolloutReverting); err != nil {
		return err
	}
	if err := c.Check(true); err != nil {
		return err
	}
	if t.r.Plan.NoPins {
		return refuse("the plan gives no pins")
	}
	t.r.PinsBrokenAt = t.now
	if t.r.State == flags.RolloutReverting {
		t.r.DrainsUntil = t.now
	}
	t.move("break-pins", c.Actor, c.Reason, t.r.State)
	return nil
}

// signOff records the yes that a phase asks of a person by name.
func (t *turn) signOff(c *Command) error {
	if err := t.inState(c, flags.RolloutRunning, flags.RolloutPaused); err != nil {
		return err
	}
	ph := t.phase()
	switch {
	case ph == nil || (c.Phase != "" && c.Phase != ph.Phase):
		return refuse("the rollout is not in the phase %q", clip(string(c.Phase)))
	case ph.SignOff == "":
		return refuse("the phase %s asks for no sign-off", ph.Phase)
	case !sameActor(ph.SignOff, c.Actor):
		return refuse("the phase %s asks for the sign-off of %s, and this is %s", ph.Phase, ph.SignOff, c.Actor)
	case slices.ContainsFunc(t.r.SignOffs, func(s flags.SignOff) bool { return s.Phase == ph.Phase }):
		return refuse("the phase %s is signed off already", ph.Phase)
	}
	t.r.SignOffs = append(slices.Clone(t.r.SignOffs), flags.SignOff{Phase: ph.Phase, Actor: c.Actor, At: t.now, Note: c.Reason})
	t.move("sign-off", c.Actor, c.Reason, t.r.State)
	return nil
}

// isPerson reports whether an actor is somebody who is signed in.
func isPerson(actor string) bool { return strings.HasPrefix(actor, "user:") }

// sameActor compares a name as a plan has it ("ann", "user:ann") with an actor.
func sameActor(name, actor string) bool {
	return name == actor || "user:"+name == actor
}
