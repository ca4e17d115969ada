package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"
)

// An export is NDJSON: a line {"hash":…,"entry":…} for every entry from 0, where the
// bytes of entry are the leaf, and then one line {"checkpoint":…,"key":…} with the
// signed head and the public key.

// MaxLine is how long a line of an export may be.
const MaxLine = 64 << 20

// Writer writes an export.
type Writer struct{ w *bufio.Writer }

// NewWriter returns a Writer.
func NewWriter(w io.Writer) *Writer { return &Writer{bufio.NewWriterSize(w, 64<<10)} }

// Entry writes the next leaf. Leaves come in order, from the first.
func (w *Writer) Entry(leaf []byte) error {
	_, err := fmt.Fprintf(w.w, "{\"hash\":%q,\"entry\":%s}\n", tlog.RecordHash(leaf), leaf)
	if err != nil {
		return fmt.Errorf("export audit entry: %w", err)
	}
	return nil
}

// trailer is the last line of an export, and each line of a file of checkpoints.
type trailer struct {
	Checkpoint string `json:"checkpoint"`
	Key        string `json:"key"`
}

// Line is a checkpoint as a line of a file that only grows, such as one in Git.
func (c *Checkpoint) Line(public string) ([]byte, error) {
	raw, err := json.Marshal(trailer{string(c.Note), public})
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	return append(raw, '\n'), nil
}

// ReadKept reads what was kept elsewhere: one signed note, or a file of Lines. With
// Lines it also returns the key that they name, which is one and the same.
func ReadKept(data []byte) (notes [][]byte, public string, err error) {
	if !bytes.HasPrefix(data, []byte("{")) {
		return [][]byte{data}, "", nil
	}
	n := 0
	for line := range bytes.Lines(data) {
		n++
		var l trailer
		if err := json.Unmarshal(line, &l); err != nil || l.Checkpoint == "" || l.Key == "" {
			return nil, "", fmt.Errorf("%w: line %d is not {\"checkpoint\": …, \"key\": …}", ErrCheckpoint, n)
		}
		if public != "" && public != l.Key {
			return nil, "", fmt.Errorf("%w: line %d is of another key than those before it", ErrCheckpoint, n)
		}
		notes, public = append(notes, []byte(l.Checkpoint)), l.Key
	}
	return notes, public, nil
}

// Close writes the signed head of the entries written.
func (w *Writer) Close(c *Checkpoint, public string) error {
	line, err := c.Line(public)
	if err != nil {
		return err
	}
	if _, err := w.w.Write(line); err != nil {
		return fmt.Errorf("export audit checkpoint: %w", err)
	}
	if err := w.w.Flush(); err != nil {
		return fmt.Errorf("export audit log: %w", err)
	}
	return nil
}

// Trust is what a log is checked against, besides itself.
type Trust struct {
	// Public is the log's key; "" takes the key that the log comes with, which shows
	// mistakes and clumsy changes but not a log that was made anew as a whole.
	Public string
	// Kept are the texts of checkpoints that were kept elsewhere.
	Kept [][]byte
}

// Verified is what a check found.
type Verified struct {
	Head   Head
	Public string // the key that everything was checked with
	// Checkpoints is how many signed heads fit.
	Checkpoints int
}

// VerifyExport reads an export, computes every hash anew and compares the result with
// its checkpoint and those that were kept. What does not fit is a BadEntryError.
func VerifyExport(r io.Reader, trust Trust) (Verified, error) {
	var (
		t   Tree
		end *trailer
	)
	lines := bufio.NewReaderSize(r, 64<<10)
	for n := 1; ; n++ {
		line, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Verified{}, fmt.Errorf("line %d: %w", n, err)
		}
		if end != nil {
			return Verified{}, fmt.Errorf("%w: line %d comes after the checkpoint", ErrTampered, n)
		}
		if end, err = exportLine(&t, line); err != nil {
			return Verified{}, err
		}
	}
	if end == nil {
		return Verified{}, Missing(t.Size(), "the export ends without its checkpoint")
	}
	return t.finish(end, trust)
}

func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > MaxLine:
			return nil, fmt.Errorf("%w: longer than %d bytes", ErrTampered, MaxLine)
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		case err != nil:
			return nil, err
		default:
			return line[:len(line)-1], nil
		}
	}
}

// exportLine adds an entry, or returns the trailer.
func exportLine(t *Tree, line []byte) (*trailer, error) {
	var l struct {
		trailer

		Hash  string          `json:"hash"`
		Entry json.RawMessage `json:"entry"`
	}
	n := t.Size()
	if err := json.Unmarshal(line, &l); err != nil {
		return nil, Bad(n, "cannot be read: %v", err)
	}
	if l.Checkpoint != "" {
		return &l.trailer, nil
	}
	if err := CheckLeaf(n, l.Entry); err != nil {
		return nil, err
	}
	if got := tlog.RecordHash(l.Entry); got.String() != l.Hash {
		return nil, Bad(n, "was changed: it hashes to %s, recorded was %s", got, l.Hash)
	}
	_, err := t.Add(l.Entry)
	return nil, err
}

// CheckLeaf checks that a leaf is a canonical entry of that number.
func CheckLeaf(n int64, leaf []byte) error {
	e, err := ParseLeaf(leaf)
	if err != nil {
		return Bad(n, "cannot be read: %v", err)
	}
	if e.Index > n {
		return Bad(n, "is missing: the next one is entry %d", e.Index)
	}
	if e.Index < n {
		return Bad(n, "is not in its place: entry %d stands there", e.Index)
	}
	again, err := e.Leaf()
	if err != nil || !bytes.Equal(again, leaf) {
		return Bad(n, "was changed: it is not in its canonical form")
	}
	return nil
}

func (t *Tree) finish(end *trailer, trust Trust) (Verified, error) {
	v := Verified{Public: trust.Public}
	if v.Public == "" {
		v.Public = end.Key
	}
	kept, err := OpenAll(trust.Kept, v.Public)
	if err != nil {
		return v, err
	}
	last, err := OpenCheckpoint([]byte(end.Checkpoint), v.Public)
	if err != nil {
		return v, fmt.Errorf("the export's own checkpoint: %w", err)
	}
	points := append(kept, last)
	if err := t.Against(points); err != nil {
		return v, err
	}
	if last.Size != t.Size() {
		return v, Bad(last.Size, "is not covered: the checkpoint ends before it")
	}
	v.Head, v.Checkpoints = last.Head, len(points)
	return v, nil
}
