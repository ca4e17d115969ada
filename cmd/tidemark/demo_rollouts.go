package main

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"tidemark/flags"
)

//go:embed demo/*.json
var demoFiles embed.FS

// demoFlag is one flag of the demonstration, in flagd's form.
type demoFlag struct {
	Key        string
	Definition json.RawMessage
}

// demoFlags are the flags that the demonstration stages, by key.
func demoFlags() ([]demoFlag, error) {
	raw, err := demoFiles.ReadFile("demo/flags.json")
	if err != nil {
		return nil, err
	}
	var file struct {
		Flags map[string]json.RawMessage `json:"flags"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, fmt.Errorf("demo/flags.json: %w", err)
	}
	var out []demoFlag
	for _, key := range slices.Sorted(maps.Keys(file.Flags)) {
		out = append(out, demoFlag{key, file.Flags[key]})
	}
	return out, nil
}

// demoRollout is one rollout of the demonstration, as the API takes it.
type demoRollout struct {
	Name string
	Body json.RawMessage
}

// demoRollouts are the demonstration's rollouts, in the order in which they begin.
func demoRollouts() ([]demoRollout, error) {
	names, err := fs.Glob(demoFiles, "demo/rollout-*.json")
	if err != nil {
		return nil, err
	}
	var out []demoRollout
	for _, name := range names {
		raw, err := demoFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		out = append(out, demoRollout{name, raw})
	}
	return out, nil
}

// demoLook is how often the demonstration looks at its rollouts, to say what happened.
const demoLook = time.Second

// demoOperator does what a person does who stages two changes: over the API, with a key
// that may control.
type demoOperator struct {
	e      *env
	server remoteFlags
}

// makeFlags makes the flags, before the first unit asks for one.
func (d *demoOperator) makeFlags(ctx context.Context) error {
	defs, err := demoFlags()
	if err != nil {
		return err
	}
	for _, f := range defs {
		body := map[string]any{"reason": "The demonstration's flags.", "definition": f.Definition}
		if err := d.server.call(ctx, http.MethodPut, "/api/v1/flags/"+url.PathEscape(f.Key), body, nil); err != nil {
			return fmt.Errorf("flag %s: %w", f.Key, err)
		}
	}
	return nil
}

// tell starts the rollouts, says what is going to be seen, and then what happened, until
// both are over.
func (d *demoOperator) tell(ctx context.Context) error {
	ids, err := d.start(ctx)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	fmt.Fprint(d.e.stderr, "The past is in; from here on the traffic is live. Two rollouts have begun, decided by the telemetry alone:\n"+
		"  profile-edit  a good candidate: it should widen from 20% to everybody in about 4 minutes.\n"+
		"  cart          a bad candidate: its relay is slow; a guardrail should catch it within about a minute and revert it.\n"+
		"Watch them on the page Rollouts. The sessions under way keep what they began with; that is what pins are for.\n")
	seen := map[string]int64{}
	for len(ids) > 0 && pause(ctx, demoLook) {
		if ids, err = d.look(ctx, ids, seen); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	if ctx.Err() == nil {
		fmt.Fprintln(d.e.stderr, "Both stories are told; their history and reasons stay on the page Rollouts. The traffic goes on.")
	}
	return nil
}

// start makes the rollouts and starts them.
func (d *demoOperator) start(ctx context.Context) (ids []string, err error) {
	plans, err := demoRollouts()
	if err != nil {
		return nil, err
	}
	for _, p := range plans {
		var r flags.Rollout
		if err := d.server.call(ctx, http.MethodPost, "/api/v1/rollouts", p.Body, &r); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		begin := map[string]any{"reason": "Previewed; the sample comes within minutes.", "revision": r.Revision}
		if err := d.server.call(ctx, http.MethodPost, "/api/v1/rollouts/"+r.ID+"/start", begin, nil); err != nil {
			return nil, fmt.Errorf("%s: start: %w", p.Name, err)
		}
		ids = append(ids, r.ID)
	}
	return ids, nil
}

// look tells of each transition that is new, and returns the rollouts that go on.
func (d *demoOperator) look(ctx context.Context, ids []string, seen map[string]int64) (on []string, err error) {
	for _, id := range ids {
		var history struct {
			Items []flags.Transition `json:"items"`
		}
		if err := d.server.call(ctx, http.MethodGet, "/api/v1/rollouts/"+id+"/history", nil, &history); err != nil {
			return nil, err
		}
		var r flags.Rollout
		if err := d.server.call(ctx, http.MethodGet, "/api/v1/rollouts/"+id, nil, &r); err != nil {
			return nil, err
		}
		for _, t := range slices.Backward(history.Items) { // newest first
			if t.Revision > seen[id] && t.Actor == "controller" {
				fmt.Fprintf(d.e.stderr, "%s  %-12s  %s: %s\n", t.At.Local().Format("15:04:05"), r.Plan.Feature, t.Action, t.Reason)
			}
			seen[id] = max(seen[id], t.Revision)
		}
		if !r.State.Final() {
			on = append(on, id)
		}
	}
	return on, nil
}
