package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// TestAPackedFileIsToldByItsBeginning: standard input has no name, and a name may be wrong.
func TestAPackedFileIsToldByItsBeginning(t *testing.T) {
	t.Parallel()
	const text = `{"kind":"visible"}` + "\n"
	var gz, zst bytes.Buffer
	for into, w := range map[string]io.WriteCloser{"gzip": gzip.NewWriter(&gz), "zstd": must(zstd.NewWriter(&zst))} {
		if _, err := io.WriteString(w, text); err != nil || w.Close() != nil {
			t.Fatal(into, err)
		}
	}
	for name, content := range map[string]string{"plain": text, "gzip": gz.String(), "zstd": zst.String(), "marked as UTF-8": "\ufeff" + text} {
		r, err := unpack("-", strings.NewReader(content))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != text {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if r, err := unpack("-", strings.NewReader("")); err != nil || len(must(io.ReadAll(r))) > 0 {
		t.Errorf("nothing: %v", err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestWhatIsBeforeATroubleIsImported: the values before one that cannot be read, or before
// the end of a file that was cut off, are taken, and the trouble is placed.
func TestWhatIsBeforeATroubleIsImported(t *testing.T) {
	t.Parallel()
	var took int
	take := func(_ context.Context, _ string, body []byte) (taken, error) {
		n := bytes.Count(body, []byte("\n"))
		took += n
		return taken{accepted: n}, nil
	}
	e := &env{ctx: t.Context(), stderr: io.Discard}
	in := strings.Repeat(`{"kind":"visible"}`+"\n", importValues+5) + strings.Repeat("x", maxLine+1<<20)
	sum, err := importAll(e, strings.NewReader(in), take)
	if took != importValues+5 || sum.Accepted != took || err == nil || !strings.Contains(err.Error(), "1005 values are before it") {
		t.Errorf("%d taken, %d told: %v", took, sum.Accepted, err)
	}
}

// TestAnInterruptedImportSaysHowToGoOn also tells that what was accepted stays.
func TestAnInterruptedImportSaysHowToGoOn(t *testing.T) {
	t.Parallel()
	stopped := errors.New("interrupt signal received")
	ctx, cancel := context.WithCancelCause(t.Context())
	take := func(context.Context, string, []byte) (taken, error) {
		cancel(stopped)
		return taken{accepted: importValues}, nil
	}
	e := &env{ctx: ctx, stderr: io.Discard}
	sum, err := importAll(e, strings.NewReader(strings.Repeat(`{"kind":"visible"}`+"\n", 3*importValues)), take)
	if sum.Accepted != importValues || !errors.Is(err, stopped) || !strings.Contains(err.Error(), "interrupted at value 1001; the same file goes on when it is imported again") {
		t.Errorf("%d accepted: %v", sum.Accepted, err)
	}
}
