package audit

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// ErrCheckpoint means that a text is not a checkpoint, or is not signed by the key.
var ErrCheckpoint = errors.New("not a checkpoint signed by this key")

// MaxCheckpoint is how long the text of a checkpoint may be.
const MaxCheckpoint = 4 << 10

// Checkpoint is a head of the log at a moment, signed. Whoever keeps one outside of
// the store can show later that nothing before it was changed.
type Checkpoint struct {
	Head

	Origin string    // which log: the name of its key
	At     time.Time // when it was signed, to the second
	Note   []byte    // the signed note: what is kept in files
}

// Signer signs checkpoints of one log.
type Signer struct {
	Public string // the verifier key, to be given to whoever checks

	note note.Signer
}

// Key is a new signing key.
type Key struct {
	Name    string // unique to the log; the origin of its checkpoints
	Private string // note's encoding of an ed25519 key
	Public  string
}

// NewKey makes a key of a new log.
func NewKey() (Key, error) {
	id := make([]byte, 4)
	if _, err := rand.Read(id); err != nil {
		return Key{}, fmt.Errorf("audit key: %w", err)
	}
	k := Key{Name: "tidemark-audit-" + hex.EncodeToString(id)}
	var err error
	if k.Private, k.Public, err = note.GenerateKey(rand.Reader, k.Name); err != nil {
		return Key{}, fmt.Errorf("audit key: %w", err)
	}
	return k, nil
}

// Signer returns what signs with the key.
func (k Key) Signer() (*Signer, error) {
	s, err := note.NewSigner(k.Private)
	if err != nil {
		return nil, fmt.Errorf("audit key %s: %w", k.Name, err)
	}
	return &Signer{Public: k.Public, note: s}, nil
}

// Sign signs a head. The note is in the format of C2SP tlog-checkpoint: origin, size,
// root, and the time as the one extension line.
func (s *Signer) Sign(h Head, at time.Time) (Checkpoint, error) {
	at = at.UTC().Truncate(time.Second)
	text := fmt.Sprintf("%s\n%d\n%s\n%s\n", s.note.Name(), h.Size, h.Root, stamp(at))
	signed, err := note.Sign(&note.Note{Text: text}, s.note)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("sign checkpoint of size %d: %w", h.Size, err)
	}
	return Checkpoint{Head: h, Origin: s.note.Name(), At: at, Note: signed}, nil
}

// OpenCheckpoint reads a signed note and checks it with the public key.
func OpenCheckpoint(data []byte, public string) (Checkpoint, error) {
	if len(data) > MaxCheckpoint {
		return Checkpoint{}, fmt.Errorf("%w: %d bytes; at most %d are allowed", ErrCheckpoint, len(data), MaxCheckpoint)
	}
	v, err := note.NewVerifier(strings.TrimSpace(public))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: the public key %q is not one: %w", ErrCheckpoint, public, err)
	}
	n, err := note.Open(data, note.VerifierList(v))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w (%s): %w", ErrCheckpoint, v.Name(), err)
	}
	c, err := parseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != v.Name() {
		return Checkpoint{}, fmt.Errorf("%w: it is about the log %q, the key is of %q", ErrCheckpoint, c.Origin, v.Name())
	}
	c.Note = data
	return c, nil
}

func parseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != 4 {
		return Checkpoint{}, fmt.Errorf("%w: it has %d lines, want origin, size, root and time", ErrCheckpoint, len(lines))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return Checkpoint{}, fmt.Errorf("%w: %q is no size", ErrCheckpoint, lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %q is no root hash", ErrCheckpoint, lines[2])
	}
	at, err := time.Parse(time.RFC3339, lines[3])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %q is no time", ErrCheckpoint, lines[3])
	}
	return Checkpoint{Head: Head{Size: size, Root: root}, Origin: lines[0], At: at}, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// OpenAll opens checkpoints and orders them by size, so that the first that does not
// fit bounds the bad entry most narrowly.
func OpenAll(notes [][]byte, public string) ([]Checkpoint, error) {
	out := make([]Checkpoint, 0, len(notes)+1)
	for _, n := range notes {
		c, err := OpenCheckpoint(n, public)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	slices.SortStableFunc(out, func(a, b Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
	return out, nil
}
