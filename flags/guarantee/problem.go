package guarantee

import "tidemark/flags"

// Problem is one thing that is wrong with a document.
type Problem = flags.Problem

// ProblemsError is everything that is wrong with some documents. It wraps
// flags.ErrInvalid.
type ProblemsError = flags.ProblemsError

// FieldChange is one difference between two versions of a document.
type FieldChange = flags.FieldChange

// Author is who changes something, and why.
type Author = flags.Author

func asError(ps []Problem) error { return flags.AsProblems(ps) }
