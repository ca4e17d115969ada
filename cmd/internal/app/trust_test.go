package app

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"tidemark/flags/access"
	"tidemark/flags/alert"
	"tidemark/flags/audit"
)

// witness is an app with a clock of its own, and webhooks of which one keeps heads.
type witness struct {
	t    *testing.T
	a    *App
	now  atomic.Int64 // Unix nanoseconds; the app's own goroutines read it too
	hook string
	file string
}

func newWitness(t *testing.T) *witness {
	t.Helper()
	w := &witness{t: t, file: filepath.Join(t.TempDir(), "kept", "heads.ndjson")}
	w.now.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	a, err := New(Options{Data: t.TempDir(), CheckpointFile: w.file, Now: w.clock})
	must(t, err)
	must(t, a.Open(t.Context()))
	t.Cleanup(func() { _ = a.Stop(t.Context()) })
	w.a = a
	for name, heads := range map[string]bool{"keeper": true, "pager": false} {
		h, err := a.hooks.Create(t.Context(), alert.Input{Name: name, URL: "https://" + name + ".example/", Checkpoints: heads, Enabled: true}, "user:root", "")
		must(t, err)
		if heads {
			w.hook = h.ID
		}
	}
	return w
}

func (w *witness) clock() time.Time { return time.Unix(0, w.now.Load()).UTC() }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// grow adds an entry to the log.
func (w *witness) grow(name string) {
	w.t.Helper()
	must(w.t, w.a.control.CreateAccount(w.t.Context(), name, access.Viewer, access.Change{Actor: "user:root", At: w.clock()}))
}

// step is what the server does each minute; it returns what has left the store so far.
func (w *witness) step(p *publisher, after time.Duration) (lines int, sent []alert.CheckpointBody) {
	w.t.Helper()
	ctx := w.t.Context()
	w.now.Add(int64(after))
	point, err := w.a.control.Checkpoint(ctx, w.clock())
	must(w.t, err)
	must(w.t, p.publish(ctx, &point))
	all, err := w.a.hooks.Deliveries(ctx, w.hook, 100)
	must(w.t, err)
	for _, d := range all {
		var m struct {
			Type string
			Data alert.CheckpointBody
		}
		must(w.t, json.Unmarshal(d.Payload, &m))
		if m.Type != alert.TypeCheckpoint || d.Type != m.Type {
			w.t.Errorf("delivery %s says %s", d.Type, m.Type)
		}
		sent = append(sent, m.Data)
	}
	kept, err := os.ReadFile(w.file)
	must(w.t, err)
	return bytes.Count(kept, []byte("\n")), sent
}

func TestSignedHeadsLeaveTheStore(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	p := &publisher{a: w.a}
	point, err := w.a.control.Checkpoint(t.Context(), w.clock())
	must(t, err)
	if err := p.publish(t.Context(), &point); err == nil {
		t.Fatal("it is not said that the file cannot be written")
	}
	must(t, os.Mkdir(filepath.Dir(w.file), 0o700)) // The next minute tries again.
	for i, c := range []struct {
		after time.Duration
		grow  string
		fresh bool // a server that was started anew
		want  int  // heads that have left by then
	}{
		{time.Minute, "", false, 1},
		{3 * time.Hour, "", false, 1}, // nothing was added
		{time.Minute, "ana", false, 2},
		{time.Minute, "bo", false, 2}, // too soon
		{time.Hour, "", false, 3},
		{time.Minute, "", true, 3}, // the file ends with it; the webhook hears it twice
		{2 * time.Hour, "cy", true, 4},
	} {
		if c.grow != "" {
			w.grow(c.grow)
		}
		if c.fresh {
			p = &publisher{a: w.a}
		}
		if lines, _ := w.step(p, c.after); lines != c.want {
			t.Errorf("step %d: %d lines in the file; want %d", i, lines, c.want)
		}
	}
	lines, sent := w.step(p, time.Minute)
	if lines != 4 || len(sent) != 5 {
		t.Errorf("%d lines, %d messages", lines, len(sent))
	}
	if hooks, _ := w.a.hooks.List(t.Context()); len(hooks) != 2 || hooks[1].Checkpoints {
		t.Errorf("webhooks %+v", hooks)
	} else if ds, _ := w.a.hooks.Deliveries(t.Context(), hooks[1].ID, 100); len(ds) != 0 {
		t.Errorf("the pager was sent %d", len(ds))
	}

	kept, err := os.ReadFile(w.file)
	must(t, err)
	notes, key, err := audit.ReadKept(kept)
	must(t, err)
	for i := range sent {
		if sent[i].Key != key {
			t.Errorf("message %d has another key than the file", i)
		}
		notes = append(notes, []byte(sent[i].Checkpoint))
	}
	v, err := w.a.control.VerifyAgainst(t.Context(), audit.Trust{Public: key, Kept: notes})
	if err != nil || v.Checkpoints < len(notes) {
		t.Errorf("what left the store does not fit it: %+v, %v", v, err)
	}
	_, err = os.Stat(w.file)
	must(t, err)
}

// TestTheFirstHeadLeavesAtTheStart: a server that is started and broken into within the
// hour has told by then what it began with.
func TestTheFirstHeadLeavesAtTheStart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "heads.ndjson")
	a, err := New(Options{Data: t.TempDir(), Listen: "127.0.0.1:0", CheckpointFile: file})
	must(t, err)
	must(t, a.Start(t.Context()))
	must(t, a.Stop(t.Context()))
	kept, err := os.ReadFile(file)
	must(t, err)
	if notes, _, err := audit.ReadKept(kept); err != nil || len(notes) != 1 {
		t.Errorf("%d heads in the file, %v", len(notes), err)
	}
}
