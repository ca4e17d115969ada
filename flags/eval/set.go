package eval

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"sync"
)

// Set answers for all flags. It never changes.
type Set struct {
	flags  map[string]*flag
	keys   []string
	order  []*flag // by key, as keys
	kinds  int
	hash   string
	source Definition
	pins   *Pins // nil: pins are neither given nor taken
	envs   *sync.Pool
}

// WithPins returns a Set that gives and takes pins signed by p.
func (s *Set) WithPins(p *Pins) *Set {
	out := *s
	out.pins = p
	return &out
}

// Keys returns the keys of all flags, disabled ones too, in order. It must not be changed.
func (s *Set) Keys() []string { return s.keys }

// Has reports whether there is a flag with the key.
func (s *Set) Has(key string) bool { return s.flags[key] != nil }

// Hash names everything that can change an answer: sets with the same hash answer
// alike. It is hexadecimal.
func (s *Set) Hash() string { return s.hash }

// Definition returns what the Set was compiled from. It must not be changed.
func (s *Set) Definition() Definition { return s.source }

func hashOf(d Definition) string {
	h := sha256.New()
	// Maps are written in the order of their keys, so this is canonical. Everything in
	// it was read from JSON or is plain data: it encodes.
	if err := json.NewEncoder(h).Encode(d); err != nil {
		h.Write([]byte(err.Error()))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
