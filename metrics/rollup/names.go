package rollup

import "strings"

// names gives each distinct string a small number; "" is 0.
type names struct {
	ids  map[string]uint32
	text []string
	near [nearNames]nearName // most events repeat values of those before
}

// nearName is a name that was asked for lately.
type nearName struct {
	text string
	id   uint32
}

// nearNames is a power of two.
const nearNames = 64

// near is where a name that is not empty may be found without looking it up.
func near(s string) uint {
	n := uint(len(s))
	return (n + 5*uint(s[n-1]) + 11*uint(s[n/2]) + 23*uint(s[0])) % nearNames
}

func newNames() names {
	return names{ids: map[string]uint32{"": 0}, text: []string{""}}
}

func (n *names) id(s string) uint32 {
	if s == "" {
		return 0
	}
	if id, ok := n.known(s); ok {
		return id
	}
	s = strings.Clone(s)
	id := uint32(len(n.text))
	n.ids[s] = id
	n.text = append(n.text, s)
	n.near[near(s)] = nearName{s, id}
	return id
}

// known returns the number of a name that is not empty, if it has one.
func (n *names) known(s string) (uint32, bool) {
	last := &n.near[near(s)]
	if s == last.text {
		return last.id, true
	}
	id, ok := n.ids[s]
	if ok {
		last.text, last.id = n.text[id], id
	}
	return id, ok
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
