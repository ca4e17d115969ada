package faults

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidemark/tests/tidemark"
)

// smallDisk mounts a file system of its own of the given size (as mount -o size
// says it), or skips the test where that is not allowed.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a full disk needs root, to mount a small file system")
	}
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("a full disk needs a small file system, and mounting one is not allowed here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

// TestAFullDisk fills the disk under a server: it says so and acknowledges nothing
// more, and takes events again when there is room, without a restart.
func TestAFullDisk(t *testing.T) {
	disk := smallDisk(t, "64m")
	data := filepath.Join(disk, "data")
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, bytes.Repeat([]byte{1}, 24<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	k := key(t, data)
	s := tidemark.Start(t, "serve", "--data", data)
	t.Cleanup(s.Kill) // before the disk is unmounted
	c := newClient(s.URL, k)
	l := newLoad(2000)

	full := l.sendUntil(t, c, http.StatusServiceUnavailable, time.Minute)
	if !strings.Contains(full.Body, "space") {
		t.Errorf("the answer does not say that space ran out: %s", full.Body)
	}
	if full.Header.Get("Retry-After") == "" {
		t.Error("the answer does not say when to try again")
	}
	before := l.events()
	if before == 0 {
		t.Fatal("nothing was acknowledged before the disk was full")
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	l.sendUntil(t, c, http.StatusOK, 30*time.Second)
	if l.events() <= before {
		t.Error("nothing was acknowledged after there was room again")
	}
	l.check(t)
	s.Kill()
	l.checkStored(t, data)
}

// sendUntil sends batches one after the other until one is answered with a status.
func (l *load) sendUntil(t *testing.T, c *client, status int, within time.Duration) *answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	var buf bytes.Buffer
	for {
		b := l.next.Add(1)
		l.batch(&buf, b)
		a, err := c.post(ctx, bytes.NewReader(buf.Bytes()))
		if err != nil {
			t.Fatalf("no answer %d within %s: %v; refused so far: %v", status, within, err, l.refused)
		}
		l.note(b, a, nil)
		if a.Status == status {
			return a
		}
	}
}

// TestASecondWriter starts a second server on the same folder: it must not start,
// say why in one line, and leave the first alone.
func TestASecondWriter(t *testing.T) {
	data := t.TempDir()
	k := key(t, data)
	s := tidemark.Start(t, "serve", "--data", data)
	_, said, err := tidemark.TryVerb(t, "serve", "--data", data, "--listen", "127.0.0.1:0")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("the second server ended with %v; want exit code 1", err)
	}
	if !strings.Contains(said, "in use") || strings.Contains(said, "goroutine") {
		t.Errorf("the second server does not say plainly that the folder is in use:\n%s", said)
	}
	l := newLoad(50)
	l.sendUntil(t, newClient(s.URL, k), http.StatusOK, 10*time.Second)
	s.Kill()
	l.checkStored(t, data)
}

// TestADamagedStore damages the files of a store in several ways. Whatever is
// damaged, the program names it or goes on with what is whole; it does not crash,
// hang, or serve something else.
func TestADamagedStore(t *testing.T) {
	// A server that was stopped leaves whole files; one that was killed leaves
	// write-ahead logs, whose pages go before those of the files.
	stopped, killed := t.TempDir(), t.TempDir()
	keys := map[string]string{stopped: key(t, stopped), killed: key(t, killed)}
	l := newLoad(500)
	for data, k := range keys {
		s := tidemark.Start(t, "serve", "--data", data)
		for range 40 {
			l.sendUntil(t, newClient(s.URL, k), http.StatusOK, 10*time.Second)
		}
		if data == killed {
			s.Kill()
		} else if err := s.Stop(30 * time.Second); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		whole  string
		glob   string
		damage func(t *testing.T, file string)
		// mayServe says that what is left can be whole: SQLite takes a torn end of its
		// write-ahead log for a transaction that never was.
		mayServe bool
	}{
		{"the header of the rollups", stopped, "telemetry.db", flipAt(3), false},
		{"half of the rollups is gone", stopped, "telemetry.db", cutTo(0.5), false},
		{"the header of the raw events", stopped, "telemetry-*.db", flipAt(3), false},
		{"bits of the raw events", stopped, "telemetry-*.db", flipEvery(4099), true},
		{"the header of the control data", stopped, "control.db", flipAt(3), false},
		{"a torn write-ahead log of raw events", killed, "telemetry-*.db-wal", cutTo(0.6), true},
		{"bits of a write-ahead log of raw events", killed, "telemetry-*.db-wal", flipEvery(5003), true},
		{"a torn write-ahead log of rollups", killed, "telemetry.db-wal", cutTo(0.6), true},
		{"bits of a write-ahead log of rollups", killed, "telemetry.db-wal", flipEvery(5003), true},
		{"a torn write-ahead log of control data", killed, "control.db-wal", cutTo(0.6), true},
		{"bits of a write-ahead log of control data", killed, "control.db-wal", flipEvery(5003), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			if err := os.CopyFS(data, os.DirFS(c.whole)); err != nil {
				t.Fatal(err)
			}
			files, _ := filepath.Glob(filepath.Join(data, c.glob))
			damaged := 0
			for _, f := range files {
				if info, err := os.Stat(f); err == nil && info.Size() > 0 {
					c.damage(t, f)
					damaged++
				}
			}
			if damaged == 0 {
				t.Skipf("this store has no %s to damage", c.glob)
			}
			startDamaged(t, data, keys[c.whole], c.mayServe)
		})
	}
}

// startDamaged starts a server on a damaged folder and judges how it takes it.
func startDamaged(t *testing.T, data, k string, mayServe bool) {
	t.Helper()
	s, err := tidemark.Run(tidemark.Binary(t), nil, "serve", "--data", data)
	if err != nil {
		if !errors.Is(err, tidemark.ErrEnded) {
			t.Fatalf("it neither started nor ended: %v", err)
		}
		if said := err.Error(); !strings.Contains(said, ".db") || strings.Contains(said, "goroutine ") {
			t.Errorf("it does not name the damaged file in plain words:\n%s", said)
		}
		return
	}
	defer s.Kill()
	if !mayServe {
		t.Errorf("it serves a damaged store as if nothing were wrong:\n%s", s.Said())
		return
	}
	fresh := newLoad(20)
	fresh.next.Store(1 << 40) // no name that the store may have
	fresh.sendUntil(t, newClient(s.URL, k), http.StatusOK, 20*time.Second)
	fresh.check(t)
}

func flipAt(offset int64) func(*testing.T, string) {
	return func(t *testing.T, file string) { edit(t, file, func(b []byte) []byte { b[offset] ^= 0xff; return b }) }
}

// flipEvery flips a bit of every nth byte, after the first page.
func flipEvery(n int) func(*testing.T, string) {
	return func(t *testing.T, file string) {
		edit(t, file, func(b []byte) []byte {
			for i := 8192; i < len(b); i += n {
				b[i] ^= 0x10
			}
			return b
		})
	}
}

func cutTo(share float64) func(*testing.T, string) {
	return func(t *testing.T, file string) {
		edit(t, file, func(b []byte) []byte { return b[:int(share*float64(len(b)))] })
	}
}

func edit(t *testing.T, file string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}
