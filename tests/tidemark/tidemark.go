// Package tidemark runs the real program, as its users do, for the tests beside it:
// it is built once, started as a process of its own, and spoken to over HTTP.
package tidemark

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Binary returns the path of the program: TIDEMARK_BIN, or one built from this
// tree. Each folder of tests builds its own, so that two may do so at the same time.
func Binary(tb testing.TB) string {
	tb.Helper()
	bin, err := build()
	if err != nil {
		tb.Fatal(err)
	}
	return bin
}

// build runs once for a test program.
var build = sync.OnceValues(func() (string, error) {
	if bin := os.Getenv("TIDEMARK_BIN"); bin != "" {
		return filepath.Abs(bin)
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	root := strings.TrimSpace(string(out))
	bin := filepath.Join(root, ".cache", "bin", "tidemark-for-"+filepath.Base(dir))
	cmd := exec.Command("go", "build", "-o", bin, "./cmd/tidemark")
	cmd.Dir = root
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build tidemark: %w\n%s", err, said)
	}
	return bin, nil
})

// Server is one run of the program.
type Server struct {
	URL    string    // http://127.0.0.1:PORT
	SignIn string    // a one-time link
	Ready  time.Time // when it answered

	data string // the folder that is served; "" for a demonstration
	cmd  *exec.Cmd
	said *transcript
	done chan struct{}
	err  error // of the process; valid once done is closed
}

// ErrEnded says that the program ended before it was ready.
var ErrEnded = errors.New("tidemark ended before it listened")

var (
	listens = regexp.MustCompile(`listens on (?:https?://)?(\S+)`)
	signIn  = regexp.MustCompile(`https?://\S+/signin\?\S+`)
)

// Start runs a verb that serves (serve or demo) on a free port of the loopback
// address and waits until it answers. The process is killed with the test.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	s, err := Run(Binary(tb), nil, args...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		s.Kill()
		if tb.Failed() {
			said := s.Said()
			tb.Logf("tidemark %s said at the end:\n%s", strings.Join(args, " "), said[max(0, len(said)-3000):])
		}
	})
	return s
}

// Run is Start without a test: the caller kills what it gets. An error that wraps
// ErrEnded holds what the program said.
func Run(bin string, env []string, args ...string) (*Server, error) {
	s := &Server{said: newTranscript(), done: make(chan struct{})}
	free := []string{"--listen", "127.0.0.1:0"}
	if args[0] == "demo" {
		free = []string{"--port", "0"} // it listens on loopback alone
	}
	s.cmd = exec.Command(bin, append(args, free...)...) //nolint:noctx // ended by Kill or Stop
	s.cmd.Env = append(os.Environ(), env...)
	s.cmd.Stdout, s.cmd.Stderr = s.said, s.said
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start tidemark: %w", err)
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.done)
	}()
	s.data = dataFolder(args)
	err := s.awaitReady(time.Minute)
	s.Ready = time.Now()
	if err == nil && s.SignIn == "" {
		err = s.makeLink(bin)
	}
	if err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

// dataFolder returns what follows --data.
func dataFolder(args []string) string {
	for i, a := range args[:len(args)-1] {
		if a == "--data" {
			return args[i+1]
		}
	}
	return ""
}

// makeLink asks for a sign-in link as whoever runs the server does.
func (s *Server) makeLink(bin string) error {
	cmd := exec.Command(bin, "signin", "--data", s.data, "--url", s.URL) //nolint:noctx // It ends by itself.
	link, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("make a sign-in link: %w", err)
	}
	s.SignIn = strings.TrimSpace(string(link))
	return nil
}

func (s *Server) awaitReady(within time.Duration) error {
	timeout := time.NewTimer(within)
	defer timeout.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if s.ready() {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("%w: %w\n%s", ErrEnded, s.err, s.Said())
		case <-timeout.C:
			return fmt.Errorf("tidemark was not ready within %s:\n%s", within, s.Said())
		case <-tick.C:
		}
	}
}

func (s *Server) ready() bool {
	said := s.Said()
	addr, link := listens.FindStringSubmatch(said), signIn.FindString(said)
	if addr == nil || (link == "" && s.data == "") {
		return false
	}
	s.URL, s.SignIn = "http://"+strings.TrimRight(addr[1], "/.,"), link
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/readyz", http.NoBody)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// Kill ends the process at once, as kill -9 does, and waits until it is gone.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

// Stop asks the process to end and returns its error when it did not end well
// within the given time.
func (s *Server) Stop(within time.Duration) error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop tidemark: %w", err)
	}
	select {
	case <-s.done:
		return s.err
	case <-time.After(within):
		s.Kill()
		return fmt.Errorf("tidemark did not stop within %s", within)
	}
}

// Ended is closed when the process is gone.
func (s *Server) Ended() <-chan struct{} { return s.done }

// Said is what the program has printed.
func (s *Server) Said() string { return s.said.String() }

// Memory is the resident memory of the process in bytes: now, and the most it
// ever was. Linux only.
func (s *Server) Memory() (now, peak int64, err error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, 0, fmt.Errorf("memory of tidemark: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			now = kib << 10
		case "VmHWM":
			peak = kib << 10
		}
	}
	return now, peak, nil
}

// Verb runs a verb to its end and returns what it printed on standard output. It
// fails the test, with what was said on standard error, unless the exit code is 0.
func Verb(tb testing.TB, args ...string) string {
	tb.Helper()
	out, said, err := TryVerb(tb, args...)
	if err != nil {
		tb.Fatalf("tidemark %s: %v\n%s", strings.Join(args, " "), err, said)
	}
	return out
}

// TryVerb is Verb for runs that may fail.
func TryVerb(tb testing.TB, args ...string) (out, said string, err error) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), Binary(tb), args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

// transcript keeps the last part of what a process prints.
type transcript struct {
	mu  sync.Mutex
	buf []byte
}

const transcriptSize = 256 << 10

func newTranscript() *transcript { return &transcript{} }

// Write implements io.Writer.
func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*transcriptSize {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-transcriptSize:]...)
	}
	return len(p), nil
}

// String returns what is kept.
func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

var _ io.Writer = (*transcript)(nil)

// PID is the id of the process.
func (s *Server) PID() int { return s.cmd.Process.Pid }
