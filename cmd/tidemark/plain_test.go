package main

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNothingMovesTheTerminal: not the name of a file, nor what a server says.
func TestNothingMovesTheTerminal(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	if code := run([]string{"import", "--data", t.TempDir(), "a\x1b[2Jb\u202e.ndjson"}, nil, &stdout, &stderr); code != exitUsage {
		t.Errorf("code %d", code)
	}
	if got := stderr.String(); strings.ContainsAny(got, "\x1b\u202e") || !strings.Contains(got, "a[U+001B][2Jb[U+202E].ndjson") {
		t.Errorf("a file that is not there: %q", got)
	}

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"partialSuccess":{"rejectedSpans":"9000000000000000","errorMessage":"\u001b]0;title\u0007"}}`))
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "spans.json")
	if err := os.WriteFile(file, []byte(`{"resourceSpans":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	stderr.Reset()
	run([]string{"import", "--to", server.URL, "--key", "k", file}, nil, &stdout, &stderr)
	if got := stderr.String(); strings.ContainsRune(got, '\x1b') || !strings.Contains(got, "[U+001B]]0;title") || !strings.Contains(got, "9000000000000000 rejected") {
		t.Errorf("a server that is hostile: %q", got)
	}
}

// TestAValueWithoutAnEndIsNotKept, however well it was packed.
func TestAValueWithoutAnEndIsNotKept(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bomb.json.gz")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	_, _ = z.Write([]byte("[\n\""))
	chunk := bytes.Repeat([]byte("a"), 1<<20)
	for range maxValue>>20 + 1 {
		_, _ = z.Write(chunk)
	}
	_, _ = z.Write([]byte("\"]"))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	run([]string{"import", "--data", t.TempDir(), file}, nil, &stdout, &stderr)
	if !strings.Contains(stderr.String(), "a value is longer than") {
		t.Errorf("%s", stderr.String())
	}
}
