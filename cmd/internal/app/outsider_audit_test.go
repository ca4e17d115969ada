package app_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAnOutsiderChecksTheAuditLog runs the program that docs/audit.md shows, which knows
// nothing of tidemark, with what a server gives out, and with what was bent since.
func TestAnOutsiderChecksTheAuditLog(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"python3", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	dir := t.TempDir()
	doc, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "audit.md"))
	check(t, err)
	_, program, _ := strings.Cut(string(doc), "```python\n")
	program, _, ok := strings.Cut(program, "```")
	if !ok {
		t.Fatal("the document shows no program")
	}
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		check(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	script := put("check.py", program)

	d := openQuick(t)
	key := d.key("control", "admin")
	grow := func(name string) {
		w := d.post(key, "/api/v1/users", fmt.Sprintf(`{"name":%q,"role":"viewer"}`, name), "Content-Type: application/json")
		if w.Code != http.StatusCreated {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	get := func(path string) string {
		w := d.get(key, "/api/v1/audit"+path)
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		return w.Body.String()
	}
	sign := func() (note string, size int) {
		d.post(key, "/api/v1/audit/checkpoint", "")
		note = get("/checkpoint?format=note")
		_, err := fmt.Sscanf(strings.Split(note, "\n")[1], "%d", &size)
		check(t, err)
		return note, size
	}
	older, since := sign()
	for i := range 5 {
		grow(fmt.Sprintf("person-%d", i))
	}
	now, size := sign()
	grow("late") // What comes later does not disturb a proof that leads to the signed head.
	public := read[struct{ Key string }](t, d.get(key, "/api/v1/audit/checkpoint"), http.StatusOK).Key

	run := func(entry, note, key, head, old string) (string, error) {
		out, err := exec.CommandContext(t.Context(), "python3", script,
			put("entry.json", entry), put("now.note", note), key, put("head.json", head), put("older.note", old)).CombinedOutput()
		return string(out), err
	}
	head := get(fmt.Sprintf("/head?since=%d&size=%d", since, size))
	var entry string
	for n := range size {
		entry = get(fmt.Sprintf("/%d?size=%d", n, size))
		out, err := run(entry, now, public, head, older)
		if want := fmt.Sprintf("entry %d is in the log of %d entries\nthe log of %d entries continues that of %d\n", n, size, size, since); err != nil || out != want {
			t.Errorf("entry %d: %q, %v; want %q", n, out, err, want)
		}
	}
	bend := func(text, from, to string) string {
		if !strings.Contains(text, from) {
			t.Fatalf("%q is not in %s", from, text)
		}
		return strings.Replace(text, from, to, 1)
	}
	rootOf := func(note string) string { return strings.Split(note, "\n")[2] }
	for name, c := range map[string]struct{ entry, note, key, head, old, says string }{
		"another entry":      {bend(entry, `\"subject\":\"user/person`, `\"subject\":\"user/persoN`), now, public, head, older, "the entry is not in the log"},
		"another place":      {bend(entry, fmt.Sprintf(`"n":%d`, size-1), fmt.Sprintf(`"n":%d`, size-2)), now, public, head, older, "the entry is not in the log"},
		"a newer head":       {get(fmt.Sprintf("/%d", size-1)), now, public, head, older, "the proof leads to another head"},
		"a root of its own":  {entry, bend(now, rootOf(now), rootOf(older)), public, head, older, "CalledProcessError"},
		"another older root": {entry, now, public, head, bend(older, rootOf(older), rootOf(now)), "CalledProcessError"},
		"another size":       {entry, now, public, get(fmt.Sprintf("/head?since=%d&size=%d", since+1, size)), older, "the proof is about other heads"},
		"another proof":      {entry, now, public, bend(head, `"proof":["`, `"proof":["AAAA`), older, ""},
	} {
		if out, err := run(c.entry, c.note, c.key, c.head, c.old); err == nil || !strings.Contains(out, c.says) {
			t.Errorf("%s passes, or is not named: %s", name, out)
		}
	}
	if w := d.get(key, fmt.Sprintf("/api/v1/audit/0?size=%d", size+100)); w.Code != http.StatusNotFound {
		t.Errorf("a head that does not exist: %d", w.Code)
	}
}
