package main

import (
	"fmt"
	"net/http"

	"tidemark/flags"
	"tidemark/flags/rollout"
)

// actFlags are those of every action on a rollout.
type actFlags struct {
	remoteFlags `embed:""`

	ID       string `arg:"" help:"Id of the rollout."`
	Reason   string `help:"Why, for the history and the audit log." placeholder:"TEXT"`
	Revision int64  `help:"The revision that was looked at; the action is refused when it is no longer current. By default the current one." placeholder:"N"`
	JSON     bool   `help:"Print the rollout as JSON." name:"json"`
}

// act asks the server for an action, and says where the rollout is then and what the
// way back is.
func (f *actFlags) act(e *env, verb rollout.CommandVerb, phase flags.Phase) error {
	body := struct {
		Reason   string      `json:"reason"`
		Revision int64       `json:"revision"`
		Phase    flags.Phase `json:"phase,omitempty"`
	}{f.Reason, f.Revision, phase}
	if body.Revision == 0 && !safer(verb) {
		var now flags.Rollout
		if err := f.call(e.ctx, http.MethodGet, rolloutPath(f.ID), nil, &now); err != nil {
			return err
		}
		body.Revision = now.Revision
	}
	var r flags.Rollout
	if err := f.call(e.ctx, http.MethodPost, rolloutPath(f.ID, string(verb)), body, &r); err != nil {
		return err
	}
	if f.JSON {
		return printJSON(e.stdout, &r)
	}
	fmt.Fprintln(e.stderr, wayBack(&r, verb))
	return printRollout(plain{e.stdout}, &r, e.now())
}

// safer reports whether an action makes things safer: such a one must not wait for a
// second look.
func safer(v rollout.CommandVerb) bool {
	return v == rollout.CommandPause || v == rollout.CommandRevert || v == rollout.CommandBreakPins
}

// wayBack says how an action is undone.
func wayBack(r *flags.Rollout, verb rollout.CommandVerb) string {
	revert := fmt.Sprintf("tidemark rollout revert %s gives everybody %s again.", r.ID, r.Plan.Control)
	switch verb {
	case rollout.CommandPause:
		return fmt.Sprintf("The way back: tidemark rollout resume %s goes on from here; %s", r.ID, revert)
	case rollout.CommandRevert:
		return "The way back: there is none for this rollout. Make a new one of the same plan once the cause is mended."
	case rollout.CommandComplete:
		return fmt.Sprintf("The way back: restore an earlier version of flag %s, or roll out %s over %s.", r.Plan.Flag, r.Plan.Control, r.Plan.Candidate)
	case rollout.CommandBreakPins:
		return "The way back: there is none; new sessions are pinned again."
	}
	return "The way back: " + revert
}

type rolloutStartCmd struct {
	actFlags `embed:""`
}

// Run implements the verb.
func (c *rolloutStartCmd) Run(e *env) error { return c.act(e, rollout.CommandStart, "") }

type rolloutPauseCmd struct {
	actFlags `embed:""`
}

// Run implements the verb.
func (c *rolloutPauseCmd) Run(e *env) error { return c.act(e, rollout.CommandPause, "") }

type rolloutResumeCmd struct {
	actFlags `embed:""`
}

// Run implements the verb.
func (c *rolloutResumeCmd) Run(e *env) error { return c.act(e, rollout.CommandResume, "") }

type rolloutAdvanceCmd struct {
	actFlags `embed:""`
}

// Run implements the verb.
func (c *rolloutAdvanceCmd) Run(e *env) error { return c.act(e, rollout.CommandAdvance, "") }

type rolloutRevertCmd struct {
	actFlags `embed:""`
}

// Run implements the verb.
func (c *rolloutRevertCmd) Run(e *env) error { return c.act(e, rollout.CommandRevert, "") }

type rolloutCompleteCmd struct {
	actFlags `embed:""`
}

// Run implements the verb.
func (c *rolloutCompleteCmd) Run(e *env) error { return c.act(e, rollout.CommandComplete, "") }

type rolloutSignOffCmd struct {
	actFlags `embed:""`

	Phase string `help:"The phase that is ready; by default the one that it is in." placeholder:"PHASE"`
}

// Run implements the verb.
func (c *rolloutSignOffCmd) Run(e *env) error {
	return c.act(e, rollout.CommandSignOff, flags.Phase(c.Phase))
}

type rolloutBreakPinsCmd struct {
	actFlags `embed:""`
}

// Run implements the verb.
func (c *rolloutBreakPinsCmd) Run(e *env) error { return c.act(e, rollout.CommandBreakPins, "") }
