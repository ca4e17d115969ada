package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tidemark/flags/audit"
)

// damage is what somebody with the file and plain SQL does, and which entry is the
// first that shows it.
type damage struct {
	name        string
	sql         []string
	first, last int64
	what        string
}

// damages are done to a log of eight entries with checkpoints of sizes 3 and 8.
func damages() []damage {
	const rename = `UPDATE audit_entries SET leaf = CAST(replace(CAST(leaf AS TEXT), '"actor":"a"', '"actor":"b"') AS BLOB), actor = 'b' WHERE n = %d`
	cut := func(n int) []string {
		return []string{
			fmt.Sprintf("DELETE FROM audit_entries WHERE n >= %d", n),
			fmt.Sprintf("DELETE FROM audit_hashes WHERE i >= %d", map[int]int{5: 8, 7: 11}[n]),
		}
	}
	return []damage{
		{"a leaf and its columns", []string{fmt.Sprintf(rename, 4)}, 4, 4, "hashes to"},
		{"two leaves", []string{fmt.Sprintf(rename, 6), fmt.Sprintf(rename, 2)}, 2, 2, "hashes to"},
		{"a leaf alone", []string{`UPDATE audit_entries SET leaf = x'7b7d' WHERE n = 5`}, 5, 5, "not in its place"},
		{"a column", []string{`UPDATE audit_entries SET subject = 'other' WHERE n = 1`}, 1, 1, "columns differ"},
		{"a time", []string{`UPDATE audit_entries SET at = at + 1 WHERE n = 7`}, 7, 7, "columns differ"},
		{"spaces in a leaf", []string{`UPDATE audit_entries SET leaf = CAST(CAST(leaf AS TEXT) || ' ' AS BLOB) WHERE n = 0`}, 0, 0, "canonical"},
		{"the first removed", []string{`DELETE FROM audit_entries WHERE n = 0`}, 0, 0, "missing"},
		{"one removed", []string{`DELETE FROM audit_entries WHERE n = 3`}, 3, 3, "missing"},
		{"one removed and the gap closed", []string{`DELETE FROM audit_entries WHERE n = 3`, `UPDATE audit_entries SET n = n - 1 WHERE n > 3`}, 3, 3, "missing: the next one is entry 4"},
		{"neighbours swapped", []string{`UPDATE audit_entries SET n = CASE n WHEN 2 THEN 103 WHEN 3 THEN 102 ELSE n END`, `UPDATE audit_entries SET n = n - 100 WHERE n > 100`}, 2, 2, "missing: the next one is entry 3"},
		{"an earlier one repeated", []string{`UPDATE audit_entries SET leaf = (SELECT leaf FROM audit_entries WHERE n = 1) WHERE n = 6`}, 6, 6, "entry 1 stands there"},
		{"a leaf hash", []string{`UPDATE audit_hashes SET hash = zeroblob(32) WHERE i = 4`}, 3, 3, "hashes to"},
		{"an inner hash", []string{`UPDATE audit_hashes SET hash = zeroblob(32) WHERE i = 2`}, 1, 1, "with those before"},
		{"a hash removed", []string{`DELETE FROM audit_hashes WHERE i = 7`}, 4, 4, "missing"},
		{"the last entry", []string{`DELETE FROM audit_entries WHERE n = 7`}, 7, 7, "its hash is still there"},
		{"the tail with its hashes", cut(5), 5, 5, "a checkpoint of"},
		{"the last with its hashes", cut(7), 7, 7, "a checkpoint of"},
		{"everything", []string{`DELETE FROM audit_entries`, `DELETE FROM audit_hashes`}, 0, 0, "a checkpoint of"},
	}
}

