package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/goccy/go-yaml"

	"tidemark/flags"
	"tidemark/flags/guarantee"
	"tidemark/flags/rollout"
)

// rolloutCmd is "tidemark rollout".
type rolloutCmd struct {
	List    rolloutListCmd    `cmd:"" help:"List rollouts, those under way first."`
	Show    rolloutShowCmd    `cmd:"" help:"Show where a rollout is, the evidence, and what is decided by it."`
	History rolloutHistoryCmd `cmd:"" help:"Print what happened to a rollout: when, by whom, and why."`
	Preview rolloutPreviewCmd `cmd:"" help:"Say who would get what by a plan, and how long each step needs at today's traffic; nothing is stored."`
	Create  rolloutCreateCmd  `cmd:"" help:"Store a plan as a draft and print its id, alone, on standard output."`
	Edit    rolloutEditCmd    `cmd:"" help:"Give a draft another plan."`

	Start     rolloutStartCmd     `cmd:"" help:"Begin with the first step, or at the plan's time."`
	Pause     rolloutPauseCmd     `cmd:"" help:"Widen no further; who has the candidate keeps it."`
	Resume    rolloutResumeCmd    `cmd:"" help:"Go on from where it was paused."`
	Advance   rolloutAdvanceCmd   `cmd:"" help:"Widen to the next step now."`
	Revert    rolloutRevertCmd    `cmd:"" help:"Give new sessions the control at once."`
	Complete  rolloutCompleteCmd  `cmd:"" help:"Give the candidate to the whole cohort for good."`
	SignOff   rolloutSignOffCmd   `cmd:"" help:"Say that a phase is ready."`
	BreakPins rolloutBreakPinsCmd `cmd:"" help:"Void every pin of the flag: running sessions change too. For emergencies."`
}

// rolloutPath is the path of a rollout, or of what is below it.
func rolloutPath(id string, below ...string) string {
	return "/api/v1/rollouts/" + strings.Join(append([]string{url.PathEscape(id)}, below...), "/")
}

// listOf is a page of items, as the server answers.
type listOf[T any] struct {
	Items []T `json:"items"`
}

type rolloutListCmd struct {
	remoteFlags `embed:""`

	All  bool `help:"Also those that have ended."`
	JSON bool `help:"Print a JSON array." name:"json"`
}

// Run implements the verb.
func (c *rolloutListCmd) Run(e *env) error {
	var all listOf[flags.Rollout]
	if err := c.call(e.ctx, http.MethodGet, "/api/v1/rollouts", nil, &all); err != nil {
		return err
	}
	kept := []flags.Rollout{}
	for _, first := range []bool{true, false} {
		for i := range all.Items {
			if r := &all.Items[i]; r.State.Active() == first && (c.All || !r.State.Final()) {
				kept = append(kept, *r)
			}
		}
	}
	if c.JSON {
		return printJSON(e.stdout, kept)
	}
	return printRollouts(e, kept)
}

type rolloutShowCmd struct {
	remoteFlags `embed:""`

	ID   string `arg:"" help:"Id of the rollout."`
	JSON bool   `help:"Print the rollout as JSON." name:"json"`
}

// Run implements the verb.
func (c *rolloutShowCmd) Run(e *env) error {
	if c.JSON {
		var raw json.RawMessage
		if err := c.call(e.ctx, http.MethodGet, rolloutPath(c.ID), nil, &raw); err != nil {
			return err
		}
		return printJSON(e.stdout, raw)
	}
	var r flags.Rollout
	if err := c.call(e.ctx, http.MethodGet, rolloutPath(c.ID), nil, &r); err != nil {
		return err
	}
	return printRollout(plain{e.stdout}, &r, e.now())
}

type rolloutHistoryCmd struct {
	remoteFlags `embed:""`

	ID   string `arg:"" help:"Id of the rollout."`
	JSON bool   `help:"Print a JSON array, each transition with the evidence at the time." name:"json"`
}

// Run implements the verb.
func (c *rolloutHistoryCmd) Run(e *env) error {
	if c.JSON {
		var all listOf[json.RawMessage]
		if err := c.call(e.ctx, http.MethodGet, rolloutPath(c.ID, "history"), nil, &all); err != nil {
			return err
		}
		return printJSON(e.stdout, all.Items)
	}
	var all listOf[flags.Transition]
	if err := c.call(e.ctx, http.MethodGet, rolloutPath(c.ID, "history"), nil, &all); err != nil {
		return err
	}
	return printHistory(plain{e.stdout}, all.Items)
}

// planFlags say what a plan is read from.
type planFlags struct {
	File  string `short:"f" required:"" help:"The plan, YAML or JSON: its fields, or a RolloutPlan document; - is standard input." placeholder:"FILE"`
	Title string `help:"Title; the document's by default." placeholder:"TEXT"`
}

// draftBody is what the server takes as a draft.
type draftBody struct {
	Title    string          `json:"title"`
	Plan     json.RawMessage `json:"plan"`
	Reason   string          `json:"reason,omitempty"`
	Revision int64           `json:"revision,omitempty"`
}

