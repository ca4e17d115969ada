package sqlite_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
	"tidemark/metrics/sqlite"
	"tidemark/metrics/storetest"
)

// childDir names the folder in which a copy of this test program appends until it
// is killed; see TestKilledWhileAppending.
const childDir = "TIDEMARK_TEST_APPEND_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		err := appendForEver(dir)
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// appendForEver appends groups of different sizes and says on standard output up to
// where events are durable.
func appendForEver(dir string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, sqlite.Options{Dir: dir, PartitionBytes: 2 << 20})
	if err != nil {
		return err
	}
	tr := storetest.NewTraffic(9, storetest.Start)
	skip := int(s.End())
	for skip > 0 {
		skip -= len(tr.Events(min(skip, 1000)))
	}
	for i := 0; ; i++ {
		n := []int{1, 10, 700, 9000}[i%4]
		if _, err := s.Append(ctx, tr.Events(n)); err != nil {
			return err
		}
		if i%7 == 0 {
			if err := s.Commit(ctx, &metrics.Checkpoint{Position: s.End()}); err != nil {
				return err
			}
		}
		fmt.Println(s.End())
	}
}

func TestKilledWhileAppending(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rounds := 5
	if testing.Short() { // as under the race detector, where reading it all again takes minutes
		rounds = 2
	}
	for round := range rounds {
		acked := killAfter(t, dir, 5+23*round)
		s := open(t, sqlite.Options{Dir: dir})
		got := storetest.ScanAll(t, s, 0)
		if len(got) < acked {
			t.Fatalf("%d events were acknowledged, %d are stored", acked, len(got))
		}
		tr := storetest.NewTraffic(9, storetest.Start)
		for i := 0; i < len(got); i += 1000 {
			part := got[i:min(i+1000, len(got))]
			if !reflect.DeepEqual(part, tr.Events(len(part))) {
				t.Fatalf("events %d to %d differ from those appended", i, i+len(part))
			}
		}
		found, _, err := s.Find(t.Context(), metrics.FindQuery{Kind: metrics.EntityWrite, Entity: metrics.WriteEntity(got[0].WriteID)})
		if err != nil || len(found) == 0 || found[0].EventID != got[0].EventID {
			t.Fatalf("find the first write: %d events, %v", len(found), err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killAfter runs the child, kills it after some acknowledgements and returns the last.
func killAfter(t *testing.T, dir string, lines int) (acked int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(out)
	for in.Scan() {
		if _, err := fmt.Sscan(in.Text(), &acked); err != nil {
			t.Fatal(err)
		}
		if lines--; lines == 0 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || lines > 0 {
		t.Fatalf("the child ended by itself: %v %s", err, stderr.String())
	}
	return acked
}

func TestSecondOpener(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, sqlite.Options{Dir: dir})
	_, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	if !errors.Is(err, metrics.ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Fatalf("second open: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, sqlite.Options{Dir: dir})
}

// closedStore returns the folder of a store of two partitions with a checkpoint.
func closedStore(t *testing.T) (dir string, events []metrics.Event) {
	t.Helper()
	dir = t.TempDir()
	s := open(t, sqlite.Options{Dir: dir, PartitionSpan: 1})
	tr := storetest.NewTraffic(11, storetest.Start)
	for range 2 {
		b := tr.Events(5000)
		if _, err := s.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		events = append(events, b...)
	}
	cell := &sketch.Cell{N: 1, Hits: 1}
	c := &metrics.Checkpoint{
		Position: s.End(), Blobs: map[string][]byte{"state": []byte("x")},
		Deltas: map[metrics.CellKey]*sketch.Cell{{Series: &metrics.Series{Feature: "f", Metric: metrics.MetricWrites}}: cell},
	}
	if err := s.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, events
}

func TestReopen(t *testing.T) {
	t.Parallel()
	dir, events := closedStore(t)
	s := open(t, sqlite.Options{Dir: dir})
	if got := storetest.ScanAll(t, s, 0); !reflect.DeepEqual(got, events) {
		t.Fatalf("%d events are stored, want %d (or they differ)", len(got), len(events))
	}
	if list, err := s.ListSeries(t.Context(), "f"); err != nil || len(list) != 1 {
		t.Fatalf("series: %v %v", list, err)
	}
}

// TestCloseClosesEverything closes stores in the midst of their upkeep: SQLite removes
// a write-ahead log with the last connection, so one that stays betrays a connection.
func TestCloseClosesEverything(t *testing.T) {
	t.Parallel()
	for i := range 40 { // side by side, so that the upkeep is met at many places
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			dir, _ := closedStore(t)
			left, err := filepath.Glob(filepath.Join(dir, "*-wal"))
			if err != nil || len(left) > 0 {
				t.Fatalf("still open after Close: %q %v", left, err)
			}
		})
	}
}

func TestDamage(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(dir string) error{
		"missing file":      func(dir string) error { return os.Remove(filepath.Join(dir, "telemetry-000001.db")) },
		"missing last file": func(dir string) error { return os.Remove(filepath.Join(dir, "telemetry-000002.db")) },
		"empty file":        func(dir string) error { return os.Truncate(filepath.Join(dir, "telemetry-000001.db"), 0) },
		"cut file":          func(dir string) error { return os.Truncate(filepath.Join(dir, "telemetry-000002.db"), 70_000) },
		"not a database": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "telemetry-000002.db"), []byte(strings.Repeat("no", 9000)), 0o600)
		},
		"flipped bit in a segment":     func(dir string) error { return flip(t.Context(), filepath.Join(dir, "telemetry-000001.db")) },
		"flipped bit in the last file": func(dir string) error { return flip(t.Context(), filepath.Join(dir, "telemetry-000002.db")) },
		"telemetry.db is not one": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "telemetry.db"), []byte(strings.Repeat("no", 9000)), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, _ := closedStore(t)
			if err := harm(dir); err != nil {
				t.Fatal(err)
			}
			s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
			if err == nil {
				err = errors.Join(s.Scan(t.Context(), 0, func(metrics.Position, []metrics.Event) error { return nil }), s.Close())
			}
			if !errors.Is(err, metrics.ErrDamaged) || !strings.Contains(err.Error(), "telemetry") {
				t.Fatalf("got %v, want metrics.ErrDamaged naming the file", err)
			}
		})
	}
}

