package real

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// account is whom the servers run as: PostgreSQL refuses to run as root.
type account struct{ uid, gid int }

// serverAccount returns the account for servers; it skips the test when it runs as
// root and no user "postgres" is there.
func serverAccount(t *testing.T) account {
	t.Helper()
	if os.Geteuid() != 0 {
		return account{os.Geteuid(), os.Getegid()}
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Skip("PostgreSQL does not run as root, and there is no user postgres")
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return account{uid, gid}
}

// folder makes a temporary folder that the account owns. t.TempDir does not do: its
// parents are closed to everyone else.
func (a account) folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tidemark-real-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove %s: %v", dir, err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, a.uid, a.gid); err != nil {
		t.Fatal(err)
	}
	return dir
}

// command prepares a command that runs in dir as the account.
func (a account) command(t *testing.T, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...) //nolint:noctx // servers end by a signal in t.Cleanup, after t.Context
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}}
	}
	return cmd
}

// run runs a command to its end and fails the test with its output.
func (a account) run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	out, err := a.command(t, dir, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", filepath.Base(name), args, err, out)
	}
}

// serve starts a server, with its output in dir/NAME.log, and stops it with the
// test: first politely by sig, after ten seconds for good.
func (a account) serve(t *testing.T, sig os.Signal, dir, name string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(dir, filepath.Base(name)+".log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := a.command(t, dir, name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait() // a server that is told to stop may say so by its exit code
	}()
	t.Cleanup(func() {
		defer log.Close()
		_ = cmd.Process.Signal(sig)
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Errorf("%s did not stop within 10 s", filepath.Base(name))
			_ = cmd.Process.Kill()
			<-done
		}
		if t.Failed() {
			tail, _ := os.ReadFile(log.Name())
			t.Logf("%s said:\n%s", filepath.Base(name), tail[max(0, len(tail)-500):])
		}
	})
}

// freePort returns a port of the loopback address that nothing listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // binds at once
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// eventually asks every 20 ms until ok returns nil, and fails the test with its
// last error when that takes longer than within.
func eventually(t *testing.T, within time.Duration, what string, ok func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, within, err)
		}
		<-tick.C
	}
}

// answers returns a check that something accepts connections.
func answers(addr string) func() error {
	return func() error {
		c, err := net.DialTimeout("tcp", addr, time.Second) //nolint:noctx // has a timeout
		if err != nil {
			return fmt.Errorf("dial %s: %w", addr, err)
		}
		return c.Close()
	}
}
