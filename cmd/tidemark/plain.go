package main

import (
	"fmt"
	"io"
	"unicode"
)

// plain writes words for people with the control characters of what they name (a file, a
// title, a server's answer) as [U+001B], so that nothing moves the terminal's cursor or
// colours what follows. Each Write holds whole characters.
type plain struct{ w io.Writer }

// Write implements io.Writer.
func (p plain) Write(text []byte) (int, error) {
	if _, err := p.w.Write(shown(text)); err != nil {
		return 0, err //nolint:wrapcheck // as the writer itself
	}
	return len(text), nil
}

func shown(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for _, r := range string(text) {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
			out = fmt.Appendf(out, "[U+%04X]", r)
		} else {
			out = append(out, string(r)...)
		}
	}
	return out
}
