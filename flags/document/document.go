// Package document reads and applies documents of every kind together: guarantees and
// routes, which package guarantee keeps, and flags, cohorts, rollout plans,
// reconciliation rules and labels, which package flagset keeps. Flagd's own files are taken as
// they are.
package document

import (
	"tidemark/flags"
	"tidemark/flags/flagset"
	"tidemark/flags/guarantee"
)

// Batch is what some files say. All of it becomes current, or none.
type Batch struct {
	Promises []flags.Document
	Edits    []flagset.Edit // of the kinds that package flagset keeps; none deletes
}

// Len is how many documents there are.
func (b *Batch) Len() int { return len(b.Promises) + len(b.Edits) }

func (b *Batch) add(o *Batch) {
	b.Promises = append(b.Promises, o.Promises...)
	b.Edits = append(b.Edits, o.Edits...)
}

// Kinds lists every kind of document.
func Kinds() []flags.DocumentKind {
	return append([]flags.DocumentKind{flags.KindGuarantee, flags.KindRoute}, flagset.Kinds()...)
}

// Limits of what is read; those of one document are with its kind.
const (
	MaxBytes     = guarantee.MaxFileBytes // of one file, or of one request
	MaxDocuments = guarantee.MaxDocuments
)
