package rollup

import "strings"

// names gives each distinct string a small number; "" is 0.
type names struct {
	ids  map[string]uint32
	text []string
	last string // most events repeat the value of the one before
	lid  uint32
}

func newNames() names {
	return names{ids: map[string]uint32{"": 0}, text: []string{""}}
}

func (n *names) id(s string) uint32 {
	if s == n.last {
		return n.lid
	}
	id, ok := n.ids[s]
	if !ok {
		s = strings.Clone(s)
		id = uint32(len(n.text))
		n.ids[s] = id
		n.text = append(n.text, s)
	}
	n.last, n.lid = n.text[id], id
	return id
}

// least merges two values of a field that only one event should have set: the
// lesser text that is not empty. That is a semilattice, so order does not matter.
func (n *names) least(a, b uint32) uint32 {
	switch {
	case a == b || b == 0:
		return a
	case a == 0:
		return b
	case n.text[a] < n.text[b]:
		return a
	}
	return b
}
