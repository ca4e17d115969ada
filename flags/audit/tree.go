package audit

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Tree computes the tree anew from the leaves alone. The zero Tree is empty.
type Tree struct {
	hashes []tlog.Hash // in tlog's numbering of stored hashes
	size   int64
}

// Add appends a leaf and returns the hashes that it completes: its own first, then
// those of the subtrees that it closes, as tlog.StoredHashes does.
func (t *Tree) Add(leaf []byte) ([]tlog.Hash, error) {
	made, err := tlog.StoredHashes(t.size, leaf, t)
	if err != nil {
		return nil, fmt.Errorf("audit entry %d: %w", t.size, err)
	}
	t.hashes = append(t.hashes, made...)
	t.size++
	return made, nil
}

// Size is the number of leaves.
func (t *Tree) Size() int64 { return t.size }

// Head is the head that the log had, or has, at a size of at most Size.
func (t *Tree) Head(size int64) (Head, error) {
	if size < 0 || size > t.size {
		return Head{}, fmt.Errorf("head of size %d in a log of %d: %w", size, t.size, ErrNoEntry)
	}
	root, err := tlog.TreeHash(size, t)
	if err != nil {
		return Head{}, fmt.Errorf("audit head of size %d: %w", size, err)
	}
	return Head{Size: size, Root: root}, nil
}

// ReadHashes implements tlog.HashReader.
func (t *Tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index < 0 || index >= int64(len(t.hashes)) {
			return nil, fmt.Errorf("hash %d: %w", index, ErrNoEntry)
		}
		out[i] = t.hashes[index]
	}
	return out, nil
}

// BadEntryError names what does not fit in a log. It is ErrTampered.
type BadEntryError struct {
	// First is the first entry that is not as it was recorded. When it cannot be told
	// apart from its successors, Last is greater: the bad entry is one of them.
	First, Last int64
	What        string // what is wrong, after "entry N "
}

// Error implements error.
func (e *BadEntryError) Error() string {
	if e.Last > e.First {
		return fmt.Sprintf("%v: one of the entries %d to %d %s", ErrTampered, e.First, e.Last, e.What)
	}
	return fmt.Sprintf("%v: entry %d %s", ErrTampered, e.First, e.What)
}

// Unwrap returns ErrTampered.
func (e *BadEntryError) Unwrap() error { return ErrTampered }

// Bad is a BadEntryError about one entry.
func Bad(index int64, format string, args ...any) error {
	return &BadEntryError{First: index, Last: index, What: fmt.Sprintf(format, args...)}
}

// Missing says that a log of that many entries should have one more at its end.
func Missing(index int64, witness string) error {
	return Bad(index, "is missing: %s", witness)
}

// Against checks the tree with checkpoints, oldest first: each must be a head that
// the tree had. The first that is not says between which sizes the bad entry lies.
func (t *Tree) Against(points []Checkpoint) error {
	var good int64
	for i := range points {
		p := &points[i]
		if p.Size > t.size {
			return Missing(t.size, fmt.Sprintf("a checkpoint of %s has %d entries, the log %d", stamp(p.At), p.Size, t.size))
		}
		h, err := t.Head(p.Size)
		if err != nil {
			return err
		}
		if h.Root != p.Root {
			return &BadEntryError{
				First: good, Last: p.Size - 1,
				What: fmt.Sprintf("was changed: the first %d no longer hash to what was signed %s", p.Size, stamp(p.At)),
			}
		}
		good = max(good, p.Size)
	}
	return nil
}