// checkpoints signs heads of the sizes 3 (the key's own entry is the first) and 8.
func checkpoints(t *testing.T, s *Store) (early, late audit.Checkpoint) {
	t.Helper()
	if _, err := s.Checkpoint(t.Context(), t0); err != nil { // makes the key: entry 0
		t.Fatal(err)
	}
	recordSome(t, s, 2)
	early, err := s.Checkpoint(t.Context(), t0.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	recordSome(t, s, 5)
	if late, err = s.Checkpoint(t.Context(), t0.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if early.Size != 3 || late.Size != 8 {
		t.Fatalf("sizes %d and %d", early.Size, late.Size)
	}
	return early, late
}

func checkBad(t *testing.T, err error, d *damage) {
	t.Helper()
	bad, ok := errors.AsType[*audit.BadEntryError](err)
	if !ok {
		t.Fatalf("%v: want entry %d", err, d.first)
	}
	if bad.First != d.first || bad.Last != d.last || !strings.Contains(bad.What, d.what) {
		t.Errorf("entries %d to %d %q; want %d to %d %q", bad.First, bad.Last, bad.What, d.first, d.last, d.what)
	}
	if !errors.Is(err, audit.ErrTampered) {
		t.Errorf("%v is not ErrTampered", err)
	}
}

func TestVerifyNamesTheFirstBadEntry(t *testing.T) {
	t.Parallel()
	for _, d := range damages() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			s := open4test(t)
			checkpoints(t, s)
			if v, err := s.VerifyAgainst(t.Context(), audit.Trust{}); err != nil || v.Head.Size != 8 || v.Checkpoints != 3 {
				t.Fatalf("before: %+v, %v", v, err)
			}
			for _, stmt := range d.sql {
				if _, err := s.write.ExecContext(t.Context(), stmt); err != nil {
					t.Fatal(err)
				}
			}
			_, err := s.Verify(t.Context())
			checkBad(t, err, &d)
		})
	}
}

