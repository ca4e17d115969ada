package flags

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxReason bounds the words that go into the history, in characters.
const maxReason = 500

// Author is who changes something, and why.
type Author struct {
	Actor  string // as in the audit log: key:NAME:ID, user:NAME or cli:NAME
	Reason string
}

// Check refuses a reason that is too long, or missing where one is needed.
func (a Author) Check(reasonNeeded bool) error {
	if reasonNeeded && strings.TrimSpace(a.Reason) == "" {
		return fmt.Errorf("%w: reason: is empty; say why, in at most %d characters", ErrInvalid, maxReason)
	}
	if utf8.RuneCountInString(a.Reason) > maxReason || !utf8.ValidString(a.Reason) {
		return fmt.Errorf("%w: reason: must be UTF-8 text of at most %d characters", ErrInvalid, maxReason)
	}
	return nil
}
