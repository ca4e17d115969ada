package clients

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tidemark/tests/tidemark"
)

// The flags of the shop, each of another type, and one that a rollout will hold.
var shopFlags = map[string]string{
	"greeting": `{"state":"ENABLED","variants":{"hello":"Hello","hi":"Hi"},"defaultVariant":"hello"}`,
	"express":  `{"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"off","targeting":{"if":[{"==":[{"var":"plan"},"gold"]},"on","off"]}}`,
	"limit":    `{"state":"ENABLED","variants":{"few":2.5,"many":40},"defaultVariant":"few"}`,
	"model":    `{"state":"ENABLED","variants":{"old":{"model":"eventual"},"new":{"model":"causal"}},"defaultVariant":"old","metadata":{"feature":"cart"}}`,
	"own":      `{"state":"ENABLED","variants":{"a":"x"},"defaultVariant":null}`,
	"asleep":   `{"state":"DISABLED","variants":{"a":"x"},"defaultVariant":"a"}`,
}

const modelPlan = `{"title":"Causal carts","reason":"try it","plan":{"flag":"model","feature":"cart","candidate":"new","control":"old",
	"steps":[{"percent":5000,"bake":"1h","min_units":10},{"percent":10000,"bake":"1h","min_units":10}],
	"guardrails":[{"metric":"time_to_visibility","margin":1,"alpha":0.05}]}}`

// shop is a running tidemark with the shop's flags.
type shop struct {
	t      *testing.T
	server *tidemark.Server
	url    string
	// ops may change flags, web evaluates, sync reads whole definitions.
	ops, web, sync string
}

func open(t *testing.T, args ...string) *shop {
	t.Helper()
	data := t.TempDir()
	key := func(name string, scopes ...string) string {
		args := []string{"keys", "create", name, "--data", data}
		for _, s := range scopes {
			args = append(args, "--scope", s)
		}
		return strings.TrimSpace(tidemark.Verb(t, args...))
	}
	s := &shop{t: t, ops: key("ops", "control", "read"), web: key("web", "evaluate"), sync: key("service", "sync", "evaluate")}
	s.server = tidemark.Start(t, append([]string{"serve", "--data", data}, args...)...)
	s.url = s.server.URL
	for name, definition := range shopFlags {
		s.put(name, definition)
	}
	return s
}

// put stores a new flag.
func (s *shop) put(flag, definition string) { s.change(flag, 0, definition) }

// change stores the definition that follows a revision of a flag.
func (s *shop) change(flag string, revision int, definition string) {
	s.t.Helper()
	s.do(http.MethodPut, "/api/v1/flags/"+flag, fmt.Sprintf(`{"reason":"test","base":%d,"definition":%s}`, revision, definition), nil)
}

// do asks the API as an operator.
func (s *shop) do(method, path, body string, out any) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.ops)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= http.StatusBadRequest {
		s.t.Fatalf("%s %s: %s, %v: %s", method, path, resp.Status, err, raw)
	}
	if out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			s.t.Fatalf("%s %s: %v: %s", method, path, err, raw)
		}
	}
}

// rollOut begins a rollout of model and returns its path.
func (s *shop) rollOut() string {
	s.t.Helper()
	var r struct {
		ID       string `json:"id"`
		Revision int64  `json:"revision"`
	}
	s.do(http.MethodPost, "/api/v1/rollouts", modelPlan, &r)
	path := "/api/v1/rollouts/" + r.ID
	start, err := json.Marshal(map[string]any{"reason": "go", "revision": r.Revision})
	if err != nil {
		s.t.Fatal(err)
	}
	s.do(http.MethodPost, path+"/start", string(start), nil)
	return path
}

func (s *shop) revert(path string) {
	s.t.Helper()
	s.do(http.MethodPost, path+"/revert", `{"reason":"enough"}`, nil)
}

// details is what every SDK says of an evaluation.
type details struct {
	Value    any            `json:"value"`
	Variant  string         `json:"variant"`
	Reason   string         `json:"reason"`
	Error    string         `json:"error"`
	Metadata map[string]any `json:"metadata"`
}

// node returns the path of Node and of the folder with its packages.
func node(t *testing.T) (bin, modules string) {
	t.Helper()
	bin, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed; it runs the JavaScript clients")
	}
	modules, err = filepath.Abs(filepath.Join("..", "..", "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(modules, "@openfeature")); errors.Is(err, os.ErrNotExist) {
		t.Skip("node_modules is missing; run: npm ci")
	}
	return bin, modules
}

// bundle makes one script of a module and what it imports.
func bundle(t *testing.T, module string) []byte {
	t.Helper()
	_, modules := node(t)
	cmd := exec.CommandContext(t.Context(), filepath.Join(modules, ".bin", "esbuild"), module, "--bundle", "--format=iife", "--log-level=warning")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("bundle %s: %v\n%s", module, err, &said)
	}
	return out.Bytes()
}
