// Package flagdcore compares what tidemark evaluates with what @openfeature/flagd-core
// does, over thousands of generated flags and contexts.
package flagdcore

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// question asks for one flag with one context.
type question struct {
	Key     string         `json:"key"`
	Context map[string]any `json:"context"`
}

// job is one flagd file with questions about it.
type job struct {
	Now       int64           `json:"now"`
	File      json.RawMessage `json:"file"`
	Questions []question      `json:"questions"`
}

type answer struct {
	Value    any            `json:"value"`
	Variant  string         `json:"variant"`
	Reason   string         `json:"reason"`
	Code     string         `json:"code"`
	Metadata map[string]any `json:"metadata"`
}

type verdict struct {
	Valid   bool     `json:"valid"` // by flagd's JSON schema
	Why     string   `json:"why"`
	Answers []answer `json:"answers"`
}

// ask runs the jobs in Node, all in one process.
func ask(t *testing.T, jobs []job) []verdict {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed; it runs the oracle")
	}
	if _, err := os.Stat(filepath.Join("..", "..", "node_modules", "@openfeature", "flagd-core")); err != nil {
		t.Skip("node_modules is missing; run: npm ci")
	}
	var in bytes.Buffer
	enc := json.NewEncoder(&in)
	enc.SetEscapeHTML(false)
	for _, j := range jobs {
		if err := enc.Encode(j); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), node, "oracle.mjs")
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run the oracle: %v", err)
	}
	return readVerdicts(t, out, len(jobs))
}

func readVerdicts(t *testing.T, out []byte, n int) []verdict {
	t.Helper()
	vs := make([]verdict, 0, n)
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var v verdict
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		vs = append(vs, v)
	}
	if len(vs) != n {
		t.Fatalf("the oracle answered %d of %d jobs", len(vs), n)
	}
	return vs
}
