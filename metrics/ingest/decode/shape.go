package decode

import (
	"unsafe"

	"tidemark/metrics"
)

// A sender writes the members of its events in one order: what the last event had in
// a place, the next is likely to have there too. A shape remembers that, so that a
// name is compared once instead of being read and looked up. Texts are remembered as
// well: where the next event has the same, it gets the same string, and whoever
// compares the two later need not look at their bytes.
type shape struct {
	members []member
	learnt  int // since the last reset
}

// member is what was found in one place.
type member struct {
	raw    string // the name in quotes and the colon, as sent; "" when they cannot be told in advance
	name   string
	offset uintptr // of the field in metrics.Event
	isText bool    // the field is text, at offset
	last   string  // the text found here last, if it was sent without escapes
}

const (
	// maxShape bounds the places that are remembered.
	maxShape = 64
	// maxLearnt bounds what is learnt from one request, should each event of it look
	// different.
	maxLearnt = 256
	// maxLeftOut is how many members an event may leave out between two others.
	maxLeftOut = 3
)

// next returns the member with which the source goes on, when that is the one at
// place i or soon after, and its place; it moves past the name and the colon.
func (sh *shape) next(i int, s *scanner) (*member, int) {
	for past := min(i+1+maxLeftOut, len(sh.members)); i < past; i++ {
		m := &sh.members[i]
		end := s.pos + len(m.raw)
		if m.raw != "" && end <= len(s.src) && text(s.src[s.pos:end]) == m.raw {
			s.pos = end
			return m, i
		}
	}
	return nil, i
}

// learn notes that place i had a member whose name and colon are src[from:to].
func (sh *shape) learn(i int, e *metrics.Event, src []byte, from, to int, name string) {
	if i > len(sh.members) || i >= maxShape || sh.learnt >= maxLearnt || len(name) > metrics.MaxName {
		return
	}
	sh.learnt++
	if i == len(sh.members) {
		sh.members = append(sh.members, member{})
	}
	m := &sh.members[i]
	*m = member{}
	if to-from != len(name)+3 { // escapes, or white space before the colon
		return
	}
	m.raw = string(src[from:to])
	m.name = m.raw[1 : 1+len(name)]
	if p := e.Text(name); p != nil {
		m.isText, m.offset = true, uintptr(unsafe.Pointer(p))-uintptr(unsafe.Pointer(e))
	}
}

// forget lets go of texts, whose bytes are those of the request.
func (sh *shape) forget() {
	for i := range sh.members {
		sh.members[i].last = ""
	}
	sh.learnt = 0
}

// again reads the text that the member had last, if it is there once more.
func (m *member) again(s *scanner) bool {
	end := s.pos + len(m.last) + 2
	if m.last == "" || end > len(s.src) || s.src[s.pos] != '"' || s.src[end-1] != '"' || text(s.src[s.pos+1:end-1]) != m.last {
		return false
	}
	s.pos = end
	return true
}

// field is the text field of an event that the member names.
func (m *member) field(e *metrics.Event) *string {
	return (*string)(unsafe.Add(unsafe.Pointer(e), m.offset))
}
