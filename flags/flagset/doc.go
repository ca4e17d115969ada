// Package flagset is the catalogue of flags and cohorts: documents with revisions,
// compiled into one immutable eval.Set that evaluators share. A definition that
// cannot be compiled is refused before it is stored. It also knows how flags are
// used, and how much of the recent traffic a cohort holds.
package flagset
