package faults

import (
	"bufio"
	"context"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidemark/tests/tidemark"
)

// TestAFailedSync lets the system refuse to sync the files of a running server for a
// while. From the first failure on it must acknowledge nothing, also when syncing works
// again, say so, and go on after a restart with everything that it acknowledged.
func TestAFailedSync(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skipf("failing system calls need strace: %v", err)
	}
	data := t.TempDir()
	k := key(t, data)
	s := tidemark.Start(t, "serve", "--data", data)
	c := newClient(s.URL, k)
	l := newLoad(200)
	for range 20 {
		l.sendUntil(t, c, http.StatusOK, 10*time.Second)
	}

	heal := failSyncs(t, s.PID())
	refused := l.sendUntil(t, c, http.StatusServiceUnavailable, 20*time.Second)
	if !strings.Contains(refused.Body, "storage_unsynced") || refused.Header.Get("Retry-After") == "" {
		t.Errorf("the answer does not say what is wrong and when to try again: %v %s", refused.Header, refused.Body)
	}
	heal()

	before := l.events()
	for range 5 {
		l.sendUntil(t, c, http.StatusServiceUnavailable, 10*time.Second)
	}
	if l.events() != before {
		t.Error("events were acknowledged after a sync had failed")
	}
	if status := statusOf(t, s.URL+"/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("readiness is %d", status)
	}
	if !strings.Contains(c.get(t, "/metrics"), "tidemark_store_unsynced 1") {
		t.Error("/metrics does not say that nothing is stored")
	}
	s.Kill()
	s = tidemark.Start(t, "serve", "--data", data)
	l.sendUntil(t, newClient(s.URL, k), http.StatusOK, 10*time.Second)
	s.Kill()
	l.checkStored(t, data)
}

// failSyncs lets every sync of a process fail until heal is called.
func failSyncs(t *testing.T, pid int) (heal func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := attach(ctx, t, pid, "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO")
	heal = func() { cancel(); <-ended }
	t.Cleanup(heal)
	return heal
}

// attach lets strace look at a process until ctx is done or the process ends, or skips
// the test where that is not possible; the channel is closed when strace has ended.
func attach(ctx context.Context, t *testing.T, pid int, args ...string) (ended chan struct{}) {
	t.Helper()
	cmd := exec.CommandContext(ctx, "strace", append([]string{"-f", "-p", strconv.Itoa(pid)}, args...)...)
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("looking at system calls needs strace: %v", err)
	}
	ended = make(chan struct{})
	attached := make(chan bool, 1)
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(said)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "attached") {
				select {
				case attached <- true:
				default:
				}
			}
		}
		_ = cmd.Wait()
		close(attached)
	}()
	if !<-attached {
		t.Skip("looking at system calls needs strace to be allowed to attach")
	}
	return ended
}

func statusOf(t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
