package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
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
