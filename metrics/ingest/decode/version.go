package decode

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tidemark/metrics"
)

// node is one entry of a version vector.
type node struct {
	name string
	n    uint64
}

// maxNodes is how many nodes metrics.VVVersion takes.
const maxNodes = 64

const versionForms = `version must be one of {"seq": 17}, {"hlc": "WALL.LOGICAL"} or {"vv": {"eu": 4}}`

// version reads an object with exactly one of seq, hlc and vv. bad says what was
// wrong with well-formed JSON; ok is false after a syntax error.
func (s *scanner) version() (v metrics.Version, bad string, ok bool) {
	if s.peek() != '{' {
		return v, versionForms, s.skip(1)
	}
	some, ok := s.open('{', '}')
	count, kind := 0, ""
	for some && ok {
		var name string
		if name, ok = s.key(); !ok {
			break
		}
		if name != kind && s.peek() != 'n' { // the same name again replaces it, as in all of JSON
			count++
			kind = name
		}
		if v, bad, ok = s.versionOr(v, bad, name); !ok {
			break
		}
		some, ok = s.more('}')
	}
	if ok && bad == "" && count != 1 {
		bad = versionForms
	}
	return v, bad, ok
}

// versionOr is versionOf, where null leaves what was there: encoders of unions
// write it for the forms that do not apply.
func (s *scanner) versionOr(v metrics.Version, bad, kind string) (metrics.Version, string, bool) {
	if s.peek() == 'n' {
		return v, bad, s.word("null")
	}
	return s.versionOf(kind)
}

func (s *scanner) versionOf(kind string) (v metrics.Version, bad string, ok bool) {
	switch c := s.peek(); {
	case kind == "seq" && (c == '-' || c-'0' <= 9):
		num, ok := s.number()
		n, fits := parseUint(num)
		if !fits {
			bad = "version.seq must be an unsigned 64-bit integer"
		}
		return metrics.SeqVersion(n), bad, ok
	case kind == "hlc" && c == '"':
		str, ok := s.str()
		if !ok {
			return v, "", false
		}
		v, bad = hlcVersion(str)
		return v, bad, true
	case kind == "vv" && c == '{':
		return s.vector()
	}
	return v, versionForms, s.skip(1)
}

// hlcVersion is metrics.HLCVersion, without its allocations when the text is
// already canonical.
func hlcVersion(str string) (v metrics.Version, bad string) {
	if canonicalHLC(str) {
		return metrics.Version{Kind: metrics.VersionHLC, Text: str}, ""
	}
	v, err := metrics.HLCVersion(str)
	if err != nil {
		return v, "version.hlc must be WALL.LOGICAL or WALL.LOGICAL.NODE with decimal WALL and LOGICAL"
	}
	return v, ""
}

func canonicalHLC(str string) bool {
	wall, rest, ok := strings.Cut(str, ".")
	if !ok || !canonicalNumber(wall) {
		return false
	}
	logical, node, named := strings.Cut(rest, ".")
	return canonicalNumber(logical) && named == (node != "")
}

// canonicalNumber reports whether s is how strconv would write a small uint64.
func canonicalNumber(s string) bool {
	if s == "" || len(s) > 19 || (s[0] == '0' && len(s) > 1) {
		return false
	}
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return true
}

// vector reads {"node": n, …} into the canonical text that metrics.VVVersion
// would make.
func (s *scanner) vector() (v metrics.Version, bad string, ok bool) {
	some, ok := s.open('{', '}')
	s.b.nodes = s.b.nodes[:0]
	for some && ok {
		var name, num string
		if name, ok = s.key(); !ok {
			return v, "", false
		}
		if c := s.peek(); c == '-' || c-'0' <= 9 {
			num, ok = s.number()
		} else {
			ok = s.skip(1)
		}
		n, fits := parseUint(num)
		if !fits && bad == "" {
			bad = fmt.Sprintf("version.vv[%s] must be an unsigned 64-bit integer", shorten(name))
		}
		if why := s.b.setNode(name, n); why != "" && bad == "" {
			bad = why
		}
		if ok {
			some, ok = s.more('}')
		}
	}
	if !ok || bad != "" {
		return v, bad, ok
	}
	return s.b.vectorVersion(), "", true
}

func (b *Batch) setNode(name string, n uint64) (bad string) {
	if name == "" || strings.ContainsAny(name, "=,") {
		return "version.vv: a node name is not empty and has no '=' or ','"
	}
	for i := range b.nodes {
		if b.nodes[i].name == name {
			b.nodes[i].n = n
			return ""
		}
	}
	if len(b.nodes) == maxNodes {
		return fmt.Sprintf("version.vv has more than %d nodes", maxNodes)
	}
	b.nodes = append(b.nodes, node{name, n})
	return ""
}

func (b *Batch) vectorVersion() metrics.Version {
	slices.SortFunc(b.nodes, func(x, y node) int { return cmp.Compare(x.name, y.name) })
	buf := b.scratch[:0]
	for _, x := range b.nodes {
		if x.n == 0 {
			continue
		}
		if len(buf) > 0 {
			buf = append(buf, ',')
		}
		buf = append(append(buf, x.name...), '=')
		buf = strconv.AppendUint(buf, x.n, 10)
	}
	b.scratch = buf
	return metrics.Version{Kind: metrics.VersionVV, Text: b.keep(buf)}
}

// shorten quotes what a sender wrote, cut to keep a message one sentence long.
func shorten(s string) string {
	if len(s) > 40 {
		s = strings.ToValidUTF8(s[:40], "") + "…"
	}
	return strconv.Quote(s)
}
