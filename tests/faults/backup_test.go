package faults

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/tests/tidemark"
)

// TestABackupUnderLoadComesBack takes backups of a server under load, then kills the
// server. Each backup holds all that was acknowledged before it was begun, its rollups
// are what its log adds up to, and its audit log continues the one that was signed
// before and is continued by the one that went on.
func TestABackupUnderLoadComesBack(t *testing.T) {
	data, away := t.TempDir(), t.TempDir()
	k := key(t, data)
	admin := strings.TrimSpace(tidemark.Verb(t, "keys", "create", "operator", "--data", data, "--scope", "admin", "--scope", "control"))
	s := tidemark.Start(t, "serve", "--data", data)
	l := newLoad(200)
	ctx, cancel := context.WithCancel(t.Context())
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		l.run(ctx, newClient(s.URL, k), 4)
	}()
	for l.events() < 20_000 {
		<-time.After(10 * time.Millisecond)
	}
	before := keepCheckpoint(t, s.URL, admin, filepath.Join(away, "before.note"))
	var known []map[int64]int
	var files []string
	for range 3 {
		known = append(known, l.acknowledgedNow())
		file := filepath.Join(away, "backup"+string(rune('a'+len(files)))+".tar")
		tidemark.Verb(t, "backup", file, "--to", s.URL, "--key", admin)
		files = append(files, file)
	}
	s.Kill()
	cancel()
	<-loaded
	l.check(t)
	for i, file := range files {
		restored := filepath.Join(away, "restored"+string(rune('a'+i)))
		tidemark.Verb(t, "restore", file, "--data", restored, "--checkpoint", before)
		(&load{size: l.size, acknowledged: known[i], sent: l.next.Load()}).checkStored(t, restored)

		// A server goes on with it: it folds the tail, and writes it down when it stops.
		again := tidemark.Start(t, "serve", "--data", restored)
		if err := again.Stop(time.Minute); err != nil {
			t.Fatalf("stop: %v\n%s", err, again.Said())
		}
		served := rollups(t, restored)
		tidemark.Verb(t, "rebuild", "--data", restored)
		if rebuilt := rollups(t, restored); len(rebuilt) == 0 || !slices.Equal(served, rebuilt) {
			t.Errorf("%s: what is served is not what the log adds up to (-served +rebuilt):\n%.3000s", file, cmp.Diff(served, rebuilt))
		}
	}
	// What was cut back to the first backup does not pass for what was signed later.
	after := keepCheckpoint(t, "", data, filepath.Join(away, "after.note"))
	_, said, err := tidemark.TryVerb(t, "restore", files[0], "--data", filepath.Join(away, "cut"), "--checkpoint", after)
	if err == nil || !strings.Contains(said, "missing") {
		t.Errorf("a log that was cut back was restored, or not named: %v\n%s", err, said)
	}
}

// keepCheckpoint signs the audit log of a server, or of a data folder when there is no
// URL, and keeps what was signed in a file.
func keepCheckpoint(t *testing.T, url, keyOrData, file string) string {
	t.Helper()
	args := []string{"audit", "checkpoint", "--to", url, "--key", keyOrData}
	if url == "" {
		args = []string{"audit", "checkpoint", "--data", keyOrData}
	}
	if err := os.WriteFile(file, []byte(tidemark.Verb(t, args...)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestABackupThatIsCutOff reads part of a backup and lets the server be killed, or
// goes away itself: no file is left that could be taken for a backup, and the next one
// is whole.
func TestABackupThatIsCutOff(t *testing.T) {
	data, away := t.TempDir(), t.TempDir()
	k := key(t, data)
	admin := strings.TrimSpace(tidemark.Verb(t, "keys", "create", "operator", "--data", data, "--scope", "admin"))
	s := tidemark.Start(t, "serve", "--data", data)
	l := newLoad(2000)
	c := newClient(s.URL, k)
	for range 30 {
		l.sendUntil(t, c, http.StatusOK, 20*time.Second)
	}
	if err := readSome(t, s.URL, admin).Close(); err != nil { // and goes away
		t.Fatal(err)
	}
	body := readSome(t, s.URL, admin)
	s.Kill()
	var rest bytes.Buffer
	if _, err := rest.ReadFrom(body); err == nil {
		t.Log("the rest had been sent before the server was killed")
	}
	s = tidemark.Start(t, "serve", "--data", data)
	if left, _ := filepath.Glob(filepath.Join(data, ".backup-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	file := filepath.Join(away, "whole.tar")
	tidemark.Verb(t, "backup", file, "--to", s.URL, "--key", admin)
	restored := filepath.Join(away, "restored")
	tidemark.Verb(t, "restore", file, "--data", restored)
	l.checkStored(t, restored)
	s.Kill()

	// A file that ends somewhere within is no backup, wherever it ends.
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 511, 512, 5000, len(raw) / 3, len(raw) - 3000} {
		part := filepath.Join(away, "part.tar")
		if err := os.WriteFile(part, raw[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(away, "target")
		_, said, err := tidemark.TryVerb(t, "restore", part, "--data", target)
		if err == nil || !strings.Contains(said, "not a whole backup") {
			t.Errorf("the first %d of %d bytes: %v\n%s", n, len(raw), err, said)
		}
		if left, _ := filepath.Glob(target + "*"); len(left) > 0 {
			t.Errorf("the first %d bytes left %v", n, left)
		}
	}
}

// readSome begins a backup, as soon as an earlier one has ended, and reads some of it.
func readSome(t *testing.T, url, admin string) io.ReadCloser {
	t.Helper()
	resp := startBackup(t, url, admin)
	for began := time.Now(); resp.StatusCode == http.StatusConflict && time.Since(began) < 20*time.Second; {
		resp = startBackup(t, url, admin)
	}
	if _, err := resp.Body.Read(make([]byte, 1000)); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	return resp.Body
}

func startBackup(t *testing.T, url, admin string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/api/v1/backup", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+admin)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}
