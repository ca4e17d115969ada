package flags

import "errors"

// Errors of this side of tidemark. Wrap them with %w; test with errors.Is.
var (
	// ErrNotFound is about something that was never there or is gone.
	ErrNotFound = errors.New("not found")
	// ErrChanged means that somebody else changed the same thing first: read it
	// again and decide again. Nothing was stored.
	ErrChanged = errors.New("changed by someone else in the meantime")
	// ErrRefused means that the input was understood and a rule forbids it, such as
	// weakening a promise without a new major version. Nothing was stored.
	ErrRefused = errors.New("refused")
	// ErrInvalid means that the input breaks the rules of its own form.
	ErrInvalid = errors.New("invalid")
)
