package eval

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"tidemark/flags"
)

// Metadata goes with an answer. Its JSON is one flat object: the set's metadata,
// over it the flag's, over them what a rollout and a pin add. Names that are empty
// are left out.
type Metadata struct {
	base    *baseMetadata
	Rollout string    // id
	Step    int       // of the rollout, 0-based; meant only when Rollout is not empty
	Arm     flags.Arm // of the rollout
	// Pin is what the client is to send back in its context to stay where it is.
	Pin string
	// Pinned is true when a pin, not the current rules, decided.
	Pinned   bool
	PinError PinError
	// Session describes the pin for whoever counts pins; it is no part of the answer.
	Session Session
	// Version is the revision of the flag that answered; 0 when it has none. A flag's
	// own metadata entry "version" wins over it.
	Version int64
}

// Session is what a pin says of its session. The zero value is none.
type Session struct {
	Issued, Expires int64   // Unix ns
	Unit            [8]byte // a hash
	Returned        bool    // the pin came with the context and was good; else it is new
}

// baseMetadata is what a flag and its set say, merged and encoded once.
type baseMetadata struct {
	values map[string]any
	json   []byte // the members without the braces
	owned  bool   // there is a member "version"
	// end is the end of every answer that nothing was added to: the metadata of this
	// version, and the answer's own brace.
	end     []byte
	version int64
}

// reservedMetadata are the names that only a rollout or a pin gives.
func reservedMetadata() []string {
	return []string{"rollout", "step", "arm", "pin", "pinned", "pin_error"}
}

func newBaseMetadata(set, flag map[string]any, version int64) (*baseMetadata, error) {
	values := maps.Clone(set)
	if values == nil {
		values = make(map[string]any, len(flag))
	}
	maps.Copy(values, flag)
	b := &baseMetadata{values: values, version: version}
	_, b.owned = values["version"]
	for _, k := range slices.Sorted(maps.Keys(values)) {
		member, err := json.Marshal(map[string]any{k: values[k]})
		if err != nil {
			return nil, err
		}
		if len(b.json) > 0 {
			b.json = append(b.json, ',')
		}
		b.json = append(b.json, member[1:len(member)-1]...)
	}
	m := Metadata{base: b, Version: version}
	b.end = append(m.AppendJSON(nil), '}')
	return b, nil
}

// Map returns the metadata as a map of its own: strings, float64 and bool.
func (m *Metadata) Map() map[string]any {
	out := make(map[string]any, 8)
	if m.base != nil {
		maps.Copy(out, m.base.values)
	}
	if _, own := out["version"]; !own && m.Version > 0 {
		out["version"] = float64(m.Version)
	}
	if m.Rollout != "" {
		out["rollout"] = m.Rollout
		out["step"] = float64(m.Step)
	}
	if m.Arm != flags.ArmNone {
		out["arm"] = string(m.Arm)
	}
	if m.Pin != "" {
		out["pin"] = m.Pin
	}
	if m.Pinned {
		out["pinned"] = true
	}
	if m.PinError != PinOK {
		out["pin_error"] = string(m.PinError)
	}
	return out
}

// AppendJSON appends the metadata as a JSON object to b.
func (m *Metadata) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	start := len(b)
	own := false
	if m.base != nil {
		b = append(b, m.base.json...)
		own = m.base.owned
	}
	if !own && m.Version > 0 {
		b = appendName(b, start, "version")
		b = strconv.AppendInt(b, m.Version, 10)
	}
	if m.added() {
		b = m.appendRollout(b, start)
	}
	return append(b, '}')
}

// appendRollout appends what a rollout and a pin add.
func (m *Metadata) appendRollout(b []byte, start int) []byte {
	text := func(name, value string) {
		if value == "" {
			return
		}
		b = appendName(b, start, name)
		b = AppendQuoted(b, value)
	}
	text("rollout", m.Rollout)
	if m.Rollout != "" {
		b = appendName(b, start, "step")
		b = strconv.AppendInt(b, int64(m.Step), 10)
	}
	text("arm", string(m.Arm))
	text("pin", m.Pin)
	if m.Pinned {
		b = appendName(b, start, "pinned")
		b = append(b, "true"...)
	}
	text("pin_error", string(m.PinError))
	return b
}

// appendEnd appends the metadata and the brace that ends the answer.
func (m *Metadata) appendEnd(b []byte) []byte {
	if !m.added() && m.base != nil && m.Version == m.base.version {
		return append(b, m.base.end...)
	}
	return append(m.AppendJSON(b), '}')
}

// of makes it the metadata of a flag that nothing was added to.
func (m *Metadata) of(f *flag) {
	m.base, m.Version = f.meta, f.revision
	if m.added() {
		m.Rollout, m.Step, m.Arm = "", 0, flags.ArmNone
		m.Pin, m.Pinned, m.PinError = "", false, PinOK
		m.Session = Session{}
	}
}

// added reports whether a rollout or a pin has added anything. A step and an arm come
// with a rollout; a session, and that it is pinned, with a pin.
func (m *Metadata) added() bool { return m.Rollout != "" || m.Pin != "" || m.PinError != PinOK }

// MarshalJSON writes what AppendJSON appends.
func (m *Metadata) MarshalJSON() ([]byte, error) { return m.AppendJSON(nil), nil }

func appendName(b []byte, start int, name string) []byte {
	if len(b) > start {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	return append(b, '"', ':')
}

// AppendQuoted appends s as a JSON string.
func AppendQuoted(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			quoted, err := json.Marshal(s)
			if err != nil { // a string always encodes
				return append(b, `""`...)
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
