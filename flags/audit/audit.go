// Package audit is the record of every change of control data: who did what to
// which subject, why, and what it was before and after. The records form a Merkle
// log (RFC 6962, golang.org/x/mod/sumdb/tlog), so that a changed, removed or
// reordered record can be found by anyone who kept an earlier head.
package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Errors of the log. Test with errors.Is.
var (
	// ErrTampered means that what is stored is not what was recorded.
	ErrTampered = errors.New("audit log does not verify")
	// ErrNoEntry means that the log has no entry, or no head, of that number.
	ErrNoEntry = errors.New("no such audit entry")
	// ErrRecord means that a record lacks a required field.
	ErrRecord = errors.New("incomplete audit record")
)

// Record is one change, as its author states it.
type Record struct {
	At      time.Time       // kept in UTC with nanoseconds
	Actor   string          // "key:ID", "user:NAME" or "cli:NAME"; required
	Action  string          // noun.verb, such as key.create; required
	Subject string          // "key/ID", "Route/profile"; required
	Reason  string          // the person's words; "" when none was asked for
	Before  json.RawMessage // state before; nil when there was none
	After   json.RawMessage // state after; nil when it is gone
}

// Entry is a record with its place in the log. Entries are never changed.
type Entry struct {
	Index   int64           `json:"n"` // from 0
	At      time.Time       `json:"at"`
	Actor   string          `json:"actor"`
	Action  string          `json:"action"`
	Subject string          `json:"subject"`
	Reason  string          `json:"reason,omitempty"`
	Before  json.RawMessage `json:"before,omitempty"`
	After   json.RawMessage `json:"after,omitempty"`
}

// Head is the state of the log after Size entries.
type Head struct {
	Size int64     `json:"size"`
	Root tlog.Hash `json:"root"` // base64 in JSON; of the empty log: SHA-256 of nothing
}

// Query selects entries, newest first. Empty fields match everything; a text that
// ends with "*" matches what begins with the rest.
type Query struct {
	Actor, Action, Subject string
	// From and To bound the time of the change: From ≤ time < To.
	From, To time.Time
	// Before leaves out entries at or after that index; 0 means from the newest.
	Before int64
	Limit  int // 1..500; 0 = 50
}

// Log reads the log. Appending is only possible together with the change itself,
// in the store's own transaction. It is safe for concurrent use.
type Log interface {
	// Head returns the current head.
	Head(ctx context.Context) (Head, error)
	// HeadAt returns the head that the log had at a size; ErrNoEntry when it is shorter.
	HeadAt(ctx context.Context, size int64) (Head, error)
	// Entry returns one entry with its leaf, the bytes that were hashed; ErrNoEntry
	// when there is none.
	Entry(ctx context.Context, index int64) (Entry, []byte, error)
	// Entries returns a page, newest first; none is an empty slice.
	Entries(ctx context.Context, q Query) ([]Entry, error)
	// ProveEntry returns the proof that entry index is in the log of that size.
	ProveEntry(ctx context.Context, size, index int64) (tlog.RecordProof, error)
	// ProveHead returns the proof that the log of size old is a prefix of the one of
	// size; both at least 1.
	ProveHead(ctx context.Context, size, old int64) (tlog.TreeProof, error)
	// Verify reads every entry, recomputes every hash and compares the result with
	// every checkpoint that was signed; a BadEntryError names the first entry that does
	// not fit.
	Verify(ctx context.Context) (Head, error)
	// VerifyAgainst is Verify that also compares with what was kept elsewhere.
	VerifyAgainst(ctx context.Context, trust Trust) (Verified, error)

	// Checkpoint signs the current head, and keeps the signed note so that Verify can
	// compare with it later. The latest one is returned when nothing was added since.
	Checkpoint(ctx context.Context, at time.Time) (Checkpoint, error)
	// Public returns the key that checkpoints are verified with; ErrNoEntry before the
	// first was signed.
	Public(ctx context.Context) (string, error)
	// Latest returns the checkpoint that was signed last; ErrNoEntry when none was.
	Latest(ctx context.Context) (Checkpoint, error)
	// Export writes the log up to the checkpoint that was signed last, with it.
	// Nothing is written when none was signed: then it is ErrNoEntry.
	Export(ctx context.Context, w io.Writer) error
}

// NewEntry checks a record and gives it its place.
func NewEntry(index int64, r Record) (Entry, error) {
	switch {
	case r.At.IsZero():
		return Entry{}, fmt.Errorf("%w: at is required", ErrRecord)
	case r.Actor == "":
		return Entry{}, fmt.Errorf("%w: actor is required", ErrRecord)
	case r.Action == "":
		return Entry{}, fmt.Errorf("%w: action is required", ErrRecord)
	case r.Subject == "":
		return Entry{}, fmt.Errorf("%w: subject is required", ErrRecord)
	}
	before, err := canonical(r.Before)
	if err != nil {
		return Entry{}, fmt.Errorf("audit %s %s: before: %w", r.Action, r.Subject, err)
	}
	after, err := canonical(r.After)
	if err != nil {
		return Entry{}, fmt.Errorf("audit %s %s: after: %w", r.Action, r.Subject, err)
	}
	return Entry{
		Index: index, At: r.At.UTC().Round(0), Actor: r.Actor, Action: r.Action,
		Subject: r.Subject, Reason: r.Reason, Before: before, After: after,
	}, nil
}

// Leaf is the entry in canonical JSON (RFC 8259, object keys of states sorted, no
// spaces): the bytes whose hash is in the tree.
func (e *Entry) Leaf() ([]byte, error) {
	leaf, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("audit entry %d: %w", e.Index, err)
	}
	return leaf, nil
}

// ParseLeaf reads what Leaf wrote.
func ParseLeaf(leaf []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(leaf, &e); err != nil {
		return Entry{}, fmt.Errorf("%w: leaf is not an entry: %w", ErrTampered, err)
	}
	return e, nil
}

// State turns a value into the before or after of a record.
func State(v any) (json.RawMessage, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("audit state: %w", err)
	}
	return canonical(raw)
}

// canonical sorts the keys of objects and removes insignificant space. Numbers
// keep their text.
func canonical(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return json.Marshal(v)
}

// CheckEntry verifies that a leaf is entry index of the log with that head.
func CheckEntry(head Head, index int64, leaf []byte, proof tlog.RecordProof) error {
	if err := tlog.CheckRecord(proof, head.Size, head.Root, index, tlog.RecordHash(leaf)); err != nil {
		return fmt.Errorf("%w: entry %d is not in the log of size %d: %w", ErrTampered, index, head.Size, err)
	}
	return nil
}

// PathLeft says of each of the steps of a proof that entry index is in the log of a size
// whether its hash stands on the left of what was computed so far (RFC 9162, 2.1.3.2).
func PathLeft(index, size int64, steps int) []bool {
	left := make([]bool, steps)
	for at, last, i := index, size-1, 0; i < steps; i++ {
		left[i] = at&1 == 1 || at == last
		for left[i] && at&1 == 0 && at > 0 {
			at, last = at>>1, last>>1
		}
		at, last = at>>1, last>>1
	}
	return left
}

// CheckHead verifies that the log of the older head is a prefix of the newer one.
func CheckHead(newer, older Head, proof tlog.TreeProof) error {
	if err := tlog.CheckTree(proof, newer.Size, newer.Root, older.Size, older.Root); err != nil {
		return fmt.Errorf("%w: the log of size %d does not continue that of size %d: %w", ErrTampered, newer.Size, older.Size, err)
	}
	return nil
}