func (f *planFlags) read(e *env) (d draftBody, err error) {
	from := e.stdin
	if f.File != "-" {
		file, err := os.Open(f.File)
		if err != nil {
			return d, fmt.Errorf("read the plan: %w", err)
		}
		defer file.Close()
		from = file
	}
	text, err := io.ReadAll(io.LimitReader(from, guarantee.MaxFileBytes+1))
	if err != nil {
		return d, fmt.Errorf("read the plan: %w", err)
	}
	if len(text) > guarantee.MaxFileBytes {
		return d, fmt.Errorf("%s: it is larger than %d bytes", f.File, guarantee.MaxFileBytes)
	}
	if d, err = parsePlan(text); err != nil {
		return d, fmt.Errorf("%s: %w", f.File, err)
	}
	if f.Title != "" {
		d.Title = f.Title
	}
	return d, nil
}

// parsePlan reads a plan as it is, or as the spec of a RolloutPlan document. Its
// fields are for the server to check.
func parsePlan(text []byte) (d draftBody, err error) {
	raw, err := yaml.YAMLToJSON(text)
	if err != nil {
		return d, fmt.Errorf("it is neither YAML nor JSON: %w", err)
	}
	var doc struct {
		Kind     string `json:"kind"`
		Metadata struct {
			Name  string `json:"name"`
			Title string `json:"title"`
		} `json:"metadata"`
		Spec json.RawMessage `json:"spec"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return d, errors.New("it is not an object of the plan's fields")
	}
	switch doc.Kind {
	case "":
		return draftBody{Plan: raw}, nil
	case "RolloutPlan":
	default:
		return d, fmt.Errorf("kind: it is %q; want RolloutPlan", doc.Kind)
	}
	if len(doc.Spec) == 0 {
		return d, errors.New("spec: it is missing; it holds the plan")
	}
	d = draftBody{Title: doc.Metadata.Title, Plan: doc.Spec}
	if d.Title == "" {
		d.Title = doc.Metadata.Name
	}
	return d, nil
}

type rolloutPreviewCmd struct {
	remoteFlags `embed:""`
	planFlags   `embed:""`

	JSON bool `help:"Print the preview as JSON." name:"json"`
}

// Run implements the verb.
func (c *rolloutPreviewCmd) Run(e *env) error {
	d, err := c.read(e)
	if err != nil {
		return err
	}
	if c.JSON {
		var raw json.RawMessage
		if err := c.call(e.ctx, http.MethodPost, "/api/v1/rollouts/preview", d, &raw); err != nil {
			return err
		}
		return printJSON(e.stdout, raw)
	}
	var p rollout.Preview
	if err := c.call(e.ctx, http.MethodPost, "/api/v1/rollouts/preview", d, &p); err != nil {
		return err
	}
	return printPreview(plain{e.stdout}, &p)
}

type rolloutCreateCmd struct {
	remoteFlags `embed:""`
	planFlags   `embed:""`

	Reason string `help:"Why, for the history and the audit log." placeholder:"TEXT"`
	JSON   bool   `help:"Print the rollout as JSON." name:"json"`
}

// Run implements the verb.
func (c *rolloutCreateCmd) Run(e *env) error {
	d, err := c.read(e)
	if err != nil {
		return err
	}
	d.Reason = c.Reason
	var r flags.Rollout
	if err := c.call(e.ctx, http.MethodPost, "/api/v1/rollouts", d, &r); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e.stdout, &r)
	}
	fmt.Fprintf(e.stderr, "%s is a draft: nobody gets %s by it yet. Start it: tidemark rollout start %s --reason …\n", r.ID, r.Plan.Candidate, r.ID)
	_, err = fmt.Fprintln(e.stdout, r.ID)
	return err
}

type rolloutEditCmd struct {
	remoteFlags `embed:""`
	planFlags   `embed:""`

	ID       string `arg:"" help:"Id of the rollout."`
	Revision int64  `help:"The revision that was looked at; the edit is refused when it is no longer current. By default the current one." placeholder:"N"`
	Reason   string `help:"Why, for the history and the audit log." placeholder:"TEXT"`
	JSON     bool   `help:"Print the rollout as JSON." name:"json"`
}

// Run implements the verb.
func (c *rolloutEditCmd) Run(e *env) error {
	d, err := c.read(e)
	if err != nil {
		return err
	}
	var now flags.Rollout
	if err := c.call(e.ctx, http.MethodGet, rolloutPath(c.ID), nil, &now); err != nil {
		return err
	}
	d.Reason, d.Revision = c.Reason, c.Revision
	if d.Revision == 0 {
		d.Revision = now.Revision
	}
	if d.Title == "" {
		d.Title = now.Title
	}
	var r flags.Rollout
	if err := c.call(e.ctx, http.MethodPut, rolloutPath(c.ID), d, &r); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e.stdout, &r)
	}
	return printRollout(plain{e.stdout}, &r, e.now())
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v) //nolint:wrapcheck // There is nothing to add.
}
