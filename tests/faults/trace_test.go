package faults

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

type opKind int

const (
	wrote      opKind = iota // data at a place of a file
	truncated                // a file to a length
	removed                  // a file
	synced                   // a file, as it was at operation upTo
	ackEvents                // the server answered a batch of events
	ackAccount               // the server answered that an account is made
)

// op is one operation on the files of a data folder, or an answer, in the order in which
// they happened.
type op struct {
	kind opKind
	file string // base name
	at   int
	data []byte
	upTo int
}

// call is one system call as strace prints it.
type call struct {
	name string
	args []string
	ok   bool
}

// parseTrace reads what strace -f -y -xx printed. What was written counts when the call
// has ended; what a sync covers is what had ended when it began.
func parseTrace(t *testing.T, raw []byte, data string) (ops []op) {
	t.Helper()
	open := map[string]string{} // by thread: the beginning of a call that has not ended
	began := map[string]int{}   // by thread: how many operations there were then
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, 256<<20)
	for lines.Scan() {
		thread, text, _ := strings.Cut(lines.Text(), " ")
		text = strings.TrimLeft(text, " ")
		if head, ok := strings.CutSuffix(text, " <unfinished ...>"); ok {
			open[thread], began[thread] = head, len(ops)
			if o, ok := answered(head); ok {
				ops = append(ops, o)
			}
			continue
		}
		start, resumed := len(ops), false
		if _, rest, ok := strings.Cut(text, " resumed>"); ok && strings.HasPrefix(text, "<... ") {
			text, start, resumed = open[thread]+rest, began[thread], true
		}
		if o, ok := answered(text); ok {
			if !resumed {
				ops = append(ops, o)
			}
			continue
		}
		if c, ok := parseCall(text); ok && c.ok {
			if o, ok := c.op(t, data, start); ok {
				ops = append(ops, o)
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return ops
}

// answered tells answers to batches and accounts, which are written to a connection.
func answered(text string) (op, bool) {
	if !strings.HasPrefix(text, "write(") {
		return op{}, false
	}
	switch {
	case strings.Contains(text, hexText(`{"accepted":`)):
		return op{kind: ackEvents}, true
	case strings.Contains(text, hexText(`"has_password":false`)):
		return op{kind: ackAccount}, true
	}
	return op{}, false
}

func hexText(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteString(`\x` + hex.EncodeToString([]byte{s[i]}))
	}
	return b.String()
}

func parseCall(text string) (c call, ok bool) {
	name, rest, ok := strings.Cut(text, "(")
	end := strings.LastIndex(rest, ")")
	if !ok || end < 0 {
		return c, false
	}
	_, result, ok := strings.Cut(rest[end:], "= ")
	return call{name, strings.Split(rest[:end], ", "), ok && !strings.HasPrefix(result, "-1")}, ok
}

// op is what the call did to a database of the folder or to its log.
func (c *call) op(t *testing.T, data string, start int) (op, bool) {
	t.Helper()
	path := ""
	for _, a := range c.args { // the descriptor's file, or the name
		if _, named, ok := strings.Cut(a, "<"); ok {
			path = unhex(strings.TrimSuffix(named, ">"))
		} else if strings.HasPrefix(a, `"`) && path == "" {
			path = unhex(strings.Trim(a, `"`))
		}
	}
	if c.name == "unlinkat" || c.name == "unlink" {
		path = unhex(strings.Trim(c.args[len(c.args)-min(2, len(c.args))], `"`))
		if c.name == "unlink" {
			path = unhex(strings.Trim(c.args[0], `"`))
		}
	}
	dir, file := filepath.Split(path)
	stored := strings.HasSuffix(file, ".db") || strings.HasSuffix(file, ".db-wal")
	if filepath.Clean(dir) != filepath.Clean(data) || !stored {
		return op{}, false
	}
	switch c.name {
	case "pwrite64":
		return op{kind: wrote, file: file, data: []byte(unhex(strings.Trim(c.args[1], `"`))), at: number(t, c.args[3])}, true
	case "ftruncate":
		return op{kind: truncated, file: file, at: number(t, c.args[1])}, true
	case "fsync", "fdatasync":
		return op{kind: synced, file: file, upTo: start}, true
	case "unlink", "unlinkat":
		return op{kind: removed, file: file}, true
	}
	t.Fatalf("%s of %s: this test does not know what that does to a disk", c.name, file)
	return op{}, false
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// unhex reads \x2f\x74…; what is not of that form is not a name of ours.
func unhex(text string) string {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, `\x`, ""))
	if err != nil {
		return ""
	}
	return string(raw)
}