// remake replaces the log by one that is consistent in itself: with the records after
// the third made anew, as somebody could who also computes the hashes.
func remake(t *testing.T, s *Store) {
	t.Helper()
	for _, stmt := range []string{`DELETE FROM audit_entries WHERE n >= 4`, `DELETE FROM audit_hashes WHERE i >= 7`} {
		if _, err := s.write.ExecContext(t.Context(), stmt); err != nil {
			t.Fatal(err)
		}
	}
	other := audit.Record{At: t0, Actor: "mallory", Action: "x.do", Subject: "s"}
	for range 4 {
		tx, err := s.write.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := appendAudit(t.Context(), tx, other); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestALogMadeAnewDoesNotFitWhatWasSigned(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	_, late := checkpoints(t, s)
	remake(t, s)
	want := &damage{first: 3, last: 7, what: "was changed"}
	_, err := s.Verify(t.Context())
	checkBad(t, err, want)

	// Nor when the checkpoints in the store are gone too, to whoever kept one.
	if _, err := s.write.ExecContext(t.Context(), "DELETE FROM audit_checkpoints WHERE size > 3"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(t.Context()); err != nil {
		t.Errorf("a log whose witnesses are gone fits: %v", err)
	}
	_, err = s.VerifyAgainst(t.Context(), audit.Trust{Kept: [][]byte{late.Note}})
	checkBad(t, err, want)
}

func TestACheckpointOfAnotherKeyIsRefused(t *testing.T) {
	t.Parallel()
	a, b := open4test(t), open4test(t)
	checkpoints(t, a)
	_, foreign := checkpoints(t, b)
	if _, err := a.VerifyAgainst(t.Context(), audit.Trust{Kept: [][]byte{foreign.Note}}); !errors.Is(err, audit.ErrCheckpoint) {
		t.Errorf("a checkpoint of another log: %v", err)
	}
	public, err := b.Public(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.VerifyAgainst(t.Context(), audit.Trust{Public: public}); !errors.Is(err, audit.ErrCheckpoint) {
		t.Errorf("a log checked with another's key: %v", err)
	}
}

func TestACheckpointIsSignedOnce(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	_, late := checkpoints(t, s)
	again, err := s.Checkpoint(t.Context(), t0.Add(2*time.Hour))
	if err != nil || !bytes.Equal(again.Note, late.Note) {
		t.Errorf("%s, %v: want the one of size 8 again", again.Note, err)
	}
	public, err := s.Public(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	read, err := audit.OpenCheckpoint(late.Note, public)
	if err != nil || read.Head != late.Head || !read.At.Equal(late.At) {
		t.Errorf("%+v, %v", read, err)
	}
	changed := bytes.Replace(late.Note, []byte("\n8\n"), []byte("\n9\n"), 1)
	if _, err := audit.OpenCheckpoint(changed, public); !errors.Is(err, audit.ErrCheckpoint) {
		t.Errorf("a changed checkpoint: %v", err)
	}
}

func export(t *testing.T, s *Store) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := s.Checkpoint(t.Context(), t0.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.Export(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestAnExportVerifiesWithoutTheStore(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	early, _ := checkpoints(t, s)
	whole := export(t, s)
	public, err := s.Public(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	trust := audit.Trust{Public: public, Kept: [][]byte{early.Note}}
	v, err := audit.VerifyExport(bytes.NewReader(whole), trust)
	if err != nil || v.Head.Size != 8 || v.Checkpoints != 2 || v.Public != public {
		t.Fatalf("%+v, %v", v, err)
	}
	lines := strings.SplitAfter(string(whole), "\n")
	lines = lines[:len(lines)-1]
	for name, c := range map[string]struct {
		change func() string
		want   damage
	}{
		"altered":    {func() string { return strings.Replace(string(whole), `"actor":"a"`, `"actor":"b"`, 3) }, damage{first: 1, last: 1, what: "hashes to"}},
		"removed":    {func() string { return strings.Join(append(append([]string{}, lines[:4]...), lines[5:]...), "") }, damage{first: 4, last: 4, what: "missing"}},
		"reordered":  {func() string { l := append([]string{}, lines...); l[2], l[5] = l[5], l[2]; return strings.Join(l, "") }, damage{first: 2, last: 2, what: "missing"}},
		"tail cut":   {func() string { return strings.Join(append(append([]string{}, lines[:6]...), lines[8]), "") }, damage{first: 6, last: 6, what: "a checkpoint of"}},
		"all cut":    {func() string { return strings.Join(lines[:6], "") }, damage{first: 6, last: 6, what: "without its checkpoint"}},
		"unreadable": {func() string { return lines[0] + "{" + strings.Join(lines[1:], "") }, damage{first: 1, last: 1, what: "cannot be read"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := audit.VerifyExport(strings.NewReader(c.change()), trust)
			checkBad(t, err, &c.want)
		})
	}
	if _, err := audit.VerifyExport(strings.NewReader(string(whole)+"\n{}"), trust); !errors.Is(err, audit.ErrTampered) {
		t.Errorf("lines after the checkpoint: %v", err)
	}
	remake(t, s)
	if _, err := s.Checkpoint(t.Context(), t0); !errors.Is(err, audit.ErrTampered) {
		t.Errorf("another head of the same size was signed: %v", err)
	}
	if _, err := s.write.ExecContext(t.Context(), "DELETE FROM audit_checkpoints WHERE size > 3"); err != nil {
		t.Fatal(err)
	}
	_, err = audit.VerifyExport(bytes.NewReader(export(t, s)), audit.Trust{Public: public, Kept: [][]byte{early.Note, v2(t, whole)}})
	checkBad(t, err, &damage{first: 3, last: 7, what: "was changed"})
}

// v2 is the checkpoint at the end of an export.
func v2(t *testing.T, export []byte) []byte {
	t.Helper()
	_, rest, ok := bytes.Cut(export, []byte(`{"checkpoint":"`))
	if !ok {
		t.Fatal("no checkpoint in the export")
	}
	note, _, _ := bytes.Cut(rest, []byte(`"`))
	return bytes.ReplaceAll(note, []byte(`\n`), []byte("\n"))
}
