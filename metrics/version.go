package metrics

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrVersion is wrapped by every error about a malformed version.
var ErrVersion = errors.New("malformed version")

// Version orders the writes of one key. It is one of a sequence number, a hybrid
// logical clock (Kulkarni et al. 2014) or a version vector (Parker et al. 1983).
// Versions of different kinds, and the zero Version, are incomparable.
//
// Text holds the canonical form, so two Versions are the same version exactly
// when they are == .
type Version struct {
	Kind VersionKind
	Seq  uint64 // for VersionSeq
	Text string // for VersionHLC and VersionVV: canonical text
}

// VersionKind says how versions are compared.
type VersionKind uint8

// The kinds of version.
const (
	VersionNone VersionKind = iota
	VersionSeq
	VersionHLC
	VersionVV
)

// Order is the outcome of comparing two versions.
type Order uint8

// The outcomes of Compare.
const (
	Incomparable Order = iota // different kinds, or a version is missing
	Before
	Same
	After
	Concurrent // both are known and neither includes the other
)

// SeqVersion returns the version {"seq": n}.
func SeqVersion(n uint64) Version { return Version{Kind: VersionSeq, Seq: n} }

// IsZero reports whether no version was given.
func (v Version) IsZero() bool { return v.Kind == VersionNone }

// TotalOrder reports whether versions of this kind are never concurrent.
func (k VersionKind) TotalOrder() bool { return k == VersionSeq || k == VersionHLC }

// String returns "seq:17", "hlc:…", "vv:eu=4,us=2", or "" for no version.
func (v Version) String() string {
	switch v.Kind {
	case VersionSeq:
		return "seq:" + strconv.FormatUint(v.Seq, 10)
	case VersionHLC:
		return "hlc:" + v.Text
	case VersionVV:
		return "vv:" + v.Text
	}
	return ""
}

// ParseVersion reads what String writes.
func ParseVersion(s string) (Version, error) {
	if s == "" {
		return Version{}, nil
	}
	kind, rest, ok := strings.Cut(s, ":")
	if !ok {
		return Version{}, fmt.Errorf("%w %q: want seq:N, hlc:WALL.LOGICAL or vv:NODE=N,…", ErrVersion, s)
	}
	switch kind {
	case "seq":
		n, err := strconv.ParseUint(rest, 10, 64)
		if err != nil {
			return Version{}, fmt.Errorf("%w %q: seq must be an unsigned 64-bit integer", ErrVersion, s)
		}
		return SeqVersion(n), nil
	case "hlc":
		return HLCVersion(rest)
	case "vv":
		m := map[string]uint64{}
		if rest != "" {
			for part := range strings.SplitSeq(rest, ",") {
				node, num, found := strings.Cut(part, "=")
				n, err := strconv.ParseUint(num, 10, 64)
				if !found || err != nil {
					return Version{}, fmt.Errorf("%w %q: want vv:NODE=N,NODE=N", ErrVersion, s)
				}
				m[node] = n
			}
		}
		return VVVersion(m)
	}
	return Version{}, fmt.Errorf("%w %q: the kind must be seq, hlc or vv", ErrVersion, s)
}

// HLCVersion reads a hybrid logical clock written WALL.LOGICAL or
// WALL.LOGICAL.NODE, where WALL and LOGICAL are unsigned decimals ('-', ':' and
// '@' also separate). Order is by wall, logical, then node.
func HLCVersion(s string) (Version, error) {
	wall, logical, node, err := splitHLC(s)
	if err != nil {
		return Version{}, err
	}
	text := strconv.FormatUint(wall, 10) + "." + strconv.FormatUint(logical, 10)
	if node != "" {
		text += "." + node
	}
	return Version{Kind: VersionHLC, Text: text}, nil
}

func splitHLC(s string) (wall, logical uint64, node string, err error) {
	bad := func() (uint64, uint64, string, error) {
		return 0, 0, "", fmt.Errorf("%w: hlc %q: want WALL.LOGICAL or WALL.LOGICAL.NODE with decimal WALL and LOGICAL", ErrVersion, s)
	}
	i := strings.IndexAny(s, ".-:@")
	if i < 0 {
		return bad()
	}
	w, rest := s[:i], s[i+1:]
	l := rest
	if j := strings.IndexAny(rest, ".-:@"); j >= 0 {
		l, node = rest[:j], rest[j+1:]
	}
	if wall, err = strconv.ParseUint(w, 10, 64); err != nil {
		return bad()
	}
	if logical, err = strconv.ParseUint(l, 10, 64); err != nil {
		return bad()
	}
	return wall, logical, node, nil
}

// maxVVNodes bounds a version vector.
const maxVVNodes = 64

