package faults

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"tidemark/tests/tidemark"
)

// TestALogThatNobodyReads ends the program that a server's log goes to: the server must
// not end with it, least of all while it stops.
func TestALogThatNobodyReads(t *testing.T) {
	t.Parallel()
	log, said, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), tidemark.Binary(t), "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0")
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = said.Close()
	for lines := bufio.NewScanner(log); lines.Scan() && !strings.Contains(lines.Text(), "/setup?"); {
		continue
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil { // It says that it stops.
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the server: %v", err)
	}
}
