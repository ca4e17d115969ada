package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"tidemark/flags"
	control "tidemark/flags/sqlite"
	"tidemark/metrics/simulate"
)

// tidemark runs the command line.
func tidemark(args ...string) (code int, stdout, stderr string) {
	var out, talk bytes.Buffer
	code = run(args, strings.NewReader(""), &out, &talk)
	return code, out.String(), talk.String()
}

func TestSimulateListsScenarios(t *testing.T) {
	t.Parallel()
	code, out, _ := tidemark("simulate")
	for _, name := range simulate.Names() {
		if !strings.Contains(out, name+" ") {
			t.Errorf("scenario %s is not listed", name)
		}
	}
	if code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

func TestSimulateWritesTheSameFileAgain(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "out.ndjson")
	args := []string{"simulate", "conflict-storm", "--seed", "7", "--for", "10s", "--start", "2026-03-01T12:00:00Z", "--rate", "300", "--out"}
	code, out, _ := tidemark(append(args, "-")...)
	if code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	if code, _, talk := tidemark(append(args, file)...); code != exitOK || !strings.Contains(talk, "wrote") {
		t.Fatalf("exit code %d: %s", code, talk)
	}
	again, err := os.ReadFile(file)
	if err != nil || string(again) != out {
		t.Errorf("the file and standard output differ (%v)", err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for _, l := range lines {
		if !json.Valid([]byte(l)) {
			t.Fatalf("not JSON: %s", l)
		}
	}
	if len(lines) < 2000 || len(lines) > 4500 {
		t.Errorf("%d events in 10 s at 300 a second", len(lines))
	}
}

func TestSimulateWrongUse(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"no such scenario": {"nope", "--out", "-"},
		"--to URL":         {"steady"},
		"needs one":        {"steady", "--for", "0s", "--out", "-"},
		"for: -1s":         {"steady", "--for=-1s", "--out", "-"},
		"rate":             {"steady", "--rate=-3", "--out", "-"},
		"start":            {"steady", "--start", "yesterday", "--out", "-"},
		"URL":              {"steady", "--to", "localhost", "--key", "k"},
	} {
		code, out, talk := tidemark(append([]string{"simulate"}, args...)...)
		if code != exitUsage || out != "" || !strings.Contains(talk, want) {
			t.Errorf("%v: exit code %d, output %q, talk %q; want 2 and %q", args, code, out, talk, want)
		}
	}
}

// sink is a server that takes everything, or refuses it.
func sink(t *testing.T, status int, answer string) (url string, events *atomic.Int64) {
	t.Helper()
	events = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, err := zstd.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		defer d.Close()
		body, err := io.ReadAll(d)
		if err != nil {
			t.Error(err)
		}
		events.Add(int64(bytes.Count(body, []byte("\n"))))
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(s.Close)
	return s.URL, events
}

// A start in the past is sent at once, so this takes no minute.
func past() string { return time.Now().Add(-5 * time.Minute).UTC().Format(time.RFC3339) }

func TestSimulateSends(t *testing.T) {
	t.Parallel()
	url, events := sink(t, http.StatusOK, `{}`)
	code, out, talk := tidemark("simulate", "steady", "--to", url, "--key", "k", "--start", past(), "--for", "1m")
	if code != exitOK || out != "" || events.Load() < 500 || !strings.Contains(talk, fmt.Sprint(events.Load())) {
		t.Errorf("exit code %d, %d events, output %q, talk %q", code, events.Load(), out, talk)
	}
}

func TestSimulateFails(t *testing.T) {
	t.Parallel()
	for answer, status := range map[string]int{
		`{"code":"forbidden","detail":"No."}`:                                                    http.StatusForbidden,
		`{"rejected":[{"index":0,"code":"forbidden","message":"This key may not publish it."}]}`: http.StatusOK,
	} {
		url, _ := sink(t, status, answer)
		code, _, talk := tidemark("simulate", "steady", "--to", url, "--key", "k", "--start", past(), "--for", "10s")
		if code != exitFailed || !strings.Contains(talk, "forbidden") {
			t.Errorf("%d: exit code %d, talk %q; want 1 and the reason", status, code, talk)
		}
	}
}

// The documents of the demonstration parse, promise every feature, and reach back
// to its past.
func TestDemoIsFurnished(t *testing.T) {
	t.Parallel()
	dir, since := t.TempDir(), time.Now().Add(-simulate.DemoHistory)
	keys, err := furnish(t.Context(), dir, since)
	if err != nil || !strings.HasPrefix(keys.traffic, "tmk_demo_") || !strings.HasPrefix(keys.operator, "tmk_demo_") {
		t.Fatalf("keys %+v, error %v", keys, err)
	}
	store, err := control.Open(context.Background(), filepath.Join(dir, control.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	docs, err := store.Documents(t.Context())
	kinds := map[flags.DocumentKind]int{}
	for _, doc := range docs {
		kinds[doc.ID.Kind]++
	}
	if want := (map[flags.DocumentKind]int{flags.KindGuarantee: 5, flags.KindRule: 1, flags.KindLabel: 3}); err != nil || !maps.Equal(kinds, want) {
		t.Fatalf("documents %v, error %v; want %v", kinds, err, want)
	}
}