// VVVersion returns the canonical version vector of m: entries that are 0 are
// left out, nodes are sorted. Node names may not contain '=' or ','.
func VVVersion(m map[string]uint64) (Version, error) {
	if len(m) > maxVVNodes {
		return Version{}, fmt.Errorf("%w: vv has %d nodes; at most %d are allowed", ErrVersion, len(m), maxVVNodes)
	}
	nodes := make([]string, 0, len(m))
	for n, c := range m {
		if n == "" || strings.ContainsAny(n, "=,") {
			return Version{}, fmt.Errorf("%w: vv node %q: a node name is not empty and has no '=' or ','", ErrVersion, n)
		}
		if c > 0 {
			nodes = append(nodes, n)
		}
	}
	slices.Sort(nodes)
	var b strings.Builder
	for i, n := range nodes {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(n)
		b.WriteByte('=')
		b.WriteString(strconv.FormatUint(m[n], 10))
	}
	return Version{Kind: VersionVV, Text: b.String()}, nil
}

// Entries iterates the entries of a version vector in order of node; of another kind
// there are none.
func (v Version) Entries(yield func(node string, n uint64) bool) {
	if v.Kind == VersionVV {
		v.vv(yield)
	}
}

// vv iterates the entries of a canonical version vector in order of node.
func (v Version) vv(yield func(node string, n uint64) bool) {
	for node, n, rest := nextEntry(v.Text); node != ""; node, n, rest = nextEntry(rest) {
		if !yield(node, n) {
			return
		}
	}
}

// nextEntry takes the first entry of what is left of a canonical version vector; at its
// end the node is empty, as that of no entry is.
func nextEntry(text string) (node string, n uint64, rest string) {
	part, rest, _ := strings.Cut(text, ",")
	node, num, _ := strings.Cut(part, "=")
	n, _ = strconv.ParseUint(num, 10, 64)
	return node, n, rest
}

// Compare says how a relates to b: Before means that b includes a.
func Compare(a, b Version) Order {
	if a.Kind != b.Kind || a.Kind == VersionNone {
		return Incomparable
	}
	switch a.Kind {
	case VersionSeq:
		return orderOf(cmp.Compare(a.Seq, b.Seq))
	case VersionHLC:
		aw, al, an, _ := splitHLC(a.Text)
		bw, bl, bn, _ := splitHLC(b.Text)
		return orderOf(cmp.Or(cmp.Compare(aw, bw), cmp.Compare(al, bl), strings.Compare(an, bn)))
	}
	return compareVV(a, b)
}

func orderOf(c int) Order {
	switch {
	case c < 0:
		return Before
	case c > 0:
		return After
	}
	return Same
}

func compareVV(a, b Version) Order {
	if a.Text == b.Text {
		return Same
	}
	aIn, bIn := true, true // a is within b, b within a
	xNode, xn, x := nextEntry(a.Text)
	yNode, yn, y := nextEntry(b.Text)
	for (xNode != "" || yNode != "") && (aIn || bIn) {
		c := strings.Compare(xNode, yNode)
		switch {
		case yNode == "" || xNode != "" && c < 0: // b has no such node
			aIn = false
			xNode, xn, x = nextEntry(x)
		case xNode == "" || c > 0:
			bIn = false
			yNode, yn, y = nextEntry(y)
		default:
			aIn, bIn = aIn && xn <= yn, bIn && yn <= xn
			xNode, xn, x = nextEntry(x)
			yNode, yn, y = nextEntry(y)
		}
	}
	switch {
	case aIn && !bIn:
		return Before
	case bIn && !aIn:
		return After
	}
	return Concurrent
}

// Vector returns the entries of a version vector; nil for other kinds.
func (v Version) Vector() map[string]uint64 {
	if v.Kind != VersionVV {
		return nil
	}
	m := map[string]uint64{}
	v.vv(func(n string, c uint64) bool { m[n] = c; return true })
	return m
}

// Dominates reports whether a includes b: a is the same as or after b.
func Dominates(a, b Version) bool {
	o := Compare(a, b)
	return o == Same || o == After
}

// Join returns the least version that includes both; ok is false when they are
// incomparable. The zero Version is the identity.
func Join(a, b Version) (v Version, ok bool) {
	if a.IsZero() {
		return b, true
	}
	if b.IsZero() {
		return a, true
	}
	switch Compare(a, b) {
	case Incomparable:
		return Version{}, false
	case Before, Same:
		return b, true
	case After:
		return a, true
	}
	m := a.Vector()
	for n, c := range b.Vector() {
		m[n] = max(m[n], c)
	}
	v, err := VVVersion(m)
	return v, err == nil
}
