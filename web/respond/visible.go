package respond

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// visible writes characters of a page's text that nobody sees as [U+202E]: those that
// turn the direction of what follows, have no width or are controls. A name with them
// would look like another. What is in tags and in fields to be edited stays as it is.
// Without such a character the page itself is returned.
func visible(page []byte) []byte {
	at := hiddenFrom(page, 0)
	if at < 0 {
		return page
	}
	out := make([]byte, 0, len(page)+256)
	for i := 0; i < len(page); {
		if page[i] == '<' {
			n := markup(page[i:])
			out = append(out, page[i:i+n]...)
			i += n
			continue
		}
		r, n := utf8.DecodeRune(page[i:])
		if hidden(r, before(page, i)) {
			out = fmt.Appendf(out, "[U+%04X]", r)
		} else {
			out = append(out, page[i:i+n]...)
		}
		i += n
	}
	return out
}

// hiddenFrom is the place of the first hidden character; -1 when there is none.
func hiddenFrom(page []byte, i int) int {
	for i < len(page) {
		if b := page[i]; b >= ' ' && b < 0x7f || b == '\n' || b == '\t' || b == '\r' {
			i++
			continue
		}
		r, n := utf8.DecodeRune(page[i:])
		if hidden(r, before(page, i)) {
			return i
		}
		i += n
	}
	return -1
}

func before(page []byte, i int) byte {
	if i == 0 {
		return ' '
	}
	return page[i-1]
}

// hidden reports whether nobody sees a character. Joiners belong to some scripts and to
// pictures, and have no purpose after an ASCII character.
func hidden(r rune, before byte) bool {
	switch r {
	case '\n', '\t', '\r':
		return false
	case '\u200c', '\u200d':
		return before < utf8.RuneSelf
	case '\u2028', '\u2029', '\u034f', '\u115f', '\u1160', '\u3164', '\uffa0':
		return true
	}
	return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// markup is the length of the tag at the beginning of a text, with what is in it when
// that is no text of the page.
func markup(s []byte) int {
	quoted := byte(0)
	end := len(s)
	for i, b := range s {
		if quoted != 0 {
			if b == quoted {
				quoted = 0
			}
			continue
		}
		if b == '"' || b == '\'' {
			quoted = b
		}
		if b == '>' {
			end = i + 1
			break
		}
	}
	for _, raw := range []string{"textarea", "script", "style"} {
		if bytes.HasPrefix(s[1:], []byte(raw)) {
			if i := bytes.Index(s[end:], []byte("</"+raw)); i >= 0 {
				return end + i
			}
		}
	}
	return end
}
