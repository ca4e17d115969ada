package faults

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/flags/access"
	control "tidemark/flags/sqlite"
	"tidemark/tests/tidemark"
)

// sector is what a disk writes as a whole.
const sector = 512

// TestPowerLoss writes down every write and sync of a server's files, and makes of them
// what a disk may hold when the power goes: all that was synced, and of the rest any
// part, in any order, cut at any sector. Every event and every change that was
// acknowledged by then must be there, and the audit log must verify.
func TestPowerLoss(t *testing.T) {
	data := t.TempDir()
	k := strings.TrimSpace(tidemark.Verb(t, "keys", "create", "faults", "--data", data, "--scope", "publish:*", "--scope", "admin"))
	s := tidemark.Start(t, "serve", "--data", data)
	record := recordWrites(t, s.PID())
	base := filesOf(t, data)
	c, l := newClient(s.URL, k), newLoad(60)
	var buf bytes.Buffer
	for b := range int64(80) {
		l.next.Add(1)
		l.batch(&buf, b+1)
		a, err := c.post(t.Context(), bytes.NewReader(buf.Bytes()))
		l.note(b+1, a, err)
		if b%4 == 0 {
			c.makeAccount(t, fmt.Sprintf("person-%d", b/4))
		}
	}
	l.check(t)
	s.Kill()
	ops := parseTrace(t, record(), data)
	acks, syncs := 0, 0
	var after []int // where something had just been acknowledged
	for i, o := range ops {
		switch o.kind {
		case ackEvents, ackAccount:
			acks++
			after = append(after, i+1)
		case synced:
			syncs++
		}
	}
	if acks != 100 || syncs < 100 {
		t.Fatalf("%d answers and %d syncs were seen of 80 batches and 20 accounts", acks, syncs)
	}
	dice := rand.New(rand.NewPCG(*seed, 1))
	for range 24 {
		cut := after[dice.IntN(len(after))]
		if dice.IntN(3) == 0 {
			cut = dice.IntN(len(ops))
		}
		dir := t.TempDir()
		events, accounts := losePower(t, dir, base, ops[:cut], dice)
		checkAfterLoss(t, dir, l, events, accounts)
		if t.Failed() {
			t.Fatalf("the power went after %d of %d operations (seed %d)", cut, len(ops), *seed)
		}
	}
}

func (c *client) makeAccount(t *testing.T, name string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url+"/api/v1/users", strings.NewReader(fmt.Sprintf(`{"name":%q,"role":"viewer"}`, name)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("account %s: %s", name, resp.Status)
	}
}

// checkAfterLoss opens what is left as the next start would.
func checkAfterLoss(t *testing.T, dir string, l *load, events, accounts int) {
	t.Helper()
	acknowledged := newLoad(l.size)
	acknowledged.sent = l.next.Load()
	for b := range int64(events) {
		acknowledged.acknowledged[b+1] = l.acknowledged[b+1]
	}
	acknowledged.checkStored(t, dir)
	store, err := control.Open(t.Context(), filepath.Join(dir, control.FileName))
	if err != nil {
		t.Fatalf("open the control data: %v", err)
	}
	defer store.Close()
	for i := range accounts {
		if _, err := store.Account(t.Context(), fmt.Sprintf("person-%d", i)); err != nil {
			t.Errorf("an account that was acknowledged: %v", err)
		}
	}
	if _, err := store.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if err := store.CreateAccount(t.Context(), "afterwards", access.Viewer, access.Change{Actor: "cli:test", At: time.Now()}); err != nil {
		t.Errorf("nothing can be stored afterwards: %v", err)
	}
}

// losePower makes in dir what a disk may hold after the operations when its power goes, and
// returns how many batches and accounts were acknowledged by then.
func losePower(t *testing.T, dir string, base map[string][]byte, ops []op, dice *rand.Rand) (events, accounts int) {
	t.Helper()
	safe := map[string]int{} // up to which operation each file is synced
	for _, o := range ops {
		switch o.kind {
		case synced:
			safe[o.file] = max(safe[o.file], o.upTo)
		case ackEvents:
			events++
		case ackAccount:
			accounts++
		default:
		}
	}
	files := map[string][]byte{}
	for name, content := range base {
		files[name] = bytes.Clone(content)
	}
	for i, o := range ops {
		lost := i >= safe[o.file] && dice.IntN(2) == 0
		switch {
		case lost:
		case o.kind == truncated:
			files[o.file] = append(files[o.file], make([]byte, max(0, o.at-len(files[o.file])))...)[:o.at]
		case o.kind == wrote:
			for from := 0; from < len(o.data); from += sector {
				if i >= safe[o.file] && dice.IntN(4) == 0 {
					continue // torn
				}
				part := o.data[from:min(from+sector, len(o.data))]
				end := o.at + from + len(part)
				files[o.file] = append(files[o.file], make([]byte, max(0, end-len(files[o.file])))...)
				copy(files[o.file][o.at+from:], part)
			}
		case o.kind == removed:
			delete(files, o.file)
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return events, accounts
}

// filesOf are the databases of a folder with their write-ahead logs. The index of a log
// is left out: it is in memory, and made anew.
func filesOf(t *testing.T, data string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, glob := range []string{"*.db", "*.db-wal"} {
		paths, _ := filepath.Glob(filepath.Join(data, glob))
		for _, path := range paths {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files[filepath.Base(path)] = content
		}
	}
	if len(files) < 3 {
		t.Fatalf("the folder has only %d databases and logs", len(files))
	}
	return files
}

// recordWrites writes down from now on what a process writes and syncs; the returned
// function waits until the process is gone and gives the record.
func recordWrites(t *testing.T, pid int) func() []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "trace")
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(cancel)
	ended := attach(ctx, t, pid, "-y", "-xx", "-s", "16777216", "-o", file,
		"-e", "trace=pwrite64,pwritev,write,ftruncate,fallocate,fsync,fdatasync,unlink,unlinkat,rename,renameat,renameat2")
	return func() []byte {
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Fatal("strace does not end with the server")
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
}
