// Package snapshot is what goes over the wire between tidemark and its Go provider:
// the whole definition of the flags, as one server-sent event for each change.
package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"

	"tidemark/flags/eval"
)

// Path is where snapshots are streamed.
const Path = "/sync/v1/snapshots"

// EventSnapshot is the name of the events that hold one. The id of the event is the
// hash of the flags: a provider that sends it back as Last-Event-ID gets nothing that
// it has.
const EventSnapshot = "snapshot"

// Version is of the form of a snapshot. It grows when an older provider would
// misunderstand a newer snapshot.
const Version = 1

// ErrVersion means that the server's snapshots are newer than the provider.
var ErrVersion = errors.New("the snapshot's form is not known to this provider; use a newer one")

// Snapshot is the flags of one moment.
type Snapshot struct {
	Version    int             `json:"version"`
	Hash       string          `json:"hash"` // of the flags at the server
	Definition eval.Definition `json:"definition"`
	// PinKey signs and checks the pins of sessions. Whoever has it can make pins: only
	// keys with the scope sync get it.
	PinKey []byte `json:"pin_key,omitempty"`
}

// Encode writes a snapshot as JSON without line breaks.
func Encode(hash string, d eval.Definition, pinKey []byte) ([]byte, error) {
	b, err := json.Marshal(Snapshot{Version: Version, Hash: hash, Definition: d, PinKey: pinKey})
	if err != nil {
		return nil, fmt.Errorf("encode snapshot %s: %w", hash, err)
	}
	return b, nil
}

// Decode reads a snapshot and compiles it.
func Decode(data []byte) (*eval.Set, *Snapshot, error) {
	var s Snapshot
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, nil, fmt.Errorf("decode snapshot: %w", err)
	}
	if s.Version != Version {
		return nil, nil, fmt.Errorf("decode snapshot: version %d: %w", s.Version, ErrVersion)
	}
	set, err := eval.Compile(s.Definition)
	if err != nil {
		return nil, nil, fmt.Errorf("compile snapshot %s: %w", s.Hash, err)
	}
	if len(s.PinKey) > 0 {
		set = set.WithPins(eval.NewPins(s.PinKey))
	}
	return set, &s, nil
}
