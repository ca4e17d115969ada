package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"tidemark/flags"
	control "tidemark/flags/sqlite"
)

// stopper ends the demonstration as soon as it has printed a line.
type stopper struct {
	bytes.Buffer
	stop func()
}

func (s *stopper) Write(p []byte) (int, error) {
	defer s.stop()
	return s.Buffer.Write(p)
}

// The demonstration prints a link alone, listens on this machine alone, and leaves
// nothing behind.
func TestDemoLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out := &stopper{stop: cancel}
	var talk bytes.Buffer
	e := &env{ctx: ctx, stdout: out, stderr: &talk, log: slog.New(slog.DiscardHandler), now: time.Now}
	if err := (&demoCmd{Port: 0, Seed: 1}).Run(e); err != nil {
		t.Fatalf("%v\n%s", err, talk.String())
	}
	if link := regexp.MustCompile(`^http://127\.0\.0\.1:\d+/signin\?token=[a-z0-9]+\n$`); !link.MatchString(out.String()) {
		t.Errorf("standard output %q; want a link and nothing else", out.String())
	}
	if !strings.Contains(talk.String(), "Ctrl-C") {
		t.Errorf("talk %q", talk.String())
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestDemoTakesAnotherPort(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out := &stopper{stop: cancel}
	var talk bytes.Buffer
	e := &env{ctx: ctx, stdout: out, stderr: &talk, log: slog.New(slog.DiscardHandler), now: time.Now}
	if err := (&demoCmd{Port: port, Seed: 1}).Run(e); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), fmt.Sprintf(":%d/", port)) || !strings.Contains(talk.String(), fmt.Sprintf("Port %d is taken", port)) {
		t.Errorf("link %q, talk %q; want another port than %d, and to be told", out.String(), talk.String(), port)
	}
}

// listener ends the demonstration once it has said something.
type listener struct {
	mu   sync.Mutex
	said bytes.Buffer
	want string
	stop func()
}

func (l *listener) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.said.Write(p)
	if strings.Contains(l.said.String(), l.want) {
		l.stop()
	}
	return n, err
}

// Once the past is in, the demonstration stages its two changes over the API, as a
// person with a key would, and says what there is to see.
func TestDemoBeginsTwoRollouts(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var staged []flags.Rollout
	talk := &listener{want: "Watch them on the page Rollouts"}
	talk.stop = func() {
		staged = storedRollouts(t, dir)
		cancel()
	}
	e := &env{ctx: ctx, stdout: io.Discard, stderr: talk, log: slog.New(slog.DiscardHandler), now: time.Now}
	if err := (&demoCmd{Port: 0, Seed: 1}).Run(e); err != nil {
		t.Fatalf("%v\n%s", err, talk.said.String())
	}
	running := map[string]bool{}
	for i := range staged {
		running[staged[i].Plan.Flag] = staged[i].State == flags.RolloutRunning
	}
	if want := map[string]bool{"profile-consistency": true, "cart-consistency": true}; !maps.Equal(running, want) {
		t.Errorf("running %v; want %v\n%s", running, want, talk.said.String())
	}
}

// storedRollouts reads what the demonstration that keeps its store below dir has staged.
func storedRollouts(t *testing.T, dir string) []flags.Rollout {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*", control.FileName))
	if err != nil || len(found) != 1 {
		t.Errorf("stores %v (%v); want one", found, err)
		return nil
	}
	store, err := control.Open(t.Context(), found[0])
	if err != nil {
		t.Error(err)
		return nil
	}
	defer store.Close()
	all, err := store.Rollouts(t.Context())
	if err != nil {
		t.Error(err)
	}
	return all
}
