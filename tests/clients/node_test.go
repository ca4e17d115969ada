package clients

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// question is one line to server.mjs.
type question struct {
	Type    string         `json:"type"`
	Flag    string         `json:"flag"`
	Default any            `json:"default"`
	Context map[string]any `json:"context"`
}

// service is server.mjs at work.
type service struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Scanner
	err *bytes.Buffer
}

func (s *shop) service() *service {
	s.t.Helper()
	bin, _ := node(s.t)
	cmd := exec.CommandContext(s.t.Context(), bin, "server.mjs", s.url, s.web)
	in, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	said := &bytes.Buffer{}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &service{t: s.t, in: in, out: bufio.NewScanner(out), err: said}
}

func (v *service) ask(q question) (d details) {
	v.t.Helper()
	line, err := json.Marshal(q)
	if err != nil {
		v.t.Fatal(err)
	}
	if _, err := v.in.Write(append(line, '\n')); err != nil || !v.out.Scan() {
		v.t.Fatalf("node: %v, %v\n%s", err, v.out.Err(), v.err)
	}
	if err := json.Unmarshal(v.out.Bytes(), &d); err != nil {
		v.t.Fatalf("node: %v: %s", err, v.out.Bytes())
	}
	return d
}

// TestServerSDK: the stock server SDK in Node gets each type of flag, its own defaults
// where the server has none, the documented errors, and the pins of a rollout.
func TestServerSDK(t *testing.T) {
	t.Parallel()
	s := open(t)
	v := s.service()
	user := map[string]any{"targetingKey": "user-1"}
	gold := map[string]any{"targetingKey": "user-1", "plan": "gold"}
	for name, c := range map[string]struct {
		q    question
		want details
	}{
		"text":         {question{"string", "greeting", "none", user}, details{Value: "Hello", Variant: "hello", Reason: "STATIC"}},
		"targeted":     {question{"boolean", "express", false, gold}, details{Value: true, Variant: "on", Reason: "TARGETING_MATCH"}},
		"not targeted": {question{"boolean", "express", true, user}, details{Value: false, Variant: "off", Reason: "TARGETING_MATCH"}},
		"number":       {question{"number", "limit", 1, user}, details{Value: 2.5, Variant: "few", Reason: "STATIC"}},
		"object":       {question{"object", "model", map[string]any{}, user}, details{Value: map[string]any{"model": "eventual"}, Variant: "old", Reason: "STATIC"}},
		// The caller's default stands. This provider calls any answer without a value an
		// error; with the value null it would give null to those who ask for an object.
		"the code's default":  {question{"string", "own", "mine", user}, details{Value: "mine", Reason: "ERROR", Error: "GENERAL"}},
		"an object's default": {question{"object", "own", map[string]any{"a": 1.0}, user}, details{Value: map[string]any{"a": 1.0}, Reason: "ERROR", Error: "GENERAL"}},
		"disabled":            {question{"string", "asleep", "mine", user}, details{Value: "mine", Reason: "ERROR", Error: "GENERAL"}},
		"unknown":             {question{"string", "nothing", "mine", user}, details{Value: "mine", Reason: "ERROR", Error: "FLAG_NOT_FOUND"}},
		"another type wanted": {question{"number", "greeting", 7, user}, details{Value: 7.0, Reason: "ERROR", Error: "TYPE_MISMATCH"}},
	} {
		got := v.ask(c.q)
		got.Metadata = nil
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}

	path := s.rollOut()
	var unit string
	var first details
	for i := 0; first.Variant != "new"; i++ {
		if i == 50 {
			t.Fatal("none of 50 units has the candidate at 50 %")
		}
		unit = fmt.Sprintf("user-%d", i)
		first = v.ask(question{"object", "model", map[string]any{}, map[string]any{"targetingKey": unit}})
	}
	s.revert(path)
	pin := map[string]any{"targetingKey": unit, "tidemark.pin": first.Metadata["pin"]}
	if got := v.ask(question{"object", "model", map[string]any{}, pin}); got.Variant != "new" {
		t.Errorf("after the revert a pinned session gets %+v; want the candidate", got)
	}
	if got := v.ask(question{"object", "model", map[string]any{}, map[string]any{"targetingKey": unit}}); got.Variant != "old" {
		t.Errorf("after the revert a new session gets %+v; want the control", got)
	}
	pin["tidemark.pin"] = "forged"
	if got := v.ask(question{"object", "model", map[string]any{}, pin}); got.Variant != "old" || got.Metadata["pin_error"] == nil {
		t.Errorf("a forged pin gets %+v; want the control, and that the pin was wrong", got)
	}
}
