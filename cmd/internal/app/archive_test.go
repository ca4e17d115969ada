package app

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"
)

func smallArchive(tb testing.TB) []byte {
	tb.Helper()
	var b bytes.Buffer
	a, err := newArchive(&b, About{Format: backupFormat, Made: time.Unix(1_700_000_000, 0).UTC(), Program: "test", Bytes: 8})
	if err == nil {
		err = errors.Join(a.add("control.db", 4, bytes.NewReader([]byte("cccc"))), a.add("telemetry.db", 4, bytes.NewReader([]byte("tttt"))), a.end(ManifestAudit{}))
	}
	if err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// FuzzReadBackup: a file that is not a backup, or not the one that was written, is
// refused, and no file of it has a name that leads elsewhere.
func FuzzReadBackup(f *testing.F) {
	whole := smallArchive(f)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(bytes.Replace(whole, []byte("cccc"), []byte("cccd"), 1))
	f.Add(bytes.Replace(whole, []byte("telemetry.db"), []byte("../../etc/pw"), 1))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := map[string]string{}
		m, err := ReadBackup(bytes.NewReader(raw), func(_ About, name string, _ int64, r io.Reader) error {
			if !fileName.MatchString(name) {
				t.Errorf("it gives out a file %q", name)
			}
			b, err := io.ReadAll(r)
			got[name] = string(b)
			return err
		})
		if err != nil {
			return
		}
		if len(m.Files) != len(got) {
			t.Errorf("it names %d files and gave out %d", len(m.Files), len(got))
		}
	})
}

// TestEveryChangedByteOfABackupIsFound flips each byte that a file of it has.
func TestEveryChangedByteOfABackupIsFound(t *testing.T) {
	t.Parallel()
	whole := smallArchive(t)
	read := func(raw []byte) error {
		_, err := ReadBackup(bytes.NewReader(raw), func(_ About, _ string, _ int64, r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			return err
		})
		return err
	}
	if err := read(whole); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"cccc", "tttt"} {
		at := bytes.Index(whole, []byte(content))
		for i := range len(content) {
			spoilt := bytes.Clone(whole)
			spoilt[at+i] ^= 1
			if err := read(spoilt); !errors.Is(err, ErrBackup) {
				t.Errorf("byte %d of %q was changed: %v", i, content, err)
			}
		}
	}
	for n := range whole {
		if n%64 == 0 && n < len(whole)-1024 {
			if err := read(whole[:n]); !errors.Is(err, ErrBackup) {
				t.Errorf("the first %d of %d bytes: %v", n, len(whole), err)
			}
		}
	}
}