// flip changes one bit in the middle of the segment that a log file begins with: a
// place of the file taken blindly may be one that nothing is stored in.
func flip(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite3", "file:"+path+"?mode=ro")
	if err != nil {
		return err
	}
	var data []byte
	err = db.QueryRowContext(ctx, "SELECT data FROM segment ORDER BY first LIMIT 1").Scan(&data)
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	file, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for rest := data[len(data)/2:]; len(rest) >= 16; rest = rest[16:] { // a run may span two pages
		if at := bytes.Index(file, rest[:16]); at >= 0 {
			file[at] ^= 4
			return os.WriteFile(path, file, 0o600)
		}
	}
	return fmt.Errorf("%s: its first segment is not found in it", path)
}

func TestGapIsOnlyOpenedOnRequest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, sqlite.Options{Dir: dir})
	if err := s.ResetRollups(t.Context(), metrics.Reset{Position: 10}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir}); !errors.Is(err, metrics.ErrDamaged) {
		t.Fatalf("a log that ends before its checkpoint: %v", err)
	}
	open(t, sqlite.Options{Dir: dir, AllowGap: true})
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=6m"); err != nil {
		t.Skipf("a file system of 6 MiB cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, sqlite.Options{Dir: dir})
	tr := storetest.NewTraffic(12, storetest.Start)
	var want []metrics.Event
	var err error
	for err == nil {
		b := tr.Events(2000)
		if _, err = s.Append(t.Context(), b); err == nil {
			want = append(want, b...)
		}
	}
	if !errors.Is(err, metrics.ErrFull) {
		t.Fatalf("append on a full disk: %v", err)
	}
	c := &metrics.Checkpoint{Position: s.End(), Blobs: map[string][]byte{"big": make([]byte, 4<<20)}}
	if err := s.Commit(t.Context(), c); !errors.Is(err, metrics.ErrFull) {
		t.Fatalf("commit on a full disk: %v", err)
	}
	if got := storetest.ScanAll(t, s, 0); !reflect.DeepEqual(got, want) || s.End() != metrics.Position(len(want)) {
		t.Fatalf("%d events are stored, end %d, want %d", len(got), s.End(), len(want))
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	b := tr.Events(3000)
	if _, err := s.Append(t.Context(), b); err != nil {
		t.Fatalf("append after space came back: %v", err)
	}
	if got := storetest.ScanAll(t, s, 0); !reflect.DeepEqual(got, append(want, b...)) {
		t.Fatalf("%d events are stored, want %d (or they differ)", len(got), len(want)+len(b))
	}
	if err := s.Commit(t.Context(), &metrics.Checkpoint{Position: s.End()}); err != nil {
		t.Fatalf("commit after space came back: %v", err)
	}
}

func TestBackup(t *testing.T) {
	t.Parallel()
	dir, events := closedStore(t)
	s := open(t, sqlite.Options{Dir: dir})
	to := t.TempDir()
	p, err := s.Pin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Pin(t.Context()); !errors.Is(err, metrics.ErrLocked) {
		t.Fatalf("a second backup at the same time: %v", err)
	}
	// What happens from then on is of no concern to the copy.
	if err := s.ResetRollups(t.Context(), metrics.Reset{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Prune(t.Context(), time.Unix(0, storetest.Start).AddDate(1, 0, 0), metrics.Retention{Raw: 1}); err != nil {
		t.Fatal(err)
	}
	for _, name := range p.Files() {
		if err := p.CopyTo(t.Context(), name, filepath.Join(to, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	c := open(t, sqlite.Options{Dir: to})
	if got := storetest.ScanAll(t, c, 0); !reflect.DeepEqual(got, events) {
		t.Fatalf("the copy has %d events, want %d (or they differ)", len(got), len(events))
	}
	b, err := c.Blob(t.Context(), "state")
	if err != nil || string(b) != "x" {
		t.Fatalf("blob of the copy: %q %v", b, err)
	}
}

func TestRetentionDeletesFiles(t *testing.T) {
	t.Parallel()
	dir, _ := closedStore(t)
	s := open(t, sqlite.Options{Dir: dir})
	if err := s.Prune(t.Context(), time.Unix(0, storetest.Start).AddDate(1, 0, 0), metrics.Retention{Raw: 1}); err != nil {
		t.Fatal(err)
	}
	if s.Begin() != 5000 || s.End() != 10_000 {
		t.Fatalf("the log goes from %d to %d", s.Begin(), s.End())
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "telemetry-000001*")); len(files) > 0 {
		t.Fatalf("left behind: %v", files)
	}
	if got := storetest.ScanAll(t, s, 0); len(got) != 5000 {
		t.Fatalf("%d events are left", len(got))
	}
}
